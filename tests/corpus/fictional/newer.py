"""The losses of lossplug-fictional 2.0: each has changed since 1.0, in a way of its own."""

from lossplug_core import NonNegative, Real, Weight, deprecated, loss, ops


@loss(
    y_true="values",
    y_pred="values",
    version=2,
    migrate={"focus": "gamma"},
    history={2: "focus is now called gamma."},
)
def powered(y_true, y_pred, *, gamma: NonNegative = 2.0):
    """A parameter of it was renamed."""
    return ops.mean(ops.abs(y_true - y_pred) ** gamma, axis=-1)


@loss(
    y_true="values",
    y_pred="values",
    formerly=("centred_error",),
    weights={"center": Weight((3,), 0.5)},
)
def centered_error(y_true, y_pred, *, weights, scale: NonNegative = 1.0):
    """It was renamed, and owns a weight."""
    return scale * ops.mean((y_true - y_pred - weights["center"]) ** 2, axis=-1)


def _migrate_squared(version, parameters):
    return {"average": False}


@loss(y_true="values", y_pred="values", version=2, migrate=_migrate_squared)
def squared(y_true, y_pred, *, average: bool = True):
    """Its formula has changed."""
    reduce = ops.mean if average else ops.sum
    return reduce((y_true - y_pred) ** 2, axis=-1)


@loss(
    y_true="values",
    y_pred="values",
    formerly=("former/shifted",),
    deprecated=deprecated(replaced_by="fictional/powered", removed_in="3.0"),
)
def shifted(y_true, y_pred, *, by: Real = 0.0):
    """It has come from another distribution, and is replaced."""
    return ops.mean(ops.abs(y_true - y_pred - by), axis=-1)
