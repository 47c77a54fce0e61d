"""Class weights from how many samples the classes have, and the crossentropies that they weight."""

from __future__ import annotations

from typing import Any, Literal

from lossplug_core import ops
from lossplug_imbalance._crossentropy import sigmoid_crossentropy, softmax_crossentropy

__all__ = ["Crossentropy", "balanced_crossentropy", "class_weights"]

Crossentropy = Literal["softmax", "sigmoid", "focal"]
"""What is weighted; `"focal"` is sigmoid focal."""

_TINY = 1e-30


def balanced_crossentropy(
    one_hot: Any,
    y_pred: Any,
    counts: Any,
    *,
    beta: Any,
    crossentropy: Crossentropy,
    gamma: Any,
    from_logits: bool,
) -> Any:
    """A crossentropy weighted by the inverse effective numbers of samples of its classes."""
    weights = class_weights(counts, beta)
    if crossentropy == "softmax":
        return softmax_crossentropy(one_hot, y_pred, from_logits=from_logits, class_weights=weights)
    values = sigmoid_crossentropy(
        one_hot, y_pred, from_logits=from_logits, gamma=gamma if crossentropy == "focal" else None
    )
    return ops.sum(weights * one_hot, axis=-1) * ops.sum(values, axis=-1)


def class_weights(counts: Any, beta: Any) -> Any:
    """The inverse effective numbers of samples, scaled to a mean of 1."""
    weights = 1 / _effective_numbers(counts, beta)
    return weights / ops.mean(weights)


def _effective_numbers(counts: Any, beta: Any) -> Any:
    """(1 - beta**count) / (1 - beta), and its limits, without cancellation near beta = 1."""
    dtype = ops.dtype(counts)
    # The difference is taken first: exact for a tensor above 1/2, and for a float that rounds to 1.
    beta, gap = ops.cast(beta, dtype), ops.cast(1 - beta, dtype)
    below_one = gap > 0
    gap = ops.where(below_one, gap, 0.5)
    log_beta = ops.where(
        gap < 0.5, ops.log1p(-ops.minimum(gap, 0.5)), ops.log(ops.maximum(beta, _TINY))
    )
    return ops.where(below_one, -ops.expm1(counts * log_beta) / gap, counts)
