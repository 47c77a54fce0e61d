"""`lossplug catalog schema`: what a catalogue may say, for editors."""

from __future__ import annotations

from pathlib import Path

import click

from lossplug_core.errors import LossplugError

__all__ = ["command"]


@click.command("schema")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write it to this file, whatever is there, and print its name.",
)
def command(output: Path | None) -> None:
    """Print the JSON Schema of lossplug.toml, for editors.

    Editors that read TOML find it by a first line `#:schema ./lossplug.schema.json`.
    """
    from lossplug_core.catalog.starting import schema_text

    text = schema_text()
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise LossplugError(f"The schema cannot be written: {error}.") from error
    click.echo(output)
