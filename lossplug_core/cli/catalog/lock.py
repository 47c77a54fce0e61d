"""`lossplug catalog lock`: what is installed and allowed, written down and compared with."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lossplug_core.catalog.drifting import LOCK
from lossplug_core.cli._output import json_option, print_json, printable
from lossplug_core.cli.catalog._locks import drift_from
from lossplug_core.errors import LossplugError

if TYPE_CHECKING:
    from lossplug_core.catalog.remarks import Remark

__all__ = ["command"]

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command("lock")
@click.option(
    "-o",
    "--output",
    type=_FILE,
    default=Path(LOCK),
    metavar="FILE",
    show_default=LOCK,
    help="Write the lock to this file, whatever is there.",
)
@click.option("--check", is_flag=True, help="Write nothing: say what is not as the file says.")
@json_option
@click.pass_context
def command(ctx: click.Context, output: Path, check: bool, as_json: bool) -> None:
    """Write down what is installed and allowed.

    For each distribution that has a loss: its version, a hash of its code and data, the versions of
    its losses; and the presets. The same installation makes the same file. All allowed plugins are
    imported, Keras is not.

    With --check the exit code is 1 if anything is not as the file says.
    """
    from lossplug_core._app import catalogue, registry

    if check:
        found = drift_from(output, catalogue())
        if as_json:
            print_json(lock=str(output), findings=[dataclasses.asdict(remark) for remark in found])
        else:
            _print(output, found)
        ctx.exit(1 if any(remark.severity == "error" for remark in found) else 0)
    from lossplug_core.catalog.locking import locked

    lock = locked(registry, catalogue())
    _write(output, lock.text())
    if as_json:
        print_json(lock=str(output), **lock.model_dump(mode="json"))
        return
    losses = sum(len(distribution.losses) for distribution in lock.distributions.values())
    counts = {"distribution": len(lock.distributions), "loss": losses, "preset": len(lock.presets)}
    plural = {"loss": "losses"}
    told = (f"{n} {word if n == 1 else plural.get(word, f'{word}s')}" for word, n in counts.items())
    click.echo(f"{output}: {', '.join(told)}")


def _write(path: Path, text: str) -> None:
    """Write a file as a whole, or leave what is there."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text(text, encoding="utf-8", newline="\n")
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        why = error.strerror or error
        raise LossplugError(f"The lock {str(path)!r} cannot be written: {why}.") from error


def _print(path: Path, found: Sequence[Remark]) -> None:
    for remark in found:
        colour = "red" if remark.severity == "error" else "cyan"
        click.secho(remark.severity, fg=colour, bold=True, nl=False)
        click.echo(f"  {printable(remark.subject)}: {printable(remark.problem)} [{remark.kind}]")
        if remark.fix:
            click.echo(f"  Next: {printable(remark.fix)}")
    drifted = sum(remark.severity == "error" for remark in found)
    told = f"{drifted} {'thing is' if drifted == 1 else 'things are'} not" if drifted else "All is"
    click.secho(f"{told} as {path} says.", fg="red" if drifted else "green")
