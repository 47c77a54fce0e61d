"""`lossplug catalog init`: a catalogue to start from."""

from __future__ import annotations

from pathlib import Path

import click

from lossplug_core.cli._output import json_option, print_json
from lossplug_core.errors import CatalogError

__all__ = ["command"]


@click.command("init")
@click.argument("path", required=False, default=".", type=click.Path(path_type=Path))
@json_option
def command(path: Path, as_json: bool) -> None:
    """Write a catalogue to start from, with comments that say what it can hold.

    PATH is a file, or a folder, by default this one, where it is called lossplug.toml. Beside it
    goes lossplug.schema.json, by which editors help. Nothing is ever overwritten.
    """
    from lossplug_core.catalog.reading import NAMES
    from lossplug_core.catalog.starting import SCHEMA_NAME, schema_text, start_text

    file = path / NAMES[0] if path.is_dir() else path
    if file.suffix != ".toml" or file.name == NAMES[1]:
        raise click.BadParameter(
            f"{file.name!r} is not a name for it. Write {NAMES[0]}; what `catalog init` writes "
            f"goes into {NAMES[1]} by hand, under [tool.lossplug].",
            param_hint="PATH",
        )
    _write_new(file, start_text())
    written, schema = [file], file.with_name(SCHEMA_NAME)
    if not schema.exists():
        _write_new(schema, schema_text())
        written.append(schema)
    if as_json:
        print_json(files=map(str, written))
    else:
        click.echo("\n".join(map(str, written)))


def _write_new(file: Path, text: str) -> None:
    try:
        with file.open("x", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
    except FileExistsError as error:
        raise CatalogError(
            f"{str(file)!r} is there already, and is not overwritten.",
            fix="`lossplug catalog check` says what is wrong with it.",
            path=str(file),
            line=None,
        ) from error
    except OSError as error:
        raise CatalogError(
            f"The catalogue cannot be written: {error}.", path=str(file), line=None
        ) from error
