"""What the losses of most plugins do to their arguments before they calculate."""

from __future__ import annotations

from typing import Any

from lossplug_core import ops

__all__ = ["Shape", "at_least_float32", "fits", "numbers_of", "one_hot_of"]

Shape = tuple[int | None, ...]
"""A static shape, with None for sizes that are unknown while a graph is traced."""


def at_least_float32(x: Any) -> Any:
    """A tensor in float64 if it is that, else in float32, half precision included.

    In half precision sums of squares overflow, and lose their digits.
    """
    x = ops.convert_to_tensor(x)
    return x if ops.dtype(x) == "float64" else ops.cast(x, "float32")


def fits(shape: Shape, other: Shape) -> bool:
    """Whether two static shapes can be the same; an unknown size can be any.

    Example:
        >>> fits((None, 3), (8, 3)), fits((8, 1), (8, 3))
        (True, False)
    """
    return len(shape) == len(other) and all(
        None in sizes or len(set(sizes)) == 1 for sizes in zip(shape, other, strict=True)
    )


def numbers_of(tensor: Any) -> Any:
    """The numbers of a tensor, an array; None inside a compiled function, where there are none."""
    try:
        return ops.convert_to_numpy(tensor)
    except Exception:  # each backend has one of its own for a tensor without numbers
        return None


def one_hot_of(class_ids: Any, y_pred: Any) -> Any:
    """Which class of a prediction `[batch, ..., classes]` each id means: a mask of that shape.

    Ids are compared as integers of 32 bits or more: as floats, those above 2**24 would merge. An
    id that is no class matches none.
    """
    if ops.dtype(class_ids) not in ("int32", "int64"):
        class_ids = ops.cast(class_ids, "int32")
    sizes = ops.shape(y_pred)
    classes = ops.arange(sizes[-1], dtype=ops.dtype(class_ids))
    return ops.equal(ops.reshape(class_ids, (*sizes[:-1], 1)), classes)
