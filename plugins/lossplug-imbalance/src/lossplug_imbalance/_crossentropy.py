"""Crossentropies from logits or probabilities, weighted and focal, that never overflow.

Everything is computed from log-probabilities. Logits give them exactly. Probabilities are clipped
to `[1e-7, 1 - 1e-7]` first, as in Keras; those of a softmax are divided by their sum before that.
"""

from __future__ import annotations

from typing import Any

from lossplug_core import ops

__all__ = ["sigmoid_crossentropy", "softmax_crossentropy"]

_EPSILON = 1e-7
_TINY = 1e-30


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
    if from_logits:
        log_p, log_not_p = ops.log_sigmoid(y_pred), ops.log_sigmoid(-y_pred)
    else:
        p = ops.clip(y_pred, _EPSILON, 1 - _EPSILON)
        log_p, log_not_p = ops.log(p), ops.log1p(-p)
    positive = positive_weight * y_true * log_p
    negative = negative_weight * (1 - y_true) * log_not_p
    if gamma is not None:
        gamma = ops.cast(gamma, y_pred.dtype)
        # (1 - p)**gamma as exp(gamma * log(1 - p)): its gradient is finite, also where p is 1.
        positive = positive * ops.exp(gamma * log_not_p)
        negative = negative * ops.exp(gamma * log_p)
    return -(positive + negative)


def softmax_crossentropy(
    one_hot: Any, y_pred: Any, *, from_logits: bool, gamma: Any = None, class_weights: Any = 1.0
) -> Any:
    """Categorical crossentropy over the last axis; with `gamma`, focal."""
    if from_logits:
        log_p = ops.log_softmax(y_pred, axis=-1)
    else:
        total = ops.maximum(ops.sum(y_pred, axis=-1, keepdims=True), _EPSILON)
        log_p = ops.log(ops.clip(y_pred / total, _EPSILON, 1 - _EPSILON))
    terms = class_weights * one_hot * log_p
    if gamma is not None:
        log_not_p = ops.log(ops.maximum(-ops.expm1(log_p), _TINY))
        terms = terms * ops.exp(ops.cast(gamma, y_pred.dtype) * log_not_p)
    return ops.sum(-terms, axis=-1)
