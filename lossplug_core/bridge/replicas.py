"""Replicas that share a batch: how many there are, and the whole batch on each of them.

TensorFlow has replicas under a `tf.distribute.Strategy`, torch in a process group. On JAX an array
that lies on several devices is one array to the program, and there is nothing to do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, Protocol

import keras

from lossplug_core.bridge.phase import current_phase
from lossplug_core.errors import UntrainedLossError

__all__ = [
    "Replicas",
    "SharedBatch",
    "agreed",
    "check_replicated",
    "check_unshared",
    "over_whole_batch",
    "replicas",
    "several_replicas",
    "sum_over_replicas",
]

_REPLICAS_OF = {
    "tensorflow": "lossplug_core.bridge._replicas_tensorflow",
    "torch": "lossplug_core.bridge._replicas_torch",
}


class SharedBatch(Protocol):
    """A batch of which each replica holds some rows, in the order of the replicas."""

    def whole(self, rows: Any) -> Any:
        """The rows of all replicas. The gradient is the sum of what comes back from all of them."""

    def own(self, rows: Any) -> Any:
        """The rows of this replica."""


class Replicas(Protocol):
    """What a backend does among its replicas. All of them have to call it, in the same order."""

    def share(self, tensors: Sequence[Any]) -> SharedBatch:
        """The batch to which the rows of these tensors belong."""

    def total(self, value: Any) -> Any:
        """The loss of the whole batch, from that of each replica, as Keras scales it."""

    def agreed(self, value: Any) -> Any:
        """The mean of floats; of other numbers those of the first replica."""


def replicas() -> int:
    """By how many Keras divides a loss, because the gradients of as many are summed."""
    if keras.backend.backend() != "tensorflow":
        return 1
    import tensorflow as tf

    return int(tf.distribute.get_strategy().num_replicas_in_sync)


def several_replicas(tensors: Any) -> bool:
    """Whether other replicas see other parts of the batch to which these tensors belong."""
    return _replicas_here(tensors) is not None


def over_whole_batch(
    compute: Callable[[Any, Any, Any], tuple[Any, Any]], y_true: Any, y_pred: Any, further: Any
) -> tuple[Any, Any]:
    """What a loss gives for the samples of this replica, among those of all replicas.

    Args:
        compute: The values of a batch, and the new values of states.
        y_true: The target of this replica.
        y_pred: Its prediction, or a mapping of several.
        further: Its further targets.

    Returns:
        The values of the samples of this replica, and the new values of states, which are the same
        on all replicas.

    Raises:
        DataError: The targets and predictions of this replica differ in size.
    """
    rows = (y_true, y_pred, further)
    here = _replicas_here(rows)
    if here is None:
        return compute(*rows)
    # The prediction first: it says how large the batch is.
    batch = here.share(keras.tree.flatten((y_pred, y_true, further)))
    values, updates = compute(*keras.tree.map_structure(batch.whole, rows))
    return batch.own(values), updates


def sum_over_replicas(value: Any) -> Any:
    """The loss of the whole batch, from that of each replica, as Keras scales it; no gradient.

    In evaluation torch leaves each process its own, because one may evaluate alone.
    """
    value = keras.ops.stop_gradient(value)
    phase = current_phase()
    if keras.backend.backend() == "torch" and phase is not None and not phase.training:
        return value
    here = _replicas_here(value)
    return value if here is None else here.total(value)


def agreed(value: Any) -> Any:
    """What all replicas keep of a new value of a state: see `Replicas.agreed`."""
    here = _replicas_here(value)
    return value if here is None else here.agreed(value)


def check_replicated(owner: str, variable: keras.Variable) -> None:
    """Refuse a weight that is not on all replicas: TensorFlow may use it, and get it wrong.

    Raises:
        UntrainedLossError: It was made outside the scope of the strategy that uses it.
    """
    count = replicas()
    if count == 1:
        return
    import tensorflow as tf

    if not tf.distribute.get_strategy().extended.variable_created_in_scope(variable.value):
        raise UntrainedLossError(
            f"The loss {owner!r} has weights on one device only, and is used on {count} replicas.",
            expected="a loss that is built in the scope of the strategy, as the model is",
            fix="with strategy.scope(): model = TrainingModel(…); model.compile(loss=get_loss(…))",
        )


def check_unshared(owner: str, id: str, states: Sequence[str], tensors: Any) -> None:
    """Refuse to keep states of which each replica has another, and none the right one.

    Args:
        owner: The name of the loss.
        id: Its id.
        states: Those of its states that only the whole batch can tell.
        tensors: What it was given, which is the whole batch if there are no other replicas.

    Raises:
        UntrainedLossError: Other replicas see other parts of the batch.
    """
    if states and several_replicas(tensors):
        raise UntrainedLossError(
            f"The state {states[0]!r} of {owner!r} would be another on each device.",
            expected="a loss that sees the whole batch on each",
            fix=f"get_loss({id!r}, global_batch=True, …)",
        )


def _replicas_here(tensors: Any) -> Replicas | None:
    """The replicas among which this is one, if there are others."""
    module = _REPLICAS_OF.get(keras.backend.backend())
    if module is None:
        return None
    found: Replicas | None = import_module(module).replicas_here(keras.tree.flatten(tensors))
    return found
