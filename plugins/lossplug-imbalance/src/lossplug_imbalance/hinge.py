"""Hinge loss with a margin for each class."""

from __future__ import annotations

from typing import Any

from lossplug_core import Positive, loss, ops
from lossplug_imbalance._inputs import independent, per_class

__all__ = ["margin_hinge"]


@loss(
    y_true="signs",
    y_pred="scores",
    paper="doi:10.1007/BF00994018",
    range=(0, None),
    at_target="zero",
)
def margin_hinge(
    y_true: Any,
    y_pred: Any,
    *,
    margin: Positive | tuple[Positive, ...] = 1.0,
    squared: bool = False,
) -> Any:
    r"""Hinge loss whose margin can differ between classes.

    A class with a wider margin keeps the decision boundary further away: give it to the rare class.
    With a margin of 1 this is Keras's `hinge`, or `squared_hinge`.

    Keras looks at the whole batch to tell targets of 0 and 1 from targets of -1 and 1. Here every
    target is decided by itself: above 0 it is positive, else negative.

    Formula:
        $$L = \frac{1}{K} \sum_{k=1}^{K} \max(0, m_k - s_k x_k)$$

        where $x_k$ is the score, $s_k$ the sign of the target, -1 or 1, and $m_k$ the margin of
        output $k$ of $K$. If `squared`, each maximum is.

    Args:
        y_true: -1 or 1, or 0 or 1. Shape `[batch, ..., outputs]`, or `[batch]`.
        y_pred: Scores, whose sign is the decision, of the same shape. Half precision is computed in
            float32.
        margin: How far a score has to be on the right side of 0, above 0: one number, or one per
            class. With several outputs each is a class; a single output separates two, the negative
            and the positive, in this order.
        squared: Whether to square what misses the margin.

    Returns:
        The mean over the outputs, shape `[batch, ...]`; one value per sample if `y_pred` is
        `[batch]`.

    Raises:
        DataError: The shapes do not fit, or `margin` is neither one number nor one per class.

    Example:
        >>> from lossplug_imbalance import margin_hinge
        >>> values = margin_hinge([0, 0, 1, 1], [-0.5, 0.5, 0.5, 2.5], margin=(1.0, 2.0))
        >>> [round(float(value), 4) for value in values]
        [0.5, 1.5, 1.5, 0.0]

    Reference:
        Cortes and Vapnik, Support-Vector Networks, 1995, doi:10.1007/BF00994018. Li et al., The
        Perceptron Algorithm with Uneven Margins, 2002, for a margin per class.
    """
    y_true, y_pred = independent(y_true, y_pred)
    positive = ops.cast(y_true > 0, y_pred.dtype)
    missing = ops.relu(_margins(margin, positive, y_pred) - (2 * positive - 1) * y_pred)
    return ops.mean(ops.square(missing) if squared else missing, axis=-1)


def _margins(margin: Any, positive: Any, y_pred: Any) -> Any:
    """The margin of each output; of each sample's class, where a single output separates two."""
    if y_pred.shape[-1] != 1:
        return per_class("margin", margin, y_pred)
    margin = per_class("margin", margin, y_pred, classes=2)
    return ops.take(margin, ops.cast(positive, "int32")) if len(margin.shape) else margin
