"""Weights for classes from how many samples each of them has."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

from lossplug_core import ClassCounts, Fraction, NonNegative, loss, ops
from lossplug_core.statistics import class_counts
from lossplug_imbalance._crossentropy import sigmoid_crossentropy, softmax_crossentropy
from lossplug_imbalance._inputs import exclusive, per_class

__all__ = ["class_balanced"]


@loss(
    y_true="class_ids|one_hot",
    y_pred="logits|probabilities",
    paper="arXiv:1901.05555",
    adapts={"samples_per_class": class_counts},
)
def class_balanced(
    y_true: Any,
    y_pred: Any,
    *,
    samples_per_class: ClassCounts,
    beta: Fraction = 0.999,
    crossentropy: Literal["softmax", "sigmoid", "focal"] = "softmax",
    gamma: NonNegative = 2.0,
    from_logits: bool = False,
) -> Any:
    r"""Class-balanced loss: classes weighted by the inverse of their effective number of samples.

    The more samples a class has, the less each further one adds. `beta` says how fast: 0 weighs all
    classes alike, and 1, the limit, weighs them by the inverse of their number of samples. The
    weights are scaled to sum to the number of classes.

    The paper sums the sigmoid and focal forms over the classes, and so does this; the package
    balanced-loss averages its sigmoid form, and agrees on the others. Some copies of the original
    compute the softmax form as a binary crossentropy of softmax probabilities; the paper does not.

    Formula:
        $$w_k \propto \frac{1 - \beta}{1 - \beta^{n_k}}, \qquad \sum_{k=1}^{K} w_k = K$$
        $$L_{\text{softmax}} = -\sum_k w_k \, y_k \log p_k$$
        $$L_{\text{focal}} = -\Big(\sum_j w_j \, y_j\Big) \sum_k \left[
        y_k (1 - p_k)^\gamma \log p_k + (1 - y_k) \, p_k^\gamma \log (1 - p_k) \right]$$

        where $n_k$ is the number of samples, $y_k$ the target, and $p_k$ the predicted probability
        of class $k$ of $K$. The sigmoid form is the focal one with $\gamma = 0$.

    Args:
        y_true: Class ids, shape `[batch, ...]` or `[batch, ..., 1]`; or one-hot or soft labels,
            shape `[batch, ..., classes]`. An id that is no class gives 0; `get_loss` refuses it,
            and in compiled code, which cannot, makes it NaN.
        y_pred: Logits or probabilities, shape `[batch, ..., classes]`. Probabilities are clipped to
            `[1e-7, 1 - 1e-7]`; those of a softmax are divided by their sum first.
        samples_per_class: How many samples each class has in the training data, each above 0.
        beta: How much the number of samples matters, from 0, not at all, to 1, inversely.
        crossentropy: What is weighted: `"softmax"`, `"sigmoid"`, or `"focal"`, which is sigmoid
            focal.
        gamma: The focus on hard examples, at least 0. Only `"focal"` has it.
        from_logits: Whether `y_pred` are logits.

    Returns:
        One value per sample and position, shape `[batch, ...]`.

    Raises:
        DataError: The shapes do not fit, or `samples_per_class` does not have one value per class.

    Example:
        >>> from lossplug_imbalance import class_balanced
        >>> values = class_balanced(
        ...     [0, 1], [[0.5, 0.5], [0.5, 0.5]], samples_per_class=(900, 100), beta=0.999
        ... )
        >>> [round(float(value), 4) for value in values]
        [0.1916, 1.1947]

    Reference:
        Cui et al., Class-Balanced Loss Based on Effective Number of Samples, 2019,
        arXiv:1901.05555.
    """
    y_true, y_pred = exclusive(y_true, y_pred)
    weights = per_class("samples_per_class", _class_weights(samples_per_class, beta), y_pred)
    if crossentropy == "softmax":
        return softmax_crossentropy(y_true, y_pred, from_logits=from_logits, class_weights=weights)
    values = sigmoid_crossentropy(
        y_true, y_pred, from_logits=from_logits, gamma=gamma if crossentropy == "focal" else None
    )
    return ops.sum(weights * y_true, axis=-1) * ops.sum(values, axis=-1)


def _class_weights(samples_per_class: Sequence[float], beta: float) -> list[float]:
    """The inverse effective numbers of samples, scaled to a mean of 1."""
    weights = [1 / _effective_number(float(count), float(beta)) for count in samples_per_class]
    scale = len(weights) / math.fsum(weights)
    return [weight * scale for weight in weights]


def _effective_number(count: float, beta: float) -> float:
    """(1 - beta**count) / (1 - beta), and its limits, without cancellation near beta = 1."""
    if beta == 0:
        return 1.0
    if beta == 1:
        return count
    return math.expm1(count * math.log(beta)) / (beta - 1)
