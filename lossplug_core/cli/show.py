"""`lossplug show ID`: all there is to know of one loss."""

from __future__ import annotations

import click

from lossplug_core.cli import _complete
from lossplug_core.cli._output import columns, json_option, print_json
from lossplug_core.cli._presets import lead_json, rows_of

__all__ = ["command"]


@click.command("show")
@click.argument("id", shell_complete=_complete.ids)
@json_option
def command(id: str, as_json: bool) -> None:
    """Show all there is to know of a loss, or of a preset and the loss that it leads to.

    Formula, forms of target and prediction, parameters, conventions, example, reference. Its plugin
    is imported; Keras only for the losses of Keras itself.
    """
    from lossplug_core._app import registry
    from lossplug_core.cli._specs import find
    from lossplug_core.portrait.document import document_of

    lead = registry.lead(id)
    preset = {} if lead is None else {"preset": lead_json(lead)}
    if lead is not None and not as_json:
        click.echo(columns([*rows_of(lead)]))
    if lead is not None and not isinstance(lead.loss, str):
        if as_json:
            print_json(**preset)
        return
    spec, aliases = find(id)
    document = document_of(spec, aliases)
    if as_json:
        print_json(**document, **preset)
    else:
        from lossplug_core.cli._page import print_page

        if lead is not None:
            click.echo()
        print_page(document)
