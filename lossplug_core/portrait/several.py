"""Many pictures of one loss, each with other parameters.

Where a backend takes long to begin, those that differ in numbers only begin together: the loss is
built with numbers that can be set, as in training, and traced once.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from lossplug_core.bridge.tracing import CALLS_OF_A_TRACE
from lossplug_core.errors import LossplugError
from lossplug_core.events import unobserved
from lossplug_core.portrait.cases import View
from lossplug_core.portrait.curves import Picture, curves_of
from lossplug_core.portrait.sketch import Sketch
from lossplug_core.portrait.views import NoPictureError
from lossplug_core.schedules import Adjustable

__all__ = ["Subject", "pictures_of"]


@dataclass(frozen=True, slots=True)
class Subject:
    """What is drawn.

    Attributes:
        name: What it is called where it cannot be.
        build: A loss from its parameters, of which floats may be `Adjustable`.
        view: What it is drawn over, with these parameters.
    """

    name: str
    build: Callable[[Mapping[str, Any]], keras.losses.Loss]
    view: Callable[[Mapping[str, Any]], View]


def pictures_of(
    subject: Subject, settings: Sequence[Mapping[str, Any]], points: int
) -> list[Picture | LossplugError]:
    """Compute a loss for each of several settings.

    Args:
        subject: The loss.
        settings: All of its parameters, for each.
        points: At how many points.

    Returns:
        For each setting a picture, or why there is none.
    """
    found: list[Picture | LossplugError] = [NoPictureError("It was not drawn.")] * len(settings)
    with warnings.catch_warnings(), np.errstate(all="ignore"), unobserved():
        warnings.simplefilter("ignore")
        for view, places in _alike(subject, settings, found):
            pictures = _drawn(subject, [settings[place] for place in places], view, points)
            for place, picture in zip(places, pictures, strict=True):
                found[place] = picture
    return found


def _alike(
    subject: Subject,
    settings: Sequence[Mapping[str, Any]],
    found: list[Picture | LossplugError],
) -> Iterator[tuple[View, list[int]]]:
    """Which settings differ in nothing but floats. Those that have no view are found already."""
    groups: dict[Any, tuple[View, list[int]]] = {}
    for place, setting in enumerate(settings):
        try:
            view = subject.view(setting)
        except LossplugError as error:
            found[place] = error
            continue
        shared = [(n, None if isinstance(v, float) else repr(v)) for n, v in setting.items()]
        key = (view.axis, len(view.cases), *shared)
        groups.setdefault(key, (view, []))[1].append(place)
    yield from groups.values()


def _drawn(
    subject: Subject, settings: Sequence[Mapping[str, Any]], view: View, points: int
) -> Sequence[Picture | LossplugError]:
    if _pays(view, len(settings)):
        try:
            return _at_once(subject, settings, view, points)
        except Exception:  # a loss, or a backend, that takes Python's numbers only, or fails anyway
            pass
    return [_single(subject, setting, view, points) for setting in settings]


def _pays(view: View, count: int) -> bool:
    calls = CALLS_OF_A_TRACE.get(keras.backend.backend())
    return calls is not None and (view.alone or count * len(view.cases) > calls)


def _at_once(
    subject: Subject, settings: Sequence[Mapping[str, Any]], view: View, points: int
) -> list[Picture | LossplugError]:
    """The pictures of settings that differ in floats."""
    first = settings[0]
    moving = [name for name in first if any(s[name] != first[name] for s in settings)]
    loss = subject.build({**first, **{name: Adjustable(first[name]) for name in moving}})
    sketch = Sketch(loss, view, traced=True)
    pictures: list[Picture | LossplugError] = []
    for setting in settings:
        if moving:
            loss.assign(**{name: setting[name] for name in moving})
        pictures.append(_picture(sketch, setting, view, points))
    return pictures


def _single(
    subject: Subject, setting: Mapping[str, Any], view: View, points: int
) -> Picture | LossplugError:
    try:
        return _picture(Sketch(subject.build(setting), view), setting, view, points)
    except LossplugError as error:
        return error
    except Exception as error:  # what a loss does with numbers is its own business
        return NoPictureError(
            f"{subject.name!r} failed on the numbers of its picture: "
            f"{type(error).__name__}: {error}"
        )


def _picture(sketch: Sketch, setting: Mapping[str, Any], view: View, points: int) -> Picture:
    return Picture(view, setting, None, curves_of(sketch, view, view.span, points))
