"""`lossplug new NAME`: a whole plugin, to start from."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from lossplug_core.cli._output import json_option, print_json
from lossplug_core.errors import LossplugError
from lossplug_core.scaffold import (
    LICENSES,
    Plugin,
    check_free,
    distribution_of,
    email_address,
    render,
    write,
)

__all__ = ["command"]

_EPILOG = """\b
lossplug new robust
lossplug new acme-losses --loss smooth_l1 --license MIT --yes
"""

_QUESTIONS = {
    "loss": "Its first loss",
    "description": "What it is for, in one sentence",
    "author": "Author",
    "email": "E-mail of the author, or nothing",
    "license": f"License: {', '.join(LICENSES)}",
}


@click.command("new", epilog=_EPILOG)
@click.argument("name")
@click.option("--loss", metavar="NAME", help="Its first loss. By default charbonnier.")
@click.option("--description", metavar="TEXT", help="What it is for, in one sentence.")
@click.option("--author", metavar="TEXT", help="By default user.name of git.")
@click.option("--email", metavar="TEXT", help="By default user.email of git.")
@click.option(
    "--license",
    type=click.Choice(LICENSES, case_sensitive=False),
    metavar="|".join(LICENSES),
    help=f"By default {LICENSES[0]}.",
)
@click.option(
    "-o",
    "--directory",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="The folder of the plugin. By default one of its name, in this folder.",
)
@click.option("-y", "--yes", is_flag=True, help="Ask nothing.")
@json_option
def command(name: str, directory: Path | None, yes: bool, as_json: bool, **given: Any) -> None:
    """Make a new plugin: one loss, its tests, its packaging.

    NAME is one word, such as robust, which makes the distribution lossplug-robust, or several, such
    as acme-losses, which stay as they are. What is not given is asked for on a terminal, and has
    its default elsewhere, or with --yes or --json. Nothing is ever overwritten.
    """
    folder = directory or Path(distribution_of(name))
    check_free(folder)
    plugin = _plugin(name, given, asking=_on_a_terminal() and not (yes or as_json))
    files = render(plugin)
    write(files, folder)
    steps = _next_steps(plugin, folder)
    if as_json:
        print_json(
            distribution=plugin.distribution,
            package=plugin.package,
            namespace=plugin.namespace,
            loss=plugin.id,
            folder=str(folder),
            files=sorted(files),
            next=steps,
        )
    else:
        click.echo(f"Made {plugin.distribution}, with the loss {plugin.id}. Next:\n")
        click.echo("\n".join(f"  {step}" for step in steps))
        module = folder / "src" / plugin.package / f"{plugin.loss}.py"
        click.echo(f"\nThen make the loss yours, in {module}")


def _plugin(name: str, given: Mapping[str, str | None], *, asking: bool) -> Plugin:
    """What is given, completed by answers or by defaults."""
    decided = {field: value for field, value in given.items() if value is not None}
    plugin = Plugin.of(name, **decided)
    for field in [field for field in _QUESTIONS if field not in decided]:
        default = _from_git(field) or getattr(plugin, field)
        decided[field] = _ask(field, default, name, decided) if asking else default
        plugin = Plugin.of(name, **decided)
    return plugin


def _ask(field: str, default: str, name: str, decided: Mapping[str, str]) -> str:
    def checked(answer: str) -> str:
        try:
            Plugin.of(name, **decided, **{field: answer})
        except LossplugError as error:
            raise click.BadParameter(str(error)) from error
        return answer

    answer: str = click.prompt(_QUESTIONS[field], default=default, value_proc=checked, err=True)
    return answer


def _from_git(field: str) -> str:
    """Who works here, as git knows it; nothing where it does not."""
    if field not in ("author", "email"):
        return ""
    key = {"author": "user.name", "email": "user.email"}[field]
    try:
        done = subprocess.run(
            ["git", "config", key], capture_output=True, encoding="utf-8", errors="replace"
        )
        found = done.stdout.strip()
        return email_address(found) if field == "email" else found
    except (OSError, LossplugError):
        return ""


def _on_a_terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


def _next_steps(plugin: Plugin, folder: Path) -> list[str]:
    """The commands after this one; the first brings the backend of Keras too, if it is missing."""
    from lossplug_core._backend import BACKENDS, backend

    chosen = backend().name
    missing = chosen in BACKENDS and find_spec(chosen) is None
    extras = f"test,{chosen}" if missing else "test"
    enter = "" if folder == Path() else f"cd {shlex.quote(folder.as_posix())} && "
    return [
        f'{enter}python -m pip install -e ".[{extras}]"',
        "python -m pytest",
        f"lossplug check {plugin.namespace}",
    ]
