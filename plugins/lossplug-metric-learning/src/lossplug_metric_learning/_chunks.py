"""A function of some anchors, applied to all of them, a few at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lossplug_core import ops

__all__ = ["over_chunks"]


def over_chunks(function: Callable[..., Any], inputs: Sequence[Any], chunk: int | None) -> Any:
    """`function(*inputs)` where row i of the result depends on row i of the inputs only.

    With a chunk, at most that many rows are held at a time, forward and backward: the gradient
    calculates a chunk again. The last one is filled up with zeros, which are cut off again.

    Args:
        function: Takes tensors `[rows, ...]`, returns one tensor `[rows, ...]`.
        inputs: Tensors with the same number of rows.
        chunk: How many rows at a time; all if None.
    """
    rows = ops.shape(inputs[0])[0]
    if chunk is None or (isinstance(rows, int) and rows <= chunk):
        return function(*inputs)
    from keras import remat

    count = (rows + chunk - 1) // chunk
    pieces = tuple(_pieces(x, count, chunk, count * chunk - rows) for x in inputs)
    again = remat(function)
    result = ops.map(lambda piece: again(*piece), pieces)
    return ops.reshape(result, (-1, *result.shape[2:]))[:rows]


def _pieces(x: Any, count: Any, chunk: int, missing: Any) -> Any:
    """`[rows, ...]` as `[count, chunk, ...]`, filled up with zeros."""
    rest = tuple(x.shape[1:])
    filled = ops.concatenate([x, ops.zeros((missing, *rest), dtype=x.dtype)], axis=0)
    return ops.reshape(filled, (count, chunk, *rest))
