"""Three losses by name on a rare class: train, compare, save, load in another process.

Usage: python docs/examples/quickstart.py [--output DIR] [--seeds N]

The task is to find the digit 8 among all others when 1 image in 50 is an 8. The same network is
trained on the same images with three losses, once per seed. A seed decides which images are trained
on and how the network starts; nothing else differs between the losses. Learning rate, batch size
and epochs were chosen for binary crossentropy; the other two got no tuning of their own.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import matplotlib
import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from sklearn.datasets import load_digits
from sklearn.metrics import average_precision_score, precision_recall_curve

from lossplug_core import get_loss

matplotlib.use("Agg")
import matplotlib.pyplot as plt

RARE_DIGIT = 8
OTHERS_PER_RARE = 49
BATCH_SIZE, EPOCHS, LEARNING_RATE = 64, 60, 0.01
FIXED_PRECISION = 0.9
COLOURS = {
    "binary crossentropy": "tab:gray",
    "weighted crossentropy": "tab:blue",
    "focal": "tab:red",
}


@dataclass(frozen=True)
class Split:
    """Images to train on and images held out; the label is 1 for the rare digit."""

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray

    @property
    def others_per_rare(self) -> float:
        """Negatives for each positive in training."""
        return float((self.y_train == 0).sum() / (self.y_train == 1).sum())

    @property
    def test_weights(self) -> np.ndarray:
        """Weights of the held-out images that make the rare digit as rare as in training.

        Every rare digit that is not trained on is held out, about ten times too many. To weigh them
        down measures the same as to throw nine of ten away, with far less noise.
        """
        rare = self.y_test == 1
        return np.where(rare, (~rare).sum() / OTHERS_PER_RARE / rare.sum(), 1.0)


@dataclass(frozen=True)
class Run:
    """What one training gave."""

    model: keras.Model
    seconds: float
    average_precision: float
    precision: np.ndarray
    recall: np.ndarray

    @property
    def recall_at_fixed_precision(self) -> float:
        """The highest recall at which the precision is still good."""
        return float(self.recall[self.precision >= FIXED_PRECISION].max())


def split_digits(seed: int) -> Split:
    """Half of the other digits to train on, with 1 rare digit for 49; the rest is held out."""
    images, digits = load_digits(return_X_y=True)
    x, y = (images / 16).astype("float32"), (digits == RARE_DIGIT).astype("float32")
    order = np.random.default_rng(seed).permutation(len(y))
    rare, others = order[y[order] == 1], order[y[order] == 0]
    half = len(others) // 2
    train = np.concatenate([rare[: round(half / OTHERS_PER_RARE)], others[:half]])
    test = np.setdiff1d(order, train)
    return Split(x[train], y[train], x[test], y[test])


def counts(split: Split) -> str:
    """How many images there are, and how many of the rare digit."""
    rare = f"of them an {RARE_DIGIT}"
    weight = split.test_weights[split.y_test == 1].sum()
    return (
        f"training: {len(split.y_train)} images, {split.y_train.sum():.0f} {rare}\n"
        f"held out: {len(split.y_test)} images, {split.y_test.sum():.0f} {rare}, "
        f"counted as {weight:.0f} (1 in {OTHERS_PER_RARE + 1})"
    )


def losses_for(split: Split) -> dict[str, keras.losses.Loss]:
    """The losses to compare, by name. The network returns logits."""
    return {
        "binary crossentropy": get_loss("binary_crossentropy", from_logits=True),
        "weighted crossentropy": get_loss(
            "weighted_binary_crossentropy",
            positive_weight=split.others_per_rare,
            from_logits=True,
        ),
        "focal": get_loss("focal", gamma=2, from_logits=True),
    }


def train(loss: keras.losses.Loss, split: Split, seed: int, epoch_ended: Callable[[], None]) -> Run:
    """Train a small network with a loss, and measure it on the images held out."""
    keras.utils.set_random_seed(seed)
    layers = [keras.Input((64,)), keras.layers.Dense(32, activation="relu"), keras.layers.Dense(1)]
    model = keras.Sequential(layers)
    model.compile(keras.optimizers.Adam(LEARNING_RATE), loss=loss)
    start = time.perf_counter()
    model.fit(
        split.x_train,
        split.y_train,
        batch_size=BATCH_SIZE,
        epochs=EPOCHS,
        verbose=0,
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: epoch_ended())],
    )
    seconds = time.perf_counter() - start
    scores = model.predict(split.x_test, verbose=0)[:, 0]
    weighted = {"sample_weight": split.test_weights}
    precision, recall, _ = precision_recall_curve(split.y_test, scores, **weighted)
    average = float(average_precision_score(split.y_test, scores, **weighted))
    return Run(model, seconds, average, precision, recall)


def compare(splits: list[Split], console: Console) -> dict[str, list[Run]]:
    """Train with every loss on every split."""
    runs: dict[str, list[Run]] = {name: [] for name in losses_for(splits[0])}
    with Progress(console=console) as progress:
        task = progress.add_task("Training", total=EPOCHS * len(runs) * len(splits))
        for seed, split in enumerate(splits):
            for name, loss in losses_for(split).items():
                progress.update(task, description=f"{name}, seed {seed}")
                runs[name].append(train(loss, split, seed, lambda: progress.advance(task)))
        progress.update(task, description="Training")
    return runs


def results_table(runs: dict[str, list[Run]]) -> Table:
    """Mean ± standard deviation over the seeds, and in how many of them each loss came first."""
    seeds = range(len(runs["focal"]))
    first = [max(runs, key=lambda name: runs[name][seed].average_precision) for seed in seeds]
    table = Table(title=f"Mean ± standard deviation of {len(seeds)} seeds")
    table.add_column("loss", no_wrap=True)
    table.add_column("average precision", justify="right")
    table.add_column(f"recall at precision {FIXED_PRECISION:g}", justify="right")
    table.add_column("first in", justify="right")
    table.add_column("seconds", justify="right")
    for name, of_loss in runs.items():
        table.add_row(
            name,
            mean_and_spread([run.average_precision for run in of_loss]),
            mean_and_spread([run.recall_at_fixed_precision for run in of_loss]),
            f"{first.count(name)} of {len(seeds)}",
            f"{statistics.median(run.seconds for run in of_loss):.1f}",
        )
    return table


def verdict(runs: dict[str, list[Run]]) -> str:
    """How much more average precision focal has than each other loss, seed by seed."""
    lines = []
    for name in [name for name in runs if name != "focal"]:
        pairs = zip(runs["focal"], runs[name], strict=True)
        gains = [focal.average_precision - other.average_precision for focal, other in pairs]
        extremes = f"{min(gains):+.3f} to {max(gains):+.3f}"
        lines.append(f"focal - {name}: {extremes} by seed, mean {statistics.mean(gains):+.3f}")
    return "\n".join(lines)


def mean_and_spread(values: list[float]) -> str:
    """`0.75 ± 0.05`; one value has no spread."""
    spread = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.3f}{spread}"


def draw_curves(runs: dict[str, list[Run]], path: Path) -> None:
    """The precision-recall curve of every training, and their mean for each loss."""
    figure, axes = plt.subplots(figsize=(7, 5), layout="constrained")
    grid = np.linspace(0, 1, 201)
    for name, of_loss in runs.items():
        # At each recall, the best precision that this recall or a higher one can be had with.
        curves = [[run.precision[run.recall >= recall].max() for recall in grid] for run in of_loss]
        for curve in curves:
            axes.plot(grid, curve, color=COLOURS[name], linewidth=0.7, alpha=0.35)
        axes.plot(grid, np.mean(curves, axis=0), color=COLOURS[name], linewidth=2.2, label=name)
    axes.set(
        xlabel="recall",
        ylabel="precision",
        xlim=(0, 1),
        ylim=(0, 1.02),
        title=f"Finding 1 image in {OTHERS_PER_RARE + 1}: each seed (thin) and their mean (bold)",
    )
    axes.grid(alpha=0.3)
    axes.legend(loc="lower left")
    figure.savefig(path, dpi=150)
    plt.close(figure)


def save(run: Run, split: Split, folder: Path) -> None:
    """The model, and beside it what another process needs to check that it is the same."""
    model = run.model
    y_pred = model.predict(split.x_test, verbose=0)
    model.save(folder / "focal.keras")
    np.savez(folder / "data.npz", **vars(split), y_pred=y_pred)
    facts = {
        "config": keras.saving.serialize_keras_object(model.loss),
        "value": float(model.loss(split.y_test, y_pred)),
        "step": int(model.optimizer.iterations),
    }
    (folder / "focal.json").write_text(json.dumps(facts, indent=2))


def load_in_a_new_process(folder: Path) -> int:
    """Run the other script of this folder. Its warnings are shown only if it fails."""
    script = Path(__file__).with_name("load_in_a_new_process.py")
    done = subprocess.run(
        [sys.executable, script, folder], stderr=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        print(done.stderr, file=sys.stderr)
    return done.returncode


def main() -> None:
    """Do all of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("quickstart-output"), metavar="DIR")
    parser.add_argument("--seeds", type=int, default=5, metavar="N")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)

    console = Console(highlight=False)
    splits = [split_digits(seed) for seed in range(options.seeds)]
    console.print(f"Keras {keras.version()} on {keras.backend.backend()}\n{counts(splits[0])}")
    runs = compare(splits, console)
    console.print(results_table(runs))
    console.print(verdict(runs))
    draw_curves(runs, options.output / "precision-recall.png")
    save(runs["focal"][0], splits[0], options.output)
    console.print(f"The curves, and the focal model of seed 0, are in {options.output}{os.sep}")
    console.print("That model, loaded in a new process:")
    sys.exit(load_in_a_new_process(options.output))


if __name__ == "__main__":
    main()
