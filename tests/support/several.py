"""Losses to train with on one device and on several, and a program that does the latter.

`python several.py DEVICES RANK FILE` trains with every loss of the table, on the backend of Keras,
and writes what came of it. Torch needs as many of these processes as there are devices.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

import devices
from lossplug_core import TrainingModel, Weight, combine, get_loss, loss, ops
from lossplug_core.schedules import Linear

__all__ = ["PROBLEMS", "Problem", "on_one_device"]

BATCH, SAMPLES, EPOCHS = 8, 32, 2
RANDOM = np.random.default_rng(3)
X = RANDOM.normal(size=(SAMPLES, 5)).astype("float32")
LABELS = RANDOM.integers(0, 4, size=SAMPLES).astype("int32")
TEACHER = RANDOM.normal(size=(SAMPLES, 4)).astype("float32")
MASK = (RANDOM.random(SAMPLES) > 0.3).astype("int8")  # TensorFlow gathers no int8
SAMPLE_WEIGHT = RANDOM.uniform(0.5, 2.0, size=SAMPLES).astype("float32")
SEVERAL_LABELS = (RANDOM.random((SAMPLES, 5)) < 0.3).astype("int8")


@loss(y_true="labels", y_pred="embeddings", weights={"prototypes": Weight((4, 4))})
def prototype(y_true, y_pred, *, weights):
    """Cross-entropy of distances to prototypes of the classes, which are trained."""
    between = ops.expand_dims(y_pred, 1) - weights["prototypes"]
    logits = -ops.sum(ops.square(between), axis=-1)
    return _negative_log_softmax(logits, ops.one_hot(y_true, 4))


@loss(
    y_true="labels",
    y_pred="embeddings",
    weights={
        "center": Weight((4,), 0.5, trainable=False),
        "batches": Weight((), 0, trainable=False, dtype="int32"),
    },
)
def centered(y_true, y_pred, *, weights):
    """Squared distance from the running mean of the embeddings."""
    center = 0.9 * weights["center"] + 0.1 * ops.mean(y_pred, axis=0)
    values = ops.sum(ops.square(y_pred - weights["center"]), axis=-1)
    return values, {"center": center, "batches": weights["batches"] + 1}


@loss(
    y_true="labels",
    y_pred="embeddings",
    weights={
        "memory": Weight((BATCH, 4), 0.1, trainable=False),
        "labels": Weight((BATCH,), 0, trainable=False, dtype="int32"),
    },
)
def remembered(y_true, y_pred, *, weights):
    """Squared distances to the samples of the same label in the batch before."""
    between = ops.expand_dims(y_pred, 1) - weights["memory"]
    same = ops.cast(ops.expand_dims(y_true, 1) == weights["labels"], "float32")
    values = ops.sum(same * ops.sum(ops.square(between), axis=-1), axis=1)
    return values, {"memory": y_pred, "labels": y_true}


@loss(y_true="labels", y_pred="embeddings", targets=("teacher", "mask"))
def relational(y_true, y_pred, *, teacher, mask):
    """Squared difference between products of samples and those of a teacher, where not masked."""
    difference = _products(y_pred, y_pred) - _products(teacher, teacher)
    return ops.mean(ops.square(difference) * ops.cast(mask, "float32"), axis=1)


@loss(y_true="labels", y_pred="embeddings", outputs=("left", "right"))
def cross_view(y_true, y_pred):
    """Cross-entropy that finds the other view of a sample among those of the batch."""
    logits = _products(y_pred["left"], y_pred["right"])
    return _negative_log_softmax(logits, ops.eye(ops.shape(logits)[0]))


@loss(y_true="labels", y_pred="embeddings")
def by_position(y_true, y_pred):
    """Squared distance from the mean of the batch, a value for each feature."""
    return ops.square(y_pred - ops.mean(y_pred, axis=0, keepdims=True))


def _products(left: Any, right: Any) -> Any:
    return ops.matmul(left, ops.transpose(right))


def _negative_log_softmax(logits: Any, chosen: Any) -> Any:
    return ops.logsumexp(logits, axis=1) - ops.sum(logits * chosen, axis=1)


@dataclass(frozen=True)
class Problem:
    """One row: a loss to train with, and on what.

    Attributes:
        loss: Makes the loss.
        y: Its targets.
        sample_weight: Weights of the samples, if any.
        outputs: The names of the outputs of the model, if it has several.
        samples: How many samples there are; if the last batch does not split evenly, only a sum
            over the batch is the same on several devices, and JAX refuses it.
        same: Whether several devices are to give what one does.
        tolerance: How far they may be from it.
    """

    loss: Callable[[], keras.losses.Loss]
    y: Any
    sample_weight: np.ndarray | None = None
    outputs: tuple[str, ...] = ()
    samples: int = SAMPLES
    same: bool = True
    tolerance: float = 1e-5

    @property
    def even(self) -> bool:
        """Whether all devices have as many samples in every batch."""
        return self.samples % BATCH == 0


def _loss(identifier: Any, **options: Any) -> Callable[[], keras.losses.Loss]:
    return lambda: get_loss(identifier, **options)


def _whole(identifier: Any, **options: Any) -> Callable[[], keras.losses.Loss]:
    return _loss(identifier, global_batch=True, **options)


def _combined(weighting: Any = None) -> Callable[[], keras.losses.Loss]:
    def build() -> keras.losses.Loss:
        parts = [(_whole("supcon")(), Linear(1.0, 0.2, steps=4)), (get_loss(prototype), 0.5)]
        return combine(parts, weighting=weighting)

    return build


_FURTHER = {"y_true": LABELS, "teacher": TEACHER, "mask": MASK}

PROBLEMS: Mapping[str, Problem] = {
    "each sample alone": Problem(_loss("mse"), TEACHER),
    "sample weights": Problem(_loss("categorical_focal", from_logits=True), LABELS, SAMPLE_WEIGHT),
    "pairs of one replica": Problem(_loss("supcon"), LABELS, same=False),
    "supcon": Problem(_whole("supcon"), LABELS),
    "contrastive": Problem(_whole("contrastive"), LABELS),
    "triplet": Problem(_whole("triplet_semi_hard"), LABELS),
    "triplet, sample weights": Problem(_whole("triplet_semi_hard"), LABELS, SAMPLE_WEIGHT),
    "several values a sample": Problem(_whole(by_position), LABELS),
    "float16": Problem(_whole("contrastive", dtype="float16"), LABELS, tolerance=1e-3),
    "a batch that splits unevenly": Problem(
        _whole("supcon", reduction="sum"), LABELS, SAMPLE_WEIGHT, samples=29
    ),
    "further targets": Problem(_whole(relational), _FURTHER),
    "two outputs": Problem(_whole(cross_view), LABELS, outputs=("left", "right")),
    "trained weights": Problem(_loss(prototype), LABELS, SAMPLE_WEIGHT),
    "trained weights, whole batch": Problem(_whole(prototype), LABELS),
    "a running mean": Problem(_loss(centered), LABELS),
    "a running mean, whole batch": Problem(_whole(centered), LABELS),
    "a memory": Problem(_whole(remembered), LABELS),
    "several labels, in chunks": Problem(
        _whole("supcon", chunk=3, average="classes"), SEVERAL_LABELS, SAMPLE_WEIGHT
    ),
    "a trained boundary, mined": Problem(
        _whole("margin", num_classes=4, mining="distance_weighted"), LABELS
    ),
    "two outputs, trained weights": Problem(
        _whole("siglip"), np.arange(SAMPLES), outputs=("images", "texts")
    ),
    "a memory around a loss of pairs": Problem(
        _whole("cross_batch_memory", embedding_size=4, memory_size=13, loss="triplet_margin"),
        LABELS,
    ),
    "a schedule": Problem(
        _loss("categorical_focal", gamma=Linear(0.0, 2.0, steps=5), from_logits=True), LABELS
    ),
    "a combination": Problem(_combined(), LABELS),
    "a combination, uncertainty": Problem(_combined("uncertainty"), LABELS),
    "a combination, ema": Problem(_combined({"name": "ema", "decay": 0.7}), LABELS),
    "a combination, dwa": Problem(_combined({"name": "dwa", "every": 2}), LABELS),
}


def training_model(problem: Problem) -> TrainingModel:
    """A small model, compiled with the loss of a problem: always the same one."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((5,))
    hidden = keras.layers.Dense(6, activation="tanh")(inputs)
    outputs: Any = keras.layers.Dense(4)(hidden)
    if problem.outputs:
        first, second = problem.outputs
        outputs = {first: outputs, second: keras.layers.Dense(4)(hidden)}
    training = TrainingModel(keras.Model(inputs, outputs))
    training.compile(keras.optimizers.SGD(0.02), loss=problem.loss())
    return training


