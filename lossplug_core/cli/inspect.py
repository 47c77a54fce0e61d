"""`lossplug inspect MODEL.keras`: which losses a saved model needs, and whether they are here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lossplug_core.cli._output import (
    columns,
    deprecation_json,
    json_option,
    print_json,
    printable,
    provider_json,
    saved_json,
)
from lossplug_core.migration import fate, instead

if TYPE_CHECKING:
    from lossplug_core.archive import Archive, SavedLoss
    from lossplug_core.cli._presence import Presence

__all__ = ["command"]

_COLOURS = {"here": "green", "missing": "red", "unknown": "yellow"}


@click.command("inspect")
@click.argument("model", type=click.Path(exists=True, path_type=Path))
@json_option
@click.pass_context
def command(ctx: click.Context, model: Path, as_json: bool) -> None:
    """Say which losses a saved MODEL needs, and if they are here.

    The file is read without Keras; nothing is imported but installed plugins. The exit code is 1 if
    a loss is missing here.
    """
    from lossplug_core.archive import read
    from lossplug_core.cli._presence import look_up

    archive = read(model)
    losses = [(saved, look_up(saved)) for saved in archive.losses]
    if as_json:
        print_json(
            model=str(model),
            keras_version=archive.keras_version,
            compiled=archive.compiled,
            losses=[_json(saved, presence) for saved, presence in losses],
        )
    else:
        click.echo(_opening(model, archive))
        for saved, presence in losses:
            click.echo()
            click.secho(printable(saved.name), bold=True, nl=False)
            click.secho(f"  {presence.state}", fg=_COLOURS[presence.state])
            click.echo(columns([*_rows(saved, presence)], indent="  "))
    ctx.exit(1 if any(presence.state == "missing" for _, presence in losses) else 0)


def _opening(model: Path, archive: Archive) -> str:
    by = f", saved by Keras {printable(archive.keras_version)}," if archive.keras_version else ""
    if archive.losses:
        return f"{model}{by} needs:"
    why = "it was compiled without one" if archive.compiled else "it was saved without compile"
    return f"{model}{by} needs no loss: {why}."


def _rows(saved: SavedLoss, presence: Presence) -> Iterator[tuple[str, str]]:
    yield "at", saved.where
    if saved.parameters:
        values = (f"{name}={_short(value)}" for name, value in saved.parameters.items())
        yield "parameters", ", ".join(values)
    for preset in saved.presets:
        yield "preset", f"{preset.name}, version {preset.version}"
    if saved.distribution:
        version = f"{saved.distribution} {saved.distribution_version or ''}".rstrip()
        yield "saved by", f"{version}, spec version {saved.version}"
    if presence.provider:
        version = "" if saved.version is None else f", spec version {presence.version}"
        yield "installed", f"{presence.provider}{version}"
    if presence.id:
        yield "now called", presence.id
    for change in presence.changes:
        yield "changed", change
    if presence.deprecated:
        yield "deprecated", f"{fate(presence.deprecated)}. {instead(presence.deprecated)}"
    if presence.problem:
        yield "problem", presence.problem
    if presence.fix:
        yield "fix", presence.fix


def _short(value: Any) -> str:
    """A parameter; of a network, whose config can fill pages, its class."""
    is_network = isinstance(value, Mapping) and isinstance(value.get("class_name"), str)
    return f"<{value['class_name']}>" if is_network else repr(value)


def _json(saved: SavedLoss, presence: Presence) -> dict[str, Any]:
    return {
        **saved_json(saved),
        "parameters": saved.parameters,
        "state": presence.state,
        "installed": provider_json(presence.provider) if presence.provider else None,
        "installed_spec_version": presence.version,
        "now_called": presence.id,
        "changes": presence.changes,
        "deprecated": deprecation_json(presence.deprecated),
        "problem": presence.problem,
        "fix": presence.fix,
    }
