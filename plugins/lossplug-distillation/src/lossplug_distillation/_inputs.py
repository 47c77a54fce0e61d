"""What targets, predictions and the outputs of networks may look like."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lossplug_core import DataError, ops
from lossplug_core.tensors import at_least_float32, fits, one_hot_of

__all__ = ["exclusive", "logits_like", "outputs_of"]


def exclusive(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    """Target, one-hot, and logits as floats of one shape, `[batch, ..., classes]`.

    A target with as many axes as the logits is one-hot. One with an axis less, or whose last axis
    has size 1, holds class ids. An id that is no class matches none.
    """
    y_pred, y_true = at_least_float32(y_pred), ops.convert_to_tensor(y_true)
    received, shape = tuple(y_true.shape), tuple(y_pred.shape)
    if len(shape) < 2 or shape[-1] == 1:
        raise DataError(
            "The prediction has fewer than two classes to choose from.",
            expected="y_pred of shape [batch, ..., classes]",
            received=shape,
            fix="give the model one output per class, also if there are only two classes.",
        )
    column = len(received) == len(shape) and received[-1] == 1
    if fits(received[:-1] if column else received, shape[:-1]):
        one_hot = one_hot_of(y_true, y_pred)
    elif fits(received, shape):
        one_hot = ops.reshape(y_true, ops.shape(y_pred))
    else:
        raise DataError(
            "The target does not fit the prediction.",
            expected=f"y_true of shape {shape[:-1]}, class ids, or of shape {shape}, one-hot",
            received=received,
            fix="compare the last layer of the model with the targets of the data set.",
        )
    return ops.cast(one_hot, y_pred.dtype), y_pred


def logits_like(y_pred: Any, logits: Any, source: str) -> Any:
    """A teacher's logits, shaped like the student's; no gradient flows through them."""
    logits = ops.convert_to_tensor(logits)
    if not fits(tuple(logits.shape), tuple(y_pred.shape)):
        raise DataError(
            f"{source} does not fit the prediction.",
            expected=f"logits of shape {tuple(y_pred.shape)}, as y_pred",
            received=tuple(logits.shape),
            fix="teacher and student need the same classes, in the same order.",
        )
    return ops.cast(ops.stop_gradient(logits), y_pred.dtype)


def outputs_of(output: Any, source: str) -> list[Any]:
    """What a network gives, a tensor or several, as a list."""
    if isinstance(output, Mapping):
        raise DataError(
            f"{source} gives outputs by name.",
            expected="one tensor, or a list of tensors",
            received=", ".join(map(str, output)),
            fix="keras.Model(network.inputs, [network.output[name] for name in …])",
        )
    return [*map(ops.convert_to_tensor, output if isinstance(output, (list, tuple)) else [output])]
