"""What targets and predictions may look like. The one place that knows."""

from __future__ import annotations

from typing import Any

from lossplug_core import DataError, ops
from lossplug_core.tensors import at_least_float32, fits

__all__ = ["shaped_alike"]


def shaped_alike(y_true: Any, **predictions: Any) -> list[Any]:
    """Target and predictions as floats of one shape, `[batch, ..., outputs]`.

    A shape `[batch]` is one output per sample. Nothing is broadcast; sizes that are unknown while a
    graph is traced are not checked.
    """
    tensors = [*map(at_least_float32, (*predictions.values(), y_true))]
    shape = tuple(tensors[0].shape)
    for name, tensor in zip((*predictions, "y_true"), tensors, strict=True):
        if not shape or not fits(tuple(tensor.shape), shape):
            raise DataError(
                "Target and prediction do not have one shape.",
                expected=f"{name} of shape {shape or '[batch, ..., outputs]'}, "
                f"as {next(iter(predictions))}",
                received=tuple(tensor.shape),
                fix="compare the last layer of the model with the targets of the data set.",
            )
    alike = [ops.cast(tensor, tensors[0].dtype) for tensor in (tensors[-1], *tensors[:-1])]
    return [ops.expand_dims(x, -1) for x in alike] if len(shape) == 1 else alike
