"""A target brought to the form that a loss declares, or refused with a reason.

Keras casts every target to the loss's dtype, where integers above 2**24 merge, and lets shapes
broadcast: a target `[batch]` beside a prediction `[batch, 1]` gives `[batch, batch]` values.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from lossplug_core.errors import DataError
from lossplug_core.forms import ANY
from lossplug_core.names import KERAS
from lossplug_core.spec import LossSpec
from lossplug_core.tensors import numbers_of

__all__ = ["Target", "as_tensor", "marked", "prepare"]

_WIDE_INTEGERS = ("int64", "uint32", "uint64")


class Target(NamedTuple):
    """A target that a loss's function accepts; `unseen` if its class ids could not be looked at."""

    y_true: Any
    unseen: bool = False


def prepare(spec: LossSpec, y_true: Any, y_pred: Any, dtype: str) -> Target:
    """The target as a tensor that the loss's function accepts.

    Args:
        spec: The loss.
        y_true: Anything that becomes a tensor.
        y_pred: The prediction, a tensor; its shape decides how the target is read.
        dtype: The loss's dtype, to which targets that are not integers are cast.

    Returns:
        For `class_ids` and `labels` an integer tensor without a last axis of size 1; for
        `multi_hot` rows of 0 and 1 in `dtype`; for other forms a tensor shaped like the prediction.
        For `any` the target as it is, floats in `dtype`.

    Raises:
        DataError: The shapes do not fit, a class id is not a class, or a row is not of 0 and 1.
    """
    y_true = as_tensor(y_true, "y_true")
    if ANY in spec.y_true:
        return Target(y_true if _keeps(y_true) else ops.cast(y_true, dtype))
    if spec.outputs:
        # What belongs to which output is known only to the loss.
        return Target(y_true if spec.integer_target else ops.cast(y_true, dtype))
    shape = _shape(y_pred)
    if spec.namespace == KERAS:
        # Keras's own functions bring shapes together themselves.
        keeps = spec.integer_target and _is_integer(y_true)
        return Target(y_true if keeps else ops.cast(y_true, dtype))
    if _shape(y_true) and shape and _differ(_shape(y_true)[0], shape[0]):
        raise _misfit(spec, y_true, shape, "the batches of y_true and y_pred differ in size")
    if _means_rows(spec, y_true):
        return Target(_rows(spec, ops.cast(y_true, dtype)))
    if _means_integers(spec, y_true, shape):
        y_true = _integers(y_true)
        if "class_ids" in spec.y_true:
            y_true = _without_last_axis(spec, y_true, shape, rank=len(shape) - 1)
            return Target(y_true, unseen=not _check_class_ids(spec, y_true, shape[-1]))
        return Target(_without_last_axis(spec, y_true, shape, rank=1))
    return Target(_shaped_like(spec, ops.cast(y_true, dtype), shape))


def marked(y_true: Any, y_pred: Any, values: Any) -> Any:
    """The values of a loss, NaN where a class id is no class.

    Compiled code cannot raise, and an id that matches no class would silently cost nothing.
    """
    if len(_shape(values)) != len(_shape(y_true)):
        return values
    is_class = ops.logical_and(y_true >= 0, y_true < ops.shape(y_pred)[-1])
    return ops.where(is_class, values, float("nan"))


def as_tensor(data: Any, argument: str) -> Any:
    """Data as a tensor, its dtype kept; a tensor stays the very object that it is."""
    if ops.is_tensor(data):
        return data
    try:
        array = np.asarray(data)
    except ValueError:
        array = np.asarray(None)
    if array.dtype.kind not in "biuf":
        raise DataError(
            f"{argument} is not an array of numbers.", expected="numbers", received=data
        )
    tensor = ops.convert_to_tensor(array)
    if array.dtype.kind in "iu" and array.size and _is_integer(tensor):
        # JAX keeps 32 bits, and would let labels that differ above them merge.
        limits = np.iinfo(keras.backend.standardize_dtype(tensor.dtype))
        if array.min() < limits.min or array.max() > limits.max:
            raise DataError(
                f"{argument} has integers that {keras.backend.backend()} cannot hold.",
                expected=f"integers from {limits.min} to {limits.max}",
                received=int(array.max()),
                fix="numpy.unique(labels, return_inverse=True)[1] numbers them from 0.",
            )
    return tensor


def _shape(tensor: Any) -> tuple[int | None, ...]:
    return tuple(tensor.shape)


