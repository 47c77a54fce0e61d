"""A function of some samples, applied to all of them, a few at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lossplug_core import ops

__all__ = ["over_chunks"]


def over_chunks(
    function: Callable[..., Any], rows: Sequence[Any], whole: Sequence[Any], chunk: Any
) -> Any:
    """`function(*rows, *whole)` where row i of the result depends on row i of the rows only.

    At most `chunk` rows are held at a time, forward and backward: the gradient calculates a chunk
    again. The last one is filled up with zeros, which are cut off again.

    Args:
        function: Of tensors `[rows, ...]`, and some as they are; returns one `[rows, ...]`.
        rows: Tensors with the same number of rows.
        whole: Tensors that it is given as they are. All that a gradient flows to has to be here or
            in the rows: TensorFlow loses it on the way to others.
        chunk: How many rows at a time.
    """
    from keras import remat

    size = ops.shape(rows[0])[0]
    if isinstance(size, int) and isinstance(chunk, int) and size <= chunk:
        return function(*rows, *whole)
    count = (size + chunk - 1) // chunk
    pieces = tuple(_pieces(x, count, chunk, count * chunk - size) for x in rows)
    again = remat(function)
    if _is_eager_jax((*rows, *whole)):
        # A loop of JAX's would be compiled anew at each call.
        parts = zip(*(ops.unstack(piece, count) for piece in pieces), strict=True)
        return ops.concatenate([again(*part, *whole) for part in parts], axis=0)[:size]
    result = ops.map(lambda piece: again(*piece, *whole), pieces)
    return ops.reshape(result, (-1, *ops.shape(result)[2:]))[:size]


def _pieces(x: Any, count: Any, chunk: Any, missing: Any) -> Any:
    """`[rows, ...]` as `[count, chunk, ...]`, filled up with zeros."""
    rest = tuple(ops.shape(x)[1:])
    filled = ops.concatenate([x, ops.zeros((missing, *rest), dtype=x.dtype)], axis=0)
    return ops.reshape(filled, (count, chunk, *rest))


def _is_eager_jax(tensors: Sequence[Any]) -> bool:
    """Whether JAX calculates at once. Of a gradient without `jit`, only targets tell that."""
    from keras.backend import backend

    if backend() != "jax":
        return False
    import jax

    return not all(isinstance(x, jax.core.Tracer) for x in tensors)
