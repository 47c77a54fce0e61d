"""Files that a build is given, of which none is trusted: bounded, and read as what they must be."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from lossplug_core.errors import LossplugError

__all__ = ["LARGEST", "Part", "document", "each", "readable", "validated"]

LARGEST = 16 * 2**20
"""The most bytes of a file that are read."""

_LONGEST = 10_000
"""The most letters of a text that are shown."""

_M = TypeVar("_M", bound=BaseModel)


class Part(BaseModel):
    """A part of a file, of which more may be there than is asked for."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


def document(path: Path, what: str, fix: str) -> Any:
    """What a file of JSON has in it.

    Args:
        path: The file.
        what: What it should be, to say in an error.
        fix: What writes such a file.

    Raises:
        LossplugError: It is not there, too large, or no JSON.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(LARGEST + 1)
    except OSError as error:
        raise LossplugError(f"{str(path)!r} cannot be read: {error.strerror}.", fix=fix) from error
    if len(data) > LARGEST:
        raise LossplugError(
            f"{str(path)!r} is too large.", expected=f"{what} of at most {LARGEST // 2**20} MiB"
        )
    try:
        # Some shells write what a command says as UTF-16.
        return json.loads(data.decode(json.detect_encoding(data)), parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        why = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise LossplugError(f"{str(path)!r} is not JSON: {why}.", expected=what, fix=fix) from error


def validated(path: Path, model: type[_M], data: Any, what: str, fix: str, at: str = "") -> _M:
    """A part of a file as what it must be.

    Args:
        path: The file.
        model: What it must be.
        data: What it is.
        what: What the file should be, to say in an error.
        fix: What writes such a file.
        at: Where in the file the part is.

    Raises:
        LossplugError: It is something else.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(filter(None, [at, *map(str, first["loc"])]))
        where = f" At {place!r}:" if place else ""
        raise LossplugError(
            f"{str(path)!r} is not {what}.{where} {first['msg']}.", fix=fix
        ) from error


def each(
    path: Path, model: type[_M], rows: Iterable[Any], what: str, fix: str, at: str
) -> Iterator[_M]:
    """Each row of a list; with the first that is wrong it ends, so that errors do not pile up."""
    for number, row in enumerate(rows):
        yield validated(path, model, row, what, fix, f"{at}.{number}")


def readable(text: str) -> str:
    """Text of someone else's, without letters that nobody can see, and not without end."""
    kept = "".join(one if one.isprintable() or one in "\n\t" else "�" for one in text[:_LONGEST])
    return kept + ("…" if len(text) > _LONGEST else "")


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")
