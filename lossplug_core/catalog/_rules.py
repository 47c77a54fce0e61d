"""What is wrong with rules: policy, preferences, required versions, the index."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from lossplug_core._keras_table import KERAS_LOSSES
from lossplug_core._known import KNOWN_LOSSES
from lossplug_core.catalog.active import within
from lossplug_core.catalog.references import preset_of
from lossplug_core.catalog.remarks import Remark, remark
from lossplug_core.names import KERAS, key, namespace_of, normalized, split
from lossplug_core.settings import switches_off

if TYPE_CHECKING:
    from lossplug_core.catalog.active import Catalogue
    from lossplug_core.catalog.reading import Layer
    from lossplug_core.registry import Registry

__all__ = ["remarks"]


class _Thing(NamedTuple):
    """Something that a word of a rule can mean."""

    namespace: str
    name: str
    distribution: str


def remarks(catalogue: Catalogue, registry: Registry) -> Iterator[Remark]:
    """What there is to say of the rules."""
    here = list(_installed(registry))
    known = [*here, *_published(catalogue)]
    for number, layer in enumerate(catalogue.layers):
        yield from _unknown_words(layer, known)
        yield from _contradictions(layer, catalogue)
        yield from _not_allowed_above(layer, catalogue.layers[:number])
        yield from _requires(layer)
        yield from _index(layer, here)
    yield from _preferences(catalogue, registry, here)
    for finding in registry.hooks.findings:
        yield Remark(
            "error", finding.kind, finding.subject, None, "hooks", finding.problem, finding.fix
        )


def _installed(registry: Registry) -> Iterator[_Thing]:
    """All that is installed, by all its names, what is forbidden too."""
    for row in KERAS_LOSSES:
        for name in (row.name, *row.aliases):
            yield _Thing(KERAS, name, KERAS)
    for entry in registry.found.losses:
        for name in (entry.name, *entry.aliases):
            yield _Thing(entry.namespace, name, entry.provider.distribution)
        for namespace, name in map(split, entry.formerly):
            yield _Thing(str(namespace), name, entry.provider.distribution)
    for hook in registry.found.hooks:
        yield _Thing(namespace_of(hook.distribution), "", hook.distribution)


def _published(catalogue: Catalogue) -> Iterator[_Thing]:
    """What is known to be in distributions that need not be installed."""
    for index in (KNOWN_LOSSES, catalogue.index):
        for distribution, names in index.items():
            for name in names:
                yield _Thing(namespace_of(distribution), name, distribution)


def _unknown_words(layer: Layer, known: Sequence[_Thing]) -> Iterator[Remark]:
    """Words that mean nothing: after a typo, what should be forbidden is not."""
    policy = layer.content.policy
    for rule, words in (("deny", policy.deny), ("allow", policy.allow or ())):
        for word in words:
            if any(switches_off(word, *thing) for thing in known):
                continue
            does = "forbids" if rule == "deny" else "allows"
            yield remark(
                "note",
                "unknown-word",
                (layer, ("policy", rule)),
                word,
                f"{word!r} {does} nothing that is known.",
                _nearest(word, known),
            )


def _nearest(word: str, things: Iterable[_Thing]) -> str | None:
    """What may be meant. That both are called `lossplug-…` makes no two names alike."""
    bare = word if "/" in word else namespace_of(word)
    in_full = "/" not in word and bare != normalized(word)
    names: dict[str, str] = {}
    for thing in things:
        names[thing.namespace] = thing.distribution if in_full else thing.namespace
        if thing.name:
            names[f"{thing.namespace}/{thing.name}"] = f"{thing.namespace}/{thing.name}"
    near = difflib.get_close_matches(bare, names, n=1)
    return f"Write {names[near[0]]!r} instead, if that is meant." if near else None


def _contradictions(layer: Layer, catalogue: Catalogue) -> Iterator[Remark]:
    """Words that are allowed, where another word denies all that they mean."""
    for word in layer.content.policy.allow or ():
        for other in catalogue.layers:
            for denied in other.content.policy.deny:
                if _covers(denied, word):
                    place = other.place("policy", "deny")
                    yield remark(
                        "error",
                        "contradiction",
                        (layer, ("policy", "allow")),
                        word,
                        f"{word!r} is allowed, and {denied!r} is denied at {place}: "
                        "what is denied is denied.",
                        "Take one of them out.",
                    )


def _not_allowed_above(layer: Layer, above: Sequence[Layer]) -> Iterator[Remark]:
    """Words that an earlier layer does not allow: rules add up."""
    for word in layer.content.policy.allow or ():
        for earlier in above:
            allowed = earlier.content.policy.allow
            if allowed is None or any(_covers(a, word) or _covers(word, a) for a in allowed):
                continue
            yield remark(
                "warning",
                "contradiction",
                (layer, ("policy", "allow")),
                word,
                f"{word!r} is not allowed by {earlier.place('policy', 'allow')}, and no later "
                "layer can allow it.",
                "Take it out, or ask whoever owns that catalogue.",
            )


def _covers(word: str, inner: str) -> bool:
    """Whether all that one word means is meant by another."""
    (namespace, name), (other, rest) = split(word), split(inner)
    if namespace is None:
        return namespace_of(word) == (namespace_of(inner) if other is None else other)
    return namespace == other and key(name) == key(rest)


def _requires(layer: Layer) -> Iterator[Remark]:
    import importlib_metadata

    for name, versions in layer.content.requires.items():
        at, fix = (layer, ("requires", name)), f"pip install '{name}{versions}'"
        try:
            version = importlib_metadata.version(name)
        except importlib_metadata.PackageNotFoundError:
            yield remark("warning", "requires", at, name, "It is not installed.", fix)
            continue
        if not within(version, versions):
            problem = f"{versions} is required, and {version} is installed."
            yield remark("error", "requires", at, name, problem, fix)


def _index(layer: Layer, here: Sequence[_Thing]) -> Iterator[Remark]:
    """Losses that an installed distribution has not, or no more."""
    for distribution, names in layer.content.index.items():
        has = {key(thing.name) for thing in here if thing.distribution == normalized(distribution)}
        missing = [name for name in names if key(name) not in has]
        if has and missing:
            problem = f"{distribution}, as it is installed, has no {', '.join(missing)}."
            yield remark("note", "index", (layer, ("index", distribution)), distribution, problem)


def _preferences(
    catalogue: Catalogue, registry: Registry, here: Sequence[_Thing]
) -> Iterator[Remark]:
    """Preferred words that lead to nothing, and those that decide nothing."""
    # Of two layers that prefer something for one name, the last one counts.
    last = {key(name): (layer, name) for layer in catalogue.layers for name in layer.content.prefer}
    for layer, name in last.values():
        word, at = layer.content.prefer[name], (layer, ("prefer", name))
        named = {
            f"{thing.namespace}/{thing.name}" for thing in here if key(thing.name) == key(name)
        }
        if not any(catalogue.is_about(word, id) for id in named):
            problem = f"{word!r} is preferred, and has no installed loss called {name!r}."
            fix = f"Write one of {', '.join(sorted(named))}." if named else None
            yield remark("error", "unknown-preference", at, name, problem, fix)
        elif preset_of(name, catalogue) is not None:
            problem = "It decides nothing: the name is that of a preset."
            yield remark("note", "idle-preference", at, name, problem)
        else:
            yield from _effect(catalogue, registry, at, name)


def _effect(
    catalogue: Catalogue, registry: Registry, at: tuple[Layer, tuple[str, ...]], name: str
) -> Iterator[Remark]:
    """Whether the name means what is preferred."""
    word = at[0].content.prefer[name]
    resolution = registry.resolve(name)
    winner = resolution.winner
    if winner is None or not catalogue.is_about(word, winner.id):
        meant = "nothing" if winner is None else winner.id
        problem = f"{word!r} is preferred, and {name!r} means {meant}: {resolution.rule}."
        yield remark("error", "preference-without-effect", at, name, problem)
    elif not any(not loser.forbidden for loser in resolution.losers):
        yield remark(
            "note", "idle-preference", at, name, f"It decides nothing: only {winner.id} has it."
        )
