"""The ladder from a name to a loss, and the rules that stand on it. Nothing is imported here.

A preset; else an exact id; else, for a bare name, Keras's own loss; else the plugin that a rule
prefers, or the only one that has it. The order of installation plays no part.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lossplug_core._index import Index, Loser, Resolution
from lossplug_core.discovery import Entry
from lossplug_core.names import KERAS, is_name_of, namespace_of, split
from lossplug_core.presets import Lead, follow
from lossplug_core.settings import disabled_by, disabled_words

if TYPE_CHECKING:
    from lossplug_core.catalog.active import NamedPreset

__all__ = ["by_name", "climb", "forbidden", "may_change"]

_HOOKS = ("lossplug_veto", "lossplug_preset", "lossplug_prefer")


def may_change(index: Index) -> bool:
    """Whether a hook plugin may answer otherwise next time."""
    return index.hooks.may_change(*_HOOKS)


def climb(identifier: str, index: Index) -> Resolution:
    """Which loss a name means, a preset's among them."""
    lead = _lead_of(identifier, index)
    if lead is None:
        return by_name(identifier, index)
    shadowed = by_name(identifier, index)
    hidden = [] if shadowed.winner is None else [shadowed.winner]
    hidden += [loser.entry for loser in shadowed.losers if not loser.forbidden]
    if isinstance(lead.loss, Mapping):
        found = Resolution(identifier, None, f"{lead.text}, which is a combination")
    else:
        found = by_name(lead.loss, index)
        won = found.rule if found.winner is None else f"{lead.text}, which is {lead.loss!r}"
        found = replace(found, identifier=identifier, rule=won)
    known = {found.winner, *(loser.entry for loser in found.losers)}
    losers = [Loser(entry, "a preset comes first") for entry in hidden if entry not in known]
    return replace(found, losers=(*found.losers, *losers), lead=lead)


def _lead_of(identifier: str, index: Index) -> Lead | None:
    """Where a preset of this name leads, if there is one."""

    def preset_of(name: str) -> NamedPreset | None:
        return _first(index.hooks.call("lossplug_preset", name=name)) if "/" not in name else None

    return follow(identifier, preset_of) if index.hooks.has("lossplug_preset") else None


def by_name(identifier: str, index: Index) -> Resolution:
    """Which installed loss a name means."""
    namespace, name = split(identifier)
    candidates, formerly = index.candidates(namespace, name)
    asked = identifier if formerly else None
    rules = {entry: forbidden(entry, index, asked) for entry in candidates}
    allowed = [entry for entry, rule in rules.items() if rule is None]
    winner, rule, lost = _choose(namespace, name, allowed, formerly, index)
    if not allowed:
        rule = "every loss of this name is forbidden" if rules else "no loss has this name"
    losers = [Loser(entry, lost) for entry in allowed if entry is not winner]
    losers += [Loser(entry, rule, True) for entry, rule in rules.items() if rule is not None]
    return Resolution(identifier, winner, rule, tuple(losers), formerly and bool(rules))


def forbidden(entry: Entry, index: Index, asked: str | None = None) -> str | None:
    """The rule against an entry, or None.

    A rule against an id that the loss had is one against the loss: it does not get rid of it by a
    change of names. A rule against all of a former namespace counts if it is asked for by that.
    """
    provider = entry.provider
    for name in (entry.name, *entry.aliases):
        if word := disabled_by(entry.namespace, name, provider.distribution):
            return f"LOSSPLUG_DISABLE={word}"
    for old in entry.formerly:
        if word := _disabled_formerly(old, asked):
            return f"LOSSPLUG_DISABLE={word}"
    names = (entry.name, *entry.aliases)
    ids = tuple(f"{entry.namespace}/{name}" for name in names)
    for id in (entry.id, *entry.formerly):
        reasons = index.hooks.call(
            "lossplug_veto", id=id, provider=provider, ids=ids, formerly=entry.formerly
        )
        for reason in reasons:
            return f"veto: {reason}"
    return None


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
    namespace: str | None, name: str, allowed: list[Entry], formerly: bool, index: Index
) -> tuple[Entry | None, str, str]:
    """Who wins among the allowed candidates, by which rule, and why the others lose."""
    if formerly and len(allowed) == 1:
        return allowed[0], "the only loss that had this name", ""
    keras = [entry for entry in allowed if entry.namespace == KERAS]
    if namespace is None and keras:
        return keras[0], "Keras's own loss of this name", "Keras's own loss comes first"
    if len(allowed) == 1:
        return allowed[0], "the exact id" if namespace else "the only loss of this name", ""
    if namespace is None and allowed:
        word = _first(index.hooks.call("lossplug_prefer", name=name))
        preferred = [entry for entry in allowed if word and _means(word, entry)]
        if len(preferred) == 1:
            return preferred[0], f"{word!r} is preferred for this name", f"{word!r} is preferred"
    return None, "several losses have this name", "no rule prefers it"


def _means(word: str, entry: Entry) -> bool:
    """Whether a namespace, a distribution or an id means an entry."""
    if "/" in word:
        ids = (f"{entry.namespace}/{name}" for name in (entry.name, *entry.aliases))
        return any(is_name_of(word, id) for id in ids)
    return namespace_of(word) == entry.namespace


def _first(results: list[Any]) -> Any:
    return results[0] if results else None
