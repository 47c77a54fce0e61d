"""What entry points and `@loss` say of the names of a loss, compared."""

from __future__ import annotations

from collections.abc import Iterator

from lossplug_core.discovery import Entry, Finding
from lossplug_core.names import key, split
from lossplug_core.spec import LossSpec

__all__ = ["name_findings"]


def name_findings(entry: Entry, spec: LossSpec) -> Iterator[Finding]:
    """Aliases that only the entry points know, or only `@loss`."""
    target, distribution = entry.provider.target, entry.provider.distribution
    installed = {key(name): name for name in (entry.name, *entry.aliases)}
    declared = {key(name): name for name in spec.aliases}
    former = {key(split(old)[1]) for old in spec.formerly}
    for name in (declared[same] for same in declared if same not in installed):
        yield Finding(
            "alias-without-entry-point",
            entry.id,
            f"@loss declares the alias {name!r}, which no entry point has: nobody can find it.",
            f'For the author of {distribution}: add the entry point {name} = "{target}".',
        )
    for name in (installed[key(alias)] for alias in entry.aliases):
        if key(name) not in declared and key(name) not in former:
            yield Finding(
                "undeclared-alias",
                entry.id,
                f"The entry point {name!r} is an alias that @loss does not declare.",
                f"For the author of {distribution}: add it to the aliases of {target}.",
            )
