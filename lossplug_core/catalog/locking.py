"""A lock: what is installed and allowed, written down, to be compared with later."""

from __future__ import annotations

import json
import math
import platform
import sys
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lossplug_core.catalog._files import files_hash, is_editable
from lossplug_core.catalog._lines import place_of
from lossplug_core.catalog.drifting import lock_command
from lossplug_core.errors import CatalogError, PluginWarning
from lossplug_core.names import KERAS, is_distribution

if TYPE_CHECKING:
    from lossplug_core.catalog.active import Catalogue
    from lossplug_core.catalog.model import Preset
    from lossplug_core.discovery import Entry
    from lossplug_core.registry import Registry

__all__ = [
    "FORMAT",
    "Lock",
    "LockedDistribution",
    "LockedPreset",
    "Platform",
    "locked",
    "read_lock",
]

FORMAT = 1
"""The version of the format. It is raised when today's readers could not read it any more."""

LARGEST = 16 * 2**20
"""The most bytes of a lock that are read."""

_CORE, _CORE_PACKAGE = "lossplug-core", "lossplug_core"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Platform(_Part):
    """Where a lock was made. It is told, and decides nothing."""

    python: str
    system: str
    machine: str

    def __str__(self) -> str:
        return f"Python {self.python} on {self.system} {self.machine}"


class LockedDistribution(_Part):
    """A distribution, and what of it may be used.

    Attributes:
        version: Its version.
        editable: Whether it is a folder in which somebody works.
        files: A hash of its code and data; None if they are not found.
        losses: The version of the spec of each loss, by name.
    """

    version: str
    editable: bool = False
    files: str | None
    losses: dict[str, int]


class LockedPreset(_Part):
    """A preset.

    Attributes:
        version: Its version.
        meaning: What decides which loss it is: `loss`, `params`, `convention`, `reduction`.
    """

    version: int
    meaning: dict[str, Any]


class Lock(_Part):
    """What is installed and allowed."""

    format: int = Field(default=FORMAT)
    platform: Platform
    distributions: dict[str, LockedDistribution]
    presets: dict[str, LockedPreset]

    def text(self) -> str:
        """The lock as it is written: the same for the same content, whenever and by whom."""
        return json.dumps(self.model_dump(), indent=2, sort_keys=True, allow_nan=False) + "\n"


def locked(registry: Registry, catalogue: Catalogue) -> Lock:
    """What is installed and allowed now. All allowed plugins are imported, Keras is not.

    Args:
        registry: What is installed.
        catalogue: The layers of catalogues.

    Raises:
        BrokenPluginError: A plugin cannot be imported: what it has is not known.
    """
    losses = _losses(registry)
    modules: dict[str, list[str]] = {_CORE: [_CORE_PACKAGE]}
    found: dict[str, dict[str, int]] = {_CORE: {}}
    for provider in [*registry.found.hooks, *(entry.provider for entry in losses)]:
        found.setdefault(provider.distribution, {})
        modules.setdefault(provider.distribution, []).append(provider.target.partition(":")[0])
    for entry, version in losses.items():
        found[entry.provider.distribution][entry.name] = version
    presets = catalogue.presets.values()
    return Lock(
        platform=Platform(
            python=".".join(map(str, sys.version_info[:2])),
            system=sys.platform,
            machine=platform.machine(),
        ),
        distributions={name: _distribution(name, modules[name], found[name]) for name in found},
        presets={named.name: _preset(named.content) for named in presets},
    )


def _losses(registry: Registry) -> dict[Entry, int]:
    """The version of each allowed loss."""
    entries = registry.entries()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PluginWarning)
        versions = {
            entry: getattr(described, "version", 1)
            for entry, described in registry.described(entries)
        }
    for entry in entries:
        if entry not in versions:
            registry.find(entry.id)  # raises, and says what is wrong with it
    return versions


def _distribution(name: str, modules: Iterable[str], losses: dict[str, int]) -> LockedDistribution:
    from importlib_metadata import Distribution, PackageNotFoundError

    try:
        found = Distribution.from_name(name)
    except PackageNotFoundError:
        return LockedDistribution(version="not installed", files=None, losses=losses)
    return LockedDistribution(
        version=found.version,
        editable=is_editable(found),
        files=files_hash(found, [KERAS] if name == KERAS else modules),
        losses=losses,
    )


def _preset(preset: Preset) -> LockedPreset:
    said = preset.model_dump(include={"loss", "params", "convention", "reduction"})
    meaning = {name: value for name, value in said.items() if value not in (None, {})}
    return LockedPreset(version=preset.version, meaning=_plain(meaning))


def _plain(value: Any) -> Any:
    """What TOML can hold, as JSON can."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    finite = not isinstance(value, float) or math.isfinite(value)
    return value if finite and isinstance(value, (bool, int, float, str)) else str(value)


def read_lock(path: Path) -> Lock:
    """The lock in a file.

    Raises:
        CatalogError: The file cannot be read, is no lock, or one of a later version of lossplug.
    """
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        fix = f"Make it: {lock_command(path)}" if isinstance(error, FileNotFoundError) else None
        raise _error(path, f"cannot be read: {error.strerror or error}", fix=fix) from error
    if len(data) > LARGEST:
        raise _error(path, "is too large", expected=f"at most {LARGEST} bytes")
    try:
        document = json.loads(data, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", None)
        raise _error(path, f"is damaged: {error}", line=line) from error
    if not isinstance(document, dict) or not isinstance(document.get("format"), int):
        raise _error(path, "is no lock of lossplug's", expected="a JSON object with 'format'")
    if document["format"] != FORMAT:
        raise _error(
            path,
            "has a format that this version of lossplug-core does not know",
            expected=f"format {FORMAT}",
            received=document["format"],
            fix="pip install --upgrade lossplug-core",
        )
    return _valid(document, path)


def _valid(document: Mapping[str, Any], path: Path) -> Lock:
    try:
        lock = Lock.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        place, why = ".".join(map(str, first["loc"])), first["msg"]
        message = f"is damaged at {place!r:.100}: {why[:1].lower()}{why[1:]}"
        raise _error(path, message) from error
    for name in lock.distributions:
        if not is_distribution(name):
            raise _error(path, f"is damaged: no distribution can be called {name!r:.100}")
    return lock


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object. A key that is there twice is left from a merge, and means nothing."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r:.100} is there twice")
    return found


def _error(path: Path, what: str, *, line: int | None = None, **facts: Any) -> CatalogError:
    facts.setdefault("fix", f"Make it again: {lock_command(path)}")
    return CatalogError(
        f"The lock {place_of(str(path), line)} {what}.", path=str(path), line=line, **facts
    )
