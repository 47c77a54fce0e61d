"""Entropies from the logarithms of the probabilities of classes, the last axis."""

from __future__ import annotations

from typing import Any

from lossplug_core import ops

__all__ = ["crossentropy", "entropy", "total"]


def crossentropy(y_true: Any, log_p: Any) -> Any:
    """Of a target that is one-hot or soft, and a prediction."""
    return -ops.sum(y_true * log_p, axis=-1)


def entropy(log_p: Any) -> Any:
    """Of a prediction; a class of probability 0 adds 0, to the gradient as well."""
    return -ops.sum(ops.exp(log_p) * log_p, axis=-1)


def total(y_true: Any) -> Any:
    """The sum of a target: 1, or 0 where its id is no class.

    What does not depend on the label is multiplied by it, so that no label means no loss.
    """
    return ops.sum(y_true, axis=-1)
