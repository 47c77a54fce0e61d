"""Who is compared with whom, and what that gives for each anchor."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from lossplug_core import ops
from lossplug_core.choices import chosen
from lossplug_core.chunks import over_chunks
from lossplug_metric_learning._averages import Sums, averaged, counted
from lossplug_metric_learning._rows import Rows, Terms
from lossplug_metric_learning.distances import measure
from lossplug_metric_learning.matching import Matching
from lossplug_metric_learning.mining import Mining

__all__ = ["Pairs", "pairs_in_batch", "per_anchor"]


class Pairs(NamedTuple):
    """Anchors, and the references that they are compared with.

    Attributes:
        anchors: Embeddings `[anchors, features]`.
        references: Embeddings `[references, features]`; in a batch that is compared with itself,
            the very object that `anchors` is.
        labels: Labels of the anchors, `[anchors]`, or `[anchors, labels]` of 0 and 1.
        reference_labels: Labels of the references.
        places: Where each anchor itself is among the references, -1 if nowhere.
        valid: Which references there are, a mask `[references]`; all if None.
    """

    anchors: Any
    references: Any
    labels: Any
    reference_labels: Any
    places: Any
    valid: Any = None


def pairs_in_batch(labels: Any, embeddings: Any) -> Pairs:
    """Each sample of a batch with every other."""
    places = ops.arange(ops.shape(labels)[0])
    return Pairs(embeddings, embeddings, labels, labels, places)


def per_anchor(
    function: Callable[..., Any],
    pairs: Pairs,
    own: Mapping[str, Any],
    *,
    distance: str,
    average: str = "anchors",
    mining: Any = None,
    matching: Any = "shared",
    chunk: int | None = None,
    first: Callable[..., Any] | None = None,
) -> Any:
    """One value per anchor.

    Args:
        function: Of `Rows` and its own parameters: returns `Terms`, or several that are averaged
            apart.
        pairs: Whom to compare.
        own: The parameters of the function.
        distance: How far two embeddings are apart.
        average: How terms become values.
        mining: Which pairs count.
        matching: How rows of several labels are compared.
        chunk: How many anchors at a time.
        first: A function of `Rows` and the same parameters that finds one number for each anchor,
            for all of which the second one waits.
    """
    mine, match = chosen(Mining, mining), chosen(Matching, matching)
    weights = own.get("weights", {})

    def rows_of(anchors: Any, labels: Any, places: Any, references: Any) -> tuple[Rows, Any]:
        of_chunk = pairs._replace(anchors=anchors, labels=labels, references=references)
        rows = _compared(of_chunk, places, match)
        measured, offset = measure(distance, anchors, references)
        of_class = rows.positive
        rows = rows._replace(measured=measured, offset=offset, distance=distance)
        return (rows if mine is None else mine(rows)), of_class

    def given(values: Sequence[Any]) -> Mapping[str, Any]:
        return {**own, "weights": dict(zip(weights, values, strict=True))} if weights else own

    def one(anchors: Any, labels: Any, places: Any, references: Any, *values: Any) -> Any:
        rows, _ = rows_of(anchors, labels, places, references)
        return first(rows, **given(values))  # type: ignore[misc]

    inputs: tuple[Any, ...] = (pairs.anchors, pairs.labels, pairs.places)
    whole: tuple[Any, ...] = (pairs.references, *weights.values())
    found = None if first is None else over_chunks(one, inputs, chunk, whole=whole)

    def columns(anchors: Any, labels: Any, places: Any, *rest: Any) -> Any:
        of_anchors, of_references = None, None
        if found is not None:
            (of_anchors, *between, of_references) = rest
            rest = tuple(between)
        references, *values = rest
        rows, of_class = rows_of(anchors, labels, places, references)
        rows = rows._replace(of_anchors=of_anchors, of_references=of_references)
        result = function(rows, **given(values))
        groups = [result] if isinstance(result, Terms) else result
        sums = [column for group in groups for column in counted(group, average)]
        if average == "classes":
            sums.append(1.0 + ops.sum(ops.cast(of_class, anchors.dtype), axis=1))
        return ops.stack(sums, axis=1)

    if found is not None:
        inputs, whole = (*inputs, found), (*whole, found)
    sums = over_chunks(columns, inputs, chunk, whole=whole)
    of_groups = [sums[:, i] for i in range(sums.shape[1])]
    alike = of_groups.pop() if average == "classes" else None
    pieces = zip(of_groups[::2], of_groups[1::2], strict=True)
    return averaged([Sums(*piece) for piece in pieces], average, alike)


def _compared(pairs: Pairs, places: Any, match: Callable[..., Any]) -> Rows:
    """Which pairs are of one class, and which of two."""
    positive, negative = _alike(pairs.labels, pairs.reference_labels, match)
    columns = ops.arange(ops.shape(pairs.references)[0], dtype=places.dtype)
    others = ops.not_equal(columns[None, :], places[:, None])
    positive = ops.logical_and(positive, others)
    if len(pairs.labels.shape) > 1:  # a sample without labels is not alike itself
        negative = ops.logical_and(negative, others)
    if pairs.valid is not None:
        positive = ops.logical_and(positive, pairs.valid)
        negative = ops.logical_and(negative, pairs.valid)
    return Rows(
        pairs.anchors, pairs.references, None, None, positive, negative, labels=pairs.labels
    )


def _alike(labels: Any, others: Any, match: Callable[..., Any]) -> Any:
    if len(labels.shape) == 1:
        same = ops.equal(labels[:, None], others[None, :])
        return same, ops.logical_not(same)
    rows, columns = ops.cast(labels, "float32"), ops.cast(others, "float32")
    common = ops.matmul(rows, ops.transpose(columns))
    counts = ops.sum(rows, axis=1)[:, None] + ops.sum(columns, axis=1)[None, :]
    return match(common, counts - common)
