"""A name turned into one spec, or into an error that says what to do.

The ladder: an exact id; else, for a bare name, Keras's own loss, and else the one plugin that has it.
The order of installation plays no part. Catalogues will stand on a rung above.
"""

from __future__ import annotations

import importlib
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from lossplug_core import _missing
from lossplug_core._keras_table import KERAS_LOSSES, KerasLoss
from lossplug_core.discovery import Entry, Finding, Scan, invalidate_caches, scan
from lossplug_core.errors import (
    AmbiguousLossError,
    BrokenPluginError,
    ForbiddenLossError,
    IdentifierError,
    LossplugError,
    PluginWarning,
)
from lossplug_core.hooks import HookCaller
from lossplug_core.names import KERAS, key, split
from lossplug_core.settings import disabled_by, disabled_text, strict
from lossplug_core.spec import LossSpec, spec_of

__all__ = ["Registry", "Resolution"]


@dataclass(frozen=True, slots=True)
class Resolution:
    """How a name was resolved.

    Attributes:
        identifier: The name that was asked for.
        winner: The entry that has it, or None.
        rule: Why the winner won, or why nobody did.
        losers: The other candidates, each with the reason why it lost.
    """

    identifier: str
    winner: Entry | None
    rule: str
    losers: tuple[tuple[Entry, str], ...] = ()


@dataclass(slots=True)
class _Index:
    """One scan, by id and by bare name; replaced as a whole by `refresh`."""

    scan: Scan
    by_id: dict[tuple[str, str], list[Entry]] = field(default_factory=dict)
    by_name: dict[str, list[Entry]] = field(default_factory=dict)
    by_target: dict[str, Entry] = field(default_factory=dict)
    keras: dict[Entry, KerasLoss] = field(default_factory=dict)
    hooks: HookCaller = field(default_factory=HookCaller)
    specs: dict[Entry, LossSpec] = field(default_factory=dict)
    broken: dict[Entry, BaseException] = field(default_factory=dict)
    resolved: dict[tuple[str, str], Resolution] = field(default_factory=dict)

    def add(self, entry: Entry) -> None:
        self.by_target.setdefault(entry.provider.target, entry)
        for name in {key(name) for name in (entry.name, *entry.aliases)}:
            self.by_id.setdefault((entry.namespace, name), []).append(entry)
            self.by_name.setdefault(name, []).append(entry)


