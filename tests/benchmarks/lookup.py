"""What looking costs: imports, lists, and look-ups among a thousand distributions.

Run it with `tox run -e benchmarks-jax`. Each figure is a median; ratios come from one run, in which
the two sides take turns.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import timeit
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

from rich.console import Console
from rich.table import Table

DISTRIBUTIONS, LOSSES_EACH = 1000, 10
FIRST = """
from time import perf_counter
import sys; sys.path.insert(0, {site!r})
import lossplug_core
from lossplug_core import params
start = perf_counter()
spec = lossplug_core.find_spec("made-999/loss_9990")
print(perf_counter() - start)
"""


def process(*arguments: str) -> float:
    """Seconds of a whole Python process."""
    start = perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    return perf_counter() - start


def in_turn(sides: dict[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """The median of each side, measured in turn after a warm-up."""
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for round_ in range(rounds + 1):
        for name, measure in sides.items():
            seconds = measure()
            if round_:
                taken[name].append(seconds)
    return {name: statistics.median(values) for name, values in taken.items()}


def make_site(folder: Path) -> None:
    """A thousand distributions with ten losses each, in one module."""
    (folder / "made.py").write_text(
        "from lossplug_core import loss\n"
        "def make(name):\n"
        "    def function(y_true, y_pred, *, scale: float = 1.0): 'A loss.'\n"
        "    function.__name__ = name\n"
        "    return loss(y_true='values', y_pred='values')(function)\n"
        "def __getattr__(name):\n"
        "    if name.startswith('loss_'): return make(name)\n"
        "    raise AttributeError(name)\n"
    )
    for index in range(DISTRIBUTIONS):
        info = folder / f"lossplug_made_{index}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: lossplug-made-{index}\nVersion: 1.0\n"
        )
        names = (f"loss_{index * LOSSES_EACH + i}" for i in range(LOSSES_EACH))
        lines = "\n".join(f"{name} = made:{name}" for name in names)
        (info / "entry_points.txt").write_text(f"[lossplug.losses]\n{lines}\n")


def imports(table: Table) -> None:
    """`import lossplug_core` against an empty process and a registry of the same kind."""
    taken = in_turn(
        {
            "python": lambda: process("-c", "pass"),
            "catalogue": lambda: process("-c", "import catalogue"),
            "lossplug": lambda: process("-c", "import lossplug_core"),
            "list": lambda: process("-m", "lossplug_core", "list"),
        },
        rounds=15,
    )
    ours, other = (taken[name] - taken["python"] for name in ("lossplug", "catalogue"))
    table.add_row("import lossplug_core", f"{ours * 1e3:.0f} ms", f"{ours / other:.2f} × catalogue")
    whole = taken["lossplug"] / taken["catalogue"]
    table.add_row("… as a whole process", f"{taken['lossplug'] * 1e3:.0f} ms", f"{whole:.2f} ×")
    table.add_row("lossplug list, whole process", f"{taken['list'] * 1e3:.0f} ms", "")


def lookups(table: Table) -> None:
    """The first look-up in a fresh process among 10,000 losses, and the second."""
    with tempfile.TemporaryDirectory() as name:
        make_site(Path(name))
        code = FIRST.format(site=name)
        seconds = [
            float(
                subprocess.run(
                    [sys.executable, "-c", code], check=True, capture_output=True, text=True
                ).stdout
            )
            for _ in range(6)
        ][1:]
        label = f"first look-up, {DISTRIBUTIONS * LOSSES_EACH:,} losses"
        table.add_row(label, f"{statistics.median(seconds) * 1e3:.0f} ms", "")

        sys.path.insert(0, name)
        import keras

        from lossplug_core import find_spec, get_loss, refresh

        refresh()
        find_spec("loss_9990")
        keras_own = _microseconds(lambda: keras.losses.Huber(delta=1.0))
        for label, function in {
            "second look-up": lambda: find_spec("loss_9990"),
            "get_loss, a plugin's": lambda: get_loss("loss_9990"),
            "get_loss, Keras's": lambda: get_loss("huber"),
            "keras.losses.Huber()": lambda: keras.losses.Huber(delta=1.0),
        }.items():
            taken = _microseconds(function)
            table.add_row(label, f"{taken:.1f} µs", f"{taken / keras_own:.1f} × Keras's own")


def _microseconds(function: Callable[[], object], number: int = 2000) -> float:
    return min(timeit.repeat(function, number=number, repeat=7)) / number * 1e6


def main() -> None:
    """Measure and print."""
    table = Table("what", "taken", "ratio", title="Looking a loss up")
    imports(table)
    lookups(table)
    Console().print(table)


if __name__ == "__main__":
    main()
