"""Losses for rare classes side by side, on data where classes are rare.

Usage: python docs/examples/imbalance.py [--output DIR] [--seeds N] [--jobs N] [--quick]

The same small network is trained with each loss on the same samples. A seed decides which samples
are trained on and how the network starts; nothing else differs between the losses, except that
LDAM's last layer gives cosines, as it needs. The number of steps, the batch size and the learning
rate were chosen for crossentropy on seeds that are not among these; no other loss was tuned, and
each has its default parameters, or those that it learns from the class counts; where the defaults
are meant for probabilities, those that its documentation names for logits.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from imbalance_data import DATA, Part, Split
from imbalance_report import draw, summary, table
from rich.console import Console
from rich.progress import Progress
from sklearn.metrics import average_precision_score, balanced_accuracy_score, f1_score

from lossplug_core import LossplugError, TrainingModel, get_loss
from lossplug_core.schedules import deferred
from lossplug_imbalance.calibration import calibrated, correct_prior, expected_calibration_error
from lossplug_imbalance.thresholds import best_threshold

BATCH_SIZE, STEPS, LEARNING_RATE, UNITS = 64, 400, 0.01, 64
LOGITS = {"from_logits": True}
LATE = deferred(0.9999, until=STEPS * 4 // 5)
BASE = "crossentropy"
CORRECTED = "crossentropy, corrected"

# The name of each loss, its parameters, and what its outputs are.
LOSSES: dict[str, tuple[str, dict[str, Any], str]] = {
    BASE: ("categorical_crossentropy", LOGITS, "softmax"),
    "weighted": ("weighted_categorical_crossentropy", LOGITS, "softmax"),
    "class_balanced": ("class_balanced", LOGITS, "softmax"),
    "class_balanced, deferred": ("class_balanced", {"beta": LATE, **LOGITS}, "softmax"),
    "categorical_focal": ("categorical_focal", LOGITS, "softmax"),
    "poly1_crossentropy": ("poly1_crossentropy", LOGITS, "softmax"),
    "ldam, deferred": ("ldam", {"beta": LATE}, "cosines"),
    "logit_adjusted": ("logit_adjusted", LOGITS, "softmax"),
    "vector_scaling": ("vector_scaling", {}, "softmax"),
    "seesaw": ("seesaw", LOGITS, "softmax"),
    "focal": ("focal", LOGITS, "sigmoid"),
    "asymmetric": ("asymmetric", LOGITS, "sigmoid"),
    "pairwise_auc": ("pairwise_auc", {}, "scores"),
    "smooth_average_precision": ("smooth_average_precision", {"temperature": 1.0}, "scores"),
    "categorical_f_beta": ("categorical_f_beta", LOGITS, "softmax"),
}
COUNTED = {"seesaw"}


@dataclass(frozen=True)
class Result:
    """What one training gave on the test set; NaN where it does not apply."""

    average_precision: float
    balanced_accuracy: float
    f1: float
    calibration: float
    calibration_after: float
    seconds: float = math.nan


def build(name: str, split: Split) -> keras.losses.Loss:
    """The loss, which learns from the training targets what it needs to know of the classes."""
    id, parameters, _ = LOSSES[name]
    if id in COUNTED:
        parameters = {"num_classes": len(split.counts), **parameters}
    loss = get_loss(id, **parameters)
    return loss.adapt(split.train.y) if getattr(loss, "spec", None) and loss.spec.adapts else loss


def network(features: int, classes: int, *, cosines: bool, seed: int) -> keras.Model:
    """The network, which starts the same for the same seed."""
    keras.utils.set_random_seed(seed)
    layers = [keras.Input((features,)), keras.layers.Dense(UNITS, activation="relu")]
    if not cosines:
        return keras.Sequential([*layers, keras.layers.Dense(classes)])
    unit = keras.constraints.UnitNorm(axis=0)
    head = keras.layers.Dense(classes, use_bias=False, kernel_constraint=unit)
    return keras.Sequential([*layers, keras.layers.UnitNormalization(), head])


def train(name: str, split: Split, seed: int) -> dict[str, Result]:
    """Train with one loss, and measure; crossentropy also with the prior taken out afterwards."""
    loss, kind = build(name, split), LOSSES[name][2]
    x, classes = split.train.x, len(split.counts)
    model = network(x.shape[1], classes, cosines=kind == "cosines", seed=seed)
    training = TrainingModel(model)
    training.compile(keras.optimizers.Adam(LEARNING_RATE), loss=loss)
    start = time.perf_counter()
    y = np.eye(classes, dtype="float32")[split.train.y]
    epochs = math.ceil(STEPS / math.ceil(len(x) / BATCH_SIZE))
    training.fit(x, y, batch_size=BATCH_SIZE, epochs=epochs, verbose=0)
    seconds = time.perf_counter() - start
    outputs = [keras.ops.convert_to_numpy(model(part.x)) for part in (split.validation, split.test)]
    results = {name: measured(loss, kind, outputs, split, seconds)}
    if name == BASE:
        priors = tuple(split.counts / split.counts.sum())
        corrected = [
            np.log(correct_prior(z, priors, (1.0,) * classes, from_logits=True) + 1e-30)
            for z in outputs
        ]
        balanced = get_loss("logit_adjusted", class_priors=priors, from_logits=True)
        results[CORRECTED] = measured(balanced, "softmax", corrected, split, seconds)
    return results


def measured(
    loss: Any, kind: str, outputs: list[np.ndarray], split: Split, seconds: float
) -> Result:
    """Ranking, decisions and probabilities on the test set; thresholds come from validation."""
    scores, test = [probabilities(z, kind) for z in outputs], split.test
    before = calibration_error(test, scores[1]) if kind != "scores" else math.nan
    try:
        undone = calibrated(loss, outputs[1])
        after = calibration_error(test, undone / undone.sum(axis=-1, keepdims=True))
    except LossplugError:
        after = math.nan
    return Result(
        average_precision=over_classes(test, scores[1], average_precision_score),
        balanced_accuracy=float(balanced_accuracy_score(test.y, scores[1].argmax(axis=-1))),
        f1=f1_at_best_threshold(split, *scores),
        calibration=before,
        calibration_after=after,
        seconds=seconds,
    )


def probabilities(z: np.ndarray, kind: str) -> np.ndarray:
    """What anyone would take for probabilities: softmax, or sigmoids that sum to 1."""
    if kind == "scores":
        return z - z.mean(axis=-1, keepdims=True)
    z = 30.0 * z if kind == "cosines" else z
    p = 1 / (1 + np.exp(-z)) if kind == "sigmoid" else np.exp(z - z.max(axis=-1, keepdims=True))
    return p / p.sum(axis=-1, keepdims=True)


def measured_classes(classes: int) -> range:
    """All classes, one against the rest; of two, the rare one."""
    return range(1, 2) if classes == 2 else range(classes)


def over_classes(part: Part, scores: np.ndarray, metric: Any) -> float:
    """The mean over the classes that are measured."""
    values = [
        metric(part.y == k, scores[:, k], sample_weight=part.weight)
        for k in measured_classes(scores.shape[1])
    ]
    return float(np.mean(values))


def f1_at_best_threshold(split: Split, validation: np.ndarray, test: np.ndarray) -> float:
    """F1 on the test set, at the threshold that is best on the validation set."""
    values = []
    for k in measured_classes(test.shape[1]):
        part = split.validation
        best = best_threshold(part.y == k, validation[:, k], sample_weight=part.weight)
        found = test[:, k] >= best.threshold
        values.append(f1_score(split.test.y == k, found, sample_weight=split.test.weight))
    return float(np.mean(values))


def calibration_error(part: Part, p: np.ndarray) -> float:
    """Of the rare one of two classes; of more, of the most probable."""
    p = p[:, 1] if p.shape[1] == 2 else p
    return expected_calibration_error(part.y, p, sample_weight=part.weight, binning="mass")


def trainings(of_data: str, seed: int, losses: Sequence[str]) -> tuple[str, dict[str, Result]]:
    """These losses on one split of one data set."""
    split = DATA[of_data](seed)
    results: dict[str, Result] = {}
    for name in losses:
        results |= train(name, split, seed)
    return of_data, results


def compare(
    data: Sequence[str], losses: Sequence[str], seeds: int, jobs: int, console: Console
) -> dict[str, dict[str, list[Result]]]:
    """All results: of each data set, of each loss, one for each seed."""
    results: dict[str, dict[str, list[Result]]] = {name: {} for name in data}
    each = [(name, seed, losses) for name in data for seed in range(seeds)]
    spawn = multiprocessing.get_context("spawn")
    with Progress(console=console) as progress, ProcessPoolExecutor(jobs, spawn) as pool:
        task = progress.add_task(f"{len(losses)} trainings each", total=len(each))
        run = pool.map if jobs > 1 else map
        for of_data, found in run(trainings, *zip(*each, strict=True)):
            for name, result in found.items():
                results[of_data].setdefault(name, []).append(result)
            progress.advance(task)
    return results


def main() -> None:
    """Train, print the tables, write the numbers and the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--output", type=Path, default=Path("imbalance-example"), metavar="DIR")
    parser.add_argument("--seeds", type=int, default=5, metavar="N", help="at least 2")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="processes")
    parser.add_argument("--quick", action="store_true", help="one data set, two losses, two seeds")
    options = parser.parse_args()
    data, losses, seeds, jobs = list(DATA), list(LOSSES), max(2, options.seeds), options.jobs
    if options.quick:
        data, losses, seeds, jobs = data[-1:], losses[:2], 2, 1
    console = Console(highlight=False, emoji=False, width=140)
    console.print(f"Keras {keras.version()} on {keras.backend.backend()}")
    start = time.perf_counter()
    results = compare(data, losses, seeds, jobs, console)
    for name, of_data in results.items():
        console.print(table(name, of_data, BASE))
    console.print(summary(results, BASE))
    options.output.mkdir(parents=True, exist_ok=True)
    numbers = {
        name: {loss: [asdict(run) for run in runs] for loss, runs in of_data.items()}
        for name, of_data in results.items()
    }
    (options.output / "results.json").write_text(json.dumps(numbers, indent=1))
    draw(results, BASE, options.output / "differences.png")
    console.print(f"{time.perf_counter() - start:.0f} seconds. All numbers: {options.output}")


if __name__ == "__main__":
    main()
