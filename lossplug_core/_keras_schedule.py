"""Keras's learning-rate schedules, as schedules of any number. Keras is imported to read one."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from lossplug_core._schedule import KIND, Schedule
from lossplug_core.errors import ParameterError

__all__ = ["KERAS_PREFIX", "KerasSchedule", "is_keras_schedule", "of_keras"]

KERAS_PREFIX = "keras/"
"""How the kind of one of Keras's schedules begins, as data."""


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
        return {KIND: f"{KERAS_PREFIX}{type(self.schedule).__name__}", **self.schedule.get_config()}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, KerasSchedule) and self.as_data() == other.as_data()

    def __hash__(self) -> int:
        return hash(type(self.schedule))

    def __repr__(self) -> str:
        config = self.schedule.get_config()
        given = (f"{name}={value!r}" for name, value in config.items() if name != "name")
        return f"{type(self.schedule).__name__}({', '.join(given)})"


def is_keras_schedule(value: Any) -> bool:
    """Whether a value is one of Keras's schedules. Who holds one has imported Keras."""
    keras = sys.modules.get("keras")
    return keras is not None and isinstance(value, keras.optimizers.schedules.LearningRateSchedule)


def of_keras(kind: str, config: Mapping[str, Any]) -> KerasSchedule:
    """The schedule of a config.

    Raises:
        ParameterError: Keras has no such schedule.
    """
    return KerasSchedule(_class(kind.removeprefix(KERAS_PREFIX)).from_config(dict(config)))


def _class(name: str) -> Any:
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
