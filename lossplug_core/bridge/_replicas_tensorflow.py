"""Replicas of a `tf.distribute.Strategy`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

__all__ = ["replicas_here"]

_SUMMED = (tf.float16, tf.float32, tf.float64, tf.int32, tf.int64)
"""What every device sums; everything else is cast for the journey."""


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
        place, count = self.context.replica_id_in_sync_group, self.context.num_replicas_in_sync
        size = tf.shape(tensors[0])[0]
        sizes = self.total(size * tf.one_hot(place, count, dtype="int32"))
        return Share(self, tf.reduce_sum(sizes[:place]), size, tf.reduce_sum(sizes))

    def total(self, value: Any) -> Any:
        """The sum: Keras has divided by the number of replicas what is a mean."""
        return self.context.all_reduce(tf.distribute.ReduceOp.SUM, value)

    def agreed(self, value: Any) -> Any:
        """The value itself: the variable that takes it sees to the rest."""
        return value


@dataclass(frozen=True)
class Share:
    """The rows of one replica, in the whole batch."""

    replicas: Strategy
    start: Any
    size: Any
    total: Any

    def whole(self, rows: Any) -> Any:
        """The rows of all replicas: the sum of what each has, among zeros.

        `all_gather` of TensorFlow does not work in graphs of several workers; `all_reduce` does,
        with its gradient.
        """
        if rows.shape.rank == 0:
            return rows
        journey = rows.dtype
        if journey not in _SUMMED:
            journey = tf.float32 if rows.dtype.is_floating else tf.int64
        after = self.total - self.start - self.size
        margins = [[self.start, after], *[[0, 0]] * (rows.shape.rank - 1)]
        whole = self.replicas.total(tf.pad(tf.cast(rows, journey), margins))
        return tf.cast(tf.ensure_shape(whole, [None, *rows.shape[1:]]), rows.dtype)

    def own(self, rows: Any) -> Any:
        """The rows of this replica."""
        return rows[self.start : self.start + self.size]
