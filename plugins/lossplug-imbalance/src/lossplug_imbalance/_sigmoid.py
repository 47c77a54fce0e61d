"""The sigmoid of logits: its logarithms, and focal crossentropy with its gradient in closed form.

They are what most losses here spend their time in. Compiled code gets everything from one
exponential and one logarithm. Torch runs op by op: what counts there is how many ops there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lossplug_core import ops
from lossplug_imbalance._powers import raised

__all__ = ["costs_and_probabilities", "focal_of_logits", "logs_of_logits"]


def logs_of_logits(logits: Any) -> tuple[Any, Any]:
    """The logarithms of p and of 1 - p, exact at both ends and in their gradients, also at 0."""
    if _runs_op_by_op():
        return -ops.softplus(-logits), -ops.softplus(logits)
    size = _size(logits)
    return _logs(logits, size, ops.exp(-size))


def focal_of_logits(logits: Any, positive: Any, negative: Any, gamma: float) -> Any:
    r"""Binary focal crossentropy of each output, whose gradient is

    $$\frac{\partial L}{\partial x} = w^- p^\gamma (p - \gamma (1 - p) \log (1 - p))
    - w^+ (1 - p)^\gamma (1 - p - \gamma p \log p)$$

    Args:
        logits: The logits $x$; $p$ is their sigmoid.
        positive: How much of each output is positive, times its weight, $w^+$; shaped like it.
        negative: How much of each output is negative, times its weight, $w^-$; shaped like it.
        gamma: The focus. A number: one that is a tensor may want a gradient, which this has not.
    """

    def focal(logits: Any, positive: Any, negative: Any) -> Any:
        value, slope = _value_and_slope(logits, positive, negative, gamma)

        def gradient(*given: Any, upstream: Any = None) -> Any:
            if upstream is None:
                (upstream,) = given
                return _gradients(slope, logits, (positive, negative), gamma, upstream)
            import torch  # which alone gives the arguments, and does not look into closures

            again, yes, no = given
            differentiated_again = torch.is_grad_enabled()
            found = _value_and_slope(again, yes, no, gamma)[1] if differentiated_again else slope
            return _gradients(found, again, (yes, no), gamma, upstream)

        return value, gradient

    return ops.custom_gradient(focal)(logits, positive, negative)


def _value_and_slope(logits: Any, positive: Any, negative: Any, gamma: float) -> tuple[Any, Any]:
    """The loss, and its derivative by the logits where that is wanted."""
    cost_of_yes, cost_of_no, p, not_p = costs_and_probabilities(logits)
    if gamma:
        positive = positive * _power(not_p, cost_of_no, gamma)
        negative = negative * _power(p, cost_of_yes, gamma)
    value = positive * cost_of_yes + negative * cost_of_no
    if not _wants_gradient(logits):
        return value, None
    if gamma:
        p, not_p = p + gamma * not_p * cost_of_no, not_p + gamma * p * cost_of_yes
    return value, negative * p - positive * not_p


def _gradients(
    slope: Any, logits: Any, weights: Sequence[Any], gamma: float, upstream: Any
) -> tuple[Any, ...]:
    by_logits = None if slope is None else upstream * slope
    if not any(map(_wants_gradient, weights)):
        return by_logits, None, None
    cost_of_yes, cost_of_no, p, not_p = costs_and_probabilities(logits)
    by_positive = upstream * _power(not_p, cost_of_no, gamma) * cost_of_yes
    return by_logits, by_positive, upstream * _power(p, cost_of_yes, gamma) * cost_of_no


def costs_and_probabilities(logits: Any) -> tuple[Any, Any, Any, Any]:
    """-log p, -log(1 - p), p and 1 - p."""
    if _runs_op_by_op():
        opposite = -logits
        costs = ops.softplus(opposite), ops.softplus(logits)
        return (*costs, ops.sigmoid(logits), ops.sigmoid(opposite))
    size = _size(logits)
    decay = ops.exp(-size)
    larger = 1 / (1 + decay)
    smaller = decay * larger
    is_yes = logits > 0
    log_p, log_not_p = _logs(logits, size, decay)
    p, not_p = ops.where(is_yes, larger, smaller), ops.where(is_yes, smaller, larger)
    return -log_p, -log_not_p, p, not_p


def _logs(logits: Any, size: Any, decay: Any) -> tuple[Any, Any]:
    """The logarithms of p and of 1 - p, from |x| and exp(-|x|)."""
    rest = ops.log1p(decay)
    return (logits - size) / 2 - rest, -(logits + size) / 2 - rest


def _size(logits: Any) -> Any:
    """|x|. At 0 its gradient is that of -x: so everything made of it is smooth there."""
    return ops.where(logits > 0, logits, -logits)


def _power(base: Any, cost: Any, exponent: float) -> Any:
    """base**exponent, where the cost is -log base."""
    return raised(base, exponent, lambda: -cost)


def _wants_gradient(tensor: Any) -> bool:
    """Whether to calculate a gradient: torch says so, and compilers drop what is not used."""
    return bool(getattr(tensor, "requires_grad", True))


def _runs_op_by_op() -> bool:
    import keras

    return bool(keras.backend.backend() == "torch")
