"""The tables and the picture of `imbalance.py`: differences to a loss, with their intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from rich.table import Table
from scipy.stats import t

matplotlib.use("Agg")
import matplotlib.pyplot as plt

# Each metric with its heading, and whether more is better.
METRICS: Mapping[str, tuple[str, bool]] = {
    "average_precision": ("average precision", True),
    "f1": ("F1", True),
    "balanced_accuracy": ("balanced accuracy", True),
    "calibration": ("calibration error", False),
    "calibration_after": ("after calibrated()", False),
}
Runs = Sequence[Any]
CONFIDENCE = 0.95


def values(runs: Runs, metric: str) -> np.ndarray:
    """One for each seed."""
    return np.array([getattr(run, metric) for run in runs])


def difference(runs: Runs, base: Runs, metric: str) -> tuple[float, float]:
    """The mean difference, seed by seed, and half the width of its confidence interval."""
    # Calibrated or not, the probabilities of the other loss are what they are.
    of_base = "calibration" if metric == "calibration_after" else metric
    gaps = values(runs, metric) - values(base, of_base)
    spread = gaps.std(ddof=1) / math.sqrt(len(gaps))
    return float(gaps.mean()), float(t.ppf(0.5 + CONFIDENCE / 2, len(gaps) - 1) * spread)


def verdict(runs: Runs, base: Runs, metric: str) -> int:
    """1 if better beyond the interval, -1 if worse, else 0."""
    mean, half = difference(runs, base, metric)
    if not abs(mean) > max(half, 1e-6):  # not what rounding makes of no difference
        return 0
    return 1 if (mean > 0) == METRICS[metric][1] else -1


def table(name: str, of_data: Mapping[str, Runs], base: str) -> Table:
    """Means, and the differences that go beyond their intervals in colour."""
    seeds = len(of_data[base])
    made = Table(
        title=f"{name}: mean of {seeds} seeds, and the difference to {base} with its"
        f" {CONFIDENCE:.0%} interval",
        caption="green: better beyond the interval; red: worse",
    )
    made.add_column("loss", no_wrap=True)
    for heading, _ in METRICS.values():
        made.add_column(heading, justify="right", no_wrap=True)
    for loss, runs in of_data.items():
        made.add_row(loss, *(cell(runs, of_data[base], metric, loss == base) for metric in METRICS))
    return made


def cell(runs: Runs, base: Runs, metric: str, alone: bool) -> str:
    """`0.912 +0.013±0.010`, coloured."""
    mean = values(runs, metric).mean()
    if math.isnan(mean):
        return "–"
    if alone:
        return f"{mean:.3f}"
    gap, half = difference(runs, base, metric)
    text = f"{mean:.3f} {gap:+.3f}±{half:.3f}"
    colour = {1: "green", -1: "red", 0: ""}[verdict(runs, base, metric)]
    return f"[{colour}]{text}[/]" if colour else text


def summary(results: Mapping[str, Mapping[str, Runs]], base: str) -> Table:
    """On how many data sets a loss is better than another, and on how many worse."""
    made = Table(
        title=f"On how many of {len(results)} data sets better (+) and worse (−) than {base},"
        f" beyond the {CONFIDENCE:.0%} interval"
    )
    made.add_column("loss", no_wrap=True)
    for heading, _ in METRICS.values():
        made.add_column(heading, justify="right", no_wrap=True)
    for loss in next(iter(results.values())):
        if loss != base:
            made.add_row(loss, *(counted(results, loss, base, metric) for metric in METRICS))
    return made


def counted(results: Mapping[str, Mapping[str, Runs]], loss: str, base: str, metric: str) -> str:
    """`+4 −1`."""
    found = [verdict(of_data[loss], of_data[base], metric) for of_data in results.values()]
    if all(math.isnan(values(of_data[loss], metric).mean()) for of_data in results.values()):
        return "–"
    return f"+{found.count(1)} −{found.count(-1)}"


def draw(results: Mapping[str, Mapping[str, Runs]], base: str, path: Path) -> None:
    """Every difference with its interval: a column for each data set, a row for each metric."""
    losses = [loss for loss in next(iter(results.values())) if loss != base]
    rows, columns = len(METRICS), len(results)
    figure, axes = plt.subplots(
        rows,
        columns,
        figsize=(2.4 * columns + 2.2, 2.6 * rows),
        sharey=True,
        sharex="row",
        squeeze=False,
        layout="constrained",
    )
    for of_row, (metric, (heading, more)) in zip(axes, METRICS.items(), strict=True):
        for axis, (name, of_data) in zip(of_row, results.items(), strict=True):
            for place, loss in enumerate(losses):
                gap, half = difference(of_data[loss], of_data[base], metric)
                better = verdict(of_data[loss], of_data[base], metric)
                colour = {1: "tab:green", -1: "tab:red", 0: "tab:gray"}[better]
                axis.errorbar(gap, -place, xerr=half, fmt="o", color=colour, ms=4, capsize=2)
            axis.axvline(0, color="black", linewidth=0.8)
            axis.grid(axis="x", alpha=0.3)
            axis.set_yticks([-place for place in range(len(losses))], losses, fontsize=7)
            axis.tick_params(axis="x", labelsize=7)
            if metric == next(iter(METRICS)):
                axis.set_title(name, fontsize=10)
        of_row[0].set_ylabel(f"{heading}\n({'more' if more else 'less'} is better)", fontsize=8)
    seeds = len(next(iter(results.values()))[base])
    figure.suptitle(
        f"Difference to {base}: mean of {seeds} seeds, {CONFIDENCE:.0%} interval", fontsize=11
    )
    figure.savefig(path, dpi=110)
    plt.close(figure)
