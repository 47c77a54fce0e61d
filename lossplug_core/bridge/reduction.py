"""Keras's own weighting, masking and reduction, for values that are computed elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

__all__ = ["Reduction"]


class Reduction(keras.losses.Loss):  # type: ignore[misc]
    """What Keras does with the values of a loss, whatever computes them.

    Args:
        values: Computes the values from the prediction.
        reduction: As in `keras.losses.Loss`.
        name: As in `keras.losses.Loss`.
        dtype: As in `keras.losses.Loss`.
    """

    def __init__(
        self, values: Callable[[Any], Any], reduction: str | None, name: str, dtype: str
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self._values = values

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The values."""
        del y_true
        return self._values(y_pred)
