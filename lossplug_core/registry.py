"""A name turned into one spec, or into an error that says what to do."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any

from lossplug_core._backend import starting_keras
from lossplug_core._failures import failure, not_allowed
from lossplug_core._index import Index, Loser, Resolution, Start, build, target_of
from lossplug_core._keras_table import KerasLoss
from lossplug_core._ladder import by_name, climb, forbidden, may_change
from lossplug_core.discovery import Entry, Finding, Scan, invalidate_caches
from lossplug_core.errors import (
    BackendError,
    BrokenPluginError,
    ForbiddenLossError,
    IdentifierError,
    LossplugError,
    PluginWarning,
)
from lossplug_core.events import Event, emit, is_heard
from lossplug_core.existing import as_spec, is_made_of
from lossplug_core.hooks import HookCaller
from lossplug_core.migration import as_id
from lossplug_core.names import KERAS, key, split
from lossplug_core.presets import Lead
from lossplug_core.settings import disabled_text, strict
from lossplug_core.spec import LossSpec, spec_of

__all__ = ["Registry", "Resolution"]


class Registry:
    """What is installed, and how names find it. Safe to use from several threads."""

    def __init__(self, start: Start = HookCaller.load) -> None:
        """Take what loads the hook plugins of an installation, and whatever else answers hooks."""
        self._start = start
        self._index: Index | None = None
        self._lock = threading.RLock()

    def refresh(self) -> None:
        """Forget what is installed, and look again when next asked."""
        with self._lock:
            invalidate_caches()
            self._index = None

    @contextmanager
    def started_by(self, start: Start) -> Iterator[None]:
        """For a moment, let others answer hooks than those of this process: to try a catalogue.

        All threads see it.
        """
        own, self._start = self._start, start
        self.refresh()
        try:
            yield
        finally:
            self._start = own
            self.refresh()

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
            error = self._failure(resolution, index)
            if isinstance(error, ForbiddenLossError):
                _record(error, index, resolution.lead)
            raise error
        return resolution.winner

    def lead(self, name: str) -> Lead | None:
        """Where a preset of this name leads; None if there is no such preset.

        Raises:
            CatalogError: The preset leads to itself.
        """
        index = self._current()
        if not index.hooks.has("lossplug_preset"):
            return None
        return self._resolve(name, index).lead

    def permit(self, spec: LossSpec) -> None:
        """Hold a loss against the rules, wherever its spec is from.

        Raises:
            ForbiddenLossError: It is a plugin's or Keras's own, and a rule forbids it.
        """
        index = self._current()
        entry = index.entry_of(spec)
        if entry is None:
            return
        memo = (entry, disabled_text())
        if memo not in index.rules or may_change(index):
            index.rules[memo] = forbidden(entry, index)
        if rule := index.rules[memo]:
            error = not_allowed(Loser(entry, rule, True))
            _record(error, index)
            raise error

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
        entry = self._current().by_target.get(target_of(function))
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
            for entry, error in tuple(index.broken.items())  # another thread may find more
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
                    index = self._index = build(self._start)
        return index

    def _resolve(self, identifier: str, index: Index) -> Resolution:
        if not isinstance(identifier, str) or not key(split(identifier)[1]):
            raise IdentifierError(
                "This is not the name of a loss.",
                expected="'name' or 'namespace/name'",
                received=identifier,
                fix="`lossplug list` shows what is installed.",
            )
        # Hooks may change their mind at any time; without any, an answer stands.
        memo = (identifier, disabled_text())
        resolution = index.resolved.get(memo)
        if resolution is None or may_change(index):
            resolution = index.resolved[memo] = climb(identifier, index)
        return resolution

    def _allowed(self, index: Index) -> list[Entry]:
        return [entry for entry in index.entries() if forbidden(entry, index) is None]

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
        lead = resolution.lead
        if lead is not None:
            if not isinstance(lead.loss, str):
                return _is_combination(lead)
            resolution = by_name(lead.loss, index)
        known = index.hooks.call("lossplug_index")
        allowed = self._allowed(index)
        error = failure(resolution, index.entries(), allowed, index.scan.findings, known)
        return error if lead is None else error.asked_by(lead.text)


def _record(error: ForbiddenLossError, index: Index, lead: Lead | None = None) -> None:
    """The use of something forbidden, for the audit."""
    if is_heard("vetoed", index.hooks):
        facts: Any = error.__dict__
        name, version = (None, None) if lead is None else lead.ref
        event = Event(
            "vetoed",
            facts["id"],
            facts["distribution"],
            preset=name,
            preset_version=version,
            reason=facts["rule"],
        )
        emit(event, index.hooks)


def _is_combination(lead: Lead) -> IdentifierError:
    return IdentifierError(
        f"{lead.text[:1].upper()}{lead.text[1:]} is a combination, which no single loss describes.",
        fix=f"get_loss({lead.ref.name!r})",
    )


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
