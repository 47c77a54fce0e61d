"""What a loss of a batch is made of: anchors in rows, and in columns whom they are compared with.

A matrix `[anchors, references]` has a row for each anchor. In a loss of one batch the references
are the anchors themselves; with a memory they are what it remembers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from lossplug_core import ops

__all__ = [
    "NEVER",
    "Rows",
    "Terms",
    "closest_place",
    "farthest_place",
    "largest_where",
    "least_where",
    "log_sum_exp",
    "log_sum_exp_of_both",
    "masked_mean",
    "one_each",
    "shifted_logits",
    "terms",
]

NEVER = -3e38
"""A logit whose exponential is 0, but finite: the difference of two such is not NaN."""


class Rows(NamedTuple):
    """Some anchors, compared with all references.

    Attributes:
        anchors: Embeddings `[anchors, features]`.
        references: Embeddings `[references, features]`.
        measured: Distances, or similarities, `[anchors, references]`.
        offset: For similarities, the similarity of what is 0 apart; None if distances are measured.
        positive: Which pairs are of one class: a mask, never true for a sample with itself.
        negative: Which are of two classes.
        distance: The name of the distance.
        weight: How much each pair counts, `[anchors, references]`; None if all the same.
        labels: The labels of the anchors.
        of_anchors: What a first pass over the rows found for these anchors, `[anchors]`, or None.
        of_references: What it found for the references, `[references]`, or None.
    """

    anchors: Any
    references: Any
    measured: Any
    offset: float | None
    positive: Any
    negative: Any
    distance: str = "cosine"
    weight: Any = None
    labels: Any = None
    of_anchors: Any = None
    of_references: Any = None

    @property
    def distances(self) -> Any:
        """How far apart they are; 1 minus the cosine, minus an inner product."""
        return self.measured if self.offset is None else self.offset - self.measured

    @property
    def similarities(self) -> Any:
        """How similar they are; the cosine, the inner product, or minus a distance."""
        return -self.measured if self.offset is None else self.measured

    @property
    def compared(self) -> Any:
        """Which pairs count at all."""
        return ops.logical_or(self.positive, self.negative)

    @property
    def with_positives(self) -> Any:
        """Which anchors have a positive."""
        return ops.any(self.positive, axis=1)

    @property
    def with_negatives(self) -> Any:
        """Which anchors have a negative."""
        return ops.any(self.negative, axis=1)

    @property
    def with_both(self) -> Any:
        """Which anchors have a positive and a negative."""
        return ops.logical_and(self.with_positives, self.with_negatives)


class Terms(NamedTuple):
    """The terms of a loss (pairs, triplets, or anchors), added up for each anchor.

    Attributes:
        total: The sum of the anchor's terms, `[anchors]`.
        number: A function that tells how many there are, `[anchors]`.
        nonzero: A function that tells how many of them are above 0. Of the two, only what an
            average needs is asked for: each looks at all pairs once more.
    """

    total: Any
    number: Callable[[], Any]
    nonzero: Callable[[], Any]


def terms(values: Any, mask: Any, weight: Any = None) -> Terms:
    """Terms `[anchors, references]` where the mask is true."""
    values = ops.where(mask, values, 0.0)

    def how_many(counted: Any) -> Any:
        counted = ops.cast(counted, values.dtype)
        return ops.sum(counted if weight is None else counted * weight, axis=1)

    return Terms(
        ops.sum(values if weight is None else weight * values, axis=1),
        lambda: how_many(mask),
        lambda: how_many(values > 0),
    )


def one_each(values: Any, has_value: Any) -> Terms:
    """One term for each anchor that has one."""
    values = ops.where(has_value, values, 0.0)
    dtype = values.dtype
    return Terms(values, lambda: ops.cast(has_value, dtype), lambda: ops.cast(values > 0, dtype))


def masked_mean(values: Any, mask: Any) -> Any:
    """The mean of each row where the mask is true, and 0 where it nowhere is."""
    count = ops.sum(ops.cast(mask, values.dtype), axis=1)
    return ops.sum(ops.where(mask, values, 0.0), axis=1) / ops.maximum(count, 1.0)


def log_sum_exp(logits: Any, mask: Any, *, axis: int = 1) -> Any:
    """The log of the sum of exponentials where the mask is true; -3e38 where it nowhere is."""
    logits = ops.where(mask, logits, NEVER)
    largest = ops.stop_gradient(ops.max(logits, axis=axis, keepdims=True))
    total = ops.sum(ops.exp(logits - largest), axis=axis)
    # Where nothing counts, all are NEVER, and each exponential is 1: the log hardly changes it.
    return ops.log(total) + ops.squeeze(largest, axis)


def shifted_logits(logits: Any) -> tuple[Any, Any]:
    """Logits less the largest of their row, and the log of the sum of their exponentials.

    Small losses would drown in the rounding of large logits.
    """
    shifted = logits - ops.stop_gradient(ops.max(logits, axis=1, keepdims=True))
    return shifted, ops.log(ops.sum(ops.exp(shifted), axis=1))


def log_sum_exp_of_both(logits: Any, positive: Any, negative: Any) -> tuple[Any, Any]:
    """`log_sum_exp` of the positives, and of the negatives, of which no pair is both.

    Each exponential is taken once, with the largest logit of its kind taken off.
    """
    fixed = ops.stop_gradient(logits)
    masks = positive, negative
    tops = [ops.max(ops.where(mask, fixed, NEVER), axis=1, keepdims=True) for mask in masks]
    top = ops.where(positive, tops[0], ops.where(negative, tops[1], -NEVER))
    parts = ops.exp(logits - top)
    totals = [ops.sum(ops.where(mask, parts, 0.0), axis=1) for mask in masks]
    # The largest of a kind counts 1, so that only an empty kind has a sum of 0.
    first, second = (
        ops.log(ops.where(total > 0, total, 1.0)) + ops.squeeze(largest, 1)
        for total, largest in zip(totals, tops, strict=True)
    )
    return first, second


def farthest_place(distances: Any, mask: Any) -> Any:
    """Where the farthest of each row is for which the mask is true."""
    return ops.argmax(ops.where(mask, distances, -float("inf")), axis=1)


def closest_place(distances: Any, mask: Any) -> Any:
    """Where the closest of each row is for which the mask is true."""
    return ops.argmin(ops.where(mask, distances, float("inf")), axis=1)


def largest_where(values: Any, mask: Any) -> Any:
    """The largest of each row where the mask is true, as a column; minus infinity if it nowhere is.

    It is for comparisons: no gradient flows through it.
    """
    found = ops.max(ops.where(mask, values, -float("inf")), axis=1, keepdims=True)
    return ops.stop_gradient(found)


def least_where(values: Any, mask: Any) -> Any:
    """The least of each row where the mask is true, as a column; infinity if it nowhere is."""
    return -largest_where(-values, mask)
