"""Installed metadata turned into entries, without importing anyone's code.

Distributions are read one at a time, so that a malformed one is a finding and costs nobody else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from lossplug_core.names import KERAS, key, namespace_of, normalized
from lossplug_core.spec import Provider

if TYPE_CHECKING:
    from importlib_metadata import Distribution

__all__ = ["HOOKS", "LOSSES", "Entry", "Finding", "Scan", "invalidate_caches", "scan"]

LOSSES = "lossplug.losses"
HOOKS = "lossplug.hooks"

_NAME = re.compile(r"^Name:[ \t]*(\S.*?)[ \t]*$", re.MULTILINE | re.IGNORECASE)
_DOTTED = r"[^\W\d]\w*(\.[^\W\d]\w*)*"
_FUNCTION = re.compile(f"{_DOTTED}:{_DOTTED}")
_MODULE_OR_OBJECT = re.compile(f"{_DOTTED}(:{_DOTTED})?")


@dataclass(frozen=True, slots=True)
class Entry:
    """One loss, as far as metadata tells."""

    namespace: str
    name: str
    provider: Provider
    aliases: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """`namespace/name`."""
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong with what is installed, and how to mend it.

    Attributes:
        kind: What sort of thing it is, a word or two with hyphens.
        subject: The distribution, loss or name that it is about.
        problem: What is wrong.
        fix: What to do about it.
    """

    kind: str
    subject: str
    problem: str
    fix: str


@dataclass(slots=True)
class Scan:
    """What is installed: losses, hook plugins, and what is wrong with them."""

    losses: list[Entry] = field(default_factory=list)
    hooks: list[Provider] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def scan(distributions: Iterable[Distribution] | None = None) -> Scan:
    """Read the metadata of all distributions on `sys.path`.

    Args:
        distributions: Those to read instead.

    Returns:
        The entries, sorted by id: nothing depends on the order of installation.
    """
    found = Scan()
    for distribution, is_first in _unique(_installed() if distributions is None else distributions):
        if _mentions_us(distribution):
            try:
                _read(distribution, is_first, found)
            except Exception as error:
                found.findings.append(_malformed(distribution, error))
    found.losses.sort(key=lambda entry: (entry.id, entry.provider.distribution))
    found.hooks.sort(key=lambda hook: (hook.distribution, hook.entry_point))
    return found


def invalidate_caches() -> None:
    """Forget what the import system and the metadata finders remember of folders."""
    import importlib

    import importlib_metadata

    importlib.invalidate_caches()
    importlib_metadata.MetadataPathFinder.invalidate_caches()


def _installed() -> Iterable[Distribution]:
    import importlib_metadata

    return cast("Iterable[Distribution]", importlib_metadata.distributions())


def _unique(distributions: Iterable[Distribution]) -> Iterator[tuple[Distribution, bool]]:
    """Each distribution, and whether it is the first of its name: the one that Python would use."""
    seen: set[str] = set()
    for distribution in distributions:
        name = _name(distribution)
        yield distribution, name not in seen
        if name is not None:
            seen.add(name)


def _name(distribution: Distribution) -> str | None:
    # Only the line of the name: parsing the whole metadata of a thousand packages takes a second.
    try:
        text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
    except Exception:
        return None
    match = _NAME.search(text.partition("\n\n")[0])
    return normalized(match[1]) if match else None


def _mentions_us(distribution: Distribution) -> bool:
    try:
        text = distribution.read_text("entry_points.txt") or ""
    except Exception:
        return False
    return LOSSES in text or HOOKS in text


