"""What turns predictions back, where the weights or the focus of a loss moved them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lossplug_imbalance._links import (
    Array,
    binary_logits,
    class_logs,
    focal_logits,
    focal_logs,
    log_of,
    log_per_class,
    sigmoid,
    softmax,
)

__all__ = [
    "categorical_focal_probabilities",
    "focal_probabilities",
    "undo_binary_weights",
    "undo_class_weights",
]


def undo_binary_weights(
    y_pred: Any,
    *,
    positive_weight: float | Sequence[float] = 1.0,
    negative_weight: float | Sequence[float] = 1.0,
    from_logits: bool = False,
) -> Array:
    r"""Probabilities from a model whose positives and negatives had weights in training.

    For `weighted_binary_crossentropy`, sample weights, and `class_weight` of `fit`. For data of
    which negatives were thrown away: `positive_weight` is then all negatives over those kept.

    Formula:
        $$\eta = \frac{p / w^+}{p / w^+ + (1 - p) / w^-}$$

        where $p$ is the prediction, and $w^+$ and $w^-$ are the weights.

    Args:
        y_pred: Predictions of yes-or-no outputs, of any shape.
        positive_weight: The weight of positives, above 0: one number, or one per output.
        negative_weight: The weight of negatives, above 0: one number, or one per output.
        from_logits: Whether `y_pred` are logits.

    Returns:
        Probabilities of the shape of `y_pred`.

    Raises:
        DataError: A weight is not above 0, or `y_pred` holds no probabilities.

    Example:
        >>> undo_binary_weights([0.5, 0.9], positive_weight=9.0).round(4).tolist()
        [0.1, 0.5]

    Reference:
        King and Zeng, Logistic Regression in Rare Events Data, 2001,
        doi:10.1093/oxfordjournals.pan.a004868. Elkan, The Foundations of Cost-Sensitive Learning,
        2001.
    """
    shift = log_of("negative_weight", negative_weight) - log_of("positive_weight", positive_weight)
    return sigmoid(binary_logits(y_pred, from_logits=from_logits) + shift)


def undo_class_weights(
    y_pred: Any, class_weights: Sequence[float], *, from_logits: bool = False
) -> Array:
    r"""Probabilities from a model whose classes had weights in training.

    For `weighted_categorical_crossentropy`, and whatever else weighs softmax crossentropy.

    Formula:
        $$\eta_k = \frac{p_k / w_k}{\sum_j p_j / w_j}$$

        where $p_k$ is the prediction and $w_k$ the weight of class $k$.

    Args:
        y_pred: Predictions of classes that exclude each other, shape `[..., classes]`.
        class_weights: The weight of each class, above 0.
        from_logits: Whether `y_pred` are logits.

    Returns:
        Probabilities of the shape of `y_pred`.

    Raises:
        DataError: A weight is not above 0, or `y_pred` does not fit.

    Example:
        >>> undo_class_weights([[0.5, 0.5]], (1.0, 9.0)).round(4).tolist()
        [[0.9, 0.1]]

    Reference:
        Elkan, The Foundations of Cost-Sensitive Learning, 2001.
    """
    log_p = class_logs(y_pred, from_logits=from_logits)
    return softmax(log_p - log_per_class("class_weights", class_weights, log_p))


def focal_probabilities(
    y_pred: Any, *, gamma: float = 2.0, alpha: float | None = None, from_logits: bool = False
) -> Array:
    r"""Probabilities from a model trained with `focal`.

    Focal loss makes a model less sure than it should be: it is least at a prediction nearer to 1/2
    than the truth is. The way back has a closed form.

    Formula:
        $$\operatorname{logit} \eta = \log \frac{1 - \alpha}{\alpha} + (1 + \gamma) z
        + \log \frac{1 + \gamma \, h(z)}{1 + \gamma \, h(-z)}, \qquad
        h(z) = e^{-z} \log(1 + e^z)$$

        where $z$ is the logit of the prediction. Without `alpha`, the first term is 0.

    Args:
        y_pred: Predictions of yes-or-no outputs, of any shape.
        gamma: As in training, at least 0.
        alpha: As in training.
        from_logits: Whether `y_pred` are logits.

    Returns:
        Probabilities of the shape of `y_pred`.

    Raises:
        DataError: `alpha` is 0 or 1, or `y_pred` holds no probabilities.

    Example:
        >>> focal_probabilities([0.5, 0.8, 0.95], gamma=2.0).round(4).tolist()
        [0.5, 0.9765, 0.9997]

    Reference:
        Charoenphakdee et al., On Focal Loss for Class-Posterior Probability Estimation, 2021,
        arXiv:2011.09172, whose classes are equally weighted.
    """
    logits = focal_logits(binary_logits(y_pred, from_logits=from_logits), gamma=gamma)
    if alpha is not None:
        logits = logits + log_of("1 - alpha", 1 - alpha) - log_of("alpha", alpha)
    return sigmoid(logits)


def categorical_focal_probabilities(
    y_pred: Any,
    *,
    gamma: float = 2.0,
    alpha: float | Sequence[float] | None = None,
    from_logits: bool = False,
) -> Array:
    r"""Probabilities from a model trained with `categorical_focal`.

    Formula:
        $$\eta_k \propto \frac{p_k}{\alpha_k \left[ (1 - p_k)^\gamma
        - \gamma \, p_k (1 - p_k)^{\gamma - 1} \log p_k \right]}, \qquad \sum_k \eta_k = 1$$

        where $p_k$ is the prediction of class $k$.

    Args:
        y_pred: Predictions of classes that exclude each other, shape `[..., classes]`.
        gamma: As in training, at least 0.
        alpha: As in training: the weight of each class, above 0.
        from_logits: Whether `y_pred` are logits.

    Returns:
        Probabilities of the shape of `y_pred`.

    Raises:
        DataError: A weight is not above 0, or `y_pred` does not fit.

    Example:
        >>> categorical_focal_probabilities([[0.6, 0.3, 0.1]], gamma=2.0).round(4).tolist()
        [[0.7945, 0.1617, 0.0438]]

    Reference:
        Charoenphakdee et al., On Focal Loss for Class-Posterior Probability Estimation, 2021,
        arXiv:2011.09172.
    """
    log_p = class_logs(y_pred, from_logits=from_logits)
    scores = focal_logs(log_p, gamma=gamma)
    return softmax(scores if alpha is None else scores - log_per_class("alpha", alpha, log_p))
