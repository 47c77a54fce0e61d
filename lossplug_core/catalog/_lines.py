"""On which line of a TOML file a key stands, so that an error can point at it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence

__all__ = ["line_of", "lines_of", "monstrous_line", "place_of"]

Path = tuple[str, ...]

_LONGEST = 100

_TABLE = re.compile(r"^\s*\[\[?(?P<key>.+?)\]\]?\s*(#.*)?$")
_KEY = re.compile(
    r"""^\s*(?P<key>(?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*="""
)

# One that does not end goes to the end of its line: looking for its end takes no time squared.
_STRING = re.compile(r""""(?:[^"\\\n]|\\.)*+"?|'[^'\n]*+'?""")
_MONSTROUS = re.compile(r"(?<![\w.-])(?<!\.[ \t])(?:[\w-]++[ \t]*+\.[ \t]*+){1000}")


def monstrous_line(text: str) -> int | None:
    """The line of a dotted key of a thousand parts, or None.

    Of those the TOML parser remembers every beginning: a file of 200 kB takes gigabytes.
    """
    found = _MONSTROUS.search(_STRING.sub("x", text)) if text.count(".") >= 1000 else None
    # In a string there is no end of a line, so that no line moved.
    return None if found is None else found.string.count("\n", 0, found.start()) + 1


def lines_of(text: str) -> dict[Path, int]:
    """The line of each table and each key, counted from 1.

    Text in several lines may look like keys: what stands first counts, and a key that is not there
    is never asked for. What a header only leads through has the line of the first such header.
    """
    found: dict[Path, int] = {}
    around: dict[Path, int] = {}
    table: Path = ()
    for number, line in enumerate(text.split("\n"), 1):
        if header := _TABLE.match(line):
            table = _path(header["key"]) or table
            found.setdefault(table, number)
            for part in _parts(table):
                around.setdefault(part, number)
        elif key := _KEY.match(line):
            for part in _parts(_path(key["key"])):
                found.setdefault((*table, *part), number)
    return {**around, **found}


def _parts(path: Path) -> Iterator[Path]:
    """A path, and what it leads through; of one that is absurdly long only the first."""
    return (path[:end] for end in range(1, min(len(path), _LONGEST) + 1))


def line_of(path: Sequence[str | int], lines: Mapping[Path, int]) -> int | None:
    """The line of a key, or of the nearest thing around it that has one."""
    words = tuple(map(str, path))
    for end in range(len(words), 0, -1):
        if words[:end] in lines:
            return lines[words[:end]]
    return None


def place_of(name: str, line: int | None) -> str:
    """Where something stands, `name:line`; the name alone if the line is not known."""
    return name if line is None else f"{name}:{line}"


def _path(key: str) -> Path:
    """The parts of a dotted key, read by the TOML parser itself."""
    try:
        parsed = tomllib.loads(f"{key} = 0")
    except tomllib.TOMLDecodeError:
        return ()
    parts = []
    while isinstance(parsed, dict):
        ((part, parsed),) = parsed.items()
        parts.append(part)
    return tuple(parts)
