"""What an audit found, for people."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lossplug_core.cli._output import printable
from lossplug_core.cli.catalog._models import STATES

if TYPE_CHECKING:
    from lossplug_core.cli.catalog._models import Loss, Model

__all__ = ["print_audit"]

_NO_LIMIT = 10_000
_COLOURS = {
    "here": "green",
    "deprecated": "yellow",
    "unknown": "yellow",
    "missing": "red",
    "forbidden": "red",
    "unreadable": "red",
}


def print_audit(
    rows: Sequence[Model], losses: Sequence[Mapping[str, Any]], counts: Mapping[str, int]
) -> None:
    """A table of the models, one of the losses, what there is to say, and a line that counts."""
    console = Console(
        color_system=None if os.environ.get("NO_COLOR") else "auto", highlight=False, markup=False
    )
    if not console.is_terminal:
        console.width = _NO_LIMIT
    if rows:
        console.print(_models(rows), "")
    if losses:
        console.print(_losses(losses), "")
    for text in dict.fromkeys(_remarks(rows)):
        console.print(Text(text), soft_wrap=True)
    console.print(Text(_counted(counts), style="bold"))


def _counted(counts: Mapping[str, int]) -> str:
    told = [f"{counts['models']} model{'' if counts['models'] == 1 else 's'}"]
    if counts["unreadable"]:
        told.append(f"{counts['unreadable']} unreadable")
    # What is past its date is deprecated, and counted there.
    past = counts["past_its_date"]
    more = {"deprecated": f" ({past} past its date)"} if past else {}
    states = [f"{counts[state]} {state}{more.get(state, '')}" for state in STATES if counts[state]]
    return ", ".join(told) + (f"; losses: {', '.join(states)}" if states else "")


def _models(rows: Sequence[Model]) -> Table:
    presets = any(loss.saved.presets for model in rows for loss in model.losses)
    table = _table("model", "loss", *(["preset"] if presets else []), "saved by", "state")
    for model in rows:
        if model.problem is not None:
            blank = [""] * (3 if presets else 2)
            table.add_row(_cell(str(model.path)), *blank, _state("unreadable"))
        elif not model.losses:
            table.add_row(_cell(str(model.path)), "-")
        for number, loss in enumerate(model.losses):
            path = "" if number else str(model.path)
            table.add_row(_cell(path), *_cells(loss, presets=presets))
    return table


def _cells(loss: Loss, *, presets: bool) -> Iterator[Text]:
    saved = loss.saved
    yield _cell(saved.name)
    if presets:
        yield _cell(", ".join(f"{name} {version}" for name, version in saved.presets))
    yield _cell(" ".join(filter(None, (saved.distribution, saved.distribution_version))))
    yield _state(loss.verdict.state)


def _losses(losses: Sequence[Mapping[str, Any]]) -> Table:
    table = _table("loss", "models", "states")
    for loss in losses:
        states = [_state(f"{count} {state}", state) for state, count in loss["states"].items()]
        table.add_row(_cell(loss["name"]), str(loss["models"]), Text(", ").join(states))
    return table


def _remarks(rows: Sequence[Model]) -> Iterator[str]:
    """What is wrong with files and losses. Of many models with one loss it is said once."""
    for model in rows:
        if model.problem is not None:
            yield printable(f"unreadable  {model.problem}")
    for model in rows:
        for loss in model.losses:
            verdict = loss.verdict
            if verdict.problem:
                text = printable(f"{verdict.state}  {loss.saved.name}: {verdict.problem}")
                yield f"{text}\n  Next: {printable(verdict.fix)}" if verdict.fix else text


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _cell(text: str) -> Text:
    return Text(printable(text), overflow="fold")


def _state(text: str, state: str | None = None) -> Text:
    return Text(text, style=_COLOURS.get(state or text, ""))
