"""One step of every loss that compares samples, on one device and on several.

`python whole_batch.py DEVICES RANK FILE` takes the step on several, of which each sees a part of
the batch, and writes what came of it. Torch needs as many of these processes as there are devices.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from gradients import on_several
from lossplug_core import get_loss
from lossplug_core._alternatives import alternatives_of
from lossplug_core._app import registry
from lossplug_core.params import parameters_of
from lossplug_core.spec import LossSpec

__all__ = ["STEPS", "Step"]

ON_JAX = keras.backend.backend() == "jax"
SAMPLES, FEATURES, CLASSES, LABELS, HARD = 8, 4, 3, 5, 2
HELD = 6
MEMORY = 13
"""As many samples, so that the second batch overwrites some of the first."""

NEEDED = {"num_classes": CLASSES, "embedding_size": FEATURES, "num_samples": HELD}
"""Parameters that losses need to have."""


@dataclass(frozen=True)
class Step:
    """One row: a loss, and its data.

    Attributes:
        spec: The loss.
        parameters: Those that differ from the defaults.
        y_true: The form of its target.
        y_pred: The form of its predictions.
        compiled: Whether TensorFlow compiles it, which takes twice as long.
    """

    spec: LossSpec
    parameters: Mapping[str, Any] = field(default_factory=dict)
    y_true: str = "labels"
    y_pred: str = "embeddings"
    compiled: bool = False

    def loss(self, **options: Any) -> keras.losses.Loss:
        """The loss, whose weights begin the same each time."""
        keras.utils.set_random_seed(0)
        known = parameters_of(self.spec)
        needed = {name: NEEDED[name] for name, p in known.items() if p.required}
        if self.y_pred == "logits" and "from_logits" in known:
            needed["from_logits"] = True
        # A sum is the same however unequal the parts are.
        return get_loss(self.spec, reduction="sum", **{**needed, **self.parameters}, **options)

    def batches(self) -> list[tuple[Any, Any, np.ndarray]]:
        """Targets, predictions and weights of the samples of each batch."""
        return [
            self._batch(place) for place in range(2 if self.loss().non_trainable_variables else 1)
        ]

    def _batch(self, place: int) -> tuple[Any, Any, np.ndarray]:
        random = np.random.default_rng(place)
        y_true = DATA[self.y_true](random)
        made = DATA[self.y_pred]
        names = self.spec.outputs
        y_pred = {name: made(random) for name in names} if names else made(random)
        if self.y_pred == "hard negatives":
            y_pred[names[0]] = y_pred[names[0]][:, 0]
        return y_true, y_pred, random.uniform(0.5, 2.0, SAMPLES).astype("float32")


def _normal(*shape: int) -> Callable[[np.random.Generator], np.ndarray]:
    return lambda random: random.normal(size=(SAMPLES, *shape)).astype("float32")


DATA: Mapping[str, Callable[[np.random.Generator], Any]] = {
    "labels": lambda random: random.permutation(SAMPLES).astype("int32") % CLASSES,
    # TensorFlow sums no int8 over devices.
    "multi_hot": lambda random: (random.random((SAMPLES, LABELS)) < 0.3).astype("int8"),
    "binary": lambda random: (random.random(SAMPLES) < 0.5).astype("float32"),
    "class_ids": lambda random: random.permutation(SAMPLES).astype("int32") % CLASSES,
    "one_hot": lambda random: np.eye(CLASSES, dtype="float32")[
        random.permutation(SAMPLES) % CLASSES
    ],
    "binary outputs": lambda random: (random.random((SAMPLES, CLASSES)) < 0.5).astype("float32"),
    "logits": _normal(CLASSES),
    "scores": _normal(CLASSES),
    "distances": lambda random: random.uniform(0.1, 1.5, SAMPLES).astype("float32"),
    "numbered labels": lambda random: {
        "y_true": random.permutation(SAMPLES).astype("int32") % CLASSES,
        # Some of them on both devices, and -1, which is none.
        "index": random.permutation(SAMPLES).astype("int32") % HELD - 1,
    },
    "values": _normal(FEATURES),
    "embeddings": _normal(FEATURES),
    "hard negatives": _normal(1 + HARD, FEATURES),
}


# --- The table ------------------------------------------------------------------------------------


def _of_each_loss() -> Iterator[tuple[str, Step]]:
    """Every loss that compares samples or is of metric learning, with each form of target."""
    for entry, spec in registry.described(registry.entries()):
        if not isinstance(spec, LossSpec) or entry.name != spec.name:
            continue  # Keras's own, which compare no samples, and aliases
        if spec.compares({}) or spec.namespace == "metric-learning":
            for form in spec.y_true[: 1 if ON_JAX else None]:
                y_pred = spec.y_pred[0]
                of_outputs = form == "binary" and y_pred in ("logits", "scores")
                y_true = "binary outputs" if of_outputs else form
                yield f"{spec.id}, {form}", Step(spec, {}, y_true, y_pred)


def _around_each() -> Iterator[tuple[str, Step]]:
    """A memory around every loss that it can be around."""
    spec = registry.find("metric-learning/cross_batch_memory")
    for name in alternatives_of(parameters_of(spec)["loss"].annotation).names:
        yield f"a memory around {name}", Step(spec, {"loss": name, "memory_size": MEMORY})


def _with(
    loss: str, y_true: str = "labels", y_pred: str = "embeddings", /, **parameters: Any
) -> Step:
    return Step(registry.find(f"metric-learning/{loss}"), parameters, y_true, y_pred, compiled=True)


def _around(**loss: Any) -> Step:
    return _with("cross_batch_memory", memory_size=MEMORY, loss=loss)


def _remembering(loss: str, y_true: str = "class_ids") -> Step:
    return Step(registry.find(f"imbalance/{loss}"), {}, y_true, "logits", compiled=True)


_FURTHER: Mapping[str, Step] = {
    "divided by the positives": Step(
        registry.find("imbalance/focal"), {"average": "positives"}, "binary outputs", "logits"
    ),
    "in chunks": _with("contrastive", chunk=3),
    "in chunks, several labels": _with("supcon", "multi_hot", chunk=3),
    "in chunks, two outputs": _with("info_nce", chunk=3),
    "in chunks, two outputs, several labels": _with("n_pairs", "multi_hot", chunk=3),
    "in chunks, trained weights": _with("siglip", chunk=3),
    "in chunks, two rounds": _with("fast_ap", chunk=3),
    "mean over classes": _with("contrastive", average="classes"),
    "mean over classes, several labels": _with("supcon", "multi_hot", average="classes"),
    "mean over terms": _with("multi_similarity", average="terms"),
    "mean over terms that cost": _with("triplet_margin", average="nonzero"),
    "mined, hard": _with("contrastive", mining="hard"),
    "mined, semi-hard": _with("contrastive", mining="semi_hard"),
    "mined, easy positives": _with("triplet_margin", mining="easy_positive"),
    "mined, multi-similarity": _with("multi_similarity", mining="multi_similarity"),
    "mined, by margins": _with("circle", mining="pair_margin"),
    "mined, by angle": _with("contrastive", mining="angular"),
    "mined, by distance": _with("margin", mining="distance_weighted"),
    "mined, mean over classes, in chunks": _with(
        "contrastive", mining="hard", average="classes", chunk=3
    ),
    "Jaccard index": _with("contrastive", "multi_hot", matching="jaccard"),
    "another distance": _with("contrastive", distance="signal_to_noise"),
    "regularizer": _with("contrastive", regularizer="length"),
    "a boundary for each class": _with("margin", num_classes=CLASSES, nu=0.1),
    "hard negatives": _with("info_nce", "labels", "hard negatives"),
    "both ways": _with("info_nce", symmetric=True),
    "two outputs, regularizer": _with("n_pairs", regularizer="length"),
    "a memory, mined": _around(name="contrastive", mining="semi_hard", average="nonzero"),
    "a memory, mean over classes": _around(name="contrastive", average="classes"),
    "a memory, in chunks": _around(name="supcon", chunk=3),
    "a memory smaller than the batch": _with("cross_batch_memory", memory_size=5),
    "class counts": _remembering("seesaw"),
    "gradients of classes": _remembering("equalization"),
    "predictions of samples": _remembering("early_learning_regularisation", "numbered labels"),
}

STEPS = (
    dict(_of_each_loss())
    if ON_JAX
    else {**dict(_of_each_loss()), **dict(_around_each()), **_FURTHER}
)
"""Losses come from the registry: a row is for what their parameters add.

On JAX, where they see the whole batch in any case, once is enough: it compiles for long.
"""


def main(count: int, rank: int, file: Path) -> None:
    """Take every step of the table on several devices, and write what came of it."""
    solve = on_several(count, rank, file)
    results = {}
    for name, step in STEPS.items():
        build = partial(step.loss, global_batch=True)
        found = solve(build, step.batches(), step.compiled)
        results.update({f"{name}/{key}": value for key, value in found.items()})
    np.savez(file.with_suffix(f".{rank}.npz"), **results)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
