"""The picture of `lossplug plot`."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import MultipleLocator

from lossplug_core.portrait.cases import Array
from lossplug_core.portrait.curves import Picture

__all__ = ["draw"]

_STYLE = {
    "axes.edgecolor": "#999999",
    "axes.grid": True,
    "axes.labelcolor": "#333333",
    "axes.spines.right": False,
    "axes.spines.top": False,
    "grid.color": "#e6e6e6",
    "lines.linewidth": 2,
    "svg.hashsalt": "lossplug",
    "xtick.color": "#555555",
    "ytick.color": "#555555",
}
# Okabe and Ito's, which people who see fewer colours can tell apart too.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_LINE = 120
_DASHES: tuple[Any, ...] = ("-", (0, (4, 2)), (0, (1, 1.5)), (0, (5, 1.5, 1, 1.5)))


def draw(picture: Picture, path: Path, *, title: str, source: str) -> None:
    """Draw a picture: the loss on the left, its gradient on the right.

    Args:
        picture: What to draw.
        path: A `.png` or `.svg` file.
        title: The name of the loss.
        source: What computed it.
    """
    with rc_context(_STYLE):
        figure = Figure(
            figsize=(10, 5), layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.1, wspace=0.02)
        )
        left, right = figure.subplots(1, 2)
        _panel(left, picture, "loss", [curve.loss for curve in picture.curves])
        slope = f"gradient: d loss / d {picture.view.unit}"
        _panel(right, picture, slope, [curve.gradient for curve in picture.curves])
        _head(left, right, title, _settings(picture.fixed), source)
        handles = _legend(picture)
        columns = _LINE // max(len(str(handle.get_label())) + 8 for handle in handles)
        figure.legend(
            handles=handles, loc="outside lower center", ncols=max(columns, 1), frameon=False
        )
        figure.savefig(path, dpi=150, metadata={"Date": None} if path.suffix == ".svg" else None)


def _head(left: Axes, right: Axes, title: str, settings: str, source: str) -> None:
    """The title and its source, and below them the parameters that all curves have."""
    lines = textwrap.wrap(settings, _LINE)
    pad = 10 + 13 * len(lines)
    left.set_title(title, loc="left", fontsize=14, fontweight="bold", pad=pad)
    right.set_title(source, loc="right", fontsize=8, color="#888888", pad=pad)
    left.annotate(
        "\n".join(lines),
        (0, 1),
        xytext=(0, 8),
        xycoords="axes fraction",
        textcoords="offset points",
        color="#555555",
        in_layout=False,
    )


def _settings(parameters: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {_short(value)}" for name, value in parameters.items())


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, (tuple, list)):
        return f"({', '.join(map(_short, value))})"
    return str(value)


def _panel(axes: Axes, picture: Picture, label: str, lines: Sequence[Array]) -> None:
    for curve, line, style in zip(picture.curves, lines, _styles(picture), strict=True):
        axes.plot(curve.at, line, **style)
    axes.axhline(0, color="#bbbbbb", linewidth=1, zorder=0)
    axes.set_xlabel(picture.view.axis)
    axes.set_ylabel(label)
    axes.margins(x=0.01)
    if picture.view.unit == "degree":
        axes.xaxis.set_major_locator(MultipleLocator(30))
    axes.set_ylim(_limits(lines))


def _limits(lines: Sequence[Array]) -> tuple[float, float]:
    """Where most of each line is: what shoots up at the edge does not flatten the rest."""
    values = np.concatenate([line[np.isfinite(line)] for line in lines])
    if not values.size:
        return -1.0, 1.0
    low, high = min(values.min(), 0.0), max(values.max(), 0.0)
    near, far = np.quantile(values, [0.03, 0.97])
    usual = max(far, 0.0) - min(near, 0.0)
    if usual > 0 and high - low > 3 * usual:
        low, high = max(low, min(near, 0.0)), min(high, max(far, 0.0))
    margin = 0.05 * (high - low) or 1.0
    return low - margin, high + margin


def _styles(picture: Picture) -> list[dict[str, Any]]:
    """For each curve: colours tell values of the parameter apart, dashes the targets.

    Without a parameter that varies, colours tell the targets apart.
    """
    labels, values = _labels(picture), _values(picture)
    if picture.varied is None:
        colours = dict(zip(labels, _COLOURS * len(labels), strict=False))
        return [{"color": colours[curve.label]} for curve in picture.curves]
    colours = dict(zip(values, _shades([*values.values()]), strict=True))
    dashes = dict(zip(labels, _DASHES * len(labels), strict=False))
    return [
        {"color": colours[repr(curve.value)], "linestyle": dashes[curve.label]}
        for curve in picture.curves
    ]


def _legend(picture: Picture) -> list[Line2D]:
    """What the colours mean, then what the dashes mean."""
    styles = [*zip(picture.curves, _styles(picture), strict=True)]
    if picture.varied is None:
        return [Line2D([], [], label=curve.label, **style) for curve, style in styles]
    colours = {_short(curve.value): style["color"] for curve, style in styles}
    dashes = {curve.label: style["linestyle"] for curve, style in styles}
    return [
        *(Line2D([], [], color=c, label=f"{picture.varied} = {v}") for v, c in colours.items()),
        *(Line2D([], [], color="#555555", linestyle=d, label=t) for t, d in dashes.items()),
    ]


def _labels(picture: Picture) -> list[str]:
    return list(dict.fromkeys(curve.label for curve in picture.curves))


def _values(picture: Picture) -> dict[str, Any]:
    return {repr(curve.value): curve.value for curve in picture.curves}


def _shades(values: Sequence[Any]) -> Sequence[Any]:
    """One colour for each value; a scale if they are numbers."""
    if all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values):
        places = {value: place for place, value in enumerate(sorted(values))}
        scale = np.linspace(0, 0.85, len(values))
        return [colormaps["viridis"](scale[places[value]]) for value in values]
    return (_COLOURS * len(values))[: len(values)]
