"""The losses of lossplug-fictional 1.0, and of lossplug-former 1.0, which had `shifted` then."""

from lossplug_core import NonNegative, Weight, loss, ops


@loss(y_true="values", y_pred="values")
def powered(y_true, y_pred, *, focus: NonNegative = 1.0):
    """A parameter of it will be renamed."""
    return ops.mean(ops.abs(y_true - y_pred) ** focus, axis=-1)


@loss(y_true="values", y_pred="values", weights={"center": Weight((3,), 0.5)})
def centred_error(y_true, y_pred, *, weights, scale: NonNegative = 1.0):
    """It will be renamed, and owns a weight."""
    return scale * ops.mean((y_true - y_pred - weights["center"]) ** 2, axis=-1)


@loss(y_true="values", y_pred="values")
def squared(y_true, y_pred):
    """Its formula will change."""
    return ops.sum((y_true - y_pred) ** 2, axis=-1)


@loss(y_true="values", y_pred="values")
def shifted(y_true, y_pred, *, by: float = 0.0):
    """It will move to another distribution, and be replaced there."""
    return ops.mean(ops.abs(y_true - y_pred - by), axis=-1)
