"""Weights for classes whose numbers of samples are counted in training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lossplug_core import Fraction, NonNegative, NumClasses, Weight, loss, ops
from lossplug_imbalance._balance import Crossentropy, balanced_crossentropy
from lossplug_imbalance._inputs import exclusive
from lossplug_imbalance._states import check_classes, summed_over_positions

__all__ = ["running_class_balanced"]

_TINY = 1e-30


def _states(num_classes: int) -> dict[str, Weight]:
    return {
        "frequencies": Weight((num_classes,), 1 / num_classes, trainable=False),
        "samples": Weight((), 0, trainable=False),
    }


@loss(
    y_true="class_ids|one_hot",
    y_pred="logits|probabilities",
    paper="arXiv:1901.05555",
    weights=_states,
    range=(0, None),
    at_target="zero",
)
def running_class_balanced(
    y_true: Any,
    y_pred: Any,
    *,
    weights: Mapping[str, Any],
    num_classes: NumClasses,
    decay: Fraction = 0.999,
    beta: Fraction = 0.999,
    crossentropy: Crossentropy = "softmax",
    gamma: NonNegative = 2.0,
    from_logits: bool = False,
) -> tuple[Any, dict[str, Any]]:
    r"""Class-balanced loss that counts the samples of each class in training.

    For data whose classes cannot be counted beforehand: streams, augmented data, crops. It is
    `class_balanced`, its numbers of samples replaced by running counts. Where the data can be
    counted, `get_loss("class_balanced").adapt(y_train)` knows them from the first step on.

    A batch is weighted by what was counted before it. So a sample costs the same in any batch, the
    weights do not depend on what they weigh, and evaluation, which counts nothing, uses those of
    training. The first batch is not weighted.

    The counts forget: each batch leaves `decay` of them. They are those of about the last
    `1 / (1 - decay)` batches, and with `decay = 1 - 1 / steps_per_epoch` settle at those of the
    training set. With 1 they count everything, and samples seen again are counted again: the counts
    grow from epoch to epoch, and unless `beta` is 1 the weights even out.

    A class that has not occurred counts as the rarest that has, so that outputs that are never used
    do not take the weights of the others; and every class counts as at least one sample.

    Cost: that of `class_balanced`, and a sum over the batch; its state is a number per class.

    Of several replicas, each counts its part of the batch, and `samples` are those of one replica;
    with `global_batch=True` they are those of all.

    Formula:
        $$n_k = \max\left(1, \begin{cases} c_k & c_k > 0 \\
        \min_{j: c_j > 0} c_j & c_k = 0 \end{cases}\right), \qquad c_k = N f_k$$
        $$w_k \propto \frac{1 - \beta}{1 - \beta^{n_k}}, \qquad \sum_{k=1}^{K} w_k = K$$
        $$c_k' = \delta c_k + \sum_i y_{ik}, \qquad N' = \sum_{k=1}^{K} c_k', \qquad
        f_k' = \frac{c_k'}{N'}$$

        where $w_k$ are the weights in the formula of `class_balanced`, $f_k$ the running frequency
        of class $k$ of $K$ among $N$ samples, $y_{ik}$ the target of class $k$ at position $i$ of
        the batch, $\delta$ the decay, and a prime marks what the next batch is weighted by.

    Args:
        y_true: Class ids, shape `[batch, ...]` or `[batch, ..., 1]`; or one-hot or soft labels,
            shape `[batch, ..., classes]`. Every position counts; a soft label counts for each class
            by its part. An id that is no class gives 0 and is not counted; `get_loss` refuses it,
            and in compiled code, which cannot, makes it NaN.
        y_pred: Logits or probabilities, shape `[batch, ..., classes]`. Probabilities are clipped to
            `[1e-7, 1 - 1e-7]`; those of a softmax are divided by their sum first. Half precision is
            computed in float32.
        weights: The states: `frequencies`, shape `[classes]`, which begin alike and sum to 1, and
            `samples`, one number, of how many they are the frequencies; it begins at 0.
        num_classes: The number of classes.
        decay: How much of the counts each batch leaves, from 0, nothing, to 1, all.
        beta: How much the number of samples matters, from 0, not at all, to 1, inversely.
        crossentropy: What is weighted: `"softmax"`, `"sigmoid"`, or `"focal"`, which is sigmoid
            focal.
        gamma: The focus on hard examples, at least 0. Only `"focal"` has it.
        from_logits: Whether `y_pred` are logits.

    Returns:
        One value per sample and position, shape `[batch, ...]`, and the new states. Sample weights
        and masks change the values, not the counts.

    Raises:
        DataError: The shapes do not fit, or `y_pred` does not have `num_classes` classes.

    Example:
        >>> from lossplug_core import get_loss
        >>> loss = get_loss("running_class_balanced", num_classes=2, decay=1.0)
        >>> even = [[0.5, 0.5]] * 4
        >>> [round(float(loss([0, 0, 0, 1], even)), 4) for _ in range(2)]
        [0.6931, 0.52]
        >>> loss.values()["frequencies"].tolist()
        [0.75, 0.25]

    Reference:
        Cui et al., Class-Balanced Loss Based on Effective Number of Samples, 2019,
        arXiv:1901.05555.
    """
    y_true, y_pred = exclusive(y_true, y_pred)
    check_classes(y_pred, num_classes)
    frequencies, samples = (
        ops.cast(weights[name], y_pred.dtype) for name in ("frequencies", "samples")
    )
    counts = samples * frequencies
    values = balanced_crossentropy(
        y_true,
        y_pred,
        _plausible(counts),
        beta=beta,
        crossentropy=crossentropy,
        gamma=gamma,
        from_logits=from_logits,
    )
    counts = ops.cast(decay, counts.dtype) * counts + summed_over_positions(y_true)
    samples = ops.sum(counts)
    found = counts / ops.maximum(samples, _TINY)
    return values, {
        "frequencies": ops.where(samples > 0, found, frequencies),
        "samples": samples,
    }


def _plausible(counts: Any) -> Any:
    """The counts of classes that have occurred; those of the rarest for those that have not."""
    occurred = counts > 0
    rarest = ops.min(ops.where(occurred, counts, ops.max(counts)))
    return ops.maximum(ops.where(occurred, counts, rarest), 1.0)
