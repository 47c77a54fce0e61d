"""A loss, its gradients and the states after it, in one step on one device or on several."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import keras
import numpy as np

import devices

__all__ = ["Results", "on_one_device", "on_several", "parts"]

Results = dict[str, np.ndarray]
"""The `loss`, the gradients in what is `predicted` and in weights that are `trained`, `state`s."""

Batch = tuple[Any, Any, Any]
"""Targets, predictions, weights of samples: arrays, or mappings of them."""

Solve = Callable[[Callable[[], keras.losses.Loss], Iterable[Batch], bool], Results]


def on_one_device(loss: keras.losses.Loss, batches: Iterable[Batch]) -> Results:
    """What a loss gives for one batch after the other."""
    step = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}[keras.backend.backend()]
    return _numbered(_together([_step(step, loss, batch)]) for batch in batches)


def parts(batch: Batch, count: int) -> list[Batch]:
    """What each device has of a batch: not as many samples, save on JAX, which splits evenly."""
    samples, uneven = len(batch[2]), keras.backend.backend() != "jax"
    ends = [samples * place // count + (0 < place < count) * uneven for place in range(count + 1)]
    return [
        keras.tree.map_structure(lambda column: column[start:end], batch)  # noqa: B023
        for start, end in pairwise(ends)
    ]


def on_several(count: int, rank: int, file: Path) -> Solve:
    """`on_one_device` for several, of which each sees its part of the batch.

    Returns:
        A function of what makes a loss, of batches, and of whether TensorFlow compiles the step.
    """
    return {
        "tensorflow": lambda: _on_tensorflow(count),
        "jax": lambda: _on_jax(count),
        "torch": lambda: _on_torch(count, rank, file),
    }[keras.backend.backend()]()


# --- One device -----------------------------------------------------------------------------------


def _step(function: Callable[..., Any], loss: Any, batch: Batch) -> dict[str, Any]:
    value, predicted, trained = function(loss, *batch)
    states = map(keras.ops.copy, loss.non_trainable_variables)
    return _gives(value, predicted, trained, states)


def _gives(value: Any, predicted: Any, trained: Any, states: Any) -> dict[str, Any]:
    groups = {"predicted": predicted, "trained": trained, "state": states}
    named = {f"{name} {i}": one for name, some in groups.items() for i, one in enumerate(some)}
    return {"loss": value, **named}


def _tensorflow(loss: Any, y_true: Any, y_pred: Any, weight: Any) -> Any:
    import tensorflow as tf

    y_pred = keras.tree.map_structure(tf.convert_to_tensor, y_pred)
    trained = [variable.value for variable in loss.trainable_variables]
    predicted = keras.tree.flatten(y_pred)
    with tf.GradientTape() as tape:
        tape.watch(predicted)
        value = loss(y_true, y_pred, weight, training=True)
    # Those of rows that are taken from a weight are sparse.
    gradients = tape.gradient(value, [*predicted, *trained])
    gradients = [tf.convert_to_tensor(gradient) for gradient in gradients]
    return value, gradients[: len(predicted)], gradients[len(predicted) :]


def _torch(loss: Any, y_true: Any, y_pred: Any, weight: Any) -> Any:
    import torch

    y_pred = keras.tree.map_structure(lambda x: torch.tensor(x, requires_grad=True), y_pred)
    predicted = keras.tree.flatten(y_pred)
    inputs = [*predicted, *(variable.value for variable in loss.trainable_variables)]
    value = loss(y_true, y_pred, weight, training=True)
    gradients = torch.autograd.grad(value, inputs)
    return value.detach(), gradients[: len(predicted)], gradients[len(predicted) :]


def _jax(loss: Any, y_true: Any, y_pred: Any, weight: Any) -> Any:
    import jax

    variables = (loss.trainable_variables, loss.non_trainable_variables)

    def compute(of_model: Any, states: Any) -> Any:
        y_pred, trained = of_model
        mapping = [
            *zip(variables[0], trained, strict=True),
            *zip(variables[1], states, strict=True),
        ]
        with keras.StatelessScope(state_mapping=mapping) as scope:
            value = loss(y_true, y_pred, weight, training=True)
        return value, [scope.get_current_value(variable) for variable in variables[1]]

    of_model = (y_pred, [variable.value for variable in variables[0]])
    states = [variable.value for variable in variables[1]]
    run = jax.value_and_grad(compute, has_aux=True)
    (value, states), (predicted, trained) = run(of_model, states)
    for variable, state in zip(variables[1], states, strict=True):
        variable.assign(state)
    return value, keras.tree.flatten(predicted), trained


# --- Several devices ------------------------------------------------------------------------------


def _on_tensorflow(count: int) -> Solve:
    import tensorflow as tf

    strategy = devices.tensorflow_strategy(count)

    def share(batch: Batch) -> Any:
        of_replica = parts(batch, count)
        return strategy.experimental_distribute_values_from_function(
            lambda context: of_replica[context.replica_id_in_sync_group]
        )

    def steps(build: Any, batches: Any, compiled: bool) -> Results:
        with strategy.scope():
            loss = build()

        def run(batch: Any) -> Any:
            return strategy.run(lambda *part: _step(_tensorflow, loss, part), batch)

        function = tf.function(run, autograph=False) if compiled else run

        def step(batch: Batch) -> Results:
            found = function(share(batch)).items()
            each = {name: strategy.experimental_local_results(value) for name, value in found}
            return _together([{n: x[place] for n, x in each.items()} for place in range(count)])

        return _numbered(map(step, batches))

    return steps


def _on_jax(count: int) -> Solve:
    import jax

    distribution = devices.jax_devices(count)

    def share(column: Any) -> Any:
        return jax.device_put(column, distribution.get_data_layout(column.shape).backend_layout)

    def steps(build: Any, batches: Any, compiled: bool) -> Results:
        del compiled
        return on_one_device(build(), (keras.tree.map_structure(share, b) for b in batches))

    return steps


def _on_torch(count: int, rank: int, file: Path) -> Solve:
    from torch import distributed

    devices.torch_group(count, rank, file)

    def step(loss: Any, batch: Batch) -> Results:
        found = _step(_torch, loss, parts(batch, count)[rank])
        each: list[Any] = [None] * count
        distributed.all_gather_object(each, {name: value.numpy() for name, value in found.items()})
        return _together(each)

    def steps(build: Any, batches: Any, compiled: bool) -> Results:
        del compiled
        loss = build()
        return _numbered(step(loss, batch) for batch in batches)

    return steps


def _together(each: Sequence[Mapping[str, Any]]) -> Results:
    """What devices give together: sums, their rows one after another, and the states of each."""
    return {
        name: np.asarray(_TOGETHER[name.split()[0]]([np.array(one[name]) for one in each]))
        for name in each[0]
    }


_TOGETHER: Mapping[str, Callable[[list[np.ndarray]], Any]] = {
    "loss": sum,
    "predicted": np.concatenate,
    "trained": sum,
    "state": np.stack,
}


def _numbered(results: Iterable[Results]) -> Results:
    return {
        f"{name}, batch {place}": value
        for place, found in enumerate(results)
        for name, value in found.items()
    }
