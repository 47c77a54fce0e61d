"""Five losses that shape an embedding, measured on digits that training never saw.

Usage: python docs/examples/metric_learning.py [--output DIR] [--seeds N]

A small network learns to embed images of six digits, placed anywhere on a canvas. What counts is
how well it tells the other four digits apart: whether an image's closest neighbour shows the same
digit (recall@1), and how many of its R closest do, the first most of all (MAP@R), where R is how
many there are. A seed decides which digits are held out, where they are placed, and how the network
starts. With the torch backend, and pytorch-metric-learning installed, its losses train the same
network on the same batches.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import matplotlib
import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from sklearn.datasets import load_digits
from sklearn.manifold import TSNE

from lossplug_core import TrainingModel, get_loss
from lossplug_metric_learning.evaluation import retrieval_metrics

matplotlib.use("Agg")
import matplotlib.pyplot as plt

TRAINED_CLASSES, PER_CLASS, STEPS = 6, 16, 12
EPOCHS, LEARNING_RATE, EMBEDDING_SIZE = 10, 1e-3, 32
CANVAS, IMAGE = 12, 8
PEER, PEER_SHORT = "pytorch-metric-learning", "pytorch-m.-l."
PIXELS = "raw pixels"
OF_CLASSES = {"num_classes": TRAINED_CLASSES, "embedding_size": EMBEDDING_SIZE}
LOSSES: dict[str, dict[str, Any]] = {
    "triplet_margin": {},
    "supcon": {},
    "multi_similarity": {},
    "proxy_anchor": OF_CLASSES,
    "arcface": OF_CLASSES,
}


@dataclass(frozen=True)
class Split:
    """Images of digits to train on, whose labels are counted from 0, and of others."""

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


@dataclass(frozen=True)
class Run:
    """What one training gave."""

    embeddings: np.ndarray
    recall: float
    map_at_r: float
    seconds: float


def balanced_batches(split: Split, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Batches in which every class occurs as often: an anchor needs positives."""
    random = np.random.default_rng(seed)
    of_class = [np.flatnonzero(split.y_train == c) for c in range(TRAINED_CLASSES)]
    for _ in range(EPOCHS * STEPS):
        chosen = np.concatenate([random.choice(own, PER_CLASS, False) for own in of_class])
        yield placed(split.x_train[chosen], random), split.y_train[chosen]


def split_digits(seed: int) -> Split:
    """Images of six digits to train on, and of the other four."""
    images, digits = load_digits(return_X_y=True)
    x = (images / 16).astype("float32")
    order = np.random.default_rng(seed).permutation(10)
    trained = np.sort(order[:TRAINED_CLASSES])
    is_trained = np.isin(digits, trained)
    labels = np.searchsorted(trained, digits[is_trained]).astype("int32")
    x_test = placed(x[~is_trained], np.random.default_rng(seed))
    return Split(x[is_trained], labels, x_test, digits[~is_trained].astype("int32"))


