"""Other frequencies of classes than those of training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lossplug_imbalance._links import (
    Array,
    array,
    binary_logits,
    class_logs,
    log_of,
    log_per_class,
    sigmoid,
    softmax,
)

__all__ = ["correct_prior", "estimate_prior"]


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
    train = log_per_class("train_prior", train_prior, log_p)
    return softmax(log_p - train + log_per_class("target_prior", target_prior, log_p))


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
    train = log_per_class("train_prior", train_prior, log_p)
    prior = np.exp(train - np.logaddexp.reduce(train))
    for _ in range(max_iterations):
        before = prior
        # A class that does not occur tends to 0, and its logarithm to minus infinity.
        prior = softmax(log_p - train + np.log(np.maximum(prior, 1e-300))).mean(axis=0)
        if np.abs(prior - before).max() <= tolerance:
            break
    return np.asarray(prior[1] if binary else prior)
