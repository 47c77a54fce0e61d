"""Powers of probabilities, whose gradients are finite for every exponent and every probability."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lossplug_core import ops

__all__ = ["is_short", "power", "product", "raised"]

# No range: torch.compile looks in those for constants only, and a second number is none to it.
_SHORT = (0, 1, 2, 3, 4)


def power(log_base: Any, exponent: Any) -> Any:
    """base**exponent from log base: its gradient is finite for any exponent, also at base = 0."""
    return ops.exp(ops.cast(exponent, log_base.dtype) * log_base)


def is_short(exponent: Any) -> bool:
    """Whether an exponent is a small whole number, so that multiplying is the quickest way."""
    return isinstance(exponent, int | float) and exponent in _SHORT


def product(base: Any, exponent: float) -> Any:
    """base**exponent by multiplication, for an exponent that is short."""
    result = base if exponent else ops.ones_like(base)
    for _ in range(int(exponent) - 1):
        result = result * base
    return result


def raised(base: Any, exponent: Any, log_base: Callable[[], Any]) -> Any:
    """base**exponent: a product if the exponent is short, else from the logarithm of the base."""
    return product(base, exponent) if is_short(exponent) else power(log_base(), exponent)
