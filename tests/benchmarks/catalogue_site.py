"""What the pictures of a catalogue's page cost, on the backend of Keras that is set.

Run it with `tox run -e benchmarks-jax` and its siblings, one after the other, and compare them.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path
from time import perf_counter

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
from rich.console import Console
from rich.table import Table

from lossplug_core._app import registry
from lossplug_core.catalog.site.figures import figure_of
from lossplug_core.errors import LossplugError
from lossplug_core.spec import LossSpec

MANY = 200
"""So many losses are to have their pages within a minute: those installed, over and over."""


def specs() -> Iterator[LossSpec]:
    """All losses that can be loaded."""
    for entry in registry.entries():
        try:
            yield registry.find(entry.id)
        except LossplugError:
            continue


def drawn(losses: Sequence[LossSpec]) -> tuple[float, int, int]:
    """Seconds for the numbers of all pictures; how many losses have one; and with how many curves.

    A loss that comes a second time is built and traced anew, as another loss would be.
    """
    start = perf_counter()
    pictures = curves = 0
    for spec in losses:
        try:
            figure = figure_of(spec, {})
        except LossplugError:
            continue
        pictures += 1
        places = 1 + sum(len(move["values"]) for move in figure["moves"])
        curves += len(figure["cases"]) * places
    return perf_counter() - start, pictures, curves


def whole() -> float:
    """Seconds of the command, all else included."""
    with tempfile.TemporaryDirectory() as folder:
        start = perf_counter()
        subprocess.run(
            [sys.executable, "-m", "lossplug_core", "catalog", "build", str(Path(folder, "out"))],
            check=True,
            capture_output=True,
        )
        return perf_counter() - start


def main() -> None:
    """Measure and print."""
    table = Table(
        "what",
        "losses",
        "drawn",
        "curves",
        "seconds",
        "a second",
        title=f"The page of a catalogue, on {keras.backend.backend()}",
    )
    installed = [*specs()]
    for label, losses in {
        "installed": installed,
        "installed, again and again": [*islice(cycle(installed), MANY)],
    }.items():
        seconds, pictures, curves = drawn(losses)
        speed = len(losses) / seconds
        numbers = (f"{len(losses)}", f"{pictures}", f"{curves}")
        table.add_row(label, *numbers, f"{seconds:.1f}", f"{speed:.1f}")
    seconds = whole()
    speed = len(installed) / seconds
    numbers = (f"{len(installed)}", "", "", f"{seconds:.1f}", f"{speed:.1f}")
    table.add_row("lossplug catalog build", *numbers)
    Console().print(table)


if __name__ == "__main__":
    main()
