"""What is wrong with presets: what they lead to, their parameters, their dates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import TYPE_CHECKING

from lossplug_core.catalog.active import NamedPreset
from lossplug_core.catalog.references import names_in, ordered, preset_of
from lossplug_core.catalog.remarks import Remark, of_error, remark
from lossplug_core.errors import (
    AmbiguousLossError,
    BrokenPluginError,
    CatalogError,
    ForbiddenLossError,
    LossNotInstalledError,
    LossplugError,
    ParameterError,
    UnknownConventionError,
    UnknownLossError,
)
from lossplug_core.migration import former_id, warning_for
from lossplug_core.names import KERAS, key
from lossplug_core.params import validate
from lossplug_core.spec import OPTIONS

if TYPE_CHECKING:
    from lossplug_core.catalog.active import Catalogue
    from lossplug_core.catalog.reading import Layer
    from lossplug_core.registry import Registry
    from lossplug_core.spec import LossSpec

__all__ = ["OF_DATES", "remarks"]

OF_DATES = frozenset({"past-its-date", "replacement"})
"""Kinds that say nothing against a loss itself."""


_KINDS = {
    LossNotInstalledError: "not-installed",
    UnknownLossError: "unknown-loss",
    AmbiguousLossError: "ambiguous",
    ForbiddenLossError: "forbidden",
    BrokenPluginError: "broken-plugin",
    ParameterError: "parameters",
}


def remarks(catalogue: Catalogue, registry: Registry, today: date) -> Iterator[Remark]:
    """What there is to say of the presets."""
    yield from _same_names(catalogue)
    circular = set()
    ids: dict[str, list[str]] = {}
    for entry in registry.entries():
        for word in {key(name) for name in (entry.name, *entry.aliases)}:
            ids.setdefault(word, []).append(entry.id)
    for cycle in ordered(catalogue).cycles:
        yield _cycle(cycle)
        circular |= {key(named.name) for named in cycle}
    for named in catalogue.presets.values():
        yield from _hidden(named, ids)
        yield from _lifecycle(named, catalogue, registry, today)
        if key(named.name) not in circular:
            yield from _contents(named, catalogue, registry)


def _same_names(catalogue: Catalogue) -> Iterator[Remark]:
    """Presets of which only the last counts."""
    seen: dict[str, NamedPreset] = {}
    for layer in catalogue.layers:
        for name, preset in layer.content.presets.items():
            at, earlier = (layer, ("presets", name)), seen.get(key(name))
            if earlier is not None and earlier.layer is layer:
                problem = f"{name!r} and {earlier.name!r} are one name, in any spelling."
                yield remark("error", "same-name", at, name, problem, "Rename one of them.")
            elif earlier is not None:
                problem = f"It replaces the preset at {earlier.place}."
                yield remark("note", "replaces-preset", at, name, problem)
            seen[key(name)] = NamedPreset(name, preset, layer)


def _cycle(cycle: list[NamedPreset]) -> Remark:
    first = cycle[0]
    path = " -> ".join([named.name for named in cycle] + [first.name])
    return remark(
        "error",
        "cycle",
        (first.layer, ("presets", first.name, "loss")),
        first.name,
        f"It leads to itself: {path}.",
        "Write the id of the loss that is meant, namespace/name.",
    )


def _hidden(named: NamedPreset, ids: Mapping[str, list[str]]) -> Iterator[Remark]:
    """Losses that this name meant before there was the preset."""
    at = (named.layer, ("presets", named.name))
    if meant := ids.get(key(named.name)):
        problem = f"Without a namespace this name means the preset, not {' or '.join(meant)}."
        yield remark("note", "hides-loss", at, named.name, problem)


def _contents(named: NamedPreset, catalogue: Catalogue, registry: Registry) -> Iterator[Remark]:
    """What a preset is made of."""
    at, preset = (named.layer, ("presets", named.name, "loss")), named.content
    for name in dict.fromkeys(names_in(preset.loss)):
        inner = preset_of(name, catalogue)
        if inner is not None:
            if inner.content.status == "deprecated" and preset.status != "deprecated":
                problem = f"It leads to {inner.name!r}, which is deprecated."
                yield remark("warning", "uses-deprecated", at, named.name, problem)
            continue
        try:
            spec = _spec(name, registry)
        except LossplugError as error:
            yield _of_error(at, named, error)
            continue
        if spec is not None and (warning := warning_for(spec, formerly=former_id(name, spec))):
            problem = "\n".join([warning.what, *warning.changes])
            yield remark("warning", "changed-loss", at, named.name, problem, warning.fix)
    yield from _parameters(named, registry)


def _parameters(named: NamedPreset, registry: Registry) -> Iterator[Remark]:
    """What the loss, with the parameters of all presets on the way to it, refuses."""
    try:
        lead = registry.lead(named.name)
        if lead is None or not isinstance(lead.loss, str):
            return
        spec = _spec(lead.loss, registry)
        if spec is not None:
            given = dict(lead.arguments)
            convention = given.pop("convention", None)
            given = {name: value for name, value in given.items() if name not in OPTIONS}
            validate(spec, given, convention=convention)
    except (CatalogError, ParameterError) as error:
        yield _of_error((named.layer, ("presets", named.name, *_where(error))), named, error)
    except LossplugError:
        pass  # there is a remark already, of this preset or of the one that leads there


def _where(error: LossplugError) -> tuple[str, ...]:
    """The key of a preset that an error is about."""
    if isinstance(error, ParameterError):
        of_convention = isinstance(error, UnknownConventionError)
        return ("convention",) if of_convention else ("params", getattr(error, "parameter", ""))
    return ("loss",)


def _of_error(
    at: tuple[Layer, tuple[str, ...]], named: NamedPreset, error: LossplugError
) -> Remark:
    kind = next((kind for type, kind in _KINDS.items() if isinstance(error, type)), "invalid")
    return of_error(kind, at, named.name, error)


def _spec(name: str, registry: Registry) -> LossSpec | None:
    """The spec of a loss; None for Keras's own, which only Keras describes."""
    return None if registry.entry(name).namespace == KERAS else registry.find(name)


def _lifecycle(
    named: NamedPreset, catalogue: Catalogue, registry: Registry, today: date
) -> Iterator[Remark]:
    preset = named.content
    if preset.status != "deprecated":
        return
    at = (named.layer, ("presets", named.name, "until"))
    instead = f"Use {preset.replaced_by!r}, and take it out." if preset.replaced_by else None
    if preset.is_past(today):
        problem = f"It could be used until {preset.until}, and today is {today}."
        fix = instead or "Take it out, or give it another date."
        yield remark("error", "past-its-date", at, named.name, problem, fix)
    else:
        when = f" and may be used until {preset.until}" if preset.until else ""
        yield remark("note", "deprecated", at, named.name, f"It is deprecated{when}.", instead)
    if preset.replaced_by is not None:
        yield from _replacement(named, preset.replaced_by, catalogue, registry)


def _replacement(
    named: NamedPreset, name: str, catalogue: Catalogue, registry: Registry
) -> Iterator[Remark]:
    at = (named.layer, ("presets", named.name, "replaced_by"))
    inner = preset_of(name, catalogue)
    if inner is None:
        try:
            registry.entry(name)
        except LossplugError as error:
            yield of_error("replacement", at, named.name, error)
    elif key(inner.name) == key(named.name):
        yield remark("error", "replacement", at, named.name, "It would be replaced by itself.")
    elif inner.content.status == "deprecated":
        problem = f"{inner.name!r}, which replaces it, is deprecated too."
        yield remark("warning", "replacement", at, named.name, problem)
