"""Installed metadata turned into entries, without importing anyone's code.

Distributions are read one at a time, so that a malformed one is a finding and costs nobody else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, cast

from lossplug_core.names import KERAS, key, namespace_of, normalized
from lossplug_core.spec import Provider

if TYPE_CHECKING:
    from importlib_metadata import Distribution

__all__ = ["FORMERLY", "HOOKS", "LOSSES", "Entry", "Finding", "Scan", "invalidate_caches", "scan"]

LOSSES = "lossplug.losses"
FORMERLY = "lossplug.formerly"
HOOKS = "lossplug.hooks"

_HEADER = re.compile(r"^(Name|Version):[ \t]*(\S.*?)[ \t]*$", re.MULTILINE | re.IGNORECASE)
_DOTTED = r"[^\W\d]\w*(\.[^\W\d]\w*)*"
_FUNCTION = re.compile(f"{_DOTTED}:{_DOTTED}")
_MODULE_OR_OBJECT = re.compile(f"{_DOTTED}(:{_DOTTED})?")


@dataclass(frozen=True, slots=True)
class Entry:
    """One loss, as far as metadata tells.

    Attributes:
        namespace: The namespace of its distribution.
        name: Its name.
        provider: Its distribution, and where in it.
        aliases: Its other names.
        formerly: The ids that it had, which find it as long as no installed loss has them.
    """

    namespace: str
    name: str
    provider: Provider
    aliases: tuple[str, ...] = ()
    formerly: tuple[str, ...] = ()

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
    seen: set[str] = set()
    for distribution in _installed() if distributions is None else distributions:
        name, version = _name_and_version(distribution)
        if _mentions_us(distribution):
            try:
                # Of two distributions of one name, Python uses the first.
                _read(distribution, name, version, name not in seen, found)
            except Exception as error:
                found.findings.append(_malformed(distribution, name, error))
        if name is not None:
            seen.add(name)
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


def _name_and_version(distribution: Distribution) -> tuple[str | None, str | None]:
    """The normalised name and the version, each None where the metadata has none."""
    # Two lines, not an e-mail parser: among a thousand distributions that is what takes the time.
    try:
        text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
    except Exception:
        return None, None
    found = {name.lower(): value for name, value in _HEADER.findall(text.partition("\n\n")[0])}
    return normalized(found["name"]) if "name" in found else None, found.get("version")


def _mentions_us(distribution: Distribution) -> bool:
    try:
        text = distribution.read_text("entry_points.txt") or ""
    except Exception:
        return False
    return LOSSES in text or HOOKS in text


def _read(
    distribution: Distribution,
    name: str | None,
    version: str | None,
    is_first: bool,
    found: Scan,
) -> None:
    if name is None or version is None:
        raise ValueError("it has no name or no version")
    providers: dict[str, list[Provider]] = {LOSSES: [], FORMERLY: [], HOOKS: []}
    for entry_point in distribution.entry_points:
        if entry_point.group in providers:
            provider = Provider(name, version, entry_point.name, entry_point.value)
            providers[entry_point.group].append(provider)
    losses, hooks = providers[LOSSES], providers[HOOKS]
    if not is_first:
        if not _already_known(losses, hooks, found):
            found.findings.append(_duplicate(name, version, distribution))
        return
    found.hooks += [hook for hook in hooks if _well_formed(hook, _MODULE_OR_OBJECT, found)]
    losses = [loss for loss in losses if _well_formed(loss, _FUNCTION, found)]
    namespace = namespace_of(name)
    if losses and namespace == KERAS:
        found.findings.append(_reserved(name))
    else:
        entries = list(_entries(namespace, losses, found))
        found.losses += _with_former_ids(entries, providers[FORMERLY], found)


def _entries(namespace: str, providers: list[Provider], found: Scan) -> Iterator[Entry]:
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
            namespace=namespace,
            name=first.entry_point,
            provider=first,
            aliases=tuple(alias.entry_point for alias in aliases),
        )


def _with_former_ids(entries: list[Entry], claims: list[Provider], found: Scan) -> Iterator[Entry]:
    """Entries with the ids that they had, which may have been another distribution's: ADR 0007."""
    formerly: dict[str, dict[str, None]] = {entry.provider.target: {} for entry in entries}
    present = {
        (entry.namespace, key(name)) for entry in entries for name in (entry.name, *entry.aliases)
    }
    for claim in sorted(claims, key=lambda claim: claim.entry_point):
        namespace, dot, name = claim.entry_point.rpartition(".")
        namespace = normalized(namespace) if dot else namespace_of(claim.distribution)
        problem = None
        if not key(name) or "/" in claim.entry_point:
            problem = "is not 'old_name' or 'old-namespace.old_name'"
        elif namespace == KERAS:
            problem = "is one of Keras's own losses, which are Keras's for ever"
        elif (namespace, key(name)) in present:
            problem = "is the name of a loss that it has today"
        elif claim.target not in formerly:
            problem = f"leads to {claim.target!r}, which is none of its losses"
        if problem is None:
            formerly[claim.target][f"{namespace}/{name}"] = None
        else:
            found.findings.append(_false_claim(claim, problem))
    for entry in entries:
        yield replace(entry, formerly=tuple(formerly[entry.provider.target]))


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


def _malformed(distribution: Distribution, name: str | None, error: Exception) -> Finding:
    place = distribution.locate_file("")
    return Finding(
        "malformed-metadata",
        name or f"a distribution in {place}",
        f"Its metadata cannot be read: {type(error).__name__}: {error}",
        f"pip install --force-reinstall {name}"
        if name
        else f"Delete the *.dist-info folder without a name in {place}: an interrupted "
        "installation left it.",
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


def _false_claim(claim: Provider, problem: str) -> Finding:
    return Finding(
        "false-former-name",
        claim.distribution,
        f"The former name {claim.entry_point!r} {problem}. It is left out.",
        f"For the author of {claim.distribution}: mend the entry points in {FORMERLY}.",
    )


def _same_name(provider: Provider, taken: str) -> Finding:
    return Finding(
        "clash-in-distribution",
        provider.distribution,
        f"{provider.entry_point!r} is the name of {taken!r} and also of {provider.target!r}, "
        "which is left out.",
        f"Rename one of them in the entry points of {provider.distribution}.",
    )
