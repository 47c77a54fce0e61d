"""What the shell offers for names of losses."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem

__all__ = ["ids", "namespaces"]


def ids(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Presets and ids that start as what is typed; names and aliases too, once it is not empty."""
    from lossplug_core._app import catalogue, registry

    del ctx, param
    presets = [preset.name for preset in catalogue().presets.values()]
    found = {name: "preset" for name in presets if name.startswith(incomplete)}
    for entry in registry.entries():
        bare = (entry.name, *entry.aliases) if incomplete else ()
        for name in (entry.id, *bare):
            if name.startswith(incomplete):
                found.setdefault(name, str(entry.provider))
    return [CompletionItem(name, help=provider) for name, provider in found.items()]


def namespaces(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Namespaces that start as what is typed."""
    from lossplug_core._app import registry

    del ctx, param
    names = {entry.namespace for entry in registry.entries()}
    return sorted(name for name in names if name.startswith(incomplete))
