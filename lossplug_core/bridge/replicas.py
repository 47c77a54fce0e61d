"""Replicas that share a batch: how many there are, and the whole batch on each of them.

On JAX a distributed array is one array to the program, and there is nothing to do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

__all__ = ["over_whole_batch", "replicas"]


def replicas() -> int:
    """By how many Keras divides a loss, because the gradients of as many are summed."""
    if keras.backend.backend() != "tensorflow":
        return 1
    import tensorflow as tf

    return int(tf.distribute.get_strategy().num_replicas_in_sync)


def over_whole_batch(
    compute: Callable[[Any, Any, Any], tuple[Any, Any]], y_true: Any, y_pred: Any, further: Any
) -> tuple[Any, Any]:
    """What a loss gives for the samples of this replica, among those of all replicas."""
    return compute(y_true, y_pred, further)
