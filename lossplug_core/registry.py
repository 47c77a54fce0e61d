"""A name turned into one spec, or into an error that says what to do.

The ladder: an exact id; else, for a bare name, Keras's own loss; else the one plugin that has it.
The order of installation plays no part.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

from lossplug_core._backend import starting_keras
from lossplug_core._failures import failure
from lossplug_core._index import Index, Loser, Resolution, build
from lossplug_core._keras_table import KerasLoss
from lossplug_core.discovery import Entry, Finding, Scan, invalidate_caches
from lossplug_core.errors import (
    BackendError,
    BrokenPluginError,
    IdentifierError,
    LossplugError,
    PluginWarning,
)
from lossplug_core.existing import as_spec, is_made_of
from lossplug_core.hooks import HookCaller
from lossplug_core.migration import as_id
from lossplug_core.names import KERAS, is_name_of, key, namespace_of, split
from lossplug_core.settings import disabled_by, disabled_text, disabled_words, strict
from lossplug_core.spec import LossSpec, spec_of

__all__ = ["Registry", "Resolution"]


class Registry:
    """What is installed, and how names find it. Safe to use from several threads."""

    def __init__(self) -> None:
        self._index: Index | None = None
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
        return self._load(self.entry(identifier), self._current())

    def entry(self, identifier: str) -> Entry:
        """The entry of a loss. Reads metadata only.

        Raises:
            LossplugError: As `find`, but for a broken plugin.
        """
        index = self._current()
        resolution = self._resolve(identifier, index)
        if resolution.winner is None:
            raise self._failure(resolution, index)
        return resolution.winner

    def resolve(self, identifier: str) -> Resolution:
        """Which loss a name means, and by which rule. Reads metadata only."""
        return self._resolve(identifier, self._current())

    def explain(self, resolution: Resolution) -> LossplugError:
        """The error of a resolution that nobody won."""
        return self._failure(resolution, self._current())

    def entries(self) -> list[Entry]:
        """All allowed losses, sorted by id. Reads metadata only."""
        return self._allowed(self._current())

    def described(self, entries: Iterable[Entry]) -> Iterator[tuple[Entry, LossSpec | KerasLoss]]:
        """Entries with what they declare; a broken plugin is left out with a warning.

        Plugins' modules are imported, Keras is not: its losses are described by a table.
        """
        index = self._current()
        for entry in entries:
            try:
                yield entry, index.keras.get(entry) or self._load(entry, index)
            except BrokenPluginError as error:
                if strict():
                    raise
                warnings.warn(PluginWarning(str(error)), stacklevel=3)

    def identify(self, function: Any) -> LossSpec | None:
        """The spec of a function marked `@loss`, with its provider where a plugin installs it.

        Also that of an older function or class that a plugin installs as it is.
        """
        spec = spec_of(function)
        place = f"{getattr(function, '__module__', '')}:{getattr(function, '__qualname__', '')}"
        entry = self._current().by_target.get(place)
        if entry is None or entry.namespace == KERAS:
            return spec
        installed = self.find(entry.id)
        return installed if spec or is_made_of(installed, function) else None

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
    def found(self) -> Scan:
        """What the look at the installation found, forbidden losses among it."""
        return self._current().scan

    @property
    def hooks(self) -> HookCaller:
        """The hook plugins, loaded."""
        return self._current().hooks

    def _current(self) -> Index:
        index = self._index
        if index is None:
            with self._lock:
                index = self._index
                if index is None:
                    index = self._index = build()
        return index

    def _resolve(self, identifier: str, index: Index) -> Resolution:
        if not isinstance(identifier, str) or not key(split(identifier)[1]):
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

    def _climb(self, identifier: str, index: Index) -> Resolution:
        namespace, name = split(identifier)
        candidates, formerly = index.candidates(namespace, name)
        asked = identifier if formerly else None
        rules = {entry: self._forbidden(entry, index, asked) for entry in candidates}
        allowed = [entry for entry, rule in rules.items() if rule is None]
        winner, rule, lost = _choose(namespace, allowed, formerly)
        if not allowed:
            rule = "every loss of this name is forbidden" if rules else "no loss has this name"
        losers = [Loser(entry, lost) for entry in allowed if entry is not winner]
        losers += [Loser(entry, rule, True) for entry, rule in rules.items() if rule is not None]
        return Resolution(identifier, winner, rule, tuple(losers), formerly and bool(rules))

    def _allowed(self, index: Index) -> list[Entry]:
        return [entry for entry in index.entries() if self._forbidden(entry, index) is None]

    def _forbidden(self, entry: Entry, index: Index, asked: str | None = None) -> str | None:
        """The rule against an entry, or None. Nothing is imported to find it.

        A rule against an id that the loss had is one against the loss: it does not get rid of it
        by a change of names. A rule against all of a former namespace counts if it is asked for
        by that.
        """
        provider = entry.provider
        for name in (entry.name, *entry.aliases):
            if word := disabled_by(entry.namespace, name, provider.distribution):
                return f"LOSSPLUG_DISABLE={word}"
        for old in entry.formerly:
            if word := _disabled_formerly(old, asked):
                return f"LOSSPLUG_DISABLE={word}"
        for id in (entry.id, *entry.formerly):
            for reason in index.hooks.call("lossplug_veto", id=id, provider=provider):
                return f"veto: {reason}"
        return None

    def _load(self, entry: Entry, index: Index) -> LossSpec:
        spec = index.specs.get(entry)
        if spec is not None:
            return spec
        # No lock is held here: an import may run anything, also another thread's look-up.
        try:
            with starting_keras() if entry in index.keras else nullcontext():
                spec = _import_spec(entry, index.keras.get(entry))
        except BackendError:
            raise
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

    def _failure(self, resolution: Resolution, index: Index) -> LossplugError:
        return failure(resolution, self._allowed(index), index.scan.findings)


def _disabled_formerly(old: str, asked: str | None) -> str | None:
    """The word of `LOSSPLUG_DISABLE` against an id that a loss had, or None."""
    for word in disabled_words():
        if split(word)[0] is not None:
            against = is_name_of(word, old)
        else:
            against = asked is not None and is_name_of(asked, old)
            against = against and namespace_of(word) == split(old)[0]
        if against:
            return word
    return None


def _choose(
    namespace: str | None, allowed: list[Entry], formerly: bool
) -> tuple[Entry | None, str, str]:
    """Who wins among the allowed candidates, by which rule, and why the others lose."""
    if formerly and len(allowed) == 1:
        return allowed[0], "the only loss that had this name", ""
    keras = [entry for entry in allowed if entry.namespace == KERAS]
    if namespace is None and keras:
        return keras[0], "Keras's own loss of this name", "Keras's own loss comes first"
    if len(allowed) == 1:
        return allowed[0], "the exact id" if namespace else "the only loss of this name", ""
    return None, "several losses have this name", "no rule prefers it"


def _import_spec(entry: Entry, row: KerasLoss | None) -> LossSpec:
    obj = entry.provider.load()
    if row is not None:
        return row.spec(obj, entry.provider)
    spec = as_spec(obj)
    declared = (as_id(name, entry.namespace) for name in spec.formerly)
    return replace(
        spec,
        name=entry.name,
        namespace=entry.namespace,
        provider=entry.provider,
        formerly=tuple(dict.fromkeys([*entry.formerly, *declared])),
    )
