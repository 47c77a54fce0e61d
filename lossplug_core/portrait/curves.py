"""A loss and its gradient along an axis, computed by the installed code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lossplug_core.bridge import get_loss
from lossplug_core.errors import LossplugError
from lossplug_core.events import unobserved
from lossplug_core.portrait.cases import Array, View
from lossplug_core.portrait.sketch import Sketch
from lossplug_core.portrait.views import view_of
from lossplug_core.spec import LossSpec

__all__ = ["Curve", "Picture", "curves_of", "picture_of"]

_POINTS, _POINTS_ALONE = 401, 181


@dataclass(frozen=True, slots=True)
class Curve:
    """One line.

    Attributes:
        label: The kind of target, or what moves.
        value: The value of the parameter that varies, or None.
        at: Where it was computed.
        loss: The loss there.
        gradient: Its derivative along the axis.
    """

    label: str
    value: Any
    at: Array
    loss: Array
    gradient: Array


@dataclass(frozen=True, slots=True)
class Picture:
    """All that there is to draw.

    Attributes:
        view: What it is drawn over.
        fixed: The parameters that all curves have, as the loss received them.
        varied: The parameter that differs between curves, or None.
        curves: For each of its values, one curve for each case of the view.
    """

    view: View
    fixed: Mapping[str, Any]
    varied: str | None
    curves: Sequence[Curve]


def picture_of(
    spec: LossSpec,
    varied: str | None,
    settings: Sequence[Mapping[str, Any]],
    *,
    span: tuple[float | None, float | None] = (None, None),
    target: float = 0.0,
    points: int | None = None,
) -> Picture:
    """Compute a loss for each value of a parameter.

    Args:
        spec: The loss.
        varied: The parameter that differs between settings, or None.
        settings: All parameters, for each of its values.
        span: From where to where; None is the view's own.
        target: The target, for a loss of values.
        points: At how many points; None is as many as a picture needs.

    Raises:
        LossplugError: There is no picture for such a loss, or not one for all settings.
    """
    views = [view_of(spec, setting, target) for setting in settings]
    if any(view.axis != views[0].axis for view in views):
        raise LossplugError(
            f"Curves of different {varied!r} are over different things.",
            expected="one of " + " or ".join(repr(view.axis) for view in views),
            fix="Draw one picture for each.",
        )
    curves = [
        curve
        for setting, view in zip(settings, views, strict=True)
        for curve in _curves(spec, setting, varied, view, span=_span(span, view), points=points)
    ]
    shared = {name: value for name, value in settings[0].items() if name != varied}
    return Picture(views[0], shared, varied, curves)


def _span(wish: tuple[float | None, float | None], view: View) -> tuple[float, float]:
    low, high = (own if end is None else end for end, own in zip(wish, view.span, strict=True))
    if low >= high:
        raise LossplugError("The axis is empty.", received=f"from {low:g} to {high:g}")
    return low, high


def _curves(
    spec: LossSpec,
    parameters: Mapping[str, Any],
    varied: str | None,
    view: View,
    *,
    span: tuple[float, float],
    points: int | None,
) -> list[Curve]:
    with unobserved():
        loss = get_loss(spec.id, reduction=None, **parameters)
    enough = _POINTS_ALONE if view.alone else _POINTS
    value = parameters.get(varied or "")
    return curves_of(Sketch(loss, view), view, span, points or enough, value)


def curves_of(
    sketch: Sketch, view: View, span: tuple[float, float], points: int, value: Any = None
) -> list[Curve]:
    """The curves of a loss that is built, one for each case of the view.

    Args:
        sketch: The loss.
        view: What it is drawn over.
        span: From where to where.
        points: At how many points.
        value: The value of the parameter that varies.
    """
    at = np.linspace(*span, points, dtype="float32")
    return [Curve(case.label, value, at, *sketch.curve(case, at)) for case in view.cases]
