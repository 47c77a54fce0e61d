"""`lossplug show ID`: all there is to know of one loss."""

from __future__ import annotations

import click

from lossplug_core.cli import _complete
from lossplug_core.cli._output import json_option, print_json

__all__ = ["command"]


@click.command("show")
@click.argument("id", shell_complete=_complete.ids)
@json_option
def command(id: str, as_json: bool) -> None:
    """Show all there is to know of a loss.

    Formula, forms of target and prediction, parameters, conventions, example, reference. Its plugin
    is imported; Keras only for the losses of Keras itself.
    """
    from lossplug_core.cli._specs import find
    from lossplug_core.portrait.document import document_of

    spec, aliases = find(id)
    document = document_of(spec, aliases)
    if as_json:
        print_json(**document)
    else:
        from lossplug_core.cli._page import print_page

        print_page(document)
