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
@json_option
def command(
    namespace: str | None,
    y_true: str | None,
    y_pred: str | None,
    text: str | None,
    deprecated: bool,
    as_json: bool,
) -> None:
    """List the installed losses: id, aliases, provider.

    Plugins are imported only for --y-true, --y-pred, --text and --deprecated, Keras never. Only
    then does JSON say which losses are deprecated.
    """
    from lossplug_core._app import registry, select

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
    else:
        click.echo("No installed loss is like that.", err=True)
