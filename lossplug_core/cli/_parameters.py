"""Parameters of a loss, as they are written on the command line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from lossplug_core.params import validate
from lossplug_core.spec import LossSpec

__all__ = ["complete", "parse"]

_PYTHON = {"None": None, "True": True, "False": False}


def parse(given: Iterable[str]) -> dict[str, list[Any]]:
    """The values of each parameter.

    Args:
        given: `NAME=VALUE[,VALUE...]`; a value is JSON, or else a text. Commas in brackets and
            quotes belong to the value.

    Raises:
        click.BadParameter: It is not written like that, or two parameters have several values.

    Example:
        >>> parse(["gamma=0,2.5", "crossentropy=focal", "samples_per_class=[9, 1]"])
        {'gamma': [0, 2.5], 'crossentropy': ['focal'], 'samples_per_class': [[9, 1]]}
    """
    parameters: dict[str, list[Any]] = {}
    for text in given:
        name, equals, values = text.partition("=")
        if not (name and equals and values):
            raise click.BadParameter(f"{text!r} is not NAME=VALUE[,VALUE...].")
        parameters.setdefault(name.strip(), []).extend(map(_value, _split(values)))
    several = [name for name, values in parameters.items() if len(values) > 1]
    if len(several) > 1:
        raise click.BadParameter(f"Only one can have several values, not {', '.join(several)}.")
    return parameters


def complete(
    spec: LossSpec, given: Mapping[str, Sequence[Any]]
) -> tuple[str | None, list[dict[str, Any]]]:
    """The parameter that varies, if one does, and all parameters for each of its values.

    Raises:
        ParameterError: A parameter is unknown, missing, or wrong.
    """
    varied = next((name for name, values in given.items() if len(values) > 1), None)
    first = {name: values[0] for name, values in given.items()}
    if varied is None:
        return None, [validate(spec, first)]
    return varied, [validate(spec, {**first, varied: value}) for value in given[varied]]


def _split(text: str) -> list[str]:
    """The parts between commas, except for commas in brackets and quotes."""
    parts, depth, quoted = [""], 0, False
    for letter in text:
        quoted ^= letter == '"'
        depth += (letter in "[{(") - (letter in "]})")
        if letter == "," and depth == 0 and not quoted:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def _value(text: str) -> Any:
    """JSON, or the three constants as Python writes them, or the text itself."""
    text = text.strip()
    try:
        return _PYTHON[text] if text in _PYTHON else json.loads(text)
    except ValueError:
        return text
