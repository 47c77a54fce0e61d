"""`lossplug check`: whether losses do what they declare, and what every loss does."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lossplug_core.cli import _complete
from lossplug_core.cli._output import json_option, print_json
from lossplug_core.errors import BackendError, LossplugError

if TYPE_CHECKING:
    from lossplug_core.testing import Result
    from lossplug_core.testing.worker import Worker

__all__ = ["command"]


@click.command("check")
@click.argument("names", nargs=-1, metavar="[ID|NAMESPACE]...", shell_complete=_complete.ids)
@click.option(
    "--backend", "backends", multiple=True, metavar="NAME", help="tensorflow, jax, torch, or all."
)
@click.option(
    "--profile",
    type=click.Choice(["quick", "thorough"]),
    default="quick",
    show_default=True,
    help="A few examples, or many and every check.",
)
@click.option("--check", "only", multiple=True, metavar="CHECK", help="Only this check.")
@click.option(
    "--oracles",
    type=click.Path(exists=True, dir_okay=False),
    help="A Python file with ORACLES = {loss: {convention: function}}.",
)
@click.option("--seed", default=0, show_default=True, help="Which examples are drawn.")
@click.option("--time-limit", default=60.0, show_default=True, help="Seconds for one check.")
@click.option("--memory-limit", default=4.0, show_default=True, help="GiB for one check.")
@click.option("--junit", type=click.Path(dir_okay=False), help="Write JUnit XML to this file.")
@click.option("--list", "as_list", is_flag=True, help="List the checks, and why they matter.")
@json_option
@click.pass_context
def command(
    ctx: click.Context, /, names: tuple[str, ...], as_list: bool, as_json: bool, **options: Any
) -> None:
    """Check that losses conform: one, those of a namespace, or all that plugins bring.

    Each is examined in a process of its backend, which is stopped when a check takes too long or
    too much memory; then the next begins. The exit code is 1 if anything fails.
    """
    if importlib.util.find_spec("hypothesis") is None:
        raise LossplugError(
            "The conformance kit is not installed.", fix="pip install 'lossplug-core[testing]'"
        )
    if as_list:
        _list(as_json)
        return
    junit = options.pop("junit")
    if junit and not Path(junit).parent.is_dir():
        raise click.BadParameter(
            f"There is no folder {str(Path(junit).parent)!r}.", param_hint="--junit"
        )
    begin = time.perf_counter()
    wish = _Wish(names=names, **options)
    results = list(_results(wish))
    seconds = time.perf_counter() - begin
    if junit:
        from lossplug_core.cli._junit import junit_xml

        Path(junit).write_bytes(junit_xml(results))
    if as_json:
        print_json(
            seconds=round(seconds, 3),
            profile=wish.profile,
            seed=wish.seed,
            only=wish.only,
            versions=_versions(results),
            results=[result.as_dict() for result in results],
        )
    else:
        from lossplug_core.cli._matrix import print_results

        print_results(results, seconds)
    ctx.exit(0 if all(result.ok for result in results) else 1)


@dataclass(frozen=True)
class _Wish:
    names: tuple[str, ...]
    backends: tuple[str, ...]
    profile: str
    only: tuple[str, ...]
    oracles: str | None
    seed: int
    time_limit: float
    memory_limit: float


def _results(wish: _Wish) -> Iterator[Result]:
    """What comes of every check, as it comes."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from lossplug_core._app import registry
    from lossplug_core.testing.selection import select_losses
    from lossplug_core.testing.worker import Worker

    names = wish.names or sorted({entry.namespace for entry in registry.found.losses})
    losses = [loss for loss in select_losses(names) if isinstance(loss, str)]
    backends = _backends(wish.backends)
    limits = {"seconds": wish.time_limit, "gibibytes": wish.memory_limit}
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        yield from _malformed(losses, backends)
        task = bar.add_task("starting")
        for backend in backends:
            with closing(Worker(backend, **limits)) as worker:
                ids = worker.request("checks", only=wish.only, profile=wish.profile)
                bar.update(task, total=len(ids) * len(losses) * len(backends))
                for loss in losses:
                    bar.update(task, description=f"{loss} on {backend}")
                    for result in _of_loss(worker, loss, ids, wish):
                        bar.advance(task)
                        yield result


def _of_loss(worker: Worker, loss: str, ids: list[str], wish: _Wish) -> Iterator[Result]:
    from lossplug_core.testing import ConformanceError, Result
    from lossplug_core.testing.check import command_of

    known: dict[str, Any] = {}
    for id in ids:
        begin = time.perf_counter()
        asked = {"profile": wish.profile, "seed": wish.seed, "oracles": wish.oracles}
        try:
            answer = worker.request("check", loss=loss, check=id, known=known, **asked)
            result = Result.from_dict(answer)
        except ConformanceError as error:
            # The process is gone: the next one is told what came of this check.
            again = command_of(loss, id, worker.backend, wish.profile, wish.seed)
            result = Result(loss, id, worker.backend, "failed", str(error), reproduce=again)
        known[id] = result.as_dict()
        yield replace(result, seconds=time.perf_counter() - begin)


def _malformed(losses: list[str], backends: list[str]) -> Iterator[Result]:
    """What is wrong with the entry points of the plugins themselves."""
    from lossplug_core._app import registry
    from lossplug_core.testing import Result

    wanted = {e.provider.distribution for e in registry.found.losses if e.id in losses}
    for finding in registry.found.findings:
        if finding.subject in wanted:
            problem = f"{finding.problem}\n  Next: {finding.fix}"
            yield Result(finding.subject, "entry-points", backends[0], "failed", problem)


def _versions(results: list[Result]) -> dict[str, str | None]:
    """What was examined, and with what: the versions of distributions."""
    from lossplug_core._app import registry
    from lossplug_core.cli._machine import version_of

    losses = {result.loss for result in results}
    backends = sorted({result.backend for result in results})
    plugins = {
        e.provider.distribution: e.provider.version for e in registry.entries() if e.id in losses
    }
    made_with = ("lossplug-core", "keras", *backends)
    return {**{name: version_of(name) for name in made_with}, **dict(sorted(plugins.items()))}


def _backends(names: tuple[str, ...]) -> list[str]:
    """The backends to check on: those that are named, or the one that Keras would use."""
    from lossplug_core._backend import BACKENDS, backend
    from lossplug_core.testing.worker import installed_backends

    here = installed_backends()
    wanted = list(dict.fromkeys(names or (backend().name,)))
    if "all" in wanted:
        wanted = here
    for name in wanted:
        if name not in here:
            raise BackendError(
                f"The backend {name!r} is not installed.",
                expected=f"some of {', '.join(here)}" if here else None,
                fix=f"pip install 'lossplug-core[{name}]'"
                if name in BACKENDS
                else f"Choose one of {', '.join(BACKENDS)}.",
            )
    if not wanted:
        raise BackendError("No backend is installed.", fix="pip install 'lossplug-core[jax]'")
    return wanted


def _list(as_json: bool) -> None:
    from lossplug_core.cli._machine import start_keras

    start_keras()
    from lossplug_core.testing import checks

    rows = [
        {"id": check.id, "why": check.why, "thorough": check.thorough}
        for check in checks().values()
    ]
    if as_json:
        print_json(checks=rows)
        return
    for row in rows:
        click.secho(str(row["id"]), bold=True, nl=not row["thorough"])
        if row["thorough"]:
            click.echo("  (thorough)")
        click.echo(f"  {row['why']}")
