"""What is not as a lock says."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.version import InvalidVersion, Version

from lossplug_core.catalog.remarks import Remark, Severity

if TYPE_CHECKING:
    from lossplug_core.catalog.locking import Lock, LockedDistribution

__all__ = ["LOCK", "drift", "lock_command"]

LOCK = "lossplug.lock"
"""The file of a lock, unless another is named."""

_ACCEPT = "If it is meant so: "
"""A fix that the command follows."""


def drift(lock: Lock, now: Lock, path: Path) -> list[Remark]:
    """What is not as a lock says, distribution by distribution, then the presets.

    Args:
        lock: What was locked.
        now: What is installed and allowed now.
        path: The file of the lock.

    Returns:
        Errors for what drifted, and notes for what does not matter.
    """
    accept = f"{_ACCEPT}{lock_command(path)}"
    return [
        Remark(severity, kind, str(path), None, subject, problem, accept if fix == _ACCEPT else fix)
        for severity, kind, subject, problem, fix in _drift(lock, now)
    ]


def lock_command(path: Path) -> str:
    """The command that writes a lock."""
    where = "" if path == Path(LOCK) else f" -o {shlex.quote(str(path))}"
    return f"lossplug catalog lock{where}"


_Found = tuple[Severity, str, str, str, str | None]


def _drift(lock: Lock, now: Lock) -> Iterator[_Found]:
    if lock.platform != now.platform:
        problem = (
            f"It was made with {lock.platform}, and here is {now.platform}. It counts here too: "
            "its hashes are not of compiled files, which depend on that."
        )
        yield "note", "other-platform", "platform", problem, None
    for name, was, is_ in _both(lock.distributions, now.distributions):
        if is_ is None:
            problem = f"{was.version} is locked, and is not here or has no loss that is allowed."
            yield "error", "distribution-removed", name, problem, _install(name, was)
        elif was is None:
            problem = f"{is_.version} is here, and is not in the lock."
            yield "error", "distribution-added", name, problem, _ACCEPT
        else:
            yield from _distribution(name, was, is_)
    for name, was, is_ in _both(lock.presets, now.presets):
        if is_ is None:
            yield "error", "preset-removed", name, "It is locked, and is not there.", _ACCEPT
        elif was is None:
            yield "error", "preset-added", name, "It is there, and is not in the lock.", _ACCEPT
        elif was.version != is_.version:
            problem = f"Version {was.version} is locked, and it is version {is_.version} now."
            yield "error", "preset-changed", name, problem, _ACCEPT
        elif was.meaning != is_.meaning:
            changes = ", ".join(_changes(was.meaning, is_.meaning))
            problem = f"It means something else, and still is version {is_.version}: {changes}."
            yield "error", "preset-changed", name, problem, "Raise its version, and lock again."


def _distribution(name: str, was: LockedDistribution, now: LockedDistribution) -> Iterator[_Found]:
    if was.version != now.version:
        problem = f"Version {was.version} is locked, and {now.version} is here."
        yield "error", "version-changed", name, problem, _install(name, was)
    elif was.files != now.files:
        if now.files is None:
            problem = "Its files are not found any more."
        else:
            problem = f"Its files are not those of {was.version} that were locked."
        fix = _ACCEPT if now.editable else _install(name, was, "--force-reinstall ")
        yield "error", "files-changed", name, problem, fix
    if was.editable != now.editable:
        how = ("installed", "editable, a folder in which somebody works")
        problem = f"It was {how[was.editable]}, when it was locked; here it is {how[now.editable]}."
        yield "note", "editable", name, problem, None
    for loss, before, after in _both(was.losses, now.losses):
        id = f"{name}: {loss}"
        if after is None:
            problem = "The loss is locked, and is not here or is forbidden."
            yield "error", "loss-removed", id, problem, _ACCEPT
        elif before is None:
            yield "error", "loss-added", id, "The loss is here, and is not in the lock.", _ACCEPT
        elif before != after:
            problem = f"Version {before} of the loss is locked, and {after} is here."
            yield "error", "spec-changed", id, problem, _install(name, was)


def _both(was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterable[tuple[str, Any, Any]]:
    """The keys of both, sorted, and what each has."""
    return ((name, was.get(name), now.get(name)) for name in sorted({*was, *now}))


def _install(name: str, was: LockedDistribution, how: str = "") -> str:
    """The command that brings a version back, if what the lock says is a version."""
    try:
        return f"pip install {how}{name}=={Version(was.version)}"
    except InvalidVersion:
        return _ACCEPT


def _changes(was: Any, now: Any, place: str = "") -> Iterator[str]:
    """What differs between two values, place by place."""
    if isinstance(was, dict) and isinstance(now, dict):
        for name, before, after in _both(was, now):
            if before != after:
                yield from _changes(before, after, f"{place}.{name}" if place else name)
    else:
        yield f"{place} is {_short(now)}, was {_short(was)}"


def _short(value: Any) -> str:
    return "nothing" if value is None else f"{value!r:.60}"
