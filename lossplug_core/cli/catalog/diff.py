"""`lossplug catalog diff`: what two catalogues do not say alike."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lossplug_core.cli._output import json_option, print_json, printable

if TYPE_CHECKING:
    from lossplug_core.catalog.changes import Change

__all__ = ["command"]

_SIGNS = {"added": ("+", "green"), "removed": ("-", "red"), "changed": ("~", "yellow")}
_PATH = click.Path(exists=True, path_type=Path)


@click.command("diff")
@click.argument("a", type=_PATH)
@click.argument("b", type=_PATH)
@json_option
@click.pass_context
def command(ctx: click.Context, a: Path, b: Path, as_json: bool) -> None:
    """Say what changed from catalogue A to catalogue B, two files or folders.

    Presets, rules, required versions, preferences, the index; spellings of one name, order and
    comments make no difference. As with diff, the exit code is 1 if they differ.
    """
    from lossplug_core.catalog.changes import changes
    from lossplug_core.catalog.reading import read
    from lossplug_core.cli.catalog._layers import file_of

    before, after = (read(file_of(path)) for path in (a, b))
    found = changes(before.content, after.content)
    if as_json:
        print_json(a=before.source, b=after.source, changes=[_as_json(change) for change in found])
    elif found:
        _print(found)
    else:
        click.echo("They say the same.")
    ctx.exit(1 if found else 0)


def _as_json(change: Change) -> dict[str, Any]:
    return {
        "section": change.section,
        "name": change.name,
        "change": change.change,
        "fields": {
            field: dict(_present(before=before, after=after))
            for field, (before, after) in change.fields.items()
        },
        "unversioned": change.unversioned,
    }


def _present(**values: Any) -> list[tuple[str, Any]]:
    from lossplug_core.catalog.changes import ABSENT

    return [(name, value) for name, value in values.items() if value is not ABSENT]


def _print(found: Sequence[Change]) -> None:
    for section, changes in groupby(found, lambda change: change.section):
        click.secho(section, bold=True)
        for change in changes:
            sign, colour = _SIGNS[change.change]
            remark = "  (means something else; raise its version)" if change.unversioned else ""
            click.secho(f"  {sign} {printable(change.name)}", fg=colour, nl=False)
            click.echo(remark)
            for field, (before, after) in change.fields.items():
                click.echo(f"      {printable(field)}  {_text(before)} -> {_text(after)}")


def _text(value: Any) -> str:
    from lossplug_core.catalog.changes import ABSENT

    return "-" if value is ABSENT else printable(json.dumps(value, ensure_ascii=False, default=str))
