"""The numbers behind an interactive picture: a loss, as it is and with each parameter moved.

One parameter moves at a time, the others stay as they are: all that a page can show was computed
by the installed code.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from lossplug_core.catalog.site.moves import Move, example_of, move_of
from lossplug_core.errors import LossplugError
from lossplug_core.params import REQUIRED, dump, parameters_of, validate
from lossplug_core.portrait.curves import Picture, picture_of
from lossplug_core.portrait.views import NoPictureError, check_drawable, view_of
from lossplug_core.spec import LossSpec

__all__ = ["figure_of"]

_POINTS, _POINTS_ALONE = 81, 49
"""At how many points: fewer where each is a batch of its own, which takes long."""

_MOST_ALONE = 12
"""How many pictures there are of a loss of which each takes long."""

_DIGITS, _UNSEEN = 4, 1e-6
_TARGET = 1.0
"""The target of losses of real values: some are not defined for a target of 0."""


def figure_of(
    spec: LossSpec, given: Mapping[str, Any], *, convention: str | None = None
) -> dict[str, Any]:
    """What a page needs to draw a loss.

    Args:
        spec: The loss.
        given: Parameters that are not the defaults.
        convention: A convention of the loss, whose parameters replace the defaults.

    Returns:
        The axis, its points, the curves, and for each parameter the curves with other values; all
        numbers with four digits, and None for those that are not finite.

    Raises:
        LossplugError: There is no picture of it.
    """
    check_drawable(spec)
    examples = _examples(spec, given)
    wanted = {**examples, **given}
    if "from_logits" in parameters_of(spec) and "from_logits" not in given:
        wanted["from_logits"] = True
    setting = validate(spec, wanted, convention=convention)
    picture = _picture(spec, setting)
    curves = _numbers(picture)
    if not any(value is not None for curve in curves for value in curve["loss"]):
        raise NoPictureError(f"{spec.id!r} has no finite value over {picture.view.axis}.")
    moves = [*_moves(spec, setting, picture, curves)]
    return {
        "axis": picture.view.axis,
        "unit": picture.view.unit,
        "cases": [curve.label for curve in picture.curves],
        "at": [_short(x) for x in picture.curves[0].at],
        "curves": curves,
        "fixed": _texts(spec, setting),
        "examples": sorted(examples),
        "moves": [move for move in moves if "values" in move],
        "without_effect": [move["name"] for move in moves if "values" not in move],
        "not_moved": _not_moved(spec, setting),
    }


def _examples(spec: LossSpec, given: Mapping[str, Any]) -> dict[str, Any]:
    """Values for the parameters that have no default, so that there is something to see."""
    missing = (p for name, p in parameters_of(spec).items() if p.required and name not in given)
    found = {parameter.name: example_of(parameter) for parameter in missing}
    return {name: value for name, value in found.items() if value is not REQUIRED}


def _picture(spec: LossSpec, setting: Mapping[str, Any]) -> Picture:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return picture_of(spec, None, [setting], target=_TARGET, points=_points(spec, setting))
        except LossplugError:
            raise
        except Exception as error:  # what a loss does with numbers is its own business
            raise NoPictureError(
                f"{spec.id!r} failed on the numbers of its picture: {type(error).__name__}: {error}"
            ) from error


def _points(spec: LossSpec, setting: Mapping[str, Any]) -> int:
    return _POINTS_ALONE if _takes_long(spec, setting) else _POINTS


def _takes_long(spec: LossSpec, setting: Mapping[str, Any]) -> bool:
    """Whether each point of a picture is a batch of its own."""
    return any(case.alone for case in view_of(spec, setting, _TARGET).cases)


def _possible(spec: LossSpec, setting: Mapping[str, Any]) -> list[Move]:
    """All that could be moved. `from_logits` decides what is on the axis, and stays."""
    moves = (
        move_of(parameter, setting[name])
        for name, parameter in parameters_of(spec).items()
        if name in setting and name != "from_logits"
    )
    return [move for move in moves if move is not None]


def _computed(spec: LossSpec, setting: Mapping[str, Any]) -> list[Move]:
    """What is moved: where pictures take long numbers only, and to fewer values."""
    moves = _possible(spec, setting)
    if not _takes_long(spec, setting):
        return moves
    numbers = [move for move in moves if move.is_number]
    most = max(_MOST_ALONE // max(len(numbers), 1), 3)
    # An integer is a size, for which a backend compiles all anew.
    return [
        move.thinned(setting[move.name], 3 if isinstance(setting[move.name], int) else most)
        for move in numbers
    ]


def _not_moved(spec: LossSpec, setting: Mapping[str, Any]) -> list[str]:
    computed = {move.name for move in _computed(spec, setting)}
    return [move.name for move in _possible(spec, setting) if move.name not in computed]


def _moves(
    spec: LossSpec, setting: Mapping[str, Any], picture: Picture, curves: Sequence[Any]
) -> Iterator[dict[str, Any]]:
    """Each parameter that can move; without values if the curves stay as they are."""
    for move in _computed(spec, setting):
        name = move.name
        positions = [*_positions(spec, setting, move, picture)]
        others = [position["curves"] for position in positions]
        if not others:
            continue
        if all(other == curves for other in others):
            yield {"name": name}
            continue
        yield {
            "name": name,
            "number": move.is_number,
            "values": [position["text"] for position in positions],
            "start": next(i for i, position in enumerate(positions) if position["is_start"]),
            "curves": others,
        }


def _positions(
    spec: LossSpec, setting: Mapping[str, Any], move: Move, picture: Picture
) -> Iterator[dict[str, Any]]:
    """The curves for each value that the loss accepts, and that leaves the axis what it is."""
    for value in move.values:
        try:
            moved = validate(spec, {**setting, move.name: value})
            other = _picture(spec, moved)
        except LossplugError:
            continue
        if other.view.axis == picture.view.axis and len(other.curves) == len(picture.curves):
            yield {
                "text": repr(value) if isinstance(value, str) else _text(spec, move.name, value),
                "curves": _numbers(other),
                "is_start": moved[move.name] == setting[move.name],
            }


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


def _texts(spec: LossSpec, setting: Mapping[str, Any]) -> dict[str, str]:
    return {name: _text(spec, name, value) for name, value in setting.items()}


def _text(spec: LossSpec, name: str, value: Any) -> str:
    """A value as one writes it in Python."""
    return repr(dump(spec, {name: value})[name])
