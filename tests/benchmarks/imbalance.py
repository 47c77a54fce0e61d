"""How long losses for rare classes take: value and gradient, beside Keras's own in the same run.

Run with one backend: `KERAS_BACKEND=jax python tests/benchmarks/imbalance.py`. All are given the
same logits of 65,536 samples and 16 outputs; ours and Keras's are compiled where the backend
compiles, and take turns. Times are lower quartiles, ratios are what to look at: those to
`BinaryCrossentropy(from_logits=True)`, and to Keras's loss of the same definition.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
from keras import ops
from steps import Step, step_of

from lossplug_core import find_spec, get_loss
from lossplug_core._app import registry
from lossplug_core.params import parameters_of
from lossplug_core.spec import LossSpec

SAMPLES, OUTPUTS = 65_536, 16
FEWER = 2048
"""Samples for losses whose memory grows with their square."""

COUNTS = tuple(float(n) for n in np.geomspace(10_000, 10, OUTPUTS).round())
PRIORS = tuple(n / sum(COUNTS) for n in COUNTS)
NEEDED: dict[str, Any] = {
    "class_priors": PRIORS,
    "class_weights": COUNTS[::-1],
    "costs": 1 - np.eye(OUTPUTS),
    "num_classes": OUTPUTS,
    "num_samples": SAMPLES,
    "positive_prior": 0.1,
    "samples_per_class": COUNTS,
    "transitions": 0.9 * np.eye(OUTPUTS) + 0.1 / OUTPUTS,
}
"""Parameters that losses need to have."""

PEERS: dict[str, Callable[[], keras.losses.Loss]] = {
    "categorical_focal": lambda: keras.losses.CategoricalFocalCrossentropy(from_logits=True),
    "focal": lambda: keras.losses.BinaryFocalCrossentropy(from_logits=True),
    "margin_hinge": keras.losses.Hinge,
    "multiclass_margin_hinge": keras.losses.CategoricalHinge,
    "smoothed_binary_crossentropy": lambda: keras.losses.BinaryCrossentropy(
        from_logits=True, label_smoothing=0.1
    ),
    "smoothed_crossentropy": lambda: keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=0.1
    ),
    "weighted_binary_crossentropy": lambda: keras.losses.BinaryCrossentropy(from_logits=True),
    "weighted_categorical_crossentropy": lambda: keras.losses.CategoricalCrossentropy(
        from_logits=True
    ),
}


def targets(spec: LossSpec, samples: int) -> np.ndarray:
    """Yes and no with few yes, or one-hot classes with a long tail."""
    random = np.random.default_rng(0)
    if "binary" in spec.y_true or "signs" in spec.y_true:
        return (random.random((samples, OUTPUTS)) < 0.1).astype("float32")
    return np.eye(OUTPUTS, dtype="float32")[random.choice(OUTPUTS, samples, p=PRIORS)]


def ours(spec: LossSpec) -> Callable[..., Any]:
    """A loss of ours, of targets and predictions."""
    known = parameters_of(spec)
    given = {name: NEEDED[name] for name, parameter in known.items() if parameter.required}
    if "from_logits" in known:
        given["from_logits"] = True
    loss = get_loss(spec, **given)
    if spec.outputs:
        return lambda y_true, y_pred: loss(y_true, dict.fromkeys(spec.outputs, y_pred))
    if not spec.weights:
        return loss
    # As in training, where the states get new values; an index is that of the sample.
    values = {name: ops.convert_to_tensor(value) for name, value in loss.values().items()}
    further = {"index": np.arange(SAMPLES, dtype="int32")} if spec.targets else {}

    def of_states(y_true: Any, y_pred: Any) -> Any:
        result = spec.function(y_true, y_pred, weights=values, **further, **loss.parameters)
        return ops.mean(result[0])

    return of_states


def quartiles(steps: list[Step], seconds: float) -> list[float]:
    """The lower quartile of what each step takes, in milliseconds; they take turns."""
    for step in steps:
        step()
    taken: list[list[float]] = [[] for _ in steps]
    begin = time.perf_counter()
    while len(taken[0]) < 5 or time.perf_counter() - begin < seconds:
        for step, times in zip(steps, taken, strict=True):
            start = time.perf_counter()
            step()
            times.append(1e3 * (time.perf_counter() - start))
    return [float(np.quantile(times, 0.25)) for times in taken]


def rows(names: list[str], seconds: float) -> Iterator[str]:
    """A line for each loss."""
    baseline = keras.losses.BinaryCrossentropy(from_logits=True)
    for name in names:
        spec = find_spec(f"imbalance/{name}")
        samples = FEWER if spec.memory == "batch**2" else SAMPLES
        y_true = targets(spec, samples)
        y_pred = np.random.default_rng(1).normal(0, 3, (samples, OUTPUTS)).astype("float32")
        losses = [ours(spec), baseline, *(PEERS[name]() for _ in [0] if name in PEERS)]
        steps = [step_of(loss, y_true, y_pred) for loss in losses]
        own, crossentropy, *peer = quartiles(steps, seconds)
        theirs = f"{peer[0]:7.2f} ms {peer[0] / own:6.2f}" if peer else ""
        yield f"{name:34} {samples:6} {own:9.2f} ms {own / crossentropy:8.2f} {theirs}"


def growth(seconds: float) -> Iterator[str]:
    """How AUC over all pairs grows with the batch, one output."""
    loss = get_loss("imbalance/pairwise_auc")
    for samples in (2**10, 2**13, 2**16, 2**18):
        random = np.random.default_rng(0)
        y_true = (random.random((samples, 1)) < 0.1).astype("float32")
        y_pred = random.normal(0, 3, (samples, 1)).astype("float32")
        (taken,) = quartiles([step_of(loss, y_true, y_pred)], seconds)
        per_sample = 1e6 * taken / (samples * np.log2(samples))
        yield f"pairwise_auc, N = {samples:7}: {taken:9.2f} ms, {per_sample:6.1f} ns for N log N"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--losses", nargs="*", default=None)
    parser.add_argument("--seconds", type=float, default=1.5, help="to repeat each for")
    options = parser.parse_args()
    names = options.losses or [
        entry.name
        for entry, spec in registry.described(registry.entries())
        if isinstance(spec, LossSpec) and spec.namespace == "imbalance" and spec.name == entry.name
    ]
    print(f"{keras.backend.backend()}: {OUTPUTS} outputs")
    print(f"{'loss':34} {'N':>6} {'step':>12} {'/ BCE':>8} {'Keras':>10} {'Keras / ours':>6}")
    for line in rows(sorted(names), options.seconds):
        print(line, flush=True)
    for line in growth(options.seconds):
        print(line, flush=True)


if __name__ == "__main__":
    main()
