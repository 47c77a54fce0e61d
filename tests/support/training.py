"""What the tests of training share: losses that own things, models of every kind, a new process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from lossplug_core import NonNegative, PositiveInt, TrainingModel, Weight, get_loss, loss, ops

SUPPORT = Path(__file__).parent
ENTRY_POINTS = """
[lossplug.losses]
moving = training:moving
centered = training:centered
"""
TRACES: list[str] = []
"""One entry for each time that Python ran a loss's function."""

X = np.random.default_rng(0).normal(size=(16, 4)).astype("float32")
Y = np.tanh(X[:, :3]) + 0.5


@loss(y_true="values", y_pred="values", weights=lambda size: {"center": Weight((size,), 0.1)})
def centered(y_true, y_pred, *, weights, size: PositiveInt = 3, scale: NonNegative = 1.0):
    """A squared error around a center that is trained; samples are independent."""
    TRACES.append("centered")
    return scale * ops.mean((y_true - y_pred - weights["center"]) ** 2, axis=-1)


@loss(
    y_true="values",
    y_pred="values",
    weights={"center": Weight((3,), 0.1), "mean": Weight((), 0.0, trainable=False)},
)
def moving(y_true, y_pred, *, weights, scale: NonNegative = 1.0, rate: NonNegative = 0.5):
    """A squared error around a trained center and a running mean."""
    TRACES.append("moving")
    error = y_true - y_pred - weights["center"]
    mean = weights["mean"] + rate * (ops.mean(error) - weights["mean"])
    return scale * ops.mean((error - weights["mean"]) ** 2, axis=-1), {"mean": mean}


@keras.saving.register_keras_serializable(package="lossplug_tests")
class Subclassed(keras.Model):
    """A model of a class of its own."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.dense = keras.layers.Dense(3)

    def build(self, shape: Any) -> None:
        self.dense.build(shape)

    def call(self, inputs: Any) -> Any:
        return self.dense(inputs)


def functional() -> keras.Model:
    inputs = keras.Input((4,))
    return keras.Model(inputs, keras.layers.Dense(3)(inputs))


def sequential() -> keras.Model:
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])


def unbuilt() -> keras.Model:
    return keras.Sequential([keras.layers.Dense(3)])


INNER: dict[str, Callable[[], keras.Model]] = {
    "functional": functional,
    "sequential": sequential,
    "unbuilt": unbuilt,
    "subclassed": Subclassed,
}


def two_outputs(container: type = dict) -> keras.Model:
    """A model with the outputs `a` and `b`."""
    inputs = keras.Input((4,))
    outputs = {name: keras.layers.Dense(3, name=name)(inputs) for name in ("a", "b")}
    return keras.Model(inputs, outputs if container is dict else list(outputs.values()))


def training_model(chosen: Any, inner: Callable[[], keras.Model] = sequential, **options: Any):
    """A compiled `TrainingModel`, the same in every process."""
    keras.utils.set_random_seed(0)
    model = TrainingModel(inner())
    options.setdefault("optimizer", keras.optimizers.SGD(0.1))
    model.compile(loss=chosen, **options)
    return model


def fitted(model: keras.Model, epochs: int = 1, **options: Any) -> dict[str, list[float]]:
    """The history of a fit that is the same in every process."""
    options = {"batch_size": 8, "shuffle": False, "verbose": 0, **options}
    if "x" not in options:
        options.update(x=X, y=Y)
    return model.fit(epochs=epochs, **options).history


def values(loss: Any) -> dict[str, np.ndarray]:
    """The weights of a loss by name, as they are now."""
    return {name: np.array(value) for name, value in loss.values().items()}


def weights(model: keras.Model) -> list[np.ndarray]:
    """All weights of a model, as they are now."""
    return [np.array(value) for value in model.get_weights()]


def everything(model: keras.Model) -> dict[str, Any]:
    """All numbers on which the rest of the training depends, as JSON can hold them."""
    return {
        "weights": [value.tolist() for value in weights(model)],
        "optimizer": [np.array(v).tolist() for v in model.optimizer.variables],
        "loss": {name: value.tolist() for name, value in values(model.loss).items()},
    }


def assert_same(one: Any, other: Any, **tolerance: float) -> None:
    """Two structures of numbers are equal."""
    keras.tree.map_structure(
        lambda a, b: np.testing.assert_allclose(a, b, **{"rtol": 1e-5, "atol": 1e-6, **tolerance}),
        one,
        other,
    )


def install(site: Any) -> None:
    """The losses of this module as those of an installed plugin."""
    site.install("lossplug-training", entry_points=ENTRY_POINTS)


def in_a_new_process(code: str, *, site: Path | None = None) -> Any:
    """What the last line that the code prints means, as JSON."""
    folders = [str(SUPPORT)] if site is None else [str(site), str(SUPPORT)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(folders)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.strip().splitlines()[-1])


def moved(**parameters: Any) -> Any:
    """A loss with a trained weight and a state."""
    return get_loss(moving, **parameters)
