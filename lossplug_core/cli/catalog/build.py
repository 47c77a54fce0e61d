"""`lossplug catalog build`: the page of what is installed and allowed."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lossplug_core.cli._output import json_option, print_json, printable
from lossplug_core.cli._progress import with_bar
from lossplug_core.errors import LossplugError

if TYPE_CHECKING:
    from lossplug_core.catalog.site.entries import Item

__all__ = ["check_packages", "command", "evidence_options"]

_F = TypeVar("_F", bound=Callable[..., Any])

_NEEDED = ("docutils", "markdown_it", "mdit_py_plugins", "plotly")


_TOLD = 10
"""How many losses without a page are told."""

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def evidence_options(command: _F) -> _F:
    """The options of what is known of losses beside their code: `conformance`, `benchmarks`."""
    benchmarks = click.option(
        "--benchmarks",
        multiple=True,
        type=_FILE,
        help="A file that `pytest --benchmark-json` wrote; its extra_info names the loss.",
    )
    conformance = click.option(
        "--conformance",
        multiple=True,
        type=_FILE,
        help="A report that `lossplug check --json` wrote. May be repeated: the later one counts.",
    )
    return conformance(benchmarks(command))


@click.command("build")
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@evidence_options
@json_option
def command(
    out: Path, conformance: tuple[Path, ...], benchmarks: tuple[Path, ...], as_json: bool
) -> None:
    """Write a site of all losses and presets to the folder OUT.

    It opens from the folder, without a server or a network: OUT/index.html. What is there from an
    earlier build is replaced; a folder with anything else in it is refused. The curves are computed
    by the installed losses, on the installed backend of Keras.
    """
    check_packages()
    from lossplug_core._app import catalogue, registry
    from lossplug_core.catalog.site.evidence import read_evidence
    from lossplug_core.cli._machine import start_keras, version_of

    presets = catalogue()
    evidence = read_evidence(conformance, benchmarks)
    _say_unknown(evidence.unknown(registry, presets))
    start_keras()
    import keras

    from lossplug_core.catalog.site.building import MADE_BY, build, write

    _check_ours(out, MADE_BY)
    # TensorFlow remarks on each function that it traces, and each curve is one.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    made_with = (
        f"lossplug-core {version_of('lossplug-core')} and Keras {keras.__version__} "
        f"on {keras.backend.backend()}"
    )
    count = len(presets.presets) + len(registry.entries())

    def progress(items: Iterable[Item]) -> Iterator[Item]:
        return _told(with_bar(items, "computing", count))

    pages = build(registry, presets, made_with, evidence=evidence, progress=progress)
    try:
        written = write(out, pages)
    except OSError as error:
        raise LossplugError(f"The site cannot be written: {error}.") from error
    index = out / "index.html"
    if as_json:
        print_json(index=str(index), files=written)
    else:
        click.echo(index)


def _told(items: Iterable[Item]) -> Iterator[Item]:
    """What there is to be shown, and a warning for each that cannot be used."""
    for item in items:
        if item.problem:
            lines = f"{item.name} cannot be used: {item.problem}".splitlines()
            click.secho(
                "\n  ".join(["Warning: " + printable(lines[0]), *map(printable, lines[1:])]),
                fg="yellow",
                err=True,
            )
        yield item


def check_packages() -> None:
    """Refuse to begin without the packages that the page needs."""
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise LossplugError(
            f"The page needs packages that are not installed: {', '.join(missing)}.",
            fix="pip install 'lossplug-core[catalog]'",
        )


def _say_unknown(names: list[str]) -> None:
    """Say which losses of reports and benchmarks have no page: their names may be mistaken."""
    if names:
        more = ", …" if len(names) > _TOLD else ""
        told = ", ".join(map(printable, names[:_TOLD]))
        click.echo(
            f"Reports and benchmarks of what has no page are left out: {told}{more}", err=True
        )


def _check_ours(folder: Path, mark: str) -> None:
    """Refuse a folder in which something else is."""
    if folder.is_dir() and any(folder.iterdir()) and not (folder / mark).is_file():
        raise LossplugError(
            "The folder has something else in it.",
            expected="an empty folder, a new one, or one of an earlier build",
            received=str(folder),
            fix="Name another folder.",
        )
