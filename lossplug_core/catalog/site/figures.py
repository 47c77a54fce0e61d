"""The numbers behind an interactive picture: a loss, as it is and with each parameter moved.

One parameter moves at a time, the others stay as they are: all that a page can show was computed
by the installed code.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeGuard

import numpy as np

from lossplug_core.bridge import get_loss
from lossplug_core.catalog.site.moves import Move, example_of, move_of
from lossplug_core.errors import LossplugError
from lossplug_core.params import REQUIRED, dump, parameters_of, validate
from lossplug_core.portrait.cases import Array, View
from lossplug_core.portrait.curves import Picture
from lossplug_core.portrait.several import Subject, pictures_of
from lossplug_core.portrait.views import NoPictureError, check_drawable, view_of
from lossplug_core.spec import LossSpec

__all__ = ["TARGET", "Option", "figure_of", "figure_with"]

TARGET = 1.0
"""The target of losses of real values: some are not defined for a target of 0."""

_POINTS, _POINTS_ALONE = 81, 61
"""At how many points: fewer where each is a batch of its own. 61 are 3 degrees from each other."""

_FEW = 3
"""To how many values a size is moved that backends begin anew for, where that takes long."""

_DIGITS, _UNSEEN = 4, 1e-6
_SAME = 1e-5
"""How much of a curve's largest number is no difference, but another order of operations."""


class Option(NamedTuple):
    """One value of what can be moved.

    Attributes:
        name: What is moved.
        is_number: Whether its values have an order.
        text: The value, as one writes it in Python.
        setting: All parameters with it.
        is_start: Whether it is the value that it has.
    """

    name: str
    is_number: bool
    text: str
    setting: Mapping[str, Any]
    is_start: bool


def figure_of(
    spec: LossSpec, given: Mapping[str, Any], *, convention: str | None = None
) -> dict[str, Any]:
    """What a page needs to draw a loss.

    Args:
        spec: The loss.
        given: Parameters that are not the defaults.
        convention: A convention of the loss, whose parameters replace the defaults.

    Returns:
        What `figure_with` returns, and which parameters have an example for their value.

    Raises:
        LossplugError: There is no picture of it.
    """
    check_drawable(spec)
    examples = _examples(spec, given)
    wanted = {**examples, **given}
    if "from_logits" in parameters_of(spec) and "from_logits" not in given:
        wanted["from_logits"] = True
    setting = validate(spec, wanted, convention=convention)
    subject = Subject(
        spec.id,
        lambda parameters: get_loss(spec.id, reduction=None, **parameters),
        lambda parameters: view_of(spec, parameters, TARGET),
    )
    possible = _possible(spec, setting)
    moves = _computed(possible, setting, subject.view(setting))
    return {
        **figure_with(subject, setting, [*_options(spec, setting, moves)]),
        "fixed": {name: _text(spec, name, value) for name, value in setting.items()},
        "examples": sorted(examples),
        "not_moved": [m.name for m in possible if m.name not in {move.name for move in moves}],
    }


def figure_with(
    subject: Subject, setting: Mapping[str, Any], options: Sequence[Option]
) -> dict[str, Any]:
    """What a page needs to draw a loss, with each of its parameters moved.

    Args:
        subject: The loss.
        setting: Its parameters.
        options: What they can be moved to, those of one parameter in a row.

    Returns:
        The axis, its points, the curves, and for each parameter the curves with other values; all
        numbers with four digits, and None for those that are not finite.

    Raises:
        LossplugError: There is no picture of it.
    """
    others = [option for option in options if not option.is_start]
    points = _POINTS_ALONE if subject.view(setting).alone else _POINTS
    found = pictures_of(subject, [setting, *(option.setting for option in others)], points)
    picture = found[0]
    if isinstance(picture, LossplugError):
        raise picture
    curves = _numbers(picture)
    if not any(value is not None for curve in curves for value in curve["loss"]):
        raise NoPictureError(f"{subject.name!r} has no finite value over {picture.view.axis}.")
    drawn = {id(option): other for option, other in zip(others, found[1:], strict=True)}
    moves = [*_moves(options, lambda option: drawn.get(id(option), picture), picture)]
    return {
        "axis": picture.view.axis,
        "unit": picture.view.unit,
        "cases": [curve.label for curve in picture.curves],
        "at": [_short(x) for x in picture.curves[0].at],
        "curves": curves,
        "fixed": {},
        "examples": [],
        "moves": [move for move in moves if "values" in move],
        "without_effect": [move["name"] for move in moves if "values" not in move],
        "not_moved": [],
    }