def on_one_device(problem: Problem) -> dict[str, Any]:
    """What a problem gives without any of this."""
    if keras.backend.backend() == "torch":
        return loop(problem)
    return fit(problem)


def fit(problem: Problem) -> dict[str, Any]:
    """What `fit` makes of a problem."""
    x, y, weight = _part((X, problem.y, problem.sample_weight), slice(problem.samples))
    training = training_model(problem)
    history = training.fit(x, y, BATCH, EPOCHS, sample_weight=weight, shuffle=False, verbose=0)
    return {**history.history, **_weights(training)}


def loop(problem: Problem, rank: int = 0, world: int = 1) -> dict[str, Any]:
    """What a loop of torch makes of a problem, in one of several processes."""
    import torch
    from torch import distributed
    from torch.nn.parallel import DistributedDataParallel

    training = training_model(problem)
    parallel = training if world == 1 else DistributedDataParallel(training)
    optimizer = torch.optim.SGD(parallel.parameters(), lr=0.02)
    # Means over processes are taken of gradients, which has to be undone where the loss is a sum.
    scale = world if getattr(training.loss, "reduction", None) == "sum" else 1
    values = []
    for rows in _rows(problem, rank, world):
        part = _part((X, problem.y, problem.sample_weight), rows)
        x, y, weight = keras.tree.map_structure(_tensor, part)
        value = scale * training.compute_loss(x, y, parallel(x), weight)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        value = value.detach().clone()
        if world > 1:
            distributed.all_reduce(value)
        values.append(float(value) / world)
    return {"loss": values, **_weights(training)}


