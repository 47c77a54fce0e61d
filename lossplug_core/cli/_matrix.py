"""Results of checks for people: what failed and how to see it again, and a matrix of all."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from lossplug_core.cli._output import printable

if TYPE_CHECKING:
    from lossplug_core.testing import Result

__all__ = ["print_results"]

_LETTERS = {"passed": ".", "skipped": "s", "failed": "F"}
_COLOURS = {"passed": "green", "failed": "red"}


def print_results(results: Sequence[Result], seconds: float) -> None:
    """Failures, then a matrix of losses by checks, then a line that counts."""
    for result in results:
        if not result.ok:
            _print_failure(result)
    _print_matrix(results)
    counts: Counter[str] = Counter(result.status for result in results)
    told = ", ".join(f"{counts[status]} {status}" for status in _LETTERS if counts[status])
    failed = any(not result.ok for result in results)
    click.echo()
    click.secho(f"{told} in {seconds:.1f} s", fg="red" if failed else "green", bold=True)


def _print_failure(result: Result) -> None:
    what = printable(f"{result.loss} fails {result.check} on {result.backend}")
    click.secho(what, fg="red", bold=True)
    parts = {"": result.message, "example: ": result.example, "again: ": result.reproduce}
    for label, text in parts.items():
        for line in text.splitlines():
            click.echo(f"  {label}{printable(line)}")
    click.echo()


def _print_matrix(results: Sequence[Result]) -> None:
    """A row for each check, a column for each loss, a letter for each backend."""
    losses, checks, backends = (
        list(dict.fromkeys(getattr(result, name) for result in results))
        for name in ("loss", "check", "backend")
    )
    for number, loss in enumerate(losses, 1):
        click.echo(f"{number:>3}  {printable(loss)}")
    found = {(result.loss, result.check, result.backend): result.status for result in results}
    width, label = max(len(backends), 2), max(map(len, checks), default=0)
    room = max(1, (shutil.get_terminal_size().columns - label - 2) // (width + 1))
    for first in range(0, len(losses), room):
        numbers = range(first, min(first + room, len(losses)))
        click.echo(f"\n{'':{label}}  " + " ".join(f"{n + 1:<{width}}" for n in numbers))
        for check in checks:
            click.echo(f"{printable(check):<{label}}  ", nl=False)
            for number in numbers:
                statuses = [found.get((losses[number], check, b), "") for b in backends]
                click.echo(_cell(statuses, width + 1), nl=False)
            click.echo()
    several = f", for {', '.join(backends)}" if len(backends) > 1 else ""
    click.echo(f"\n. passed  F failed  s skipped{several}")


def _cell(statuses: Sequence[str], width: int) -> str:
    letters = [
        click.style(_LETTERS.get(status, " "), fg=_COLOURS.get(status)) for status in statuses
    ]
    return "".join(letters) + " " * (width - len(statuses))
