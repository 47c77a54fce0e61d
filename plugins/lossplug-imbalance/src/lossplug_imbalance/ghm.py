"""Gradient harmonizing: examples weigh the less, the more others have a gradient like theirs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from annotated_types import Ge, Lt

from lossplug_core import PositiveInt, Weight, loss, ops
from lossplug_imbalance._crossentropy import sigmoid_crossentropy
from lossplug_imbalance._inputs import independent

__all__ = ["ghm"]

_Momentum = Annotated[float, Ge(0), Lt(1)]

_TINY = 1e-30
_SLACK = 1e-4  # of a bin: more than rounding, and less than anybody can see


def _states(bins: int, momentum: Any) -> dict[str, Weight]:
    # A schedule is not a number, and does not stay 0.
    return {} if momentum == 0 else {"frequencies": Weight((bins,), 0.0, trainable=False)}


@loss(
    y_true="binary",
    y_pred="logits|probabilities",
    paper="arXiv:1811.05181",
    conventions={"mmdetection": {"bins": 10, "momentum": 0.0, "divisor": "occupied_bins"}},
    weights=_states,
    compares_samples=True,
    memory="batch",
    range=(0, None),
    at_target="zero",
    stops_gradient=True,
)
def ghm(
    y_true: Any,
    y_pred: Any,
    *,
    weights: Mapping[str, Any] | None = None,
    bins: PositiveInt = 30,
    momentum: _Momentum = 0.0,
    divisor: Literal["bins", "occupied_bins"] = "bins",
    from_logits: bool = False,
) -> Any:
    r"""GHM-C: binary crossentropy weighted against the density of its gradients in the batch.

    Each output is an example, and the size of its gradient, $|p - y|$, is how hard it is. Sizes are
    counted in `bins` of equal width over the whole batch, and an example weighs the less, the more
    share its bin. Use it where both ends are crowded: easy negatives, as for `focal`, and outliers
    that never become easy, such as wrong labels, which `focal` makes count the most. It needs many
    outputs in a batch, as detection and dense prediction have: with few, counts are chance, and the
    weight of an example that is alone in its bin is the largest of all.

    The loss jumps where an example passes from bin to bin. What lies on an edge but for rounding
    stays together: sizes within a ten-thousandth of a bin below an edge count as on it. So all
    examples of an untrained model, whose probabilities are all 0.5, share a bin.

    The paper weighs by the density, and so divides by the number of `"bins"`. The authors' code,
    and mmdetection, divide by that of `"occupied_bins"`, with which the weights of a batch average
    to 1; the convention sets it.

    With `momentum` the frequencies of the bins are an exponential moving average over batches,
    corrected for its start, so that small batches have steadier weights; the batch at hand is part
    of it, in training and in evaluation, and only training keeps it. The loss then has a state,
    which a `TrainingModel` keeps and saves. mmdetection averages counts instead, from 0 without a
    correction, so that its first weights are too large, and those of empty bins are not forgotten:
    only without momentum are its numbers the same.

    Of several replicas, each compares the examples of its part of the batch, and the state is the
    mean of theirs; with `global_batch=True` those of all are compared.

    Cost: beside binary crossentropy, one pass that counts and one that looks the weights up. A
    state only with `momentum`.

    Formula:
        $$L_i = \frac{1}{K} \sum_{k=1}^{K} \frac{1}{M f_{b(i,k)}} \left[ -y_{ik} \log p_{ik}
        - (1 - y_{ik}) \log (1 - p_{ik}) \right], \qquad
        b(i, k) = \lfloor M \, |p_{ik} - y_{ik}| \rfloor$$
        $$f_b = \frac{s_b'}{\sum_c s_c'}, \qquad
        s_b' = \mu \, s_b + (1 - \mu) \, \frac{\#\{(i, k): b(i, k) = b\}}{N}$$

        where $y_{ik}$ is the target and $p_{ik}$ the predicted probability of output $k$ of $K$ at
        position $i$; $M$ is the number of bins, the last of which includes 1, or that of bins of
        the batch that are not empty; $N$ is the number of all outputs in the batch; and $s_b$ is
        the state, 0 at first, and $\mu$ the momentum. The weights are constants for the gradient.

    Args:
        y_true: 0 or 1, or a probability between them. Shape `[batch, ..., outputs]`, or `[batch]`.
        y_pred: Logits or probabilities, of the same shape. Probabilities are clipped to
            `[1e-7, 1 - 1e-7]`. Half precision is computed in float32.
        weights: The state, if there is momentum: `frequencies`, shape `[bins]`, the moving average.
        bins: Into how many bins the sizes of gradients are counted.
        momentum: How much of the frequencies a batch leaves, from 0, nothing, to below 1. The
            paper has 0.75.
        divisor: Whether weights are divided by the number of all `"bins"` or of `"occupied_bins"`.
        from_logits: Whether `y_pred` are logits.

    Returns:
        The mean over the outputs, shape `[batch, ...]`; one value per sample if `y_pred` is
        `[batch]`. With momentum, also the new state. Sample weights and masks change the values,
        not the counts.

    Raises:
        DataError: `y_true` does not have the shape of `y_pred`.

    Example:
        >>> from lossplug_core import get_loss
        >>> loss = get_loss("ghm", bins=2, reduction=None)
        >>> values = loss([[0.0], [0.0], [0.0], [1.0]], [[0.1], [0.1], [0.1], [0.1]])
        >>> [round(float(value), 4) for value in values]
        [0.0702, 0.0702, 0.0702, 4.6052]

    Reference:
        Li, Liu and Wang, Gradient Harmonized Single-stage Detector, 2019, arXiv:1811.05181.
    """
    y_true, y_pred = independent(y_true, y_pred)
    bin_of = _bins_of(y_true, y_pred, bins, from_logits=from_logits)
    counts = ops.segment_sum(
        ops.ones_like(ops.reshape(bin_of, (-1,))), ops.reshape(bin_of, (-1,)), num_segments=bins
    )
    # Counted in integers: a sum of ones in float32 ends at 2**24.
    counts = ops.cast(counts, y_pred.dtype)
    frequencies = counts / ops.maximum(ops.sum(counts), 1.0)
    updates = {}
    if weights:
        momentum, before = (ops.cast(x, y_pred.dtype) for x in (momentum, weights["frequencies"]))
        frequencies = momentum * before + (1 - momentum) * frequencies
        updates["frequencies"] = frequencies
        frequencies = frequencies / ops.maximum(ops.sum(frequencies), _TINY)
    occupied = counts > 0
    number = ops.sum(ops.cast(occupied, y_pred.dtype)) if divisor == "occupied_bins" else bins
    bin_weights = ops.where(occupied, 1 / (number * ops.where(occupied, frequencies, 1.0)), 0.0)
    example_weights = ops.take(bin_weights, bin_of, axis=0)
    costs = sigmoid_crossentropy(y_true, y_pred, from_logits=from_logits)
    values = ops.mean(example_weights * costs, axis=-1)
    return (values, updates) if weights else values


def _bins_of(y_true: Any, y_pred: Any, bins: int, *, from_logits: bool) -> Any:
    """The bin of each output: where the size of its gradient lies between 0 and 1."""
    y_pred = ops.stop_gradient(y_pred)
    p = ops.sigmoid(y_pred) if from_logits else ops.clip(y_pred, 0.0, 1.0)
    place = bins * ops.abs(p - y_true) + _SLACK
    return ops.clip(ops.cast(ops.floor(place), "int32"), 0, bins - 1)
