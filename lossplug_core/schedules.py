"""Numbers that change during training: schedules of the training step, and adjustable numbers.

Any float parameter of a loss can be one, and so can the weight of a part of `combine`.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from lossplug_core import ops
from lossplug_core._keras_schedule import KERAS_PREFIX, KerasSchedule, is_keras_schedule, of_keras
from lossplug_core._schedule import KIND, Schedule, check_number, check_steps, refused
from lossplug_core.errors import ParameterError

__all__ = [
    "Adjustable",
    "Cosine",
    "KerasSchedule",
    "Linear",
    "Piecewise",
    "Schedule",
    "as_schedule",
    "deferred",
    "warmup",
]


@dataclass(frozen=True)
class _Ramp(Schedule):
    """From one number to another in some steps."""

    start: float
    end: float
    steps: int
    begin: int = 0

    def __post_init__(self) -> None:
        for name in ("start", "end"):
            object.__setattr__(self, name, check_number(self, name, getattr(self, name)))
        check_steps(self, "steps", self.steps, least=1)
        check_steps(self, "begin", self.begin, least=0)

    def extremes(self) -> Iterator[float]:
        """Both ends."""
        yield from (self.start, self.end)

    def _progress(self, step: Any) -> Any:
        return ops.clip((ops.cast(step, "float32") - self.begin) / self.steps, 0.0, 1.0)


@dataclass(frozen=True)
class Linear(_Ramp):
    r"""From one number to another in a straight line.

    Formula:
        $$v(t) = s + (e - s) \min(1, \max(0, (t - b) / n))$$

        where $t$ is the step, $s$ the start, $e$ the end, $n$ the steps and $b$ the beginning.

    Args:
        start: The number before.
        end: The number after.
        steps: How many steps it takes, at least 1.
        begin: The step at which it begins.

    Raises:
        ParameterError: An argument is not such a number.

    Example:
        >>> ramp = Linear(0.0, 2.0, steps=100)
        >>> [float(ramp(step)) for step in (0, 50, 100, 500)]
        [0.0, 1.0, 2.0, 2.0]
    """

    kind: ClassVar[str] = "linear"

    def __call__(self, step: Any) -> Any:
        """The number at a step, as a tensor."""
        return self.start + (self.end - self.start) * self._progress(step)


@dataclass(frozen=True)
class Cosine(_Ramp):
    r"""From one number to another along half a cosine: slow, fast, slow.

    Formula:
        $$v(t) = e + (s - e) \frac{1 + \cos(\pi p)}{2}, \qquad p = \min(1, \max(0, (t - b) / n))$$

        where $t$ is the step, $s$ the start, $e$ the end, $n$ the steps and $b$ the beginning.

    Args:
        start: The number before.
        end: The number after.
        steps: How many steps it takes, at least 1.
        begin: The step at which it begins.

    Raises:
        ParameterError: An argument is not such a number.

    Example:
        >>> decay = Cosine(1.0, 0.0, steps=100)
        >>> [round(float(decay(step)), 3) for step in (0, 25, 50, 100)]
        [1.0, 0.854, 0.5, 0.0]

    Reference:
        Loshchilov and Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts, 2017,
        arXiv:1608.03983.
    """

    kind: ClassVar[str] = "cosine"

    def __call__(self, step: Any) -> Any:
        """The number at a step, as a tensor."""
        progress = self._progress(step)
        return self.end + (self.start - self.end) * 0.5 * (1.0 + ops.cos(math.pi * progress))


@dataclass(frozen=True)
class Piecewise(Schedule):
    """Another number, or another schedule, from each of some steps on.

    Args:
        values: From which step on, which number or schedule. The first is step 0. A schedule
            counts its steps from there.

    Raises:
        ParameterError: There is no value for step 0, or a value is neither a number nor a schedule.

    Example:
        >>> jumps = Piecewise({0: 1.0, 100: Linear(1.0, 0.0, steps=50)})
        >>> [float(jumps(step)) for step in (0, 99, 125, 200)]
        [1.0, 1.0, 0.5, 0.0]
    """

    values: Mapping[int, float | Schedule]
    kind: ClassVar[str] = "piecewise"

    def __post_init__(self) -> None:
        if not isinstance(self.values, Mapping):
            raise refused(self, "values", "a mapping from steps to numbers", self.values)
        try:
            pieces = {int(step): self.values[step] for step in self.values}
        except (TypeError, ValueError):
            raise refused(self, "values", "integers as steps", self.values) from None
        if 0 not in pieces or min(pieces) < 0 or len(pieces) < len(self.values):
            raise refused(self, "values", "steps from 0 on, 0 among them", self.values)
        for step, value in pieces.items():
            pieces[step] = as_schedule(value) or value
            if isinstance(pieces[step], Adjustable):
                raise refused(self, "values", "numbers and schedules of the step", value)
            if not isinstance(pieces[step], Schedule):
                pieces[step] = check_number(self, f"values[{step}]", value)
        object.__setattr__(self, "values", dict(sorted(pieces.items())))

    def __call__(self, step: Any) -> Any:
        """The number at a step, as a tensor."""
        number = ops.cast(0.0, "float32")
        for begin, piece in self.values.items():
            value = piece(step - begin) if isinstance(piece, Schedule) else piece
            number = ops.where(ops.convert_to_tensor(step) >= begin, value, number)
        return number

    def extremes(self) -> Iterator[float]:
        """Those of all pieces."""
        for piece in self.values.values():
            yield from piece.extremes() if isinstance(piece, Schedule) else (piece,)

    def as_data(self) -> dict[str, Any]:
        """As JSON and TOML can hold it, whose keys are texts."""
        pieces = {
            str(step): piece.as_data() if isinstance(piece, Schedule) else piece
            for step, piece in self.values.items()
        }
        return {KIND: self.kind, "values": pieces}


@dataclass(frozen=True)
class Adjustable(Schedule):
    """A number that stays until somebody changes it: `loss.assign`, or `SetParameter` in `fit`.

    Args:
        value: The number at the beginning.

    Raises:
        ParameterError: It is not a number.

    Example:
        >>> from lossplug_core import get_loss
        >>> loss = get_loss("focal", gamma=Adjustable(2.0))
        >>> loss.assign(gamma=1.0)
        >>> loss.current()
        {'gamma': 1.0}
    """

    value: float
    kind: ClassVar[str] = "adjustable"

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", check_number(self, "value", self.value))

    def __call__(self, step: Any) -> Any:
        """The number at the beginning: the loss keeps the current one among its weights."""
        del step
        return ops.cast(self.value, "float32")

    def extremes(self) -> Iterator[float]:
        """The number itself; `assign` checks the next ones."""
        yield self.value


def warmup(value: float, steps: int) -> Linear:
    """From 0 to a number in a straight line, and then that number.

    Example:
        >>> warmup(0.5, steps=1000)
        Linear(start=0.0, end=0.5, steps=1000, begin=0)
    """
    return Linear(0.0, value, steps)


def deferred(value: float, until: int, before: float = 0.0) -> Piecewise:
    """One number up to a step, and another from there on.

    The deferred re-weighting of LDAM-DRW is `class_balanced` with
    `beta=deferred(0.9999, until=step)`: a beta of 0 weighs all classes alike.

    Example:
        >>> deferred(0.9999, until=1000)
        Piecewise(values={0: 0.0, 1000: 0.9999})

    Reference:
        Cao et al., Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss, 2019,
        arXiv:1906.07413.
    """
    return Piecewise({0: before, until: value})


_KINDS: Mapping[str, type[Any]] = {
    schedule.kind: schedule for schedule in (Adjustable, Cosine, Linear, Piecewise)
}


def as_schedule(value: Any) -> Schedule | None:
    """A schedule, one of Keras's, or one as data; None if the value is none of these.

    Raises:
        ParameterError: It is a schedule as data, but no such schedule exists.
    """
    if isinstance(value, Schedule):
        return value
    if isinstance(value, Mapping):
        return _from_data(value) if KIND in value else None
    return KerasSchedule(value) if is_keras_schedule(value) else None


def _from_data(data: Mapping[str, Any]) -> Schedule:
    kind, arguments = data[KIND], {name: data[name] for name in data if name != KIND}
    try:
        if isinstance(kind, str) and kind.startswith(KERAS_PREFIX):
            return of_keras(kind, arguments)
        if isinstance(kind, str) and kind in _KINDS:
            return _KINDS[kind](**arguments)  # type: ignore[no-any-return]
    except TypeError as error:
        raise ParameterError(
            f"The schedule {kind!r} cannot be made of this: {error}", received=dict(data)
        ) from error
    raise ParameterError(
        "There is no such schedule.",
        expected=f"one of {', '.join(sorted(_KINDS))}, or '{KERAS_PREFIX}…' for one of Keras's",
        received=kind,
        nearest=difflib.get_close_matches(str(kind), _KINDS, n=1),
    )
