"""What a prediction says of the true probability: in logarithms, in float64, in NumPy.

A loss is least, for a sample whose true probability is eta, at a prediction that the loss decides.
For crossentropy that is eta itself. Of the others, this is the way back: from the prediction to the
eta whose expected loss is stationary there.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lossplug_core import DataError

__all__ = [
    "Array",
    "array",
    "asymmetric_logits",
    "binary_logits",
    "class_logs",
    "focal_logits",
    "focal_logs",
    "log_of",
    "log_per_class",
    "margin_logs",
    "poly_logs",
    "sigmoid",
    "softmax",
]

Array = np.ndarray[Any, np.dtype[Any]]

_TINY = float(np.finfo(np.float64).tiny)
_GAP = float(np.finfo(np.float64).epsneg)
_LARGE = 700.0


def array(x: Any) -> Array:
    """An array in float64 of anything that holds numbers, a tensor of any backend included."""
    if hasattr(x, "detach"):  # torch: NumPy takes neither gradients, nor bfloat16, nor devices
        x = x.detach().cpu().double().numpy()
    numbers: Array = np.asarray(x, dtype="float64")
    return numbers


def log_of(name: str, value: Any) -> Array:
    """The logarithm of a weight or prior, which must be positive to be divided by."""
    value = array(value)
    if not (np.isfinite(value) & (value > 0)).all():
        raise DataError(
            f"With this {name!r} the probabilities cannot be recovered.",
            expected=f"{name} above 0: what counts for nothing leaves no trace in the prediction",
            received=value.tolist(),
        )
    logs: Array = np.log(value)
    return logs


def log_per_class(name: str, value: Any, log_p: Array) -> Array:
    """The logarithm of a number per class."""
    logs = log_of(name, value)
    if logs.ndim and logs.shape != log_p.shape[-1:]:
        raise DataError(
            f"{name!r} does not fit the prediction.",
            expected=f"{name} of shape {log_p.shape[-1:]}, for y_pred of shape {log_p.shape}",
            received=logs.shape,
        )
    return logs


def binary_logits(y_pred: Any, *, from_logits: bool) -> Array:
    """The logit of each output."""
    numbers = array(y_pred)
    if from_logits:
        return numbers
    p = np.clip(_probabilities(numbers), _TINY, 1 - _GAP)
    return np.asarray(np.log(p) - np.log1p(-p))


def class_logs(y_pred: Any, *, from_logits: bool) -> Array:
    """The logarithms of the probabilities of classes, the last axis."""
    y_pred = array(y_pred)
    if y_pred.ndim == 0 or y_pred.shape[-1] < 2:
        raise DataError(
            "The prediction has fewer than two classes to choose from.",
            expected="y_pred of shape [..., classes]",
            received=y_pred.shape,
        )
    if not from_logits:
        y_pred = np.log(np.clip(_probabilities(y_pred), _TINY, None))
    return np.asarray(y_pred - np.logaddexp.reduce(y_pred, axis=-1, keepdims=True))


def sigmoid(z: Array) -> Array:
    """Without overflow."""
    return np.asarray(np.exp(-np.logaddexp(0.0, -z)))


def softmax(scores: Array) -> Array:
    """Without overflow, over the last axis."""
    return np.asarray(np.exp(scores - np.logaddexp.reduce(scores, axis=-1, keepdims=True)))


def focal_logits(z: Array, *, gamma: float, epsilon: float = 0.0) -> Array:
    """The logit of eta from that of p, of a focal loss, or of its first polynomial (poly-1).

    The part of a positive is l(p) = -(1-p)^gamma log p + epsilon (1-p)^(gamma+1), that of a
    negative l(1-p). The derivative of eta l(p) + (1-eta) l(1-p) is 0 where eta / (1-eta) is
    l'(1-p) / l'(p).
    """
    return np.asarray(z + _slope(-z, gamma, epsilon) - _slope(z, gamma, epsilon))


def focal_logs(log_p: Array, *, gamma: float, epsilon: float = 0.0) -> Array:
    """The same of classes that exclude each other: the logarithm of eta, but for a constant.

    The sum of eta_k l(p_k), where the p_k sum to 1, is least where all eta_k l'(p_k) are the same.
    """
    return np.asarray(log_p - _slope(_class_logits(log_p), gamma, epsilon))


def asymmetric_logits(
    z: Array, *, gamma_positive: float, gamma_negative: float, clip: float, constant: bool
) -> Array:
    """The logit of eta from that of p, of the asymmetric loss.

    A negative costs l(1-q) with q = max(p - clip, 0): below the clip only positives pull, up and
    out of there, so that eta is 0. `constant` focusing weights have no derivative.
    """
    q = sigmoid(z) - clip
    inside = np.clip(q, _TINY, 1 - _GAP)
    z_q = z if clip == 0 else np.log(inside) - np.log1p(-inside)
    # The logarithms of the derivatives with respect to p.
    slope = _constant_slope if constant else _slope
    negative = slope(-z_q, gamma_negative) + np.logaddexp(0.0, z_q)
    positive = slope(z, gamma_positive) + np.logaddexp(0.0, -z)
    return np.asarray(np.where((q > 0) | (clip == 0), negative - positive, -np.inf))


def margin_logs(log_p: Array, margins: Array) -> Array:
    """Of softmax crossentropy whose right class is given a margin, in units of the logits.

    With the margin, class k has the probability p_k e^-m_k / (1 - p_k (1 - e^-m_k)) where it is
    right. All derivatives of the expected loss are 0 where eta_k is proportional to
    p_k (1 - p_k (1 - e^-m_k)).
    """
    return np.asarray(log_p + np.logaddexp(log_p - _class_logits(log_p), log_p - margins))


def poly_logs(log_p: Array, epsilon: float) -> Array:
    """Of softmax crossentropy plus epsilon (1 - p): p / (1 + epsilon p)."""
    log_q = log_p - _class_logits(log_p)
    rest = np.log1p(epsilon) + log_p if epsilon > -1 else np.full_like(log_p, -np.inf)
    return np.asarray(log_p - np.logaddexp(log_q, rest))


def _slope(z: Array, gamma: float, epsilon: float = 0.0) -> Array:
    """log(-p l'(p)): of crossentropy 0."""
    focus = 1 + gamma * _tail(-z) + epsilon * (gamma + 1) * sigmoid(z)
    return np.asarray(_constant_slope(z, gamma) + np.log(np.maximum(focus, _TINY)))


def _constant_slope(z: Array, gamma: float) -> Array:
    """The same if (1-p)^gamma is a constant."""
    return np.asarray(-gamma * np.logaddexp(0.0, z))


def _tail(z: Array) -> Array:
    """softplus(z) / exp(z), which is 1 far below 0 and 0 far above it."""
    z = np.maximum(z, -_LARGE)
    return np.asarray(np.logaddexp(0.0, z) * np.exp(-z))


def _class_logits(log_p: Array) -> Array:
    """log(p / (1 - p)): where p is near 1, from the sum of the others."""
    top = np.argmax(log_p, axis=-1, keepdims=True)
    others = log_p.copy()
    np.put_along_axis(others, top, -np.inf, axis=-1)
    log_q = np.log1p(-np.exp(np.minimum(others, np.log(0.5))))
    np.put_along_axis(log_q, top, np.logaddexp.reduce(others, axis=-1, keepdims=True), axis=-1)
    return np.asarray(log_p - log_q)


def _probabilities(y_pred: Array) -> Array:
    if y_pred.size and not (y_pred.min() >= 0 and y_pred.max() <= 1 + 1e-5):
        raise DataError(
            "The predictions are no probabilities.",
            expected="numbers from 0 to 1",
            received=f"numbers from {y_pred.min()} to {y_pred.max()}",
            fix="say from_logits=True if they are logits.",
        )
    return y_pred
