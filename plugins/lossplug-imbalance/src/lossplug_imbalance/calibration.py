"""From the predictions of a model to probabilities: after training, in NumPy.

Losses that weigh classes, or easy against hard samples, teach a model something else than the
probability that a class is true. Where the mathematics of a loss says what, the functions here turn
predictions back. They take arrays or tensors of any backend, and give NumPy arrays in float64.

What they undo is the bias of a loss, exactly; not overfitting, which no formula knows. Look at
`expected_calibration_error` on data that training has not seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from lossplug_core import DataError
from lossplug_imbalance._links import (
    Array,
    array,
    binary_logits,
    class_logs,
    focal_logits,
    focal_logs,
    log_of,
    sigmoid,
    softmax,
)

__all__ = [
    "calibrated",
    "categorical_focal_probabilities",
    "correct_prior",
    "estimate_prior",
    "expected_calibration_error",
    "focal_probabilities",
    "undo_binary_weights",
    "undo_class_weights",
]


def calibrated(loss: Any, y_pred: Any) -> Array:
    r"""The probabilities that a prediction means, if the model was trained with this loss.

    It reads the parameters of the loss and applies the function of this module that undoes it.
    Parameters that change during training count as they are now: of a loss that has been trained
    with, as at the end.

    The classes are as frequent as in training, also where the loss made the model forget it, as
    `logit_adjusted` does; `correct_prior` changes that. `focal`, `poly1_focal`, `ldam`,
    `asymmetric` and the weighted crossentropies have maps, as have those of logit adjustment, of
    label smoothing, and Keras's crossentropies. Losses that compare samples, such as
    `pairwise_auc`, say nothing of probabilities.

    Args:
        loss: What `get_loss` gave, or a crossentropy of Keras.
        y_pred: What the model predicts, as the loss takes it: logits if its `from_logits` is true,
            else probabilities. A tensor or an array.

    Returns:
        Probabilities of the shape of `y_pred`.

    Raises:
        DataError: No function is known that undoes this loss.

    Example:
        >>> from lossplug_core import get_loss
        >>> loss = get_loss("weighted_binary_crossentropy", positive_weight=9.0)
        >>> calibrated(loss, [0.5, 0.9]).round(4).tolist()
        [0.1, 0.5]
    """
    from lossplug_imbalance._undo import undo

    return undo(loss, y_pred)


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
    return softmax(log_p - _of_classes("class_weights", class_weights, log_p))


def correct_prior(
    y_pred: Any,
    train_prior: float | Sequence[float],
    target_prior: float | Sequence[float],
    *,
    from_logits: bool = False,
) -> Array:
    r"""Probabilities where classes are as frequent as they will be, not as in training.

    For data that was resampled, and for models that are used elsewhere. What each class looks like
    must be the same; only how often it occurs may differ. Where that is not known,
    `estimate_prior` finds it in unlabelled data.

    Formula:
        $$\eta_k = \frac{p_k \, \pi'_k / \pi_k}{\sum_j p_j \, \pi'_j / \pi_j}$$

        where $p_k$ is the prediction, $\pi_k$ the frequency of class $k$ in training, and $\pi'_k$
        that where the model is used.

    Args:
        y_pred: Predictions: of one yes-or-no question, of any shape, or of classes that exclude
            each other, shape `[..., classes]`.
        train_prior: One number, the part of positives in training; or of each class its part.
        target_prior: The same where the model is used. As `train_prior`, need not sum to 1.
        from_logits: Whether `y_pred` are logits.

    Returns:
        Probabilities of the shape of `y_pred`.

    Raises:
        DataError: A prior is not between 0 and 1, or does not fit.

    Example:
        Positives were half of the training set, and are 1 in 100.

        >>> correct_prior([0.5, 0.99], train_prior=0.5, target_prior=0.01).round(4).tolist()
        [0.01, 0.5]

    Reference:
        Saerens et al., Adjusting the Outputs of a Classifier to New a Priori Probabilities, 2002,
        doi:10.1162/089976602753284446.
    """
    if np.ndim(train_prior) == 0 and np.ndim(target_prior) == 0:
        train, target = array(train_prior), array(target_prior)
        shift = log_of("target_prior", target) - log_of("train_prior", train)
        shift = (
            shift - log_of("1 - target_prior", 1 - target) + log_of("1 - train_prior", 1 - train)
        )
        return sigmoid(binary_logits(y_pred, from_logits=from_logits) + shift)
    log_p = class_logs(y_pred, from_logits=from_logits)
    train = _of_classes("train_prior", train_prior, log_p)
    return softmax(log_p - train + _of_classes("target_prior", target_prior, log_p))


def estimate_prior(
    y_pred: Any,
    train_prior: float | Sequence[float],
    *,
    from_logits: bool = False,
    tolerance: float = 1e-8,
    max_iterations: int = 10_000,
) -> Array:
    r"""How frequent classes are in data without labels, from predictions that are calibrated.

    By expectation and maximisation: the mean of the corrected probabilities is the next estimate.
    It is the most likely answer if the predictions are right under `train_prior`; undo the loss
    first.

    Formula:
        $$\pi' \leftarrow \frac{1}{N} \sum_{i=1}^{N} \eta_i(\pi')$$

        where $\eta_i(\pi')$ is what `correct_prior` makes of prediction $i$ of $N$.

    Args:
        y_pred: Predictions for the data, as in `correct_prior`.
        train_prior: One number, the part of positives in training; or of each class its part.
        from_logits: Whether `y_pred` are logits.
        tolerance: It ends when no part changes by more.
        max_iterations: It ends after so many.

    Returns:
        One number, or the part of each class; they sum to 1.

    Raises:
        DataError: A prior is not between 0 and 1, or does not fit.

    Example:
        Half of what a perfect model sees is positive now.

        >>> round(float(estimate_prior([1.0, 1.0, 0.0, 0.0], train_prior=0.1)), 4)
        0.5

    Reference:
        Saerens et al., Adjusting the Outputs of a Classifier to New a Priori Probabilities, 2002,
        doi:10.1162/089976602753284446.
    """
    if np.ndim(train_prior) == 0:
        z = binary_logits(y_pred, from_logits=from_logits).reshape(-1)
        y_pred = np.stack([np.zeros_like(z), z], axis=-1)
        positive = float(array(train_prior))
        train_prior, from_logits, binary = (1 - positive, positive), True, True
    else:
        binary = False
    log_p = class_logs(y_pred, from_logits=from_logits)
    log_p = log_p.reshape(-1, log_p.shape[-1])
    train = _of_classes("train_prior", train_prior, log_p)
    prior = np.exp(train - np.logaddexp.reduce(train))
    for _ in range(max_iterations):
        before = prior
        # A class that does not occur tends to 0, and its logarithm to minus infinity.
        prior = softmax(log_p - train + np.log(np.maximum(prior, 1e-300))).mean(axis=0)
        if np.abs(prior - before).max() <= tolerance:
            break
    return np.asarray(prior[1] if binary else prior)


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
    return softmax(scores if alpha is None else scores - _of_classes("alpha", alpha, log_p))


def expected_calibration_error(
    y_true: Any,
    y_prob: Any,
    *,
    sample_weight: Any = None,
    bins: int = 15,
    binning: Literal["width", "mass"] = "width",
) -> float:
    r"""How far predicted probabilities are from frequencies: 0 is calibrated.

    Predictions are sorted into bins. In each, the mean prediction is compared with how often it
    came true. Of a rare class most predictions lie in the lowest bin of equal width; bins of equal
    mass, quantiles, look where the predictions are. The error of a finite sample is above 0 for a
    perfect model too, the more so the more bins.

    Formula:
        $$\text{ECE} = \sum_{b} \frac{n_b}{N} \left| \bar y_b - \bar p_b \right|$$

        where $\bar p_b$ is the mean prediction and $\bar y_b$ how often it came true, of the $n_b$
        of $N$ predictions in bin $b$.

    Args:
        y_true: 0 or 1, of the shape of `y_prob` (a last axis of size 1 aside): every output is a
            prediction. Or class ids, for `y_prob` of shape `[..., classes]`: then the prediction is
            the probability of the most probable class, and it is true if that is the class.
        y_prob: Probabilities.
        sample_weight: How often each prediction counts: one number for each.
        bins: How many bins, at least 1.
        binning: `"width"`, equally wide bins from 0 to 1; or `"mass"`, equally many predictions in
            each, but equal predictions always in one.

    Returns:
        A number from 0 to 1.

    Raises:
        DataError: The shapes do not fit, or there is nothing to measure.

    Example:
        >>> expected_calibration_error([0, 0, 0, 1], [0.25, 0.25, 0.25, 0.25])
        0.0
        >>> round(expected_calibration_error([0, 0, 0, 1], [0.5, 0.5, 0.5, 0.5]), 4)
        0.25

    Reference:
        Guo et al., On Calibration of Modern Neural Networks, 2017, arXiv:1706.04599. Nixon et al.,
        Measuring Calibration in Deep Learning, 2019, arXiv:1904.01685, for equal mass.
    """
    truth, prob = _came_true(array(y_true), array(y_prob))
    weight = np.ones_like(prob) if sample_weight is None else array(sample_weight).reshape(-1)
    if weight.shape != prob.shape or not weight.sum() > 0:
        raise DataError(
            "The sample weights do not fit the probabilities.",
            expected=f"{len(prob)} numbers, not all 0",
            received=weight.shape,
        )
    edges = np.linspace(0, 1, bins + 1)[1:-1]
    if binning == "mass":
        order = np.argsort(prob, kind="stable")
        mass = np.cumsum(weight[order])
        edges = prob[order][np.searchsorted(mass, edges * mass[-1])]
    gaps = np.bincount(
        np.searchsorted(edges, prob), weights=weight * (truth - prob), minlength=bins
    )
    return float(np.abs(gaps).sum() / weight.sum())


def _came_true(y_true: Array, y_prob: Array) -> tuple[Array, Array]:
    """Flat: whether each prediction came true, and its probability."""
    if y_true.size == y_prob.size > 0:
        return y_true.reshape(-1), y_prob.reshape(-1)
    ids = y_true[..., 0] if y_true.shape[-1:] == (1,) else y_true
    if ids.size == 0 or ids.shape != y_prob.shape[:-1]:
        raise DataError(
            "The targets do not fit the probabilities.",
            expected="y_true of the shape of y_prob, or class ids, a last axis less; at least one",
            received=(y_true.shape, y_prob.shape),
        )
    truth = (y_prob.argmax(axis=-1) == ids).astype("float64")
    return truth.reshape(-1), y_prob.max(axis=-1).reshape(-1)


def _of_classes(name: str, value: Any, log_p: Array) -> Array:
    """The logarithm of a number per class."""
    logs = log_of(name, value)
    if logs.ndim and logs.shape != log_p.shape[-1:]:
        raise DataError(
            f"{name!r} does not fit the prediction.",
            expected=f"{name} of shape {log_p.shape[-1:]}, for y_pred of shape {log_p.shape}",
            received=logs.shape,
        )
    return logs
