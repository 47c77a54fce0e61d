"""What is done with the outputs of a position, where implementations disagree."""

from __future__ import annotations

from typing import Any, Literal

from lossplug_core import ops

__all__ = ["Average", "averaged", "balanced"]

Average = Literal["outputs", "sum", "positives"]
"""The mean over the outputs, their sum, or their sum for each positive of the batch."""


def averaged(values: Any, y_true: Any, average: Average) -> Any:
    """One value per sample and position, of `[batch, ..., outputs]`.

    With `"positives"` the mean of the values is the sum over the batch divided by the positives in
    it, at least 1.
    """
    if average == "outputs":
        return ops.mean(values, axis=-1)
    values = ops.sum(values, axis=-1)
    if average == "sum":
        return values
    positives = ops.maximum(ops.sum(y_true), 1)
    return values * (ops.sum(ops.ones_like(values)) / positives)


def balanced(positive: Any, negative: Any, alpha: Any) -> Any:
    """The terms of positives and of negatives together; with `alpha`, that is how they weigh."""
    if alpha is None:
        return positive + negative
    alpha = ops.cast(alpha, positive.dtype)
    return alpha * positive + (1 - alpha) * negative
