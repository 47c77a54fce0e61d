"""What a picture lets one move: each parameter, with the values that are computed for it.

They follow from the types and bounds that the signature declares, never from a name.
"""

from __future__ import annotations

import math
import typing
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lossplug_core._describe import is_union
from lossplug_core.params import REQUIRED, Choice, Parameter, alternatives_of
from lossplug_core.types import Dimension, Matrix

__all__ = ["Move", "example_of", "move_of"]

_MOST = 12
"""How many steps a slider has at most."""

_FAR = 5
"""How many times the default is still on a slider that has no end."""

_FACTORS = (1 / 5, 1 / 4, 1 / 3, 1 / 2, 2 / 3, 1, 3 / 2, 2, 3, 4, 5)
"""How a number is moved that has to stay above 0: a tenth is as far from one as ten."""

_CLASSES, _FEATURES = 3, 2


@dataclass(frozen=True, slots=True)
class Move:
    """The values of one parameter.

    Attributes:
        name: The parameter.
        is_number: Whether the values have an order, so that a slider goes through them.
        values: All of them.
    """

    name: str
    is_number: bool
    values: tuple[Any, ...]

    def thinned(self, start: Any, most: int) -> Move:
        """The same with fewer values: the ends, the start, and some between them.

        Args:
            start: A value that stays.
            most: How many values there are at most, 3 or more.
        """
        if len(self.values) <= most:
            return self
        last, kept = len(self.values) - 1, most - 2
        places = {round(last * i / kept) for i in range(kept + 1)}
        values = (v for i, v in enumerate(self.values) if i in places or v == start)
        return Move(self.name, self.is_number, tuple(values))


def move_of(parameter: Parameter, start: Any) -> Move | None:
    """What a parameter can be moved to, if it is a number or one of a few.

    Args:
        parameter: The parameter.
        start: Its value in the picture, which is among the values.
    """
    alternatives = alternatives_of(parameter.annotation)
    if alternatives is not None:
        start = _plainly(parameter, start)
        names = [name for name in alternatives.names if name != getattr(start, "name", start)]
        return _among(parameter.name, start, names)
    found = [*_plain_types(parameter.annotation)]
    choices = [choice for kind, _ in found for choice in _choices(kind)]
    numbers = [(kind, marks) for kind, marks in found if kind in (int, float)]
    if numbers and not choices and not any(_is_size(marks) for _, marks in numbers):
        return _slider(parameter.name, start, *numbers[-1], none=(type(None), ()) in found)
    return _among(parameter.name, start, [choice for choice in choices if choice != start])


def example_of(parameter: Parameter) -> Any:
    """A value for a parameter that has no default; `REQUIRED` if none comes to mind."""
    for kind, marks in _plain_types(parameter.annotation):
        value = _example(kind, marks)
        if value is not REQUIRED:
            return value
    alternatives = alternatives_of(parameter.annotation)
    return REQUIRED if alternatives is None else alternatives.names[0]


def _plainly(parameter: Parameter, start: Any) -> Any:
    """One of several functions as its name, if it has the parameters that it has by default."""
    if not isinstance(start, Choice):
        return start
    alternatives = alternatives_of(parameter.annotation)
    declared = {} if alternatives is None else alternatives.parameters(start.name)
    usual = {name: inner.default for name, inner in declared.items()}
    return start.name if dict(start.parameters) == usual else start


def _among(name: str, start: Any, others: Sequence[Any]) -> Move | None:
    return Move(name, False, (start, *others)) if others else None


def _choices(kind: Any) -> tuple[Any, ...]:
    if kind is bool:
        return (False, True)
    return typing.get_args(kind) if typing.get_origin(kind) is typing.Literal else ()


def _plain_types(annotation: Any, marks: tuple[Any, ...] = ()) -> Iterator[tuple[Any, Any]]:
    """The types that a value can have, each with its marks."""
    if typing.get_origin(annotation) is typing.Annotated:
        inner, *own = typing.get_args(annotation)
        yield from _plain_types(inner, (*marks, *own))
    elif is_union(annotation):
        for one in typing.get_args(annotation):
            yield from _plain_types(one, marks)
    else:
        yield annotation, marks


def _is_size(marks: Iterable[Any]) -> bool:
    return any(isinstance(mark, Dimension) for mark in marks)


def _bound(marks: Iterable[Any], *names: str) -> float | None:
    found = (getattr(mark, name, None) for mark in marks for name in names)
    return next((bound for bound in found if bound is not None), None)