def placed(images: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Each image somewhere on a canvas that is larger."""
    canvas = np.zeros((len(images), CANVAS, CANVAS, 1), "float32")
    corners = random.integers(0, CANVAS - IMAGE + 1, (len(images), 2))
    for empty, (row, column), image in zip(canvas, corners, images, strict=True):
        empty[row : row + IMAGE, column : column + IMAGE, 0] = image.reshape(IMAGE, IMAGE)
    return canvas


def network(seed: int) -> keras.Model:
    """The network, which starts the same for the same seed."""
    keras.utils.set_random_seed(seed)
    return keras.Sequential(
        [
            keras.Input((CANVAS, CANVAS, 1)),
            keras.layers.Conv2D(32, 3, activation="relu"),
            keras.layers.Conv2D(32, 3, activation="relu"),
            keras.layers.MaxPooling2D(),
            keras.layers.Conv2D(64, 3, activation="relu", padding="same"),
            keras.layers.GlobalMaxPooling2D(),
            keras.layers.Dense(EMBEDDING_SIZE),
        ]
    )


def train(name: str, split: Split, seed: int) -> keras.Model:
    """Train the network with a loss of ours, by name."""
    model = network(seed)
    loss = get_loss(f"metric-learning/{name}", **convention(name), **LOSSES[name])
    training = TrainingModel(model)
    training.compile(keras.optimizers.Adam(LEARNING_RATE), loss=loss)
    batches = balanced_batches(split, seed)
    training.fit(batches, steps_per_epoch=STEPS, epochs=EPOCHS, verbose=0)
    return model


def convention(name: str) -> dict[str, str]:
    """Ours as in pytorch-metric-learning, where definitions differ: the very same loss."""
    return {} if name == "proxy_anchor" else {"convention": PEER}


def train_peer(name: str, split: Split, seed: int) -> keras.Model:
    """Train the same network on the same batches with the peer's loss."""
    import torch
    from pytorch_metric_learning import losses

    model = network(seed)
    loss = {
        "triplet_margin": losses.TripletMarginLoss,
        "supcon": losses.SupConLoss,
        "multi_similarity": losses.MultiSimilarityLoss,
        "proxy_anchor": losses.ProxyAnchorLoss,
        "arcface": losses.ArcFaceLoss,
    }[name](**LOSSES[name])
    weights = [variable.value for variable in model.trainable_variables]
    optimizer = torch.optim.Adam([*weights, *loss.parameters()], LEARNING_RATE, eps=1e-7)
    for x, y in balanced_batches(split, seed):
        optimizer.zero_grad()
        loss(model(x, training=True), torch.as_tensor(y).long()).backward()
        optimizer.step()
    return model


def measured(embed: Callable[[np.ndarray], np.ndarray], split: Split, seconds: float) -> Run:
    """How well embeddings tell the digits apart that training never saw."""
    embeddings = embed(split.x_test)
    found = retrieval_metrics(embeddings, split.y_test, metrics=("recall_at_1", "map_at_r"))
    return Run(embeddings, found["recall_at_1"], found["map_at_r"], seconds)


def compare(seeds: int, console: Console) -> dict[tuple[str, str], list[Run]]:
    """All runs: by loss, and by whose it is."""
    trainers = {"lossplug": train}
    if keras.backend.backend() == "torch" and importlib.util.find_spec("pytorch_metric_learning"):
        trainers[PEER] = train_peer
    runs: dict[tuple[str, str], list[Run]] = {(PIXELS, ""): []}
    with Progress(console=console) as progress:
        task = progress.add_task("Training", total=seeds * len(LOSSES) * len(trainers))
        for seed in range(seeds):
            split = split_digits(seed)
            runs[PIXELS, ""].append(measured(flat, split, 0.0))
            for name in LOSSES:
                for whose, trainer in trainers.items():
                    progress.update(task, description=f"{name}, {whose}, seed {seed}")
                    start = time.perf_counter()
                    model = trainer(name, split, seed)
                    seconds = time.perf_counter() - start
                    run = measured(lambda x, m=model: m.predict(x, verbose=0), split, seconds)
                    runs.setdefault((name, whose), []).append(run)
                    progress.advance(task)
        progress.update(task, description="Training")
    return runs


def flat(images: np.ndarray) -> np.ndarray:
    """Pixels as they are."""
    return images.reshape(len(images), -1)


def results_table(runs: dict[tuple[str, str], list[Run]]) -> Table:
    """Mean ± standard deviation over the seeds."""
    seeds = len(runs[PIXELS, ""])
    table = Table(title=f"Digits never trained on: mean ± standard deviation of {seeds} seeds")
    for column in ("loss", "of"):
        table.add_column(column, no_wrap=True)
    for column in ("recall@1", "MAP@R", "seconds"):
        table.add_column(column, justify="right", no_wrap=True)
    for (name, whose), of_loss in runs.items():
        seconds = statistics.median(run.seconds for run in of_loss)
        table.add_row(
            name,
            PEER_SHORT if whose == PEER else whose,
            mean_and_spread([run.recall for run in of_loss]),
            mean_and_spread([run.map_at_r for run in of_loss]),
            f"{seconds:.1f}" if seconds else "",
        )
    return table


def mean_and_spread(values: list[float]) -> str:
    """`0.75 ± 0.05`; one value has no spread."""
    spread = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.3f}{spread}"


def draw_embeddings(runs: dict[tuple[str, str], list[Run]], path: Path) -> None:
    """The digits held out with the first seed, in the plane: t-SNE of ours, and of the pixels."""
    digits = split_digits(0).y_test
    shown = {name: of_loss[0] for (name, whose), of_loss in runs.items() if whose != PEER}
    figure, axes = plt.subplots(2, 3, figsize=(10.5, 7.2), layout="constrained")
    for axis, (name, run) in zip(axes.flat, shown.items(), strict=True):
        plane = TSNE(random_state=0, init="pca").fit_transform(run.embeddings)
        for i, digit in enumerate(np.unique(digits)):
            own = digits == digit
            axis.scatter(*plane[own].T, s=7, c=f"C{i}", label=str(digit), linewidths=0)
        axis.set_title(f"{name}: recall@1 {run.recall:.3f}, MAP@R {run.map_at_r:.3f}", fontsize=10)
        axis.set_xticks([])
        axis.set_yticks([])
    figure.suptitle("Four digits that training never saw (t-SNE)")
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, markerscale=2.5)
    figure.savefig(path, dpi=130)


def main() -> None:
    """Train, print the table, draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--output", type=Path, default=Path("metric-example"))
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    console = Console()
    runs = compare(options.seeds, console)
    console.print(results_table(runs))
    options.output.mkdir(parents=True, exist_ok=True)
    draw_embeddings(runs, options.output / "embeddings.png")
    console.print(f"The embeddings in the plane: {options.output / 'embeddings.png'}")


if __name__ == "__main__":
    main()