def _read(distribution: Distribution, is_first: bool, found: Scan) -> None:
    name = _name(distribution)
    if name is None:
        raise ValueError("its metadata has no name")
    version = distribution.version
    if not isinstance(version, str):
        raise ValueError("its metadata has no version")
    entry_points = distribution.entry_points
    losses = [
        Provider(name, version, entry_point.name, entry_point.value)
        for entry_point in entry_points.select(group=LOSSES)
    ]
    hooks = [
        Provider(name, version, entry_point.name, entry_point.value)
        for entry_point in entry_points.select(group=HOOKS)
    ]
    if not is_first:
        if not _already_known(losses, hooks, found):
            found.findings.append(_duplicate(name, version, distribution))
        return
    found.hooks += [hook for hook in hooks if _well_formed(hook, _MODULE_OR_OBJECT, found)]
    providers = [loss for loss in losses if _well_formed(loss, _FUNCTION, found)]
    if namespace_of(name) == KERAS:
        found.findings.append(_reserved(name))
    else:
        found.losses += _entries(providers, found)


def _entries(providers: list[Provider], found: Scan) -> Iterator[Entry]:
    """One entry per target; its further names are aliases."""
    by_target: dict[str, list[Provider]] = {}
    targets: dict[str, str] = {}
    for provider in sorted(providers, key=lambda p: (p.entry_point, p.target)):
        taken = targets.setdefault(key(provider.entry_point), provider.target)
        if taken != provider.target:
            found.findings.append(_same_name(provider, taken))
        elif provider not in by_target.setdefault(provider.target, []):
            by_target[provider.target].append(provider)
    for target, named in by_target.items():
        function = key(target.rpartition(":")[2].rpartition(".")[2])
        named.sort(key=lambda p: key(p.entry_point) != function)
        first, *aliases = named
        yield Entry(
            namespace=namespace_of(first.distribution),
            name=first.entry_point,
            provider=first,
            aliases=tuple(alias.entry_point for alias in aliases),
        )


def _already_known(losses: list[Provider], hooks: list[Provider], found: Scan) -> bool:
    """Whether a second distribution of one name says just what the first said."""
    known = {(e.provider.distribution, e.provider.version, e.provider.target) for e in found.losses}
    return set(hooks) <= set(found.hooks) and all(
        (loss.distribution, loss.version, loss.target) in known for loss in losses
    )


def _well_formed(provider: Provider, target: re.Pattern[str], found: Scan) -> bool:
    problem = None
    if not key(provider.entry_point) or "/" in provider.entry_point:
        problem = f"The entry point {provider.entry_point!r} is not a name."
    elif not target.fullmatch(provider.target):
        problem = (
            f"The entry point {provider.entry_point!r} points to {provider.target!r}, "
            "which is not of the form 'module:object'."
        )
    if problem:
        found.findings.append(
            Finding(
                "malformed-entry-point",
                provider.distribution,
                problem,
                f"Mend the entry points of {provider.distribution} and install it again.",
            )
        )
    return problem is None


def _malformed(distribution: Distribution, error: Exception) -> Finding:
    name = _name(distribution) or str(getattr(distribution, "_path", "a distribution"))
    return Finding(
        "malformed-metadata",
        name,
        f"Its metadata cannot be read: {type(error).__name__}: {error}",
        f"pip install --force-reinstall {name}"
        if _name(distribution)
        else "Delete this folder: it is what an interrupted installation left.",
    )


def _duplicate(name: str, version: str, distribution: Distribution) -> Finding:
    place = distribution.locate_file("")
    return Finding(
        "duplicate-distribution",
        name,
        f"It is installed twice; {version} in {place} is hidden by one earlier on sys.path.",
        f"pip uninstall {name} until it is gone, then pip install {name}",
    )


def _reserved(name: str) -> Finding:
    return Finding(
        "reserved-namespace",
        name,
        f"The namespace {KERAS!r} belongs to Keras's own losses; those of {name} are left out.",
        f"pip uninstall {name}, and ask its author for another name.",
    )


def _same_name(provider: Provider, taken: str) -> Finding:
    return Finding(
        "clash-in-distribution",
        provider.distribution,
        f"{provider.entry_point!r} is the name of {taken!r} and also of {provider.target!r}, "
        "which is left out.",
        f"Rename one of them in the entry points of {provider.distribution}.",
    )
