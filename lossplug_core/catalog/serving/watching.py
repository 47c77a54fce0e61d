"""What a site depends on, and whether that changed: by the times and sizes of files.

Files are looked at once in a while. To be told by the system would need a library, and a watch on
each folder of an installation, of which a system grants only so many.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from lossplug_core.catalog._files import home_of
from lossplug_core.catalog.active import named_files
from lossplug_core.catalog.reading import NAMES
from lossplug_core.discovery import HOOKS, LOSSES, scan

__all__ = ["Snapshot", "Watched", "differences", "look", "python", "snapshot", "watched"]

Snapshot = Mapping[str, tuple[int, int, int]]
"""Each file that is there, with what changes when it does."""

_CORE = "lossplug_core"
_INFO = (".dist-info", ".egg-info")
_ENTRY_POINTS = "entry_points.txt"
_METADATA = ("METADATA", "PKG-INFO")
_NOT_SOURCE = ("~", ".pyc", ".pyo", ".swp", ".tmp", ".log")
_NOT_CODE = ("__pycache__", "node_modules")


class Watched(NamedTuple):
    """What a site depends on.

    Attributes:
        places: Folders in which distributions are installed.
        code: Folders of packages, and modules that are one file; also where there is none yet.
        files: Catalogues; also where there is none yet.
    """

    places: tuple[str, ...]
    code: tuple[str, ...]
    files: tuple[str, ...]


def look(timeout: float = 60.0) -> Watched | None:
    """What a site depends on, as a new process finds it, which knows what was installed since.

    Returns:
        What it found, or None if it failed.
    """
    with tempfile.TemporaryDirectory(prefix="lossplug-") as folder:
        answer = Path(folder, "watched.json")
        try:
            subprocess.run(
                [*python(), __name__, str(answer)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=True,
                timeout=timeout,
            )
            return Watched(*map(tuple, json.loads(answer.read_bytes())))
        except (OSError, ValueError, subprocess.SubprocessError):
            return None


def python() -> list[str]:
    """The beginning of a command that runs a module, and finds what this process finds."""
    here = {"", os.path.realpath(os.getcwd())}  # noqa: PTH109
    safe = [] if any(p in here or os.path.realpath(p) in here for p in sys.path[:1]) else ["-P"]
    return [sys.executable, *safe, "-m"]


def watched(more: Iterable[str] = ()) -> Watched:
    """What a site depends on, as this process finds it. No plugin is imported.

    Args:
        more: Files of catalogues that only their hook plugins know.
    """
    places = tuple(dict.fromkeys(os.path.abspath(place) for place in sys.path))  # noqa: PTH100
    found = scan()
    providers = [*found.hooks, *(entry.provider for entry in found.losses)]
    modules = {_CORE, *(provider.target.partition(":")[0] for provider in providers)}
    return Watched(
        places,
        tuple(dict.fromkeys(path for name in sorted(modules) for path in _code(name, places))),
        tuple(dict.fromkeys([*_catalogues(), *more])),
    )


def _code(module: str, places: Iterable[str]) -> Iterator[str]:
    """Where the code of a module is; where it could be, if it is nowhere."""
    home = home_of(module)
    if home is None:
        for place in places:
            path = Path(place, *module.split("."))
            yield from (f"{path}.py", str(path / "__init__.py"))
    else:
        origin, _ = home
        yield str(origin.parent if origin.name == "__init__.py" else origin)


def _catalogues() -> Iterator[str]:
    """Where the catalogues of this process are, or could appear."""
    yield from (str(path.absolute()) for path in named_files())
    here = Path.cwd()
    for folder in (here, *here.parents):
        yield from (str(folder / name) for name in NAMES)


def snapshot(watched: Watched) -> Snapshot:
    """The files as they are now."""
    found: dict[str, tuple[int, int, int]] = {}
    for path in (*_metadata(watched.places), *watched.files):
        _note(path, found)
    for path in watched.code:
        if os.path.isdir(path):  # noqa: PTH112
            _note_all(path, found)
        else:
            _note(path, found)
    return found


def differences(before: Snapshot, after: Snapshot) -> list[str]:
    """The files that are new, gone, or changed."""
    return sorted({path for path, _ in {*before.items()} ^ {*after.items()}})


def _metadata(places: Iterable[str]) -> Iterator[str]:
    """The files by which distributions with losses or hooks are found."""
    for place in places:
        try:
            names = os.listdir(place)  # noqa: PTH208
        except OSError:
            continue
        for name in names:
            path = f"{place}{os.sep}{name}"
            if name.endswith(".pth"):
                yield path
            elif name.endswith(_INFO):
                entry_points = f"{path}{os.sep}{_ENTRY_POINTS}"
                stamp = _stamp(entry_points)
                if stamp is not None and _mentions_us(entry_points, stamp):
                    yield entry_points
                    yield from (f"{path}{os.sep}{file}" for file in _METADATA)


@lru_cache(maxsize=10_000)
def _mentions_us(path: str, stamp: tuple[int, int, int]) -> bool:
    del stamp  # by which an answer is found again
    try:
        text = Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return LOSSES in text or HOOKS in text


def _note_all(folder: str, found: dict[str, tuple[int, int, int]]) -> None:
    """The files of a folder and those below, but not what tools leave there."""
    waiting = [folder]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    name = entry.name
                    if name.startswith(".") or name in _NOT_CODE:
                        continue
                    if entry.is_dir():
                        waiting += [] if entry.is_symlink() else [entry.path]
                    elif not name.endswith(_NOT_SOURCE):
                        _note(entry.path, found)
        except OSError:
            continue


def _note(path: str, found: dict[str, tuple[int, int, int]]) -> None:
    stamp = _stamp(path)
    if stamp is not None:
        found[path] = stamp


def _stamp(path: str) -> tuple[int, int, int] | None:
    try:
        stat = os.stat(path)  # noqa: PTH116
    except (OSError, ValueError):
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


def _layers() -> list[str]:
    """The files of all catalogues in force, those of hook plugins among them."""
    from lossplug_core._app import catalogue

    try:
        return [layer.source for layer in catalogue().layers]
    except Exception:  # the build says what is wrong with it
        return []


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(watched(_layers())), encoding="utf-8")
