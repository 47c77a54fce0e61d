"""`lossplug why NAME`: which loss a name means, and by which rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from lossplug_core.cli import _complete
from lossplug_core.cli._output import (
    Failure,
    columns,
    error_json,
    json_option,
    print_json,
    provider_json,
)
from lossplug_core.cli._presets import lead_json
from lossplug_core.discovery import Entry

if TYPE_CHECKING:
    from lossplug_core._index import Loser

__all__ = ["command"]


@click.command("why")
@click.argument("name", shell_complete=_complete.ids)
@json_option
def command(name: str, as_json: bool) -> None:
    """Say which loss NAME means, and by which rule.

    What else it could mean is shown with the reason why it does not. No plugin is imported. The
    exit code is 1 if it means nothing.
    """
    from lossplug_core._app import registry

    resolution = registry.resolve(name)
    winner = resolution.winner
    lead = resolution.lead
    combined = lead is not None and not isinstance(lead.loss, str)
    error = registry.explain(resolution) if winner is None and not combined else None
    losers = [(loser.entry, _reason(loser)) for loser in resolution.losers]
    if as_json:
        print_json(
            identifier=name,
            winner=None if winner is None else _entry_json(winner),
            rule=resolution.rule,
            losers=[{**_entry_json(entry), "reason": reason} for entry, reason in losers],
            **({} if lead is None else {"preset": lead_json(lead)}),
            error=None if error is None else error_json(error),
        )
    else:
        rows = [] if winner is None else [_row("wins", winner, resolution.rule)]
        if combined:
            rows = [("wins", name, "", resolution.rule)]
        rows += [_row("loses", entry, reason) for entry, reason in losers]
        if rows:
            click.echo(columns(rows))
    if error is not None:
        raise Failure(str(error))


def _reason(loser: Loser) -> str:
    return f"forbidden by {loser.reason}" if loser.forbidden else loser.reason


def _row(verdict: str, entry: Entry, reason: str) -> tuple[str, ...]:
    return verdict, entry.id, str(entry.provider), reason


def _entry_json(entry: Entry) -> dict[str, Any]:
    return {"id": entry.id, "provider": provider_json(entry.provider)}
