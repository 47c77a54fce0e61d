"""What a schedule is, and what its arguments may be."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import fields
from typing import Any, ClassVar

from lossplug_core.errors import ParameterError

__all__ = ["KIND", "Schedule", "check_number", "check_steps", "refused"]

KIND = "schedule"
"""The key that tells a schedule from other data."""


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
        return {KIND: self.kind, **values}


def check_number(schedule: Schedule, name: str, value: Any) -> float:
    """A finite number, or a ParameterError."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise refused(schedule, name, "a finite number", value)
    return float(value)


def check_steps(schedule: Schedule, name: str, value: Any, least: int) -> None:
    """Refuse what is not a number of steps."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise refused(schedule, name, f"an integer that is at least {least}", value)


def refused(schedule: Schedule, name: str, expected: str, received: Any) -> ParameterError:
    """The error for an argument that a schedule cannot have."""
    return ParameterError(
        f"A {schedule.kind} schedule cannot have this as {name!r}.",
        expected=expected,
        received=received,
        parameter=name,
    )
