"""`lossplug list`: what is installed."""

from __future__ import annotations

import click

from lossplug_core.cli import _complete
from lossplug_core.cli._output import (
    columns,
    deprecation_json,
    json_option,
    print_json,
    provider_json,
)
from lossplug_core.cli._presets import preset_json, target
from lossplug_core.forms import PREDICTIONS, TARGETS

__all__ = ["command"]


@click.command("list")
@click.option(
    "--namespace",
    metavar="NAME",
    shell_complete=_complete.namespaces,
    help="Of this namespace only.",
)
@click.option("--y-true", type=click.Choice(sorted(TARGETS)), help="For such targets only.")
@click.option("--y-pred", type=click.Choice(sorted(PREDICTIONS)), help="For such predictions only.")
@click.option("--text", help="With this text in the id, an alias or the summary only.")
@click.option("--deprecated", is_flag=True, help="Those that will be removed only.")
@click.option("--presets", is_flag=True, help="The presets of the catalogue instead.")
@json_option
def command(
    namespace: str | None,
    y_true: str | None,
    y_pred: str | None,
    text: str | None,
    deprecated: bool,
    presets: bool,
    as_json: bool,
) -> None:
    """List the installed losses: id, aliases, provider.

    Plugins are imported only for --y-true, --y-pred, --text and --deprecated, Keras never. Only
    then does JSON say which losses are deprecated. Presets are names of a catalogue for losses, of
    which they are not a kind: they have a list of their own, and no filters.
    """
    from lossplug_core._app import registry, select

    if presets:
        if namespace or y_true or y_pred or text or deprecated:
            raise click.UsageError("--presets has no filters.")
        _print_presets(as_json)
        return
    entries = select(namespace=namespace, y_true=y_true, y_pred=y_pred, text=text)
    declared = {}
    if deprecated or y_true or y_pred or text:
        declared = {
            entry: getattr(spec, "deprecated", None) for entry, spec in registry.described(entries)
        }
    if deprecated:
        entries = [entry for entry in entries if declared.get(entry)]
    if as_json:
        losses = [
            {
                "id": entry.id,
                "namespace": entry.namespace,
                "name": entry.name,
                "aliases": entry.aliases,
                "provider": provider_json(entry.provider),
                **({"deprecated": deprecation_json(declared[entry])} if entry in declared else {}),
            }
            for entry in entries
        ]
        print_json(losses=losses)
    elif entries:
        click.echo(columns([(e.id, ", ".join(e.aliases), str(e.provider)) for e in entries]))
    elif registry.entries():
        click.echo("No installed loss is like that.", err=True)
    else:
        click.echo("Rules forbid every loss: `lossplug doctor` tells whose.", err=True)


def _print_presets(as_json: bool) -> None:
    """The presets: name, status, loss, place."""
    from lossplug_core._app import catalogue

    presets = sorted(catalogue().presets.values(), key=lambda preset: preset.name)
    if as_json:
        print_json(presets=[preset_json(preset) for preset in presets])
    elif presets:
        rows = [(p.name, p.content.status, target(p.content.loss), p.place) for p in presets]
        click.echo(columns(rows))
    else:
        click.echo("No catalogue here has presets.", err=True)
