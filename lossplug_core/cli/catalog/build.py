"""`lossplug catalog build`: the page of what is installed and allowed."""

from __future__ import annotations

import importlib.util
import logging
from pathlib import Path

import click

from lossplug_core.cli._output import json_option, print_json
from lossplug_core.errors import LossplugError

__all__ = ["command"]

_NEEDED = ("docutils", "markdown_it", "mdit_py_plugins", "plotly")


@click.command("build")
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@json_option
def command(out: Path, as_json: bool) -> None:
    """Write a site of all losses and presets to the folder OUT.

    It opens from the folder, without a server or a network: OUT/index.html. What is there from an
    earlier build is replaced; a folder with anything else in it is refused. The curves are computed
    by the installed losses, on the installed backend of Keras.
    """
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise LossplugError(
            f"The page needs packages that are not installed: {', '.join(missing)}.",
            fix="pip install 'lossplug-core[catalog]'",
        )
    from lossplug_core._app import catalogue, registry
    from lossplug_core.cli._machine import start_keras, version_of

    presets = catalogue()
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
    pages = build(registry, presets, made_with)
    try:
        written = write(out, pages)
    except OSError as error:
        raise LossplugError(f"The site cannot be written: {error}.") from error
    index = out / "index.html"
    if as_json:
        print_json(index=str(index), files=written)
    else:
        click.echo(index)


def _check_ours(folder: Path, mark: str) -> None:
    """Refuse a folder in which something else is."""
    if folder.is_dir() and any(folder.iterdir()) and not (folder / mark).is_file():
        raise LossplugError(
            "The folder has something else in it.",
            expected="an empty folder, a new one, or one of an earlier build",
            received=str(folder),
            fix="Name another folder.",
        )
