"""A metric for numbers of which only the last one matters."""

from __future__ import annotations

from typing import Any

import keras

__all__ = ["Latest"]


class Latest(keras.metrics.Mean):  # type: ignore[misc]
    """The last value that it was given."""

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        """Take a value, and forget the one before."""
        # Replicas add up their totals and their counts: the mean of equal values is right.
        del sample_weight
        self.total.assign(keras.ops.cast(values, self.dtype))
        self.count.assign(keras.ops.ones((), self.dtype))
