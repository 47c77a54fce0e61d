"""Who is near whom: the references of each query in order, and which are of its class."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from lossplug_core import ops
from lossplug_core.tensors import at_least_float32
from lossplug_metric_learning._inputs import unit

__all__ = ["Distance", "Space", "nearest_first", "of_one_class", "space_of"]

Distance = Literal["euclidean", "cosine", "inner_product"]

_ROUNDING = {"float32": 2.0**-20, "float64": 2.0**-49}
"""Eight roundings: relative to the lengths of two vectors, nothing below this is a difference."""

_TINY = 1e-30


class Space(NamedTuple):
    """Embeddings, placed so that one matrix product compares them.

    Attributes:
        vectors: Embeddings `[samples, features]`.
        squares: Their squared lengths `[samples]`.
        floor: What a squared distance of 0 may become by rounding before they were placed.
    """

    vectors: Any
    squares: Any
    floor: Any

    def at(self, places: Any) -> Space:
        """Some of the samples."""
        vectors, squares = (ops.take(x, places, axis=0) for x in (self.vectors, self.squares))
        return Space(vectors, squares, self.floor)


def space_of(*sets: Any, distance: Distance, kept: Any = None) -> list[Space]:
    """Sets of embeddings in one space, in which moving and scaling all changes no order.

    Args:
        *sets: Embeddings `[samples, features]`, the references last.
        distance: What is to be compared.
        kept: A mask of the references that there are, if not all.
    """
    sets = tuple(ops.stop_gradient(at_least_float32(one)) for one in sets)
    sets, _ = _scaled([unit(one) for one in sets] if distance == "cosine" else sets)
    floor = _TINY
    if distance != "inner_product":
        # Embeddings far from the origin would differ in their last digits only.
        centre = _mean(sets[-1], kept)
        sets, size = _scaled([one - centre for one in sets])
        rounding = _ROUNDING[ops.dtype(size)]
        floor += sets[-1].shape[1] * ops.square(rounding / ops.maximum(size, rounding))
    return [Space(one, ops.sum(ops.square(one), axis=1), floor) for one in sets]


def of_one_class(labels: Any, reference_labels: Any) -> Any:
    """Which pairs share a label, `[queries, references]`: of ids, or of rows of 0 and 1."""
    if len(labels.shape) == 1:
        return ops.equal(labels[:, None], reference_labels[None, :])
    return ops.greater(ops.matmul(labels, ops.transpose(reference_labels)), 0.5)


def nearest_first(
    queries: Space, references: Space, same: Any, compared: Any, *, count: int, distance: Distance
) -> Any:
    """Whether each query's first, second, … nearest reference is of its class.

    Of references that are equally far, as far as the arithmetic can tell, those of other classes
    come first. So the result depends on no order, and equal embeddings retrieve nothing.

    Args:
        queries: The queries.
        references: What they are compared with, in the same space.
        same: Which pairs are of one class, `[queries, references]`.
        compared: Which pairs count, a mask that broadcasts to that shape.
        count: How many of the nearest to tell.
        distance: As in `space_of`.

    Returns:
        A mask `[queries, count]`, false where there are no more references.
    """
    products = ops.matmul(queries.vectors, ops.transpose(references.vectors))
    of_query, of_reference = queries.squares[:, None], references.squares[None, :]
    if distance == "inner_product":
        nearness, size = products, ops.sqrt(of_query * of_reference)
    else:  # twice the product minus what a query has in common with all references
        nearness, size = 2.0 * products - of_reference, of_query + of_reference
    doubt = _ROUNDING[ops.dtype(products)] * size + references.floor
    nearness = ops.where(same, nearness, nearness + doubt)
    nearness = ops.where(compared, nearness, float("-inf"))
    places = ops.top_k(nearness, count)[1]
    return ops.take_along_axis(ops.logical_and(same, compared), places, axis=1)


def _scaled(sets: Any) -> tuple[list[Any], Any]:
    """Sets whose largest component is 1, and which it was."""
    size = ops.max(ops.stack([ops.max(ops.abs(one), initial=0.0) for one in sets]))
    factor = ops.where(ops.greater(size, 0.0), size, 1.0)
    return [one / factor for one in sets], size


def _mean(vectors: Any, kept: Any) -> Any:
    if kept is None:
        return ops.mean(vectors, axis=0, keepdims=True)
    weights = ops.cast(kept, vectors.dtype)[:, None]
    total = ops.sum(vectors * weights, axis=0, keepdims=True)
    return total / ops.maximum(ops.sum(weights), 1.0)
