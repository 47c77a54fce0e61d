"""Load the model that quickstart.py saved, with plain Keras, and check that nothing was lost.

Usage: python docs/examples/load_in_a_new_process.py [DIR]
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import keras
import numpy as np

import lossplug_core  # noqa: F401  (Keras now reads models saved with lossplug's losses)


def main() -> None:
    """Load, compare, train on."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "quickstart-output")
    saved = json.loads((folder / "focal.json").read_text())
    data = np.load(folder / "data.npz")

    model = keras.models.load_model(folder / "focal.keras")
    print(f"  the loss     {model.loss!r}")

    config = json.loads(json.dumps(keras.saving.serialize_keras_object(model.loss)))
    check(config == saved["config"], "its config", "as it was saved")

    value = float(model.loss(data["y_test"], data["y_pred"]))
    check(math.isclose(value, saved["value"], rel_tol=1e-6), "its value", f"{value:.6f}, as saved")

    same = np.allclose(model.predict(data["x_test"], verbose=0), data["y_pred"], atol=1e-5)
    check(same, "predictions", "as they were")

    step = int(model.optimizer.iterations)
    history = model.fit(data["x_train"], data["y_train"], batch_size=64, epochs=5, verbose=0)
    losses = history.history["loss"]
    resumed = step == saved["step"] < int(model.optimizer.iterations) and np.isfinite(losses).all()
    check(
        resumed,
        "training",
        f"goes on: steps {step} to {int(model.optimizer.iterations)}, "
        f"loss {losses[0]:.6f} to {losses[-1]:.6f}",
    )


def check(passed: bool, what: str, finding: str) -> None:
    """One line of the report; the first failure ends it."""
    if not passed:
        sys.exit(f"  {what:<12} DIFFERS from what was saved")
    print(f"  {what:<12} {finding}")


if __name__ == "__main__":
    main()
