"""Average precision, as a loss."""

from __future__ import annotations

from typing import Any

from lossplug_core import Positive, PositiveInt, loss, ops
from lossplug_core.chunks import over_chunks
from lossplug_imbalance._outputs import against_rest, per_sample

__all__ = ["smooth_average_precision"]

_AT_ONCE, _LEAST = 2**20, 32
"""Elements of a tensor that the caches of a CPU hold, and samples that are worth a loop."""


@loss(
    y_true="binary|class_ids|one_hot",
    y_pred="scores|logits|probabilities",
    paper="arXiv:2007.12163",
    compares_samples=True,
    memory="batch**2",
    range=(0, None),
)
def smooth_average_precision(
    y_true: Any,
    y_pred: Any,
    *,
    temperature: Positive = 0.01,
    chunk: PositiveInt | None = None,
) -> Any:
    r"""Smooth average precision: one minus average precision, its ranks made differentiable.

    Use it when positives are rare and those at the top of the ranking count, as the area under the
    precision-recall curve measures it. Average precision of a batch estimates that of all data with
    a bias, the larger the fewer positives the batch has: use large batches, with several of them.
    The ranking knows no threshold and no probabilities.

    The paper ranks by cosine similarities, and 0.01 suits numbers of that size: probabilities.
    Scores that are apart by much more than the temperature have no gradient; for logits begin near
    1. The smaller, the closer to average precision. Copies of the authors' code clip the exponent
    at 50, which ends the gradient there; here it fades by itself.

    Cost: all pairs of samples, for each output: N² sigmoids, forward and backward. The memory is
    that of `chunk` samples against all, and the gradient calculates the sigmoids of a chunk again.

    Formula:
        $$\frac{1}{N} \sum_{i=1}^{N} L_i = 1 - \frac{1}{|P|} \sum_{i \in P} \frac{R_i(P)}{R_i(P
        \cup Q)}, \qquad L_i = \frac{N}{|P|} \left( 1 - \frac{R_i(P)}{R_i(P \cup Q)} \right)
        \text{ for } i \in P$$
        $$R_i(S) = 1 + \sum_{j \in S, \, j \neq i} \sigma\left(\frac{s_j - s_i}{\tau}\right)$$

        where $P$ are the positives and $Q$ the negatives among the $N$ samples of the batch, $s$
        the scores, $R_i$ the soft rank of sample $i$ and $\tau$ the temperature. The value of a
        negative is 0. Where an output has no positives, values and gradient are 0, and where it has
        no negatives as well. With several outputs, $L_i$ is the mean over them.

    Args:
        y_true: 0 or 1, shape `[batch, ..., outputs]` or `[batch]`; one that is between them counts
            as positive by its value and as negative by the rest. Or class ids, shape `[batch, ...]`
            or `[batch, ..., 1]`, where the prediction has several outputs: each class against all
            others. An id that is no class is not ranked.
        y_pred: Scores, shape `[batch, ..., outputs]` or `[batch]`: probabilities, logits or any
            others. Positions are samples. Half precision is computed in float32.
        temperature: How far apart scores are in order, in their unit: at 5 times that, to 99 %.
        chunk: How many samples are compared with all others at a time. None is as many as are fast
            on a CPU: all of up to about 1000.

    Returns:
        The mean over the outputs, shape `[batch, ...]`; one value per sample if `y_pred` is
        `[batch]`. Sample weights and masks weigh the values, which are those of the positives; the
        ranks they do not change.

    Raises:
        DataError: `y_true` does not fit `y_pred`.

    Example:
        >>> from lossplug_imbalance import smooth_average_precision
        >>> values = smooth_average_precision([1.0, 0.0, 0.0, 1.0], [0.9, 0.6, 0.2, 0.3])
        >>> [round(float(value), 4) for value in values]
        [0.0, 0.0, 0.0, 0.6667]

    Reference:
        Brown et al., Smooth-AP: Smoothing the Path Towards Large-Scale Image Retrieval, 2020,
        arXiv:2007.12163.
    """
    positive, negative, scores = against_rest(y_true, y_pred)
    samples, outputs = ops.shape(scores)
    tau = ops.cast(temperature, scores.dtype)

    def lost(at: Any, place: Any, positive: Any, negative: Any, scores: Any, tau: Any) -> Any:
        """1 - precision at each of some samples; `[rows, outputs]`."""
        above = ops.sigmoid((scores[None] - at[:, None]) / tau)
        others = ops.cast(ops.arange(ops.shape(scores)[0], dtype="int32"), place.dtype)
        above = ops.where((others != place[:, None])[:, :, None], above, 0.0)
        wrong = ops.sum(above * negative, axis=1)
        return wrong / (1 + wrong + ops.sum(above * positive, axis=1))

    places = ops.cast(ops.arange(samples, dtype="int32"), scores.dtype)
    lost_at = over_chunks(
        lost,
        (scores, places),
        _chunk(samples, outputs) if chunk is None else chunk,
        whole=(positive, negative, scores, tau),
    )
    total = ops.sum(positive, axis=0)
    share = ops.cast(samples, scores.dtype) / ops.where(total > 0, total, 1.0)
    return per_sample(share * positive * lost_at, y_pred)


def _chunk(samples: Any, outputs: Any) -> Any:
    """How many samples at a time are fast: as many as a CPU's caches hold, all if they hold all."""
    if isinstance(samples, int) and isinstance(outputs, int):
        return max(1, min(samples, max(_LEAST, _AT_ONCE // max(1, samples * outputs))))
    rows = ops.maximum(_LEAST, _AT_ONCE // ops.maximum(1, samples * outputs))
    return ops.maximum(1, ops.minimum(samples, rows))
