"""From a file to a catalogue, or to an error that points at the line."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from lossplug_core.catalog._lines import line_of, lines_of
from lossplug_core.errors import CatalogError

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic_core import ErrorDetails

    from lossplug_core.catalog.model import CatalogueFile

__all__ = ["LARGEST", "Layer", "find_project_file", "from_mapping", "read"]

LARGEST = 2**20
"""The most bytes of a catalogue that are read."""

DEEPEST = 50
"""How many tables and lists may be in each other."""

NAMES = ("lossplug.toml", "pyproject.toml")
_TABLE = ("tool", "lossplug")


class Layer(NamedTuple):
    """One catalogue, and where it is from.

    Attributes:
        source: What a person would call the place: a path, or a distribution.
        content: What it says.
        lines: The line of each key; empty if it is no file.
    """

    source: str
    content: CatalogueFile
    lines: Mapping[tuple[str, ...], int]

    def place(self, *key: str) -> str:
        """Where something in it stands, `path:line`."""
        return _place(self.source, self.line(*key))

    def line(self, *key: str) -> int | None:
        """The line of something in it, or of the nearest thing around that."""
        return line_of(key, self.lines)


def find_project_file(folder: Path) -> Path | None:
    """The catalogue of the project that a folder is in: the nearest one, upwards."""
    for parent in (folder, *folder.parents):
        own, shared = (parent / name for name in NAMES)
        if _is_there(own):
            return own
        if _is_there(shared) and _in_pyproject(shared):
            return shared
    return None


def _is_there(path: Path) -> bool:
    """Whether there is a file, or a link that should lead to one: a lost policy is an error."""
    try:
        return path.is_file() or (path.is_symlink() and not path.is_dir())
    except PermissionError:
        return False


def read(path: Path) -> Layer:
    """The catalogue in a file: `lossplug.toml`, or a `pyproject.toml` with `[tool.lossplug]`.

    Raises:
        CatalogError: The file cannot be read, or does not say what a catalogue may say.
    """
    source = str(path)
    text = _text(path)
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        line = getattr(error, "lineno", None) or _line_in(str(error), text)
        raise CatalogError(
            f"{_place(source, line)} is not TOML: {error}", path=source, line=line
        ) from error
    lines = lines_of(text)
    if path.name == "pyproject.toml":
        document = _table_of(document)
        lines = {key[2:]: line for key, line in lines.items() if key[:2] == _TABLE and key[2:]}
    return from_mapping(document, source, lines)


def from_mapping(
    document: Mapping[str, Any], source: str, lines: Mapping[tuple[str, ...], int] | None = None
) -> Layer:
    """The catalogue that a mapping describes.

    Raises:
        CatalogError: It does not say what a catalogue may say.
    """
    from pydantic import ValidationError

    from lossplug_core.catalog.model import CatalogueFile

    lines = lines or {}
    _check_depth(document, source, lines)
    try:
        return Layer(source, CatalogueFile.model_validate(dict(document)), lines)
    except ValidationError as error:
        # A key that is not known says more than one that is missing.
        first = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
        raise _invalid(first, source, lines, CatalogueFile) from error


def _check_depth(
    document: Mapping[str, Any], source: str, lines: Mapping[tuple[str, ...], int]
) -> None:
    """Refuse what is so deep that walking it would fail, or that contains itself."""
    waiting: list[tuple[tuple[str, ...], Any]] = [((), document)]
    while waiting:
        path, value = waiting.pop()
        if len(path) > DEEPEST:
            # A header such as [a.b.c] has one line, and a and b have none.
            headers = (number for key, number in lines.items() if key[: len(path)] == path)
            line = next(headers, line_of(path, lines))
            raise CatalogError(
                f"{_place(source, line)}: {'.'.join(path[:2])} is too deep.",
                expected=f"at most {DEEPEST} tables and lists in each other",
                path=source,
                line=line,
            )
        if isinstance(value, Mapping):
            waiting += [((*path, str(key)), inner) for key, inner in value.items()]
        elif isinstance(value, (list, tuple)):
            waiting += [((*path, str(number)), inner) for number, inner in enumerate(value)]


def _invalid(
    error: ErrorDetails, source: str, lines: Mapping[tuple[str, ...], int], model: type[BaseModel]
) -> CatalogError:
    key = [part for part in error["loc"] if part != "[key]" and not _is_of_union(part)]
    line = line_of([str(part) for part in key], lines)
    what = ".".join(map(str, key)) or "the catalogue"
    if error["type"] == "extra_forbidden":
        known = _known(key[:-1], model)
        return CatalogError(
            f"{_place(source, line)}: a catalogue has no {what!r}.",
            expected=f"one of {', '.join(known)}",
            received=key[-1],
            nearest=difflib.get_close_matches(str(key[-1]), known, n=1),
            path=source,
            line=line,
        )
    message = error["msg"].removeprefix("Value error, ")
    return CatalogError(
        f"{_place(source, line)}: {what} is not valid: {message[:1].lower()}{message[1:]}.",
        received=error["input"],
        path=source,
        line=line,
    )


def _is_of_union(part: Any) -> bool:
    """Whether a part of a place is pydantic's name for one of several types."""
    return isinstance(part, str) and (part == "str" or part.startswith("dict["))


def _known(key: Sequence[Any], model: type[BaseModel]) -> list[str]:
    """The keys that there can be at a place."""
    from lossplug_core.catalog.model import Policy, Preset

    inner: dict[str, type[BaseModel]] = {"policy": Policy, "presets": Preset}
    return sorted((inner.get(str(key[0]), model) if key else model).model_fields)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
        text = data.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise CatalogError(
            f"The catalogue {str(path)!r} cannot be read: {error}", path=str(path), line=None
        ) from error
    if len(data) > LARGEST:
        raise CatalogError(
            f"The catalogue {str(path)!r} is too large.",
            expected=f"at most {LARGEST} bytes",
            path=str(path),
            line=None,
        )
    return text


def _in_pyproject(path: Path) -> bool:
    """Whether a pyproject has a catalogue. One that cannot be read is somebody else's business."""
    try:
        text = _text(path)
        # Most are nobody's catalogue, and need not be parsed at each start.
        return _TABLE[-1] in text and bool(_table_of(tomllib.loads(text)))
    except (CatalogError, tomllib.TOMLDecodeError, RecursionError):
        return False


def _table_of(document: Mapping[str, Any]) -> dict[str, Any]:
    found: Any = document
    for part in _TABLE:
        found = found.get(part) if isinstance(found, Mapping) else None
    return dict(found) if isinstance(found, Mapping) else {}


def _place(source: str, line: int | None) -> str:
    return source if line is None else f"{source}:{line}"


def _line_in(message: str, text: str) -> int | None:
    """The line that Python's TOML parser has in its message only, before 3.14."""
    if "at end of document" in message:
        return len(text.splitlines())
    _, found, rest = message.partition("at line ")
    digits = rest.split(",")[0].strip() if found else ""
    return int(digits) if digits.isdigit() else None
