"""What `lossplug catalog audit` costs: a thousand small models, by the number of jobs.

Run it with `python tests/benchmarks/audit.py`. Each figure is the median of five whole processes;
the sides take turns.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from time import perf_counter

MODELS, LAYERS, ROUNDS = 1000, 100, 5
JOBS = (1, 2, 4)


def make(folder: Path) -> None:
    """Models of a hundred layers, a hundred to a folder."""
    layer = {"class_name": "Dense", "config": {"units": 64, "activation": "relu", "use_bias": True}}
    for number in range(MODELS):
        loss = {
            "module": "lossplug_core.bridge.plugin_loss",
            "class_name": "PluginLoss",
            "config": {
                "id": ("imbalance/focal", "metric-learning/supcon", "no-such/loss")[number % 3],
                "spec_version": 1,
                "parameters": {},
                "provider": {"distribution": "lossplug-imbalance", "version": "0.1.0"},
            },
            "registered_name": "lossplug>PluginLoss",
        }
        config = {
            "class_name": "Functional",
            "config": {"layers": [layer] * LAYERS},
            "compile_config": {"loss": loss},
        }
        inner = folder / str(number % 10)
        inner.mkdir(exist_ok=True)
        with zipfile.ZipFile(inner / f"{number}.keras", "w") as archive:
            archive.writestr("metadata.json", '{"keras_version": "3.15.1"}')
            archive.writestr("config.json", json.dumps(config))
            archive.writestr("model.weights.h5", bytes(10_000))


def seconds(folder: Path, jobs: int) -> float:
    """Seconds of a whole process."""
    command = [sys.executable, "-m", "lossplug_core", "catalog", "audit", str(folder)]
    start = perf_counter()
    done = subprocess.run(
        [*command, f"--jobs={jobs}", "--json"], capture_output=True, text=True, check=False
    )
    taken = perf_counter() - start
    assert json.loads(done.stdout)["counts"]["models"] == MODELS, done.stderr
    return taken


def main() -> None:
    """Measure, and print a line for each number of jobs."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(folder)
        taken: dict[int, list[float]] = {jobs: [] for jobs in JOBS}
        for _ in range(ROUNDS):
            for jobs in JOBS:
                taken[jobs].append(seconds(folder, jobs))
        for jobs, values in taken.items():
            print(f"{MODELS} models, {jobs} jobs: {statistics.median(values):.2f} s")


if __name__ == "__main__":
    main()
