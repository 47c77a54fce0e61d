"""What the bridge costs in training: a step with a wrapped loss, and with the bare function.

Run it with `tox run -e benchmarks-jax` (or `-tensorflow`, `-torch`). Models that differ in their
loss alone train in turn; the last column is the bare function against itself: the noise.
"""

from __future__ import annotations

import statistics
from time import perf_counter

import keras
import numpy as np
from rich.console import Console
from rich.table import Table

from lossplug_core import find_spec, get_loss

STEPS, ROUNDS, BATCH = 100, 9, 256
CASES = {
    "imbalance/focal": ({"from_logits": True}, 1),
    "imbalance/categorical_focal": ({"from_logits": True}, 10),
    "metric-learning/supcon": ({}, 32),
}


def trainer(loss: object, outputs: int) -> keras.Model:
    """A small network, compiled with a loss and trained for a step."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(64, "relu")])
    model.add(keras.layers.Dense(outputs))
    model.compile("adam", loss=loss)
    return model


def main() -> None:
    """Measure and print."""
    backend = keras.backend.backend()
    table = Table("loss", "step", "wrapped / bare", "bare / bare", title=f"Training, {backend}")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(BATCH * STEPS, 64)).astype("float32")
    for name, (parameters, outputs) in CASES.items():
        spec = find_spec(name)
        y = rng.integers(0, max(outputs, 2), BATCH * STEPS).astype("int32")

        def bare(y_true, y_pred, spec=spec, parameters=parameters):
            # Keras gives functions the target as it is; the bridge brings its shape in order.
            y_true = keras.ops.cast(y_true, "float32")[:, None] if spec.name == "focal" else y_true
            return spec.function(y_true, y_pred, **parameters)

        sides = {
            "wrapped": trainer(get_loss(name, **parameters), outputs),
            "bare": trainer(bare, outputs),
            "again": trainer(bare, outputs),
        }
        taken: dict[str, list[float]] = {side: [] for side in sides}
        for round_ in range(ROUNDS + 1):
            for side, model in sides.items():
                start = perf_counter()
                model.fit(x, y, batch_size=BATCH, shuffle=False, verbose=0)
                if round_:
                    taken[side].append((perf_counter() - start) / STEPS)
        ratios = [
            statistics.median(a / b for a, b in zip(taken[side], taken["bare"], strict=True))
            for side in ("wrapped", "again")
        ]
        step = f"{statistics.median(taken['wrapped']) * 1e3:.2f} ms"
        table.add_row(name, step, *(f"{ratio:.2f}" for ratio in ratios))
    Console().print(table)


if __name__ == "__main__":
    main()
