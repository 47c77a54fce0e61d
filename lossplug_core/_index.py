"""What one look at the installation found, arranged for look-ups."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from lossplug_core._keras_table import KERAS_LOSSES, KerasLoss
from lossplug_core.discovery import Entry, Scan, scan
from lossplug_core.errors import BrokenPluginError
from lossplug_core.hooks import HookCaller
from lossplug_core.names import KERAS, key, namespace_of, split
from lossplug_core.presets import Lead
from lossplug_core.settings import disabled_by, strict
from lossplug_core.spec import LossSpec, Provider

__all__ = ["Index", "Loser", "Resolution", "Start", "build", "target_of"]


class Loser(NamedTuple):
    """A candidate that was not taken, and why; `forbidden` if a rule of the user is against it."""

    entry: Entry
    reason: str
    forbidden: bool = False


@dataclass(frozen=True, slots=True)
class Resolution:
    """How a name was resolved.

    Attributes:
        identifier: The name that was asked for.
        winner: The entry that has it, or None.
        rule: Why the winner won, or why nobody did.
        losers: The other candidates.
        formerly: Whether what was asked for is only a name that losses had.
        lead: Where it leads, if it is the name of a preset.
    """

    identifier: str
    winner: Entry | None
    rule: str
    losers: tuple[Loser, ...] = ()
    formerly: bool = False
    lead: Lead | None = None


@dataclass(slots=True)
class Index:
    """One scan, by id and by name, and what was loaded since; `refresh` replaces it as a whole."""

    scan: Scan
    by_id: dict[tuple[str, str], list[Entry]] = field(default_factory=dict)
    by_name: dict[str, list[Entry]] = field(default_factory=dict)
    by_former_id: dict[tuple[str, str], list[Entry]] = field(default_factory=dict)
    by_former_name: dict[str, list[Entry]] = field(default_factory=dict)
    by_target: dict[str, Entry] = field(default_factory=dict)
    keras: dict[Entry, KerasLoss] = field(default_factory=dict)
    hooks: HookCaller = field(default_factory=HookCaller)
    specs: dict[Entry, LossSpec] = field(default_factory=dict)
    broken: dict[Entry, BaseException] = field(default_factory=dict)
    resolved: dict[tuple[str, str], Resolution] = field(default_factory=dict)
    rules: dict[tuple[Entry, str], str | None] = field(default_factory=dict)

    def add(self, entry: Entry) -> None:
        self.by_target.setdefault(entry.provider.target, entry)
        for name in {key(name) for name in (entry.name, *entry.aliases)}:
            self.by_id.setdefault((entry.namespace, name), []).append(entry)
            self.by_name.setdefault(name, []).append(entry)
        former = {(namespace, key(name)) for namespace, name in map(split, entry.formerly)}
        for namespace, name in former:
            self.by_former_id.setdefault((str(namespace), name), []).append(entry)
        for name in {name for _, name in former}:
            self.by_former_name.setdefault(name, []).append(entry)

    def candidates(self, namespace: str | None, name: str) -> tuple[list[Entry], bool]:
        """The losses that a name can mean, and whether it is only a name that they had.

        A former name counts where no installed loss has it, and where no installed distribution of
        that namespace is too broken to tell.
        """
        word = key(name)
        if namespace is None:
            if present := self.by_name.get(word):
                return present, False
            return self.by_former_name.get(word, []), True
        if (present := self.by_id.get((namespace, word))) or self._is_malformed(namespace):
            return present or [], False
        return self.by_former_id.get((namespace, word), []), True

    def entry_of(self, spec: LossSpec) -> Entry | None:
        """The entry of a spec: by its id, or by the place of a function that has none yet."""
        if spec.namespace is not None and spec.provider is not None:
            for entry in self.by_id.get((spec.namespace, key(spec.name)), ()):
                if entry.provider.target == spec.provider.target:
                    return entry
        return self.by_target.get(target_of(spec.function))

    def _is_malformed(self, namespace: str) -> bool:
        return any(
            finding.kind.startswith("malformed") and namespace_of(finding.subject) == namespace
            for finding in self.scan.findings
        )

    def entries(self) -> list[Entry]:
        """All losses, Keras's own among them, sorted by id."""
        return sorted([*self.keras, *self.scan.losses], key=lambda entry: entry.id)


Start = Callable[[HookCaller, Iterable[Provider]], None]
"""Loads hook plugins, and whatever else answers hooks."""


def build(start: Start) -> Index:
    """Read what is installed.

    Args:
        start: Loads the hook plugins that it is given, or those of them that may be loaded.
    """
    found = scan()
    if strict():
        for finding in found.findings:
            if finding.kind.startswith("malformed"):
                raise BrokenPluginError(finding.problem, fix=finding.fix)
    index = Index(found)
    version = _keras_version()
    for row in KERAS_LOSSES:
        entry = Entry(KERAS, row.name, row.provider(version), row.aliases)
        index.keras[entry] = row
        index.add(entry)
    for entry in found.losses:
        index.add(entry)
    start(index.hooks, [hook for hook in found.hooks if not _is_disabled(hook.distribution)])
    return index


def target_of(function: Any) -> str:
    """What an entry point that leads to a function says."""
    return f"{getattr(function, '__module__', '')}:{getattr(function, '__qualname__', '')}"


def _is_disabled(distribution: str) -> bool:
    return disabled_by(namespace_of(distribution), "", distribution) is not None


def _keras_version() -> str:
    import importlib_metadata

    try:
        return importlib_metadata.version("keras")
    except importlib_metadata.PackageNotFoundError:
        return "not installed"
