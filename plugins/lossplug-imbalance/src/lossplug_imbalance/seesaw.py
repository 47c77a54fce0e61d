"""Softmax crossentropy that spares rare classes, unless they are mistaken for others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lossplug_core import Fraction, NonNegative, NumClasses, Weight, loss, ops
from lossplug_imbalance._crossentropy import softmax_logs
from lossplug_imbalance._entropy import crossentropy
from lossplug_imbalance._inputs import exclusive
from lossplug_imbalance._states import check_classes, summed_over_positions

__all__ = ["seesaw"]

_TINY = 1e-30


def _states(num_classes: int) -> dict[str, Weight]:
    return {"counts": Weight((num_classes,), 0, trainable=False)}


@loss(
    y_true="class_ids|one_hot",
    y_pred="logits|probabilities",
    paper="arXiv:2008.10032",
    conventions={"mmdetection": {"p": 0.8, "q": 2.0, "min_score": 0.01}},
    weights=_states,
    range=(0, None),
    at_target="zero",
    stops_gradient=True,
)
def seesaw(
    y_true: Any,
    y_pred: Any,
    *,
    weights: Mapping[str, Any],
    num_classes: NumClasses,
    p: NonNegative = 0.8,
    q: NonNegative = 2.0,
    min_score: Fraction = 0.0,
    from_logits: bool = False,
) -> tuple[Any, dict[str, Any]]:
    r"""Seesaw loss: softmax crossentropy in which frequent classes push rare ones down less.

    Use it for long tails that nobody has counted: it counts the samples of each class in training.
    In a softmax, each sample of a frequent class pushes all other classes down, and there are so
    many of them that rare classes stay down. Here such a push is weakened by the ratio of the
    counts, `p` (mitigation), and strengthened where the model prefers the wrong class, `q`
    (compensation), so that rare classes do not become false alarms. For few classes of similar
    size it is crossentropy at a higher price.

    In mmdetection the probability by which the compensation divides is at least 0.01, which the
    convention of that name sets in `min_score`; the paper has no such limit. With many classes it
    matters: at the beginning all probabilities are below 0.01, and the limit leaves wrong classes
    without compensation. mmdetection also counts a batch before it weighs it; here it is weighed
    by what was counted before, so that a sample costs the same in any batch and in evaluation. The
    second classifier for objects against background that it has is not part of this loss.

    Of several replicas, each counts its part of the batch, and the state is the mean of their
    counts; with `global_batch=True` all count the whole batch.

    Cost: that of crossentropy and two more tensors of the size of the prediction; one number for
    each class is kept.

    Formula:
        $$L = -\sum_{i=1}^{K} y_i \log \frac{e^{z_i}}{e^{z_i} + \sum_{j \ne i} M_{ij} C_{ij}
        e^{z_j}}$$
        $$M_{ij} = \min\left(1, \frac{N_j}{N_i}\right)^p, \qquad
        C_{ij} = \max\left(1, \frac{\sigma_j}{\max(\sigma_i, \epsilon)}\right)^q$$

        where $y$ is the target, $z$ are the logits and $\sigma$ their softmax, which $C$ takes for
        a constant, $N_j$ is the number of samples of class $j$ of $K$ in the batches before, at
        least 1, and $\epsilon$ is `min_score`.

    Args:
        y_true: Class ids, shape `[batch, ...]` or `[batch, ..., 1]`; or one-hot labels, shape
            `[batch, ..., classes]`. Every position counts. In soft labels the class with the
            largest part is $i$ in the factors, and each counts by its part. An id that is no class
            gives 0 and is not counted; `get_loss` refuses it, and in compiled code, which cannot,
            makes it NaN.
        y_pred: Logits or probabilities, shape `[batch, ..., classes]`. Probabilities are divided by
            their sum, then clipped to `[1e-7, 1 - 1e-7]`; their logarithms are the logits. Half
            precision is computed in float32.
        weights: The state `counts`, shape `[classes]`: how many samples each class had. It begins
            at 0.
        num_classes: The number of classes.
        p: How much frequent classes spare rare ones, at least 0; 0 is not at all.
        q: How much mistakes are punished all the same, at least 0; 0 is not at all.
        min_score: The least probability of the right class that the compensation divides by.
        from_logits: Whether `y_pred` are logits.

    Returns:
        One value per sample and position, shape `[batch, ...]`, and the new state. Sample weights
        and masks change the values, not the counts.

    Raises:
        DataError: The shapes do not fit, or `y_pred` does not have `num_classes` classes.

    Example:
        >>> from lossplug_core import get_loss
        >>> loss = get_loss("seesaw", num_classes=2)
        >>> even = [[0.5, 0.5]] * 5
        >>> [round(float(loss([0, 0, 0, 0, 1], even)), 4) for _ in range(2)]
        [0.6931, 0.3667]
        >>> loss.values()["counts"].tolist()
        [8.0, 2.0]

    Reference:
        Wang et al., Seesaw Loss for Long-Tailed Instance Segmentation, 2021, arXiv:2008.10032.
    """
    y_true, y_pred = exclusive(y_true, y_pred)
    check_classes(y_pred, num_classes)
    counts = ops.cast(weights["counts"], y_pred.dtype)
    log_p = softmax_logs(y_pred, from_logits=from_logits)
    right = ops.one_hot(ops.argmax(y_true, axis=-1), num_classes, dtype=y_pred.dtype)
    log_factors = ops.cast(p, y_pred.dtype) * _log_mitigation(counts, right)
    log_factors += ops.cast(q, y_pred.dtype) * _log_compensation(log_p, right, min_score)
    log_ratios = ops.log_softmax(log_p + ops.stop_gradient(log_factors), axis=-1)
    values = crossentropy(y_true, log_ratios)
    return values, {"counts": counts + summed_over_positions(y_true)}


def _log_mitigation(counts: Any, right: Any) -> Any:
    """The logarithm of how much rarer each class is than the right one; 0 if it is not."""
    log_counts = ops.log(ops.maximum(counts, 1.0))
    return ops.minimum(log_counts - ops.sum(log_counts * right, axis=-1, keepdims=True), 0.0)


def _log_compensation(log_p: Any, right: Any, min_score: Any) -> Any:
    """The logarithm of how much likelier each class is than the right one; 0 if it is not."""
    least = ops.cast(min_score, log_p.dtype)
    log_right = ops.sum(log_p * right, axis=-1, keepdims=True)
    limited = ops.maximum(log_right, ops.log(ops.maximum(least, _TINY)))
    return ops.maximum(log_p - ops.where(least > 0, limited, log_right), 0.0)
