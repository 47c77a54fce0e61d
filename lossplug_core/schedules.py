"""Numbers that change during training: schedules of the training step, and adjustable numbers.

Any float parameter of a loss can be one, and so can the weight of a part of `combine`.
"""

from __future__ import annotations

import importlib
import math
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from lossplug_core import ops
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

_KIND = "schedule"
_KERAS = "keras/"


class Schedule(ABC):
    """A number that is a function of the training step, which counts from 0."""

    kind: ClassVar[str]

    @abstractmethod
    def __call__(self, step: Any) -> Any:
        """The number at a step, as a tensor."""

    @abstractmethod
    def extremes(self) -> Iterator[float]:
        """Numbers between which it stays."""

    def as_data(self) -> dict[str, Any]:
        """As JSON and TOML can hold it; `as_schedule` reads it back."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}  # type: ignore[arg-type]
        return {_KIND: self.kind, **values}


@dataclass(frozen=True)
class Linear(Schedule):
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

    start: float
    end: float
    steps: int
    begin: int = 0
    kind: ClassVar[str] = "linear"

    def __post_init__(self) -> None:
        _check(self, start=self.start, end=self.end)
        _check_steps(self, steps=self.steps, begin=self.begin)

    def __call__(self, step: Any) -> Any:
        """The number at a step, as a tensor."""
        return self.start + (self.end - self.start) * _progress(step, self.begin, self.steps)

    def extremes(self) -> Iterator[float]:
        """Both ends."""
        yield from (self.start, self.end)


@dataclass(frozen=True)
class Cosine(Schedule):
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

    start: float
    end: float
    steps: int
    begin: int = 0
    kind: ClassVar[str] = "cosine"

    def __post_init__(self) -> None:
        _check(self, start=self.start, end=self.end)
        _check_steps(self, steps=self.steps, begin=self.begin)

    def __call__(self, step: Any) -> Any:
        """The number at a step, as a tensor."""
        progress = _progress(step, self.begin, self.steps)
        return self.end + (self.start - self.end) * 0.5 * (1.0 + ops.cos(math.pi * progress))

    def extremes(self) -> Iterator[float]:
        """Both ends."""
        yield from (self.start, self.end)


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
            raise _unlike(self, "values", "a mapping from steps to numbers", self.values)
        try:
            pieces = {int(step): self.values[step] for step in self.values}
        except (TypeError, ValueError):
            raise _unlike(self, "values", "integers as steps", self.values) from None
        if 0 not in pieces or min(pieces) < 0 or len(pieces) < len(self.values):
            raise _unlike(self, "values", "steps from 0 on, 0 among them", self.values)
        for step, value in pieces.items():
            pieces[step] = as_schedule(value) or value
            if isinstance(pieces[step], Adjustable):
                raise _unlike(self, "values", "numbers and schedules of the step", value)
            if not isinstance(pieces[step], Schedule):
                _check(self, **{f"values[{step}]": value})
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
        return {_KIND: self.kind, "values": pieces}


@dataclass(frozen=True)
class Adjustable(Schedule):
    """A number that stays until somebody changes it: `loss.assign`, or `SetParameter` in `fit`.

    Args:
        value: The number at the beginning.

    Raises:
        ParameterError: It is not a number.

    Example:
        >>> loss = get_loss("focal", gamma=Adjustable(2.0))
        >>> loss.assign(gamma=1.0)
        >>> loss.current()
        {'gamma': 1.0}
    """

    value: float
    kind: ClassVar[str] = "adjustable"

    def __post_init__(self) -> None:
        _check(self, value=self.value)

    def __call__(self, step: Any) -> Any:
        """The number at the beginning: the loss keeps the current one among its weights."""
        del step
        return ops.cast(self.value, "float32")

    def extremes(self) -> Iterator[float]:
        """The number itself; `assign` checks the next ones."""
        yield self.value


class KerasSchedule(Schedule):
    """One of Keras's learning-rate schedules.

    Args:
        schedule: A `keras.optimizers.schedules.LearningRateSchedule`.
    """

    kind = "keras"

    def __init__(self, schedule: Any) -> None:
        self.schedule = schedule

    def __call__(self, step: Any) -> Any:
        """The number at a step, as a tensor."""
        return self.schedule(step)

    def extremes(self) -> Iterator[float]:
        """Its values at 0 and at steps each a tenth above the last: Keras's do not tell theirs."""
        steps = [0, *sorted({round(1.1**power) for power in range(160)})]
        values = [float(self.schedule(step)) for step in steps]
        yield from (min(values), max(values))

    def as_data(self) -> dict[str, Any]:
        """The name of its class, and its config."""
        return {_KIND: f"{_KERAS}{type(self.schedule).__name__}", **self.schedule.get_config()}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, KerasSchedule) and self.as_data() == other.as_data()

    def __hash__(self) -> int:
        return hash(type(self.schedule))

    def __repr__(self) -> str:
        config = self.schedule.get_config()
        given = (f"{name}={value!r}" for name, value in config.items() if name != "name")
        return f"{type(self.schedule).__name__}({', '.join(given)})"


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
        return _from_data(value) if _KIND in value else None
    keras = sys.modules.get("keras")  # who holds one of Keras's schedules has imported Keras
    if keras is not None and isinstance(value, keras.optimizers.schedules.LearningRateSchedule):
        return KerasSchedule(value)
    return None


