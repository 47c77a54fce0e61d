"""Crossentropies from logits or probabilities, weighted and focal, that never overflow.

Everything is computed from log-probabilities. Logits give them exactly. Probabilities are clipped
to `[1e-7, 1 - 1e-7]` first, as in Keras; those of a softmax are divided by their sum before that.
"""

from __future__ import annotations

from typing import Any

from lossplug_core import ops

__all__ = [
    "log_complement",
    "power",
    "sigmoid_crossentropy",
    "sigmoid_logs",
    "softmax_crossentropy",
    "softmax_logs",
]

_EPSILON = 1e-7
_TINY = 1e-30


def sigmoid_logs(y_pred: Any, *, from_logits: bool) -> tuple[Any, Any]:
    """The logarithms of the probabilities of yes and of no, each output by itself."""
    if from_logits:
        return ops.log_sigmoid(y_pred), ops.log_sigmoid(-y_pred)
    p = ops.clip(y_pred, _EPSILON, 1 - _EPSILON)
    return ops.log(p), ops.log1p(-p)


def softmax_logs(y_pred: Any, *, from_logits: bool) -> Any:
    """The logarithms of the probabilities of the classes, the last axis."""
    if from_logits:
        return ops.log_softmax(y_pred, axis=-1)
    total = ops.maximum(ops.sum(y_pred, axis=-1, keepdims=True), _EPSILON)
    return ops.log(ops.clip(y_pred / total, _EPSILON, 1 - _EPSILON))


def log_complement(log_p: Any) -> Any:
    """log(1 - p) from log p; at p = 1 a finite number, far below 0."""
    return ops.log(ops.maximum(-ops.expm1(log_p), _TINY))


def power(log_base: Any, exponent: Any) -> Any:
    """base**exponent from log base: its gradient is finite for any exponent, also at base = 0."""
    return ops.exp(ops.cast(exponent, log_base.dtype) * log_base)


def sigmoid_crossentropy(
    y_true: Any,
    y_pred: Any,
    *,
    from_logits: bool,
    gamma: Any = None,
    positive_weight: Any = 1.0,
    negative_weight: Any = 1.0,
) -> Any:
    """Binary crossentropy of each output; with `gamma`, focal."""
    positive_weight = ops.cast(positive_weight, y_pred.dtype)
    negative_weight = ops.cast(negative_weight, y_pred.dtype)
    log_p, log_not_p = sigmoid_logs(y_pred, from_logits=from_logits)
    positive = positive_weight * y_true * log_p
    negative = negative_weight * (1 - y_true) * log_not_p
    if gamma is not None:
        positive = positive * power(log_not_p, gamma)
        negative = negative * power(log_p, gamma)
    return -(positive + negative)


def softmax_crossentropy(
    one_hot: Any, y_pred: Any, *, from_logits: bool, gamma: Any = None, class_weights: Any = 1.0
) -> Any:
    """Categorical crossentropy over the last axis; with `gamma`, focal."""
    log_p = softmax_logs(y_pred, from_logits=from_logits)
    terms = class_weights * one_hot * log_p
    if gamma is not None:
        terms = terms * power(log_complement(log_p), gamma)
    return ops.sum(-terms, axis=-1)
