"""What `lossplug doctor` finds wrong with names that losses had, and with losses that will go."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from packaging.version import InvalidVersion, Version

from lossplug_core._app import registry
from lossplug_core.discovery import FORMERLY, Entry, Finding
from lossplug_core.migration import as_id
from lossplug_core.names import is_name_of, key, split
from lossplug_core.spec import Deprecation, LossSpec, spec_of

__all__ = ["findings"]


def findings(loaded: Mapping[Entry, LossSpec]) -> Iterator[Finding]:
    """What is wrong with the former names and the deprecations of these losses."""
    yield from _shared_former_ids(loaded)
    deprecations = {spec.id: spec.deprecated for spec in loaded.values() if spec.deprecated}
    for entry, spec in loaded.items():
        yield from _former_names(entry, spec)
        if spec.deprecated is not None:
            yield from _deprecation(entry, spec.deprecated, deprecations)


def _shared_former_ids(entries: Iterable[Entry]) -> Iterator[Finding]:
    """Ids that several losses say to have had, and that no installed loss has."""
    claims: dict[tuple[str | None, str], list[Entry]] = {}
    names: dict[tuple[str | None, str], str] = {}
    for entry in entries:
        for old in entry.formerly:
            namespace, name = split(old)
            claims.setdefault((namespace, key(name)), []).append(entry)
            names.setdefault((namespace, key(name)), old)
    for place, claimants in claims.items():
        if len(claimants) > 1 and registry.resolve(names[place]).formerly:
            who = sorted(f"{entry.id} of {entry.provider}" for entry in claimants)
            distributions = sorted({entry.provider.distribution for entry in claimants})
            yield Finding(
                "shared-former-name",
                names[place],
                f"Several losses say that they were called so: {' and '.join(who)}. A model that "
                "was saved with it cannot be loaded.",
                f"Uninstall one, or set LOSSPLUG_DISABLE to {' or '.join(distributions)}.",
            )


def _former_names(entry: Entry, spec: LossSpec) -> Iterator[Finding]:
    """Former names that only the entry points know, or only `@loss`."""
    target, distribution = entry.provider.target, entry.provider.distribution
    marked = spec_of(spec.function)
    declared = [as_id(name, entry.namespace) for name in (marked.formerly if marked else ())]
    for old in declared:
        namespace, name = split(old)
        point = name if namespace == entry.namespace else f'"{namespace}.{name}"'
        line = f'the entry point {point} = "{target}" in the group {FORMERLY}'
        if namespace == entry.namespace and key(name) in map(key, entry.aliases):
            yield Finding(
                "former-name-as-alias",
                entry.id,
                f"@loss declares the former name {old!r}, which is listed as a name of today.",
                f"For the author of {distribution}: make it {line}.",
            )
        elif not any(is_name_of(old, other) for other in entry.formerly):
            yield Finding(
                "former-name-without-entry-point",
                entry.id,
                f"@loss declares the former name {old!r}, which no entry point has: nobody can "
                "find it.",
                f"For the author of {distribution}: add {line}.",
            )
    for old in entry.formerly:
        if not any(is_name_of(old, other) for other in declared):
            yield Finding(
                "undeclared-former-name",
                entry.id,
                f"An entry point says that it was called {old!r}, and @loss does not.",
                f"For the author of {distribution}: add it to 'formerly' of {target}.",
            )


def _deprecation(
    entry: Entry, deprecation: Deprecation, all_of_them: Mapping[str, Deprecation]
) -> Iterator[Finding]:
    author = f"For the author of {entry.provider.distribution}"
    if deprecation.replaced_by is not None:
        problem = _replacement(entry.id, all_of_them)
        if problem:
            fix = f"{author}: name a loss that stays, or none."
            yield Finding("missing-replacement", entry.id, problem, fix)
    if deprecation.removed_in is None:
        return
    try:
        if Version(entry.provider.version) >= Version(deprecation.removed_in):
            yield Finding(
                "overdue-removal",
                entry.id,
                f"It was to be removed in {deprecation.removed_in}, and is in {entry.provider}.",
                f"{author}: remove it, or name a later version.",
            )
    except InvalidVersion as error:
        problem = f"It is to be removed in what is no version: {error}"
        fix = f"{author}: write a version, such as '2.0'."
        yield Finding("invalid-removal", entry.id, problem, fix)


def _replacement(id: str, all_of_them: Mapping[str, Deprecation]) -> str | None:
    """Why what replaces a loss, or what replaces that, is no loss that stays; None if it is."""
    seen = [id]
    while (deprecation := all_of_them.get(seen[-1])) and deprecation.replaced_by:
        resolution = registry.resolve(deprecation.replaced_by)
        if resolution.winner is None:
            reason = registry.explain(resolution).what
            return f"{seen[-1]!r} is replaced by {deprecation.replaced_by!r}, but: {reason}"
        if resolution.winner.id in seen:
            chain = " is replaced by ".join(map(repr, [*seen, resolution.winner.id]))
            return f"It is replaced by nothing in the end: {chain}."
        seen.append(resolution.winner.id)
    return None
