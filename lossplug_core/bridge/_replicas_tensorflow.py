"""Replicas of a `tf.distribute.Strategy`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

__all__ = ["replicas_here"]

_GATHERED = (tf.float16, tf.float32, tf.float64, tf.int32, tf.int64)
"""What TensorFlow gathers; everything else is cast for the journey."""


def replicas_here(tensors: Sequence[Any]) -> Strategy | None:
    """The replicas of the strategy, of which this code runs on one."""
    del tensors
    # There is no context where a strategy sees all replicas at once.
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return None
    return Strategy(context)


@dataclass(frozen=True)
class Strategy:
    """The replicas, seen from one of them."""

    context: Any

    def share(self, tensors: Sequence[Any]) -> Share:
        """The batch to which the rows of these tensors belong."""
        size = tf.shape(tensors[0])[0]
        sizes = self.context.all_gather(tf.reshape(size, (1,)), axis=0)
        before = tf.reduce_sum(sizes[: self.context.replica_id_in_sync_group])
        return Share(self.context, before, size)

    def total(self, value: Any) -> Any:
        """The sum: Keras has divided by the number of replicas what is a mean."""
        return self.context.all_reduce(tf.distribute.ReduceOp.SUM, value)

    def agreed(self, value: Any) -> Any:
        """The value itself: the variable that takes it sees to the rest."""
        return value


@dataclass(frozen=True)
class Share:
    """The rows of one replica, in the whole batch."""

    context: Any
    start: Any
    size: Any

    def whole(self, rows: Any) -> Any:
        """The rows of all replicas. TensorFlow's own gradient of it is exact."""
        if rows.shape.rank == 0:
            return rows
        journey = rows.dtype
        if journey not in _GATHERED:
            journey = tf.float32 if rows.dtype.is_floating else tf.int64
        gathered = self.context.all_gather(tf.cast(rows, journey), axis=0)
        # In a graph it forgets the other axes.
        return tf.cast(tf.ensure_shape(gathered, [None, *rows.shape[1:]]), rows.dtype)

    def own(self, rows: Any) -> Any:
        """The rows of this replica."""
        return rows[self.start : self.start + self.size]