def _slider(name: str, start: Any, kind: type, marks: Any, *, none: bool) -> Move | None:
    if start is not None and (isinstance(start, bool) or not isinstance(start, (int, float))):
        return None
    low, high = _bound(marks, "ge", "gt"), _bound(marks, "le", "lt")
    if kind is int and (start is None or (low is None and high is None)):
        return None  # no scale, or a number that means a place, such as an axis
    numbers = {_rounded(number, kind) for number in _scale(start, low, high, marks)}
    within = [number for number in numbers if _is_within(number, marks)]
    values = sorted({*within, *([] if start is None else [start])})
    return Move(name, True, (*([None] if none or start is None else []), *values))


def _scale(
    start: float | None, low: float | None, high: float | None, marks: Sequence[Any]
) -> Iterator[float]:
    """Numbers around one. Those out of bounds are left out later."""
    middle = start or 0
    size = abs(middle) or 1.0
    if _bound(marks, "gt") == 0 and high is None:
        yield from (size * factor for factor in _FACTORS)
        return
    if low is None and high is None:
        # `Real` says that it means any number, a plain float does not.
        low = middle - 2 * size if marks else min(0, 2 * middle)
        high = middle + 2 * size if marks else max(2 * middle, 1.0 if middle == 0 else 0.0)
    elif low is None:
        low = middle - _FAR * size
    elif high is None:
        high = max(low, 0) + _FAR * size
    yield from _even(low, high or 0)


def _even(low: float, high: float) -> Iterator[float]:
    """Round numbers from one to another, and both of them."""
    width = max(high - low, 1e-9) / _MOST
    power = 10.0 ** math.floor(math.log10(width))
    step = next(power * digit for digit in (1, 2, 5, 10) if power * digit >= width * (1 - 1e-9))
    yield from (low, high)
    for number in range(math.ceil(low / step), math.floor(high / step) + 1):
        yield number * step


def _rounded(number: float, kind: type) -> float:
    return round(number) if kind is int else float(f"{number:.3g}")


def _is_within(number: float, marks: Iterable[Any]) -> bool:
    above, at_least = _bound(marks, "gt"), _bound(marks, "ge")
    below, at_most = _bound(marks, "lt"), _bound(marks, "le")
    return (
        (above is None or number > above)
        and (at_least is None or number >= at_least)
        and (below is None or number < below)
        and (at_most is None or number <= at_most)
    )


def _example(kind: Any, marks: Sequence[Any]) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    dimension = next((mark for mark in marks if isinstance(mark, Dimension)), None)
    if kind in (int, float) and dimension is not None:
        return _FEATURES if dimension.name == "features" else _CLASSES
    if kind in (int, float):
        low, high = _bound(marks, "ge", "gt"), _bound(marks, "le", "lt")
        middle = (low + high) / 2 if None not in (low, high) else 1.0  # type: ignore[operator]
        return kind(middle if _is_within(middle, marks) else math.ceil(low or 0) + 1)
    if matrix := next((mark for mark in marks if isinstance(mark, Matrix)), None):
        return _matrix(matrix)
    if origin in (tuple, list) and arguments:
        return _numbers([*_plain_types(arguments[0])], several=dimension is not None)
    return next(iter(_choices(kind)), REQUIRED)


def _numbers(types: Sequence[tuple[Any, Any]], *, several: bool) -> Any:
    """A number per class, of which one is rare: counts if they cannot be 0, weights, or shares."""
    kind, marks = types[0]
    if kind not in (int, float):
        return REQUIRED
    counts, weights, shares = (900, 90, 10), (1, 3, 9), (0.7, 0.2, 0.1)
    wishes = [counts, weights, shares] if _bound(marks, "gt") == 0 else [weights, shares]
    for wish in wishes if several else [(1,), (0.5,)]:
        if all(_is_within(number, marks) for number in wish):
            return tuple(map(kind, wish))
    return REQUIRED


def _matrix(matrix: Matrix) -> tuple[tuple[float, ...], ...]:
    """What is right has most of a row, or costs nothing; the last class is the one to mind."""
    right, wrong = (0.8, 0.1) if matrix.distributions else (0.0 if matrix.hollow else 1.0, 1.0)
    return tuple(
        tuple(right if row == column else wrong for column in range(_CLASSES))
        for row in range(_CLASSES)
    )
