"""The two JSON documents of a `.keras` file, read so that no file can do harm.

Nothing is extracted, and nothing is read beyond its bounds: not the table of contents, not what is
unpacked, not what JSON makes of it.
"""

from __future__ import annotations

import encodings.cp437  # noqa: F401  names in zip files need it: threads that read do not import
import io
import json
import re
import stat
import threading
import zipfile
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import IO, Any

from lossplug_core.errors import LossplugError

__all__ = ["LARGEST", "MOST", "ArchiveError", "documents"]

LARGEST = 64 * 2**20
"""The most bytes of JSON that are read, far more than the largest models have."""

MOST = 2_000_000
"""The most values in it: what Python makes of `[]` is twenty times larger."""

_CONFIG, _METADATA = "config.json", "metadata.json"
_SAVE = "Load it where it was made, and save it again: model.save('model.keras')"
_TABLE_OF_CONTENTS = 4 * 2**20
_CHUNK = 2**20
_OUTSIDE = re.compile(r"^([/\\]|[A-Za-z]:)|(^|[/\\])\.\.([/\\]|$)")

_one_large_at_a_time = threading.Lock()


class ArchiveError(LossplugError, ValueError):
    """The file is not a model that Keras saved, or it is damaged."""


def documents(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The config of a saved model, and its metadata, which may be empty.

    Args:
        path: A `.keras` file, or a folder with the same content.

    Raises:
        ArchiveError: It is not a model that Keras saved, or it is damaged.
    """
    try:
        if path.is_dir():
            return _of_folder(path)
        with _regular(path) as file, zipfile.ZipFile(file) as archive:
            return _of_zip(path, archive)
    except ArchiveError:
        raise
    except zipfile.BadZipFile as error:
        raise ArchiveError(
            f"{path} is no .keras file: {error}.",
            expected="a zip archive, as model.save('model.keras') makes it",
            fix=_SAVE,
        ) from error
    except Exception as error:  # Python's reader of zip files has one for each kind of nonsense
        raise ArchiveError(f"{path} cannot be read: {error}.") from error


def _of_folder(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    config, metadata = path / _CONFIG, path / _METADATA
    if not config.is_file():
        raise _no_config(path)
    with _regular(config) as stream:
        found = _json(stream, config)
    if not metadata.is_file():
        return found, {}
    with _regular(metadata) as stream:
        return found, _json(stream, metadata)


def _of_zip(path: Path, archive: zipfile.ZipFile) -> tuple[dict[str, Any], dict[str, Any]]:
    names = archive.namelist()
    _check_names(path, names)
    if _CONFIG not in names:
        raise _no_config(path)
    config = _of_member(path, archive, _CONFIG)
    return config, _of_member(path, archive, _METADATA) if _METADATA in names else {}


def _check_names(path: Path, names: Iterable[str]) -> None:
    """Refuse what no Keras writes, whoever else may read the file after us."""
    seen = set()
    for name in names:
        if _OUTSIDE.search(name):
            raise ArchiveError(
                f"{path} holds a file that would be unpacked elsewhere.", received=name[:200]
            )
        if name in seen and name in (_CONFIG, _METADATA):
            raise ArchiveError(f"{path} holds {name} twice: who reads it may see either.")
        seen.add(name)


def _of_member(path: Path, archive: zipfile.ZipFile, name: str) -> dict[str, Any]:
    info = archive.getinfo(name)
    if info.flag_bits & 1:
        raise ArchiveError(f"{path} cannot be read: {name} is encrypted.")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        # Others may ask for gigabytes before the first byte.
        raise ArchiveError(
            f"{path} cannot be read: {name} is packed in a way that Keras never uses."
        )
    with archive.open(info) as stream:
        return _json(stream, path / name)


def _json(stream: IO[bytes], file: Path) -> dict[str, Any]:
    start = stream.read(_CHUNK)
    more = stream.read(1)
    # Many files are read at once, but the memory that large ones need is that of one.
    alone: AbstractContextManager[Any] = _one_large_at_a_time if more else nullcontext()
    with alone:
        text = bytearray(start + more)
        while len(text) <= LARGEST and (chunk := stream.read(_CHUNK)):
            text += chunk
        if len(text) > LARGEST:
            raise ArchiveError(f"{file} is larger than {LARGEST >> 20} MiB: no model has so much.")
        if sum(map(text.count, (b"[", b"{", b","))) > MOST:
            raise ArchiveError(f"{file} has more than {MOST:,} values: no model has so many.")
        try:
            document = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ArchiveError(f"{file} is damaged: {error}.") from error
    if not isinstance(document, dict):
        raise ArchiveError(
            f"{file} is damaged.", expected="a JSON object", received=type(document).__name__
        )
    return document


def _no_config(path: Path) -> ArchiveError:
    return ArchiveError(f"{path} is no model that Keras saved: it has no config.json.", fix=_SAVE)


class _Bounded(io.BufferedReader):
    """A file of which no more is read at once than a table of contents may have."""

    def read(self, size: int | None = -1, /) -> bytes:
        """As every file, but for the bound."""
        asked = _TABLE_OF_CONTENTS if size is None or size < 0 else min(size, _TABLE_OF_CONTENTS)
        data = super().read(asked + 1 if asked == _TABLE_OF_CONTENTS else asked)
        if len(data) > _TABLE_OF_CONTENTS:
            raise zipfile.BadZipFile("its table of contents is too large")
        return data


def _regular(path: Path) -> _Bounded:
    """A file, opened, if it is one: a pipe would wait for ever, and a device never ends."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise ArchiveError(f"{path} is no .keras file: it is a pipe, a socket or a device.")
    return _Bounded(io.FileIO(path))
