"""Who is near whom: the references of each query in order, and which are of its class."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from lossplug_core import ops
from lossplug_core.tensors import at_least_float32
from lossplug_metric_learning._inputs import unit

__all__ = ["Distance", "Nearest", "Space", "nearest", "of_one_class", "space_of"]

Distance = Literal["euclidean", "cosine", "inner_product"]

_ROUNDING = {"float32": 2.0**-20, "float64": 2.0**-49}
"""Eight roundings: relative to the lengths of two vectors, nothing below this is a difference."""

_TINY = 1e-30


class Space(NamedTuple):
    """Embeddings, placed so that one matrix product compares them.

    Attributes:
        vectors: Embeddings `[samples, features]`.
        squares: Their squared lengths `[samples]`.
        offsets: What to take off the products with each, `[samples]`: infinity if it is not there.
        factor: How often to take the products.
        floor: What a squared distance of 0 may become by rounding before they were placed.
    """

    vectors: Any
    squares: Any
    offsets: Any
    factor: float
    floor: Any

    def at(self, places: Any) -> Space:
        """Some of the samples."""
        samples = (self.vectors, self.squares, self.offsets)
        vectors, squares, offsets = (ops.take(x, places, axis=0) for x in samples)
        return Space(vectors, squares, offsets, self.factor, self.floor)


class Nearest(NamedTuple):
    """The nearest references of each query, `[queries, nearest]`.

    Attributes:
        nearness: The larger, the nearer.
        places: Which reference each is.
        doubt: How much rounding may have changed the nearness.
    """

    nearness: Any
    places: Any
    doubt: Any

    def hits(self, same: Any, compared: Any) -> Any:
        """Whether the first, the second, … is of the query's class.

        Of references that are equally far, as far as the arithmetic can tell, those of other
        classes come first. So the result depends on no order, and equal embeddings retrieve
        nothing.

        Args:
            same: Which are of the query's class.
            compared: Which count; the others come last, and are no hits.
        """
        nearness = ops.where(same, self.nearness, self.nearness + self.doubt)
        nearness = ops.where(compared, nearness, float("-inf"))
        order = ops.top_k(nearness, nearness.shape[1])[1]
        return ops.take_along_axis(ops.logical_and(same, compared), order, axis=1)

    def decided(self, count: int) -> Any:
        """Whether no reference that is not here could be among the first `count` of a query."""
        # The references further away may be longer, and with them the doubt.
        gaps = self.nearness[:, count - 1] - self.nearness[:, -1]
        return ops.all(ops.greater(gaps, 8.0 * ops.max(self.doubt, axis=1)))


def space_of(*sets: Any, distance: Distance, kept: Any = None) -> list[Space]:
    """Sets of embeddings in one space, in which moving and scaling all changes no order.

    Args:
        *sets: Embeddings `[samples, features]`, the references last.
        distance: What is to be compared.
        kept: A mask of the samples that there are, if not all.
    """
    given = [ops.stop_gradient(at_least_float32(one)) for one in sets]
    placed, _ = _scaled([unit(one) for one in given] if distance == "cosine" else given)
    floor = _TINY
    if distance != "inner_product":
        # Embeddings far from the origin would differ in their last digits only.
        centre = ops.mean(placed[-1], axis=0, keepdims=True)
        placed, size = _scaled([one - centre for one in placed])
        rounding = _ROUNDING[ops.dtype(size)]
        floor += placed[-1].shape[1] * ops.square(rounding / ops.maximum(size, rounding))
    return [_placed(one, distance, floor, kept) for one in placed]


def of_one_class(labels: Any, reference_labels: Any, places: Any) -> Any:
    """Whether the references in these places share a label with the queries, `[queries, places]`.

    Labels are ids, or rows of 0 and 1.
    """
    if len(labels.shape) == 1:
        return ops.equal(labels[:, None], ops.take(reference_labels, places, axis=0))
    shared = ops.matmul(labels, ops.transpose(reference_labels))
    return ops.greater(ops.take_along_axis(shared, places, axis=1), 0.5)


def nearest(queries: Space, references: Space, count: int) -> Nearest:
    """The `count` nearest references of each query, the nearest first."""
    products = ops.matmul(references.factor * queries.vectors, ops.transpose(references.vectors))
    nearness, places = ops.top_k(products - references.offsets[None, :], count)
    size = queries.squares[:, None] + ops.take(references.squares, places, axis=0)
    doubt = _ROUNDING[ops.dtype(products)] * size + references.floor
    return Nearest(nearness, places, doubt)


def _placed(vectors: Any, distance: Distance, floor: Any, kept: Any) -> Space:
    squares = ops.sum(ops.square(vectors), axis=1)
    inner = distance == "inner_product"
    offsets = ops.zeros_like(squares) if inner else squares
    if kept is not None:
        offsets = ops.where(kept, offsets, float("inf"))
    return Space(vectors, squares, offsets, 1.0 if inner else 2.0, floor)


def _scaled(sets: Any) -> tuple[list[Any], Any]:
    """Sets whose largest component is 1, and which it was."""
    size = ops.max(ops.stack([ops.max(ops.abs(one)) for one in sets]))
    factor = ops.where(ops.greater(size, 0.0), size, 1.0)
    return [one / factor for one in sets], size
