"""Hinge losses with a margin for each class."""

from __future__ import annotations

from typing import Any, Literal

from lossplug_core import Positive, loss, ops
from lossplug_imbalance._inputs import exclusive, independent, per_class

__all__ = ["margin_hinge", "multiclass_margin_hinge"]


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
    Use it where only decisions are needed: the scores become no probabilities, and a sample beyond
    its margin teaches nothing more. With a margin of 1 this is Keras's `hinge`, or `squared_hinge`.

    Keras looks at the whole batch to tell targets of 0 and 1 from targets of -1 and 1. Here every
    target is decided by itself: above 0 it is positive, else negative.

    Cost: less than that of binary crossentropy, for it has no exponentials. No state.

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


@loss(
    y_true="class_ids|one_hot",
    y_pred="logits",
    paper="doi:10.1162/15324430260185628",
    conventions={"torch": {"violations": "mean"}},
    range=(0, None),
    at_target="zero",
)
def multiclass_margin_hinge(
    y_true: Any,
    y_pred: Any,
    *,
    margin: Positive | tuple[Positive, ...] = 1.0,
    squared: bool = False,
    violations: Literal["max", "sum", "mean"] = "max",
) -> Any:
    r"""Hinge loss of classes that exclude each other, whose margin can differ between them.

    The score of the right class must be above all others by its margin: give the rare class a wider
    one. Use it where only decisions are needed: the scores become no probabilities, and a sample
    beyond its margin teaches nothing more. Where each output is a question of its own, it is
    `margin_hinge` that is meant.

    Implementations disagree on what counts. Crammer and Singer take the worst of the other classes,
    which is the default; Weston and Watkins take the sum over them. torch's `multi_margin_loss`
    divides that sum by the number of classes, the right one included; its `margin` is one number,
    and its `p=2` is `squared`. Keras's `categorical_hinge` is the first, but counts a score of 0
    among the others: the right class must be above 0 as well.

    Cost: about that of softmax crossentropy without its exponentials. No state.

    Formula:
        $$h_j = \max(0, m_y + x_j - x_y), \qquad
        L_{\text{max}} = \max_{j \ne y} h_j, \quad
        L_{\text{sum}} = \sum_{j \ne y} h_j, \quad
        L_{\text{mean}} = \frac{1}{K} \sum_{j \ne y} h_j$$

        where $x_j$ is the score of class $j$ of $K$, and $m_y$ the margin of the class $y$ that is
        right. If `squared`, each $h_j$ is. Of soft labels, $x_y$ and $m_y$ are the means, and
        $h_j$ counts by the part that is not of class $j$.

    Args:
        y_true: Class ids, shape `[batch, ...]` or `[batch, ..., 1]`; or one-hot or soft labels,
            shape `[batch, ..., classes]`. An id that is no class gives 0; `get_loss` refuses it,
            and in compiled code, which cannot, makes it NaN.
        y_pred: Scores, of which the highest is the decision, shape `[batch, ..., classes]`. Half
            precision is computed in float32.
        margin: How far the right class has to be above the others, above 0: one number, or one per
            class.
        squared: Whether to square what misses the margin.
        violations: Which of the other classes count: the worst, `"max"`, their `"sum"`, or that
            divided by the number of classes, `"mean"`.

    Returns:
        One value per sample and position, shape `[batch, ...]`.

    Raises:
        DataError: The shapes do not fit, or `margin` is neither one number nor one per class.

    Example:
        >>> from lossplug_imbalance import multiclass_margin_hinge
        >>> scores = [[2.0, 1.5, 0.0], [2.0, 1.5, 0.0]]
        >>> values = multiclass_margin_hinge([0, 2], scores, margin=(1.0, 1.0, 3.0))
        >>> [round(float(value), 4) for value in values]
        [0.5, 5.0]

    Reference:
        Crammer and Singer, On the Algorithmic Implementation of Multiclass Kernel-based Vector
        Machines, 2001, doi:10.1162/15324430260185628. Weston and Watkins, Support Vector Machines
        for Multi-Class Pattern Recognition, 1999.
    """
    y_true, y_pred = exclusive(y_true, y_pred)
    required = per_class("margin", margin, y_pred) - y_pred
    # The sum of the targets is 0 where an id is no class: then nothing is required.
    is_class = ops.sum(y_true, axis=-1, keepdims=True)
    missing = ops.relu(ops.sum(y_true * required, axis=-1, keepdims=True) + is_class * y_pred)
    missing = (1 - y_true) * (ops.square(missing) if squared else missing)
    if violations == "max":
        return ops.max(missing, axis=-1)
    return ops.sum(missing, axis=-1) if violations == "sum" else ops.mean(missing, axis=-1)
