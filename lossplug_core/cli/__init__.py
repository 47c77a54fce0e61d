"""The command line `lossplug`: one command a file, loaded when it is run.

What a command is asked for goes to stdout, everything else to stderr. Exit codes: 0 fine; 1 the
answer is no, or something is wrong; 2 the command was used wrongly.
"""

from __future__ import annotations

import io
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from lossplug_core.cli._lazy import LazyGroup
from lossplug_core.cli._output import Failure, error_json, json_was_asked, print_json
from lossplug_core.errors import LossplugError, PluginWarning

__all__ = ["main"]

_COMMANDS = ("catalog", "check", "doctor", "inspect", "list", "new", "plot", "show", "why")

_EPILOG = """\b
Complete ids with the Tab key:
  bash  eval "$(_LOSSPLUG_COMPLETE=bash_source lossplug)"  in ~/.bashrc
  zsh   eval "$(_LOSSPLUG_COMPLETE=zsh_source lossplug)"   in ~/.zshrc
  fish  _LOSSPLUG_COMPLETE=fish_source lossplug | source   in ~/.config/fish/config.fish
"""


class _Commands(LazyGroup):
    """The commands, and what all of them do with errors, warnings and output."""

    def invoke(self, ctx: click.Context) -> Any:
        ctx.color = False if os.environ.get("NO_COLOR") else None
        _write_anything()
        with _plain_warnings():
            try:
                return super().invoke(ctx)
            except LossplugError as error:
                if json_was_asked(ctx):
                    print_json(error=error_json(error))
                raise Failure(str(error)) from error


def _write_anything() -> None:
    """Let no letter that the terminal does not have, such as ≥, end in an exception."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


@contextmanager
def _plain_warnings() -> Iterator[None]:
    """A plugin that fails is one line on stderr, without the place in our code that noticed."""
    with warnings.catch_warnings():
        warnings.simplefilter("default", PluginWarning)
        show = warnings.showwarning

        def plainly(message: Any, category: type[Warning], *place: Any, **more: Any) -> None:
            if issubclass(category, PluginWarning):
                click.secho(f"Warning: {message}", fg="yellow", err=True)
            else:
                show(message, category, *place, **more)

        warnings.showwarning = plainly
        yield


@click.group(
    cls=_Commands,
    package=__name__,
    modules=_COMMANDS,
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="lossplug-core", message="lossplug-core %(version)s")
def main() -> None:
    """Losses for Keras that are installed, and found by name."""