class Registry:
    """What is installed, and how names find it. Safe to use from several threads."""

    def __init__(self) -> None:
        self._index: _Index | None = None
        self._lock = threading.RLock()

    def refresh(self) -> None:
        """Forget what is installed, and look again when next asked."""
        with self._lock:
            invalidate_caches()
            self._index = None

    def find(self, identifier: str) -> LossSpec:
        """The spec of a loss. Its plugin's module is imported, Keras is not.

        Raises:
            UnknownLossError: No installed loss has this name.
            LossNotInstalledError: It is known to be in a package that is not installed.
            AmbiguousLossError: Several plugins have it.
            ForbiddenLossError: A rule forbids it.
            BrokenPluginError: Its plugin cannot be imported.
        """
        index = self._current()
        resolution = self._resolve(identifier, index)
        if resolution.winner is None:
            raise self._not_found(resolution, index)
        return self._load(resolution.winner, index)

    def resolve(self, identifier: str) -> Resolution:
        """Which loss a name means, and by which rule. Reads metadata only."""
        return self._resolve(identifier, self._current())

    def explain(self, resolution: Resolution) -> LossplugError:
        """The error of a resolution that nobody won."""
        return self._not_found(resolution, self._current())

    def entries(self) -> list[Entry]:
        """All allowed losses, sorted by id. Reads metadata only."""
        index = self._current()
        return [entry for entry in self._all(index) if self._forbidden(entry, index) is None]

    def described(self) -> Iterator[tuple[Entry, LossSpec | KerasLoss]]:
        """All allowed losses with what they declare; a broken plugin is a warning.

        Plugins' modules are imported, Keras is not: its losses are described by a table.
        """
        index = self._current()
        for entry in self.entries():
            try:
                yield entry, index.keras.get(entry) or self._load(entry, index)
            except BrokenPluginError as error:
                if strict():
                    raise
                warnings.warn(PluginWarning(str(error)), stacklevel=3)

    def identify(self, function: Any) -> LossSpec | None:
        """The spec of a function marked `@loss`, with its provider where a plugin installs it."""
        spec = spec_of(function)
        if spec is None:
            return None
        index = self._current()
        entry = index.by_target.get(f"{function.__module__}:{function.__qualname__}")
        return spec if entry is None else self.find(entry.id)

    def findings(self) -> list[Finding]:
        """What is wrong with the installation, as far as it is known by now."""
        index = self._current()
        broken = [
            Finding(
                "broken-plugin",
                entry.id,
                f"{entry.provider.target} cannot be loaded: {type(error).__name__}: {error}",
                f"pip install --upgrade {entry.provider.distribution}",
            )
            for entry, error in index.broken.items()
        ]
        return [*index.scan.findings, *broken, *index.hooks.findings]

    @property
    def hooks(self) -> HookCaller:
        """The hook plugins, loaded."""
        return self._current().hooks

    def _current(self) -> _Index:
        index = self._index
        if index is None:
            with self._lock:
                index = self._index
                if index is None:
                    index = self._index = self._build()
        return index

    def _build(self) -> _Index:
        found = scan()
        if strict():
            for finding in found.findings:
                if finding.kind.startswith("malformed"):
                    raise BrokenPluginError(finding.problem, fix=finding.fix)
        index = _Index(found)
        version = _keras_version()
        for row in KERAS_LOSSES:
            entry = Entry(KERAS, row.name, row.provider(version), row.aliases)
            index.keras[entry] = row
            index.add(entry)
        for entry in found.losses:
            index.add(entry)
        index.hooks.load(hook for hook in found.hooks if not disabled_by("", "", hook.distribution))
        return index

    def _all(self, index: _Index) -> list[Entry]:
        return sorted([*index.keras, *index.scan.losses], key=lambda entry: entry.id)

    def _resolve(self, identifier: str, index: _Index) -> Resolution:
        if not isinstance(identifier, str) or not key(identifier):
            raise IdentifierError(
                "This is not the name of a loss.",
                expected="'name' or 'namespace/name'",
                received=identifier,
                fix="`lossplug list` shows what is installed.",
            )
        # Vetoes may change their mind at any time; without any, an answer stands.
        memo = (identifier, disabled_text())
        resolution = index.resolved.get(memo)
        if resolution is None or index.hooks.has("lossplug_veto"):
            resolution = index.resolved[memo] = self._climb(identifier, index)
        return resolution

    def _climb(self, identifier: str, index: _Index) -> Resolution:
        namespace, name = split(identifier)
        if namespace is not None:
            candidates = index.by_id.get((namespace, key(name)), [])
        else:
            candidates = index.by_name.get(key(name), [])
        allowed, losers = [], []
        for entry in candidates:
            reason = self._forbidden(entry, index)
            if reason is None:
                allowed.append(entry)
            else:
                losers.append((entry, f"forbidden by {reason}"))
        if namespace is None and (keras := [e for e in allowed if e.namespace == KERAS]):
            losers += [(e, "Keras's own loss comes first") for e in allowed if e not in keras]
            return Resolution(identifier, keras[0], "Keras's own loss of this name", tuple(losers))
        if len(allowed) == 1:
            rule = "the exact id" if namespace else "the only loss of this name"
            return Resolution(identifier, allowed[0], rule, tuple(losers))
        if allowed:
            losers += [(entry, "no rule prefers it") for entry in allowed]
            return Resolution(identifier, None, "several losses have this name", tuple(losers))
        rule = "every loss of this name is forbidden" if losers else "no installed loss is so named"
        return Resolution(identifier, None, rule, tuple(losers))

    def _forbidden(self, entry: Entry, index: _Index) -> str | None:
        """The rule against an entry, or None. Nothing is imported to find it."""
        provider = entry.provider
        for name in (entry.name, *entry.aliases):
            if word := disabled_by(entry.namespace, name, provider.distribution):
                return f"LOSSPLUG_DISABLE={word}"
        for reason in index.hooks.call("lossplug_veto", id=entry.id, provider=provider):
            return f"veto: {reason}"
        return None

    def _load(self, entry: Entry, index: _Index) -> LossSpec:
        spec = index.specs.get(entry)
        if spec is not None:
            return spec
        # No lock is held here: an import may run anything, also another thread's look-up.
        try:
            spec = _import_spec(entry, index.keras.get(entry))
        except (Exception, SystemExit) as error:
            index.broken[entry] = error
            raise BrokenPluginError(
                f"{entry.id!r} is installed, but {entry.provider.target} of {entry.provider} "
                f"cannot be loaded: {type(error).__name__}: {error}",
                fix=f"pip install --upgrade {entry.provider.distribution}, or `lossplug doctor`",
                id=entry.id,
                distribution=entry.provider.distribution,
            ) from error
        index.broken.pop(entry, None)
        return index.specs.setdefault(entry, spec)

    def _not_found(self, resolution: Resolution, index: _Index) -> LossplugError:
        identifier = resolution.identifier
        forbidden = [(e, why) for e, why in resolution.losers if why.startswith("forbidden")]
        candidates = [e for e, why in resolution.losers if not why.startswith("forbidden")]
        if candidates:
            return _ambiguous(identifier, candidates)
        if forbidden:
            entry, reason = forbidden[0]
            return ForbiddenLossError(
                f"{entry.id!r} of {entry.provider} is {reason}.",
                fix="Use another loss, or ask whoever set this rule: `lossplug why "
                + entry.id
                + "`.",
                id=entry.id,
                distribution=entry.provider.distribution,
                rule=reason.removeprefix("forbidden by "),
            )
        allowed = [entry for entry in self._all(index) if self._forbidden(entry, index) is None]
        return _missing.not_found(identifier, allowed, index.scan.findings)


def _import_spec(entry: Entry, row: KerasLoss | None) -> LossSpec:
    module, _, attribute = entry.provider.target.partition(":")
    obj: Any = importlib.import_module(module)
    for part in attribute.split("."):
        obj = getattr(obj, part)
    if row is not None:
        return row.spec(obj, entry.provider)
    spec = spec_of(obj)
    if spec is None:
        raise TypeError(f"{obj!r} is not a function marked @loss")
    return replace(spec, name=entry.name, namespace=entry.namespace, provider=entry.provider)


def _ambiguous(identifier: str, candidates: list[Entry]) -> AmbiguousLossError:
    ids = sorted({entry.id for entry in candidates})
    if len(ids) > 1:
        fix = f"get_loss({ids[0]!r})"
    else:
        others = " or ".join(sorted(entry.provider.distribution for entry in candidates))
        fix = f"Uninstall one, or set LOSSPLUG_DISABLE to {others}."
    return AmbiguousLossError(
        f"Several installed losses are called {identifier!r}.",
        expected="one of "
        + ", ".join(sorted(f"{entry.id} (from {entry.provider})" for entry in candidates)),
        received=identifier,
        fix=fix,
        candidates=tuple(ids),
    )


def _keras_version() -> str:
    import importlib_metadata

    try:
        return importlib_metadata.version("keras")
    except importlib_metadata.PackageNotFoundError:
        return "not installed"
