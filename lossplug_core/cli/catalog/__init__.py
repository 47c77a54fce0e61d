"""`lossplug catalog …`: one command a file, loaded when it is run."""

from __future__ import annotations

import click

from lossplug_core.cli._lazy import LazyGroup

__all__ = ["command"]

_COMMANDS = ("audit", "build", "check", "diff", "init", "lock", "schema", "serve")


@click.group("catalog", cls=LazyGroup, package=__name__, modules=_COMMANDS)
def command() -> None:
    """What an organisation says of losses: presets, policy, versions."""
