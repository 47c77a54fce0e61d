"""A function of some anchors, applied to all of them, a few at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lossplug_core import ops

__all__ = ["over_chunks"]

_AT_ONCE = 2**20
"""Elements of a matrix that the caches of a CPU hold, and that are still worth a loop."""


def over_chunks(
    function: Callable[..., Any],
    inputs: Sequence[Any],
    chunk: Any,
    *,
    whole: Sequence[Any] = (),
) -> Any:
    """`function(*inputs, *whole)` where row i of the result depends on row i of the inputs only.

    With a chunk, at most that many rows are held at a time, forward and backward: the gradient
    calculates a chunk again. The last one is filled up with zeros, which are cut off again.

    Args:
        function: Takes tensors `[rows, ...]`, and some as they are; returns one `[rows, ...]`.
        inputs: Tensors with the same number of rows.
        chunk: How many rows at a time, a number or a tensor of one; as many as are fast if None.
        whole: Tensors that it is given as they are; first of all what rows are compared with. All
            that a gradient flows to has to be here: TensorFlow loses it on the way to others.
    """
    rows = ops.shape(inputs[0])[0]
    columns = ops.shape(whole[0])[0] if len(whole) else rows
    chunk = _fast(inputs[0], columns) if chunk is None else chunk
    if chunk is None or (isinstance(rows, int) and isinstance(chunk, int) and rows <= chunk):
        return function(*inputs, *whole)
    count = (rows + chunk - 1) // chunk
    pieces = tuple(_pieces(x, count, chunk, count * chunk - rows) for x in inputs)
    if _is_eager_jax((*inputs, *whole)):
        # A loop of JAX's would be compiled anew at each call.
        parts = zip(*(ops.unstack(piece, count) for piece in pieces), strict=True)
        return ops.concatenate([_again(function, (*part, *whole)) for part in parts], axis=0)[:rows]
    result = ops.map(lambda piece: _again(function, (*piece, *whole)), pieces)
    return ops.reshape(result, (-1, *ops.shape(result)[2:]))[:rows]


def _again(function: Callable[..., Any], arguments: Sequence[Any]) -> Any:
    """A function whose gradient calculates it again.

    Integers have no gradient. TensorFlow is not given them as arguments: it would warn of that.
    """
    from keras import remat

    floating = ["float" in str(ops.dtype(x)) for x in arguments]

    def of_floats(*floats: Any) -> Any:
        given = iter(floats)
        return function(
            *(next(given) if f else x for f, x in zip(floating, arguments, strict=True))
        )

    return remat(of_floats)(*(x for f, x in zip(floating, arguments, strict=True) if f))


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


def _fast(x: Any, columns: Any) -> int | None:
    """How many rows at a time are fast; None for all of them.

    A matrix that leaves a CPU's caches is read from memory by every operation on it. Chunks that
    stay there are faster, although the gradient calculates them again: with `jax` and `torch` by a
    third at 4096 samples, not with TensorFlow's loop, and not on a GPU.
    """
    if not isinstance(columns, int) or columns < 2048 or not _on_cpu(x):
        return None
    return max(_AT_ONCE // columns, 32)


def _on_cpu(x: Any) -> bool:
    from keras.backend import backend

    if backend() == "jax":
        import jax

        return bool(jax.default_backend() == "cpu")
    return backend() == "torch" and bool(x.device.type == "cpu")
