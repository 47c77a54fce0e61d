"""Groups of commands of which each is a module, imported when it is needed."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import click

__all__ = ["LazyGroup"]


class LazyGroup(click.Group):
    """The commands of a package by name: each is `command` of the module of that name.

    Args:
        package: The package that has the modules.
        modules: Their names, which are those of the commands.
        **settings: As for `click.Group`.
    """

    def __init__(self, *, package: str, modules: Sequence[str], **settings: Any) -> None:
        super().__init__(**settings)
        self._package = package
        self._modules = tuple(modules)

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return [*self._modules]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in self._modules:
            return None
        command: click.Command = import_module(f"{self._package}.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        near = difflib.get_close_matches(name, self._modules, n=1)
        if near and name not in self._modules:
            ctx.fail(f"No such command {name!r}. Did you mean {near[0]!r}?")
        return super().resolve_command(ctx, args)
