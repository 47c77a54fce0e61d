"""What all commands write alike: JSON, columns, failures."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lossplug_core.errors import LossplugError
from lossplug_core.spec import Deprecation, Provider

if TYPE_CHECKING:
    from lossplug_core.archive import SavedLoss

__all__ = [
    "SCHEMA_VERSION",
    "Failure",
    "columns",
    "deprecation_json",
    "error_json",
    "json_option",
    "json_was_asked",
    "print_json",
    "printable",
    "provider_json",
    "saved_json",
    "today_option",
]

SCHEMA_VERSION = 1
"""Raised when programs that read today's JSON could not read it any more."""

_ASKED = "lossplug.json"
_F = TypeVar("_F", bound=Callable[..., Any])


class Failure(click.ClickException):
    """The answer is no: a message on stderr, and exit code 1."""

    exit_code = 1


def json_option(command: _F) -> _F:
    """The option `--json` of a command, whose function receives it as `as_json`."""

    def remember(ctx: click.Context, _: click.Parameter, value: bool) -> bool:
        ctx.meta[_ASKED] = value
        return value

    return click.option(
        "--json", "as_json", is_flag=True, callback=remember, help="One JSON document on stdout."
    )(command)


def today_option(command: _F) -> _F:
    """The option `--today` of a command, whose function receives a date as `today`."""

    def as_date(_: click.Context, _option: click.Parameter, value: datetime | None) -> date:
        return date.today() if value is None else value.date()

    return click.option(
        "--today",
        type=click.DateTime(["%Y-%m-%d"]),
        callback=as_date,
        metavar="DATE",
        help="Judge dates as on this day, such as 2027-01-31.",
    )(command)


def json_was_asked(ctx: click.Context) -> bool:
    """Whether `--json` was given, to whichever command ran."""
    return bool(ctx.meta.get(_ASKED))


def print_json(**document: Any) -> None:
    """A document for programs, on stdout."""
    document = {"schema_version": SCHEMA_VERSION, **document}
    click.echo(json.dumps(_plain(document), indent=2, allow_nan=False))


def provider_json(provider: Provider) -> dict[str, str]:
    """A provider, for `print_json`."""
    return {
        "distribution": provider.distribution,
        "version": provider.version,
        "entry_point": provider.entry_point,
        "target": provider.target,
    }


def saved_json(saved: SavedLoss) -> dict[str, Any]:
    """What a model says of a loss that it needs, for `print_json`."""
    by = {"distribution": saved.distribution, "version": saved.distribution_version}
    return {
        "kind": saved.kind,
        "name": saved.name,
        "at": saved.where,
        "spec_version": saved.version,
        "saved_by": by if saved.distribution else None,
        "presets": [preset._asdict() for preset in saved.presets],
    }


def deprecation_json(deprecation: Deprecation | None) -> dict[str, str | None] | None:
    """That a loss will be removed, for `print_json`."""
    if deprecation is None:
        return None
    return {"replaced_by": deprecation.replaced_by, "removed_in": deprecation.removed_in}


def error_json(error: LossplugError) -> dict[str, Any]:
    """An error, for `print_json`; one of a catalogue with the path and the line of it."""
    place = {name: fact for name, fact in error.__dict__.items() if name in ("path", "line")}
    return {
        **place,
        "type": type(error).__name__,
        "message": str(error),
        "what": error.what,
        "expected": error.expected,
        "nearest": error.nearest,
        "fix": error.fix,
    }


def columns(rows: Sequence[Sequence[str]], *, indent: str = "") -> str:
    """Rows of texts, which may be someone else's, as aligned columns."""
    rows = [[*map(printable, row)] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join((indent + "  ".join(map(str.ljust, row, widths))).rstrip() for row in rows)


def printable(text: str) -> str:
    """Text of someone else's, without what could steer a terminal."""
    return "".join(letter if letter.isprintable() else "�" for letter in text)


def _plain(value: Any) -> Any:
    """Data as JSON can hold it; a number that is not finite becomes null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Iterable):
        return [_plain(item) for item in value]
    return str(value)