def _from_data(data: Mapping[str, Any]) -> Schedule:
    kind, arguments = data[_KIND], {name: data[name] for name in data if name != _KIND}
    try:
        if isinstance(kind, str) and kind.startswith(_KERAS):
            return KerasSchedule(_of_keras(kind.removeprefix(_KERAS)).from_config(arguments))
        if kind in _KINDS:
            return _KINDS[kind](**arguments)  # type: ignore[no-any-return]
    except TypeError as error:
        raise ParameterError(
            f"The schedule {kind!r} cannot be made of this: {error}", received=dict(data)
        ) from error
    raise ParameterError(
        "There is no such schedule.",
        expected=f"one of {', '.join(sorted(_KINDS))}, or '{_KERAS}…' for one of Keras's",
        received=kind,
    )


def _of_keras(name: str) -> Any:
    """A class of schedules by name: Keras's own, or one that the program has registered."""
    keras = importlib.import_module("keras")
    base = keras.optimizers.schedules.LearningRateSchedule
    custom = keras.saving.get_custom_objects()
    registered = {key.rpartition(">")[2]: custom[key] for key in custom}
    for found in (getattr(keras.optimizers.schedules, name, None), registered.get(name)):
        if isinstance(found, type) and issubclass(found, base) and found is not base:
            return found
    raise ParameterError(
        f"Keras has no learning-rate schedule {name!r}.",
        fix="If it is your own, register it: @keras.saving.register_keras_serializable()",
    )


def _progress(step: Any, begin: int, steps: int) -> Any:
    return ops.clip((ops.cast(step, "float32") - begin) / steps, 0.0, 1.0)


def _check(schedule: Schedule, **numbers: Any) -> None:
    for name, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise _unlike(schedule, name, "a number", value)
        if not math.isfinite(value):
            raise _unlike(schedule, name, "a finite number", value)
        if name.isidentifier():
            object.__setattr__(schedule, name, float(value))


def _check_steps(schedule: Schedule, *, steps: Any, begin: Any) -> None:
    for name, value, least in (("steps", steps, 1), ("begin", begin, 0)):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise _unlike(schedule, name, f"an integer that is at least {least}", value)


def _unlike(schedule: Schedule, name: str, expected: str, received: Any) -> ParameterError:
    return ParameterError(
        f"A {schedule.kind} schedule cannot have this as {name!r}.",
        expected=expected,
        received=received,
        parameter=name,
    )
