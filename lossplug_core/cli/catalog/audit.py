"""`lossplug catalog audit MODELS…`: which losses saved models need, and which may not be used."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lossplug_core.cli._output import json_option, print_json, saved_json, today_option
from lossplug_core.cli._progress import with_bar

if TYPE_CHECKING:
    from lossplug_core.cli.catalog._models import Found, Loss, Model

__all__ = ["command"]

_WRONG = ("missing", "forbidden")


@click.command("audit")
@click.argument("models", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--jobs",
    type=click.IntRange(1, 64),
    default=min(4, os.cpu_count() or 1),
    metavar="N",
    help="Read so many files at once.",
)
@click.option("--strict", is_flag=True, help="What is past its date fails too.")
@today_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    models: tuple[Path, ...],
    jobs: int,
    strict: bool,
    today: date,
    as_json: bool,
) -> None:
    """Say which losses saved MODELS need: .keras files, and folders with such files.

    For each: which plugin saved it, and whether the loss is here, deprecated, missing or forbidden.
    Nothing in a file is executed; plugins that are needed and allowed are imported, Keras is not.

    The exit code is 1 if a loss is missing or forbidden, or a file cannot be read; with --strict
    also if a loss is of a preset that may not be used any more today.
    """
    from lossplug_core.cli.catalog._models import find

    rows = list(_rows([*find(models)], today, jobs))
    if as_json:
        print_json(
            today=str(today),
            models=[_json(model) for model in rows],
            losses=[*_by_loss(rows)],
            counts=_counts(rows),
        )
    else:
        from lossplug_core.cli.catalog._table import print_audit

        print_audit(rows, [*_by_loss(rows)], _counts(rows))
    if not rows:
        places = ", ".join(repr(str(path)) for path in models)
        click.echo(f"There is no .keras file in {places}.", err=True)
    ctx.exit(1 if any(_is_wrong(model, strict=strict) for model in rows) else 0)


def _rows(found: Sequence[Found], today: date, jobs: int) -> Iterable[Model]:
    """A row for each file."""
    from lossplug_core._app import catalogue
    from lossplug_core.cli.catalog._models import audited

    rows = audited(found, catalogue(), today=today, jobs=jobs)
    return with_bar(rows, "reading", len(found))


def _is_wrong(model: Model, *, strict: bool) -> bool:
    verdicts = [loss.verdict for loss in model.losses]
    return model.problem is not None or any(
        verdict.state in _WRONG or (strict and verdict.past_its_date) for verdict in verdicts
    )


def _counts(rows: Sequence[Model]) -> dict[str, int]:
    """How many models there are and cannot be read, and how many losses are in each state."""
    from lossplug_core.cli.catalog._models import STATES

    verdicts = [loss.verdict for model in rows for loss in model.losses]
    states = Counter(verdict.state for verdict in verdicts)
    return {
        "models": len(rows),
        "unreadable": sum(model.problem is not None for model in rows),
        **{state: states[state] for state in STATES},
        "past_its_date": sum(verdict.past_its_date for verdict in verdicts),
    }


def _by_loss(rows: Iterable[Model]) -> Iterator[dict[str, Any]]:
    """For each loss in how many models it is, and in which states."""
    models: Counter[tuple[str, str]] = Counter()
    states: dict[tuple[str, str], Counter[str]] = {}
    for model in rows:
        models.update({(loss.saved.name, loss.saved.kind) for loss in model.losses})
        for loss in model.losses:
            own = states.setdefault((loss.saved.name, loss.saved.kind), Counter())
            own[loss.verdict.state] += 1
    for (name, kind), count in sorted(models.items()):
        found = dict(sorted(states[name, kind].items()))
        yield {"name": name, "kind": kind, "models": count, "states": found}


def _json(model: Model) -> dict[str, Any]:
    return {
        "model": str(model.path),
        "problem": model.problem,
        "keras_version": model.keras_version,
        "compiled": model.compiled,
        "losses": [_loss_json(loss) for loss in model.losses],
    }


def _loss_json(loss: Loss) -> dict[str, Any]:
    verdict = loss.verdict
    return {
        **saved_json(loss.saved),
        "state": verdict.state,
        "past_its_date": verdict.past_its_date,
        "installed": verdict.installed,
        "problem": verdict.problem,
        "fix": verdict.fix,
    }