def _differ(size: int | None, other: int | None) -> bool:
    return size is not None and other is not None and size != other


def _is_integer(tensor: Any) -> bool:
    return "int" in keras.backend.standardize_dtype(tensor.dtype)


def _keeps(tensor: Any) -> bool:
    """Whether a target of a loss that does not say what it takes is left as it is."""
    return not keras.backend.is_float_dtype(keras.backend.standardize_dtype(tensor.dtype))


def _means_integers(spec: LossSpec, y_true: Any, shape: tuple[int | None, ...]) -> bool:
    """Whether a target is class ids or labels; a loss may accept one number per class as well."""
    if not spec.integer_target:
        return False
    shaped_like_prediction = len(_shape(y_true)) == len(shape) and not _differ(
        _shape(y_true)[-1], shape[-1]
    )
    return not ("one_hot" in spec.y_true and shaped_like_prediction)


def _means_rows(spec: LossSpec, y_true: Any) -> bool:
    """Whether a target tells for each label whether a sample has it, and is not a label itself.

    A column is labels, unless the loss takes no labels.
    """
    is_column = _shape(y_true)[-1:] == (1,) and "labels" in spec.y_true
    return "multi_hot" in spec.y_true and len(_shape(y_true)) == 2 and not is_column


def _rows(spec: LossSpec, y_true: Any) -> Any:
    """Rows of 0 and 1; of other numbers they are refused, where they can be looked at."""
    values = numbers_of(y_true)
    others = [] if values is None else values[(values != 0) & (values != 1)]
    if len(others):
        raise DataError(
            f"A row of labels given to {spec.id!r} is not of 0 and 1.",
            expected="1 for each label that a sample has, 0 for the others",
            received=float(others[0]),
            fix="keras.utils.to_categorical(labels).max(axis=-2) makes rows of lists of labels.",
        )
    return y_true


def _integers(y_true: Any) -> Any:
    wide = keras.backend.standardize_dtype(y_true.dtype) in _WIDE_INTEGERS
    return y_true if wide else ops.cast(y_true, "int32")


def _without_last_axis(
    spec: LossSpec, y_true: Any, shape: tuple[int | None, ...], rank: int
) -> Any:
    if len(_shape(y_true)) == rank + 1 and _shape(y_true)[-1] == 1:
        y_true = ops.squeeze(y_true, axis=-1)
    if len(_shape(y_true)) != rank or any(map(_differ, _shape(y_true), shape[:rank])):
        raise _misfit(spec, y_true, shape, "y_true is not one integer per prediction")
    return y_true


def _check_class_ids(spec: LossSpec, y_true: Any, classes: int | None) -> bool:
    """Whether the ids could be looked at; those that are no class are refused."""
    if classes is None:
        return False
    values = numbers_of(y_true)
    if values is None:
        return False
    outside = values[(values < 0) | (values >= classes)]
    if outside.size:
        raise DataError(
            f"A class id given to {spec.id!r} is not a class.",
            expected=f"integers from 0 to {classes - 1}, for a prediction of {classes} classes",
            received=int(outside[0]),
            fix="Number the classes from 0, or give the model one output per class.",
        )
    return True


def _shaped_like(spec: LossSpec, y_true: Any, shape: tuple[int | None, ...]) -> Any:
    rank = len(_shape(y_true))
    if rank == len(shape) + 1 and _shape(y_true)[-1] == 1:
        y_true = ops.squeeze(y_true, axis=-1)
    elif rank == len(shape) - 1 and shape[-1] == 1:
        y_true = ops.expand_dims(y_true, axis=-1)
    if len(_shape(y_true)) != len(shape) or any(map(_differ, _shape(y_true), shape)):
        raise _misfit(spec, y_true, shape, "y_true is not shaped like y_pred")
    return y_true


def _misfit(spec: LossSpec, y_true: Any, shape: tuple[int | None, ...], problem: str) -> DataError:
    rows = f"({shape[0]}, number of labels)" if shape else "()"
    fitting = {"class_ids": shape[:-1], "labels": shape[:1], "multi_hot": rows}
    expected = (f"{fitting.get(form, shape)} ({form})" for form in spec.y_true)
    return DataError(
        f"{spec.id!r} cannot be computed: {problem}.",
        expected=f"y_true of shape {' or '.join(expected)}, for y_pred of shape {shape}",
        received=_shape(y_true),
        fix=f"`lossplug show {spec.id}` says which shapes it takes.",
    )
