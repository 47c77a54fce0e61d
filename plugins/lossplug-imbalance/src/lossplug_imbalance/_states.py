"""What losses that count in training have in common."""

from __future__ import annotations

from typing import Any

from lossplug_core import DataError, ops

__all__ = ["check_classes", "summed_over_positions"]


def check_classes(y_pred: Any, num_classes: int) -> None:
    """Refuse predictions of other classes than those that are counted.

    Raises:
        DataError: The last axis of `y_pred` has another size.
    """
    if y_pred.shape[-1] not in (None, num_classes):
        raise DataError(
            "The prediction has other classes than the loss.",
            expected=f"y_pred of shape [batch, ..., {num_classes}], as num_classes says",
            received=tuple(y_pred.shape),
        )


def summed_over_positions(per_class: Any) -> Any:
    """What all samples and positions of `[batch, ..., classes]` have together, for each class."""
    return ops.sum(per_class, axis=tuple(range(len(per_class.shape) - 1)))
