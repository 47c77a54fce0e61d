"""What targets, predictions and weights may look like. The one place that knows.

A prediction ends with its outputs, `[batch, ..., outputs]`; `[batch]` is one output per sample.

Independent outputs, each a yes-or-no question, have a target of the same shape. Either of the two
may lack a last axis of size 1: `[batch]` and `[batch, 1]` are the same samples, and never broadcast
to `[batch, batch]`.

Exclusive outputs are classes, at least two. A target with as many axes as the prediction is
one-hot, integers included. A target with one axis less, or whose last axis has size 1, holds class
ids. An id that is no class matches none: its one-hot row is all zeros.

Sizes that are unknown while a graph is traced are checked by the reshapes when it runs.
"""

from __future__ import annotations

from typing import Any

from lossplug_core import DataError, ops
from lossplug_core.tensors import Shape, at_least_float32, fits, one_hot_of

__all__ = ["exclusive", "independent", "per_class"]


def independent(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    """Target and prediction as floats of one shape, `[batch, ..., outputs]`."""
    y_pred = _floating(y_pred)
    y_true = ops.cast(ops.convert_to_tensor(y_true), y_pred.dtype)
    if not _fits(tuple(y_true.shape), tuple(y_pred.shape)):
        raise DataError(
            "The target does not fit the prediction.",
            expected=f"y_true of shape {tuple(y_pred.shape)}, as y_pred",
            received=tuple(y_true.shape),
            fix="compare the last layer of the model with the targets of the data set.",
        )
    if len(y_pred.shape) == 1:
        y_pred = ops.expand_dims(y_pred, -1)
    return ops.reshape(y_true, ops.shape(y_pred)), y_pred


def exclusive(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    """Target, one-hot, and prediction as floats of one shape, `[batch, ..., classes]`."""
    y_pred = _floating(y_pred)
    y_true = ops.convert_to_tensor(y_true)
    received, shape = tuple(y_true.shape), tuple(y_pred.shape)
    if len(shape) < 2 or shape[-1] == 1:
        raise DataError(
            "The prediction has fewer than two classes to choose from.",
            expected="y_pred of shape [batch, ..., classes]",
            received=shape,
            fix="a single yes-or-no output takes a binary loss, such as focal.",
        )
    holds_ids = len(received) < len(shape) or received[-1] == 1
    if not _fits(received, shape[:-1] if holds_ids else shape):
        raise DataError(
            "The target does not fit the prediction.",
            expected=f"y_true of shape {shape[:-1]}, class ids, or of shape {shape}, one-hot",
            received=received,
            fix="compare the last layer of the model with the targets of the data set.",
        )
    one_hot = one_hot_of(y_true, y_pred) if holds_ids else ops.reshape(y_true, ops.shape(y_pred))
    return ops.cast(one_hot, y_pred.dtype), y_pred


def per_class(name: str, value: Any, y_pred: Any, *, classes: int | None = None) -> Any:
    """A parameter that is one number, or one per class, as a tensor to multiply outputs with.

    Each output is a class, unless `classes` says otherwise.
    """
    value = ops.cast(ops.convert_to_tensor(value), y_pred.dtype)
    shape, classes = tuple(value.shape), classes or y_pred.shape[-1]
    if shape and classes is not None and shape != (classes,):
        raise DataError(
            f"The parameter {name!r} does not fit the prediction.",
            expected=f"{name} of shape ({classes},), for y_pred of shape {tuple(y_pred.shape)}",
            received=shape,
            fix="give one value per class, in the order of the classes.",
        )
    return value


def _floating(y_pred: Any) -> Any:
    """The prediction in float64 if it is that, else in float32, half precision included."""
    y_pred = ops.convert_to_tensor(y_pred)
    if len(y_pred.shape) == 0:
        raise DataError(
            "The prediction has no axis for the samples.",
            expected="y_pred of shape [batch, ..., outputs] or [batch]",
            received=tuple(y_pred.shape),
        )
    return at_least_float32(y_pred)


def _fits(target: Shape, prediction: Shape) -> bool:
    """Whether two static shapes hold the same elements, but for one last axis of size 1."""
    shorter, longer = sorted((target, prediction), key=len)
    if len(longer) == len(shorter) + 1 and longer[-1] in (1, None):
        longer = longer[:-1]
    return fits(shorter, longer)