def _examples(spec: LossSpec, given: Mapping[str, Any]) -> dict[str, Any]:
    """Values for the parameters that have no default, so that there is something to see."""
    missing = (p for name, p in parameters_of(spec).items() if p.required and name not in given)
    found = {parameter.name: example_of(parameter) for parameter in missing}
    return {name: value for name, value in found.items() if value is not REQUIRED}


def _options(spec: LossSpec, setting: Mapping[str, Any], moves: Iterable[Move]) -> Iterator[Option]:
    """All values that the loss accepts."""
    for move in moves:
        name = move.name
        for value in move.values:
            try:
                moved = validate(spec, {**setting, name: value})
            except LossplugError:
                continue
            text = repr(value) if isinstance(value, str) else _text(spec, name, value)
            is_start = moved[name] == setting[name]
            yield Option(name, move.is_number, text, moved, is_start)


def _possible(spec: LossSpec, setting: Mapping[str, Any]) -> list[Move]:
    """All that could be moved. `from_logits` decides what is on the axis, and stays."""
    moves = (
        move_of(parameter, setting[name])
        for name, parameter in parameters_of(spec).items()
        if name in setting and name != "from_logits"
    )
    return [move for move in moves if move is not None]


def _computed(moves: Iterable[Move], setting: Mapping[str, Any], view: View) -> list[Move]:
    """What is moved: where each beginning takes long numbers only, and sizes to a few values."""
    if not view.alone:
        return [*moves]
    return [
        move.thinned(setting[move.name], _FEW) if isinstance(setting[move.name], int) else move
        for move in moves
        if move.is_number
    ]


def _moves(
    options: Sequence[Option],
    drawn: Callable[[Option], Picture | LossplugError],
    picture: Picture,
) -> Iterator[dict[str, Any]]:
    """Each parameter that can move; without values if the curves stay as they are."""
    for name in dict.fromkeys(option.name for option in options):
        usable = [
            (option, other)
            for option in options
            if option.name == name and _fits(other := drawn(option), picture)
        ]
        if not usable:
            continue
        if all(_same(other, picture) for _, other in usable):
            yield {"name": name}
            continue
        yield {
            "name": name,
            "number": usable[0][0].is_number,
            "values": [option.text for option, _ in usable],
            "start": next(i for i, (option, _) in enumerate(usable) if option.is_start),
            "curves": [_numbers(other) for _, other in usable],
        }


def _fits(other: Picture | LossplugError, picture: Picture) -> TypeGuard[Picture]:
    """Whether a picture leaves the axis what it is."""
    if isinstance(other, LossplugError):
        return False
    same_axis = other.view.axis == picture.view.axis
    return same_axis and len(other.curves) == len(picture.curves)


def _same(other: Picture, picture: Picture) -> bool:
    pairs = [
        pair
        for one, two in zip(other.curves, picture.curves, strict=True)
        for pair in ((one.loss, two.loss), (one.gradient, two.gradient))
    ]
    return all(_close(one, two) for one, two in pairs)


def _close(one: Array, two: Array) -> bool:
    finite = np.abs(two[np.isfinite(two)])
    least = _SAME * float(finite.max(initial=0.0))
    return bool(np.allclose(one, two, rtol=_SAME, atol=least, equal_nan=True))


def _numbers(picture: Picture) -> list[dict[str, list[float | None]]]:
    return [
        {"loss": _rounded(curve.loss), "gradient": _rounded(curve.gradient)}
        for curve in picture.curves
    ]


def _rounded(numbers: Any) -> list[float | None]:
    """Numbers as far as one can see them: nothing beside the largest of them is zero."""
    found = [_short(number) for number in numbers]
    least = max((abs(number) for number in found if number is not None), default=0) * _UNSEEN
    return [0 if number is not None and abs(number) < least else number for number in found]


def _short(number: Any) -> float | None:
    """A number with a few digits; None if it is not finite."""
    number = float(number)
    if not math.isfinite(number):
        return None
    rounded = float(f"{number:.{_DIGITS}g}")
    return int(rounded) if rounded == int(rounded) and abs(rounded) < 1e9 else rounded


def _text(spec: LossSpec, name: str, value: Any) -> str:
    """A value as one writes it in Python."""
    return repr(dump(spec, {name: value})[name])
