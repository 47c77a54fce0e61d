"""The parts of a combined loss, from all the ways to write them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import keras

from lossplug_core.bridge.build import get_loss
from lossplug_core.errors import ConfigError, ParameterError
from lossplug_core.schedules import Schedule, as_schedule

__all__ = ["Part", "read_parts"]

_KEYS = ("loss", "weight", "name", "output")


class Part(NamedTuple):
    """One loss of a combination.

    Attributes:
        name: What it is called in the logs, unlike all other parts.
        loss: The loss.
        weight: Its weight: a number or a schedule.
        output: The output that it is given, if the model has several.
    """

    name: str
    loss: keras.losses.Loss
    weight: float | Schedule = 1.0
    output: str | None = None

    @property
    def weight_name(self) -> str:
        """What its weight is called in the logs, and where it is set."""
        return f"{self.name}_weight"


def read_parts(parts: Any) -> list[Part]:
    """Parts with a name each, from a dict or a list of them.

    Raises:
        ParameterError: What is given is not a list of parts.
        ConfigError: A combination contains itself.
    """
    _check_acyclic(parts)
    if isinstance(parts, Mapping):
        parts = [
            {"loss": loss, **weight} if _is_part(weight) else {"loss": loss, "weight": weight}
            for loss, weight in parts.items()
        ]
    if isinstance(parts, str) or not isinstance(parts, Sequence):
        raise ParameterError(
            "This does not list the parts of a combined loss.",
            expected="a dict from losses to weights, or a list of losses",
            received=parts,
        )
    return _named([_part(part) for part in parts])


def _part(part: Any) -> Part:
    if isinstance(part, Part):
        return part
    if isinstance(part, tuple) and len(part) == 2:
        part = {"loss": part[0], "weight": part[1]}
    elif not (isinstance(part, Mapping) and "loss" in part):
        part = {"loss": part}
    if unknown := [key for key in part if key not in _KEYS]:
        raise ParameterError(
            "A part of a combined loss has no such key.",
            expected=f"some of {', '.join(_KEYS)}",
            received=unknown[0],
            fix="Parameters belong to the loss: {'loss': {'name': …, 'params': {…}}}",
        )
    if (loss := get_loss(part["loss"])) is None:
        raise ParameterError("A part of a combined loss is None.", expected="a loss")
    texts = {key: part.get(key) for key in ("name", "output")}
    for key, text in texts.items():
        if not (text is None or isinstance(text, str)):
            raise ParameterError(
                f"The {key} of a part is a text.", expected="a str", received=text, parameter=key
            )
    weight = _checked_weight(part.get("weight", 1.0))
    return Part(texts["name"] or "", loss, weight, texts["output"])


def _named(parts: list[Part]) -> list[Part]:
    """Parts with a name each: their own, or that of their loss, numbered where it stands again."""
    taken = {part.name for part in parts if part.name}
    if len(taken) < sum(1 for part in parts if part.name):
        names = [part.name for part in parts if part.name]
        twice = next(name for name in names if names.count(name) > 1)
        raise ParameterError(
            "Two parts of a combined loss have one name.", expected="a name each", received=twice
        )
    named = []
    for part in parts:
        name, count = part.name or part.loss.name, 1
        while not part.name and name in taken:
            count += 1
            name = f"{part.loss.name}_{count}"
        taken.add(name)
        named.append(part._replace(name=name))
    return named


def _checked_weight(weight: Any) -> float | Schedule:
    if (schedule := as_schedule(weight)) is not None:
        return schedule
    if (
        isinstance(weight, bool)
        or not isinstance(weight, (int, float))
        or not math.isfinite(weight)
    ):
        raise ParameterError(
            "The weight of a part is not a finite number.",
            expected="a number or a schedule",
            received=weight,
            parameter="weight",
        )
    return float(weight)


def _is_part(value: Any) -> bool:
    return isinstance(value, Mapping) and as_schedule(value) is None


def _check_acyclic(data: Any, around: tuple[int, ...] = ()) -> None:
    """Refuse data that contains itself, before anything is made of it."""
    if isinstance(data, str) or not isinstance(data, (Mapping, Sequence)):
        return
    if id(data) in around:
        raise ConfigError(
            "A combination of losses contains itself.", fix="Take it out of its own parts."
        )
    for child in data.values() if isinstance(data, Mapping) else data:
        _check_acyclic(child, (*around, id(data)))
