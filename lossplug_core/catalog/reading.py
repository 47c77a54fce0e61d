"""From a file to a catalogue, or to an error that points at the line."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from lossplug_core.catalog._lines import line_of, lines_of, monstrous_line, place_of
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
        source: The path of the file; else what a person would call the place.
        content: What it says.
        lines: The line of each key; empty if it is no file.
        called: What messages call the place, if that is not the path: a distribution and a file.
    """

    source: str
    content: CatalogueFile
    lines: Mapping[tuple[str, ...], int]
    called: str | None = None

    def place(self, *key: str) -> str:
        """Where something in it stands, `path:line`."""
        return place_of(self.called or self.source, self.line(*key))

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


class _Origin(NamedTuple):
    """Where a catalogue is from: the parts of a `Layer` that errors need."""

    source: str
    lines: Mapping[tuple[str, ...], int]
    called: str | None

    @property
    def name(self) -> str:
        return self.called or self.source

    def error(self, line: int | None, problem: str, **facts: Any) -> CatalogError:
        """An error about a line. Its place comes before the problem."""
        what = f"{place_of(self.name, line)}: {problem}"
        return CatalogError(what, path=self.source, line=line, called=self.called, **facts)

    def refused(self, why: str, **facts: Any) -> CatalogError:
        """An error about the file as a whole."""
        what = f"The catalogue {self.name!r} {why}"
        return CatalogError(what, path=self.source, line=None, called=self.called, **facts)


def read(path: Path, called: str | None = None) -> Layer:
    """The catalogue in a file: `lossplug.toml`, or a `pyproject.toml` with `[tool.lossplug]`.

    Args:
        path: The file.
        called: What messages call it; its path if None.

    Raises:
        CatalogError: The file cannot be read, or does not say what a catalogue may say.
    """
    origin = _Origin(str(path), {}, called)
    text = _text(path, origin)
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        line = getattr(error, "lineno", None) or _line_in(str(error), text)
        raise origin.error(line, f"this is not TOML: {error}.") from error
    lines = lines_of(text)
    if path.name == "pyproject.toml":
        document = _table_of(document)
        lines = {key[2:]: line for key, line in lines.items() if key[:2] == _TABLE and key[2:]}
    return _layer(document, origin._replace(lines=lines))


def from_mapping(document: Mapping[str, Any], source: str) -> Layer:
    """The catalogue that a mapping describes.

    Raises:
        CatalogError: It does not say what a catalogue may say.
    """
    return _layer(document, _Origin(source, {}, None))


def _layer(document: Mapping[str, Any], origin: _Origin) -> Layer:
    from pydantic import ValidationError

    from lossplug_core.catalog.model import CatalogueFile

    _check_depth(document, origin)
    try:
        content = CatalogueFile.model_validate(dict(document))
    except ValidationError as error:
        # A key that is not known says more than one that is missing.
        first = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
        raise _invalid(first, origin, CatalogueFile) from error
    return Layer(origin.source, content, origin.lines, origin.called)


def _check_depth(document: Mapping[str, Any], origin: _Origin) -> None:
    """Refuse what is so deep that walking it would fail, or that contains itself."""
    waiting: list[tuple[tuple[str, ...], Any]] = [((), document)]
    while waiting:
        path, value = waiting.pop()
        if len(path) > DEEPEST:
            raise origin.error(
                line_of(path, origin.lines),
                f"{'.'.join(path[:2])} is too deep.",
                expected=f"at most {DEEPEST} tables and lists in each other",
            )
        if isinstance(value, Mapping):
            waiting += [((*path, str(key)), inner) for key, inner in value.items()]
        elif isinstance(value, (list, tuple)):
            waiting += [((*path, str(number)), inner) for number, inner in enumerate(value)]


def _invalid(error: ErrorDetails, origin: _Origin, model: type[BaseModel]) -> CatalogError:
    key = [part for part in error["loc"] if part != "[key]" and not _is_of_union(part)]
    line = line_of([str(part) for part in key], origin.lines)
    what = ".".join(map(str, key)) or "the catalogue"
    if error["type"] == "extra_forbidden":
        known = _known(key[:-1], model)
        return origin.error(
            line,
            f"a catalogue has no {what!r}.",
            expected=f"one of {', '.join(known)}",
            received=key[-1],
            nearest=difflib.get_close_matches(str(key[-1]), known, n=1),
        )
    message = error["msg"].removeprefix("Value error, ").replace("valid dictionary", "table")
    problem = f"{what} is not valid: {message[:1].lower()}{message[1:]}."
    return origin.error(line, problem, received=error["input"])


def _is_of_union(part: Any) -> bool:
    """Whether a part of a place is pydantic's name for one of several types."""
    return isinstance(part, str) and (part == "str" or part.startswith("dict["))


def _known(key: Sequence[Any], model: type[BaseModel]) -> list[str]:
    """The keys that there can be at a place."""
    from lossplug_core.catalog.model import Policy, Preset

    inner: dict[str, type[BaseModel]] = {"policy": Policy, "presets": Preset}
    return sorted((inner.get(str(key[0]), model) if key else model).model_fields)


def _text(path: Path, origin: _Origin) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        why = error.strerror or str(error)
        raise origin.refused(f"cannot be read: {why}.") from error
    if len(data) > LARGEST:
        raise origin.refused("is too large.", expected=f"at most {LARGEST} bytes")
    try:
        # Some editors begin a file with a mark of their own.
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        fix = "Save it in UTF-8, as TOML is."
        raise origin.error(line, "this is not TOML: it is not in UTF-8.", fix=fix) from error
    if (found := monstrous_line(text)) is not None:
        raise origin.error(found, "a key has a thousand parts or more.")
    return text


def _in_pyproject(path: Path) -> bool:
    """Whether a pyproject has a catalogue. One that cannot be read is somebody else's business."""
    try:
        text = _text(path, _Origin(str(path), {}, None))
        # Most are nobody's catalogue, and need not be parsed at each start.
        return _TABLE[-1] in text and bool(_table_of(tomllib.loads(text)))
    except (CatalogError, tomllib.TOMLDecodeError, RecursionError):
        return False


def _table_of(document: Mapping[str, Any]) -> dict[str, Any]:
    found: Any = document
    for part in _TABLE:
        found = found.get(part) if isinstance(found, Mapping) else None
    return dict(found) if isinstance(found, Mapping) else {}


def _line_in(message: str, text: str) -> int | None:
    """The line that Python's TOML parser has in its message only, before 3.14."""
    if "at end of document" in message:
        return len(text.splitlines())
    _, found, rest = message.partition("at line ")
    digits = rest.split(",")[0].strip() if found else ""
    return int(digits) if digits.isdigit() else None
