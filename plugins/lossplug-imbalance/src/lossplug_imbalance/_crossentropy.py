"""Crossentropies from logits or probabilities, weighted and focal, that never overflow.

Everything is computed from log-probabilities. Logits give them exactly. Probabilities are clipped
to `[1e-7, 1 - 1e-7]` first, as in Keras; those of a softmax are divided by their sum before that.
"""

from __future__ import annotations

from typing import Any

from lossplug_core import ops
from lossplug_imbalance._powers import raised
from lossplug_imbalance._sigmoid import (
    costs_and_probabilities,
    focal_of_logits,
    logs_of_logits,
)

__all__ = [
    "centred",
    "log_complement",
    "sigmoid_crossentropy",
    "sigmoid_logs",
    "sigmoid_parts",
    "softmax_crossentropy",
    "softmax_logs",
]

_EPSILON = 1e-7
_TINY = 1e-30


def sigmoid_logs(y_pred: Any, *, from_logits: bool) -> tuple[Any, Any]:
    """The logarithms of the probabilities of yes and of no, each output by itself."""
    if from_logits:
        return logs_of_logits(y_pred)
    p = _clipped(y_pred)
    return ops.log(p), ops.log1p(-p)


def sigmoid_parts(y_pred: Any, *, from_logits: bool) -> tuple[Any, Any, Any, Any]:
    """Minus the logarithms of the probabilities of yes and of no, and these probabilities."""
    if from_logits:
        return costs_and_probabilities(y_pred)
    p = _clipped(y_pred)
    return -ops.log(p), -ops.log1p(-p), p, 1 - p


def softmax_logs(y_pred: Any, *, from_logits: bool) -> Any:
    """The logarithms of the probabilities of the classes, the last axis."""
    if from_logits:
        return ops.log_softmax(y_pred, axis=-1)
    total = ops.maximum(ops.sum(y_pred, axis=-1, keepdims=True), _EPSILON)
    return ops.log(_clipped(y_pred / total))


def centred(logits: Any) -> Any:
    """The logits of each sample less their largest, which a softmax ignores.

    Small numbers are added to these without being rounded away, however large the logits were.
    """
    return logits - ops.stop_gradient(ops.max(logits, axis=-1, keepdims=True))


def log_complement(log_p: Any) -> Any:
    """log(1 - p) from log p; at p = 1 a finite number, far below 0."""
    return ops.log(ops.maximum(-ops.expm1(log_p), _TINY))


def sigmoid_crossentropy(
    y_true: Any,
    y_pred: Any,
    *,
    from_logits: bool,
    gamma: Any = None,
    positive_weight: Any = None,
    negative_weight: Any = None,
) -> Any:
    """Binary crossentropy of each output; with `gamma`, focal."""
    gamma = 0.0 if gamma is None else gamma
    positive, negative = y_true, 1 - y_true
    if positive_weight is not None:
        positive = ops.cast(positive_weight, y_pred.dtype) * positive
    if negative_weight is not None:
        negative = ops.cast(negative_weight, y_pred.dtype) * negative
    if from_logits and isinstance(gamma, int | float):
        return focal_of_logits(y_pred, positive, negative, gamma)
    cost_of_yes, cost_of_no, p, not_p = sigmoid_parts(y_pred, from_logits=from_logits)
    positive = positive * cost_of_yes * raised(not_p, gamma, lambda: -cost_of_no)
    return positive + negative * cost_of_no * raised(p, gamma, lambda: -cost_of_yes)


def softmax_crossentropy(
    one_hot: Any, y_pred: Any, *, from_logits: bool, gamma: Any = None, class_weights: Any = 1.0
) -> Any:
    """Categorical crossentropy over the last axis; with `gamma`, focal."""
    log_p = softmax_logs(y_pred, from_logits=from_logits)
    terms = class_weights * one_hot * log_p
    if gamma is not None:
        terms = terms * raised(-ops.expm1(log_p), gamma, lambda: log_complement(log_p))
    return ops.sum(-terms, axis=-1)


def _clipped(p: Any) -> Any:
    return ops.clip(p, _EPSILON, 1 - _EPSILON)
