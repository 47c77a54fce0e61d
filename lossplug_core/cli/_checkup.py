"""What `lossplug doctor` finds wrong with the plugins that are installed."""

from __future__ import annotations

import difflib
import os
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from lossplug_core._app import registry
from lossplug_core._entries import name_findings
from lossplug_core._keras_table import KERAS_LOSSES, KerasLoss
from lossplug_core.cli import _lifecycle
from lossplug_core.discovery import Entry, Finding, Scan
from lossplug_core.errors import PluginWarning, SpecError
from lossplug_core.names import KERAS, key, namespace_of, split
from lossplug_core.params import refusals
from lossplug_core.settings import disabled_words, switches_off
from lossplug_core.spec import LossSpec

__all__ = ["NOTES", "findings"]

NOTES = frozenset({"shadowed-name", "shared-name"})
"""Kinds that tell what to write, where nothing is wrong: two may have a name in common."""


def findings() -> list[Finding]:
    """What is wrong with the plugins, after loading every loss that is allowed."""
    with _environment("LOSSPLUG_STRICT", ""), warnings.catch_warnings():
        # Here a broken plugin is neither an exception nor a warning, but one finding among others.
        warnings.simplefilter("ignore", PluginWarning)
        loaded = list(registry.described(registry.entries()))
        found = [
            *registry.findings(),
            *_clashes(registry.entries()),
            *_unused_words(registry.found),
        ]
    plugins = {entry: spec for entry, spec in loaded if not isinstance(spec, KerasLoss)}
    for entry, spec in plugins.items():
        found += [*name_findings(entry, spec), *_parameters(entry, spec)]
    return [*found, *_lifecycle.findings(plugins)]


def _clashes(entries: Iterable[Entry]) -> Iterator[Finding]:
    """Names that do not lead to a plugin's loss unless its namespace is written."""
    by_name: dict[str, dict[Entry, str]] = {}
    for entry in entries:
        for name in (entry.name, *entry.aliases):
            by_name.setdefault(key(name), {}).setdefault(entry, name)
    for named in by_name.values():
        plugins = {entry: name for entry, name in named.items() if entry.namespace != KERAS}
        ids = sorted({f"{entry.namespace}/{name}" for entry, name in plugins.items()})
        of_keras = [f"{KERAS}/{name}" for entry, name in named.items() if entry.namespace == KERAS]
        fix = f"Write {' or '.join(ids)}."
        if plugins and of_keras:
            problem = f"Without a namespace it means {of_keras[0]}, not {' or '.join(ids)}."
            yield Finding("shadowed-name", next(iter(plugins.values())), problem, fix)
        elif len(ids) > 1:
            problem = f"Without a namespace it is ambiguous: {', '.join(ids)}."
            yield Finding("shared-name", next(iter(plugins.values())), problem, fix)
        elif len(plugins) > 1:
            others = sorted({str(entry.provider) for entry in plugins})
            problem = f"It is provided by {' and by '.join(others)}, which have one namespace."
            fix = f"Uninstall one, or set LOSSPLUG_DISABLE to {others[0].partition(' ')[0]}."
            yield Finding("shared-id", ids[0], problem, fix)


def _unused_words(found: Scan) -> Iterator[Finding]:
    """Words of LOSSPLUG_DISABLE that switch nothing off: after a typo, what should be off is on."""
    things = [(namespace_of(hook.distribution), "", hook.distribution) for hook in found.hooks]
    for row in KERAS_LOSSES:
        things += [(KERAS, name, KERAS) for name in (row.name, *row.aliases)]
    for entry in found.losses:
        distribution = entry.provider.distribution
        things += [(entry.namespace, name, distribution) for name in (entry.name, *entry.aliases)]
        things += [(str(old), name, distribution) for old, name in map(split, entry.formerly)]
    names = {text for thing in things for text in (thing[0], thing[2], "/".join(thing[:2]))}
    for word in disabled_words():
        if any(switches_off(word, *thing) for thing in things):
            continue
        near = [name for name in difflib.get_close_matches(word, names, n=1) if name]
        yield Finding(
            "unused-disable",
            word,
            "This word of LOSSPLUG_DISABLE switches nothing off.",
            f"Write {near[0]} instead." if near else "Take it out of LOSSPLUG_DISABLE.",
        )


def _parameters(entry: Entry, spec: LossSpec) -> Iterator[Finding]:
    """Defaults and conventions that the loss itself would refuse."""
    fix = f"For the author of {entry.provider.distribution}: mend {entry.provider.target}."
    try:
        found = list(refusals(spec))
    except SpecError as error:
        yield Finding("invalid-signature", entry.id, error.what, fix)
        return
    for what, refusal in found:
        kind = "invalid-default" if what == "default" else "invalid-convention"
        yield Finding(kind, entry.id, f"{what}: {refusal}", fix)


@contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    """An environment variable set for a moment."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