def _rows(problem: Problem, rank: int, world: int) -> Iterator[np.ndarray]:
    for _ in range(EPOCHS):
        for start in range(0, problem.samples, BATCH):
            batch = np.arange(start, min(start + BATCH, problem.samples))
            yield np.array_split(batch, world)[rank]


def _part(data: Any, rows: Any) -> Any:
    return keras.tree.map_structure(lambda column: None if column is None else column[rows], data)


def _tensor(column: Any) -> Any:
    return None if column is None else keras.ops.convert_to_tensor(column)


def _weights(training: TrainingModel) -> dict[str, Any]:
    return {
        f"weight {place}": keras.ops.convert_to_numpy(variable)
        for place, variable in enumerate(training.variables)
        if "seed" not in variable.path
    }


def _tensorflow(count: int) -> Callable[[Problem], dict[str, Any]]:
    strategy = devices.tensorflow_strategy(count)

    def solve(problem: Problem) -> dict[str, Any]:
        with strategy.scope():
            return fit(problem)

    return solve


def _jax(count: int) -> Callable[[Problem], dict[str, Any]]:
    devices.jax_devices(count)
    return fit


def _torch(count: int, rank: int, file: Path) -> Callable[[Problem], dict[str, Any]]:
    devices.torch_group(count, rank, file)
    return lambda problem: loop(problem, rank, count)


def main(count: int, rank: int, file: Path) -> None:
    """Train with every loss of the table, and write what came of it."""
    solve = {
        "tensorflow": lambda: _tensorflow(count),
        "jax": lambda: _jax(count),
        "torch": lambda: _torch(count, rank, file),
    }[keras.backend.backend()]()
    results = {
        f"{name}/{key}": np.asarray(value)
        for name, problem in PROBLEMS.items()
        if problem.even or keras.backend.backend() != "jax"
        for key, value in solve(problem).items()
    }
    np.savez(file.with_suffix(f".{rank}.npz"), **results)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
