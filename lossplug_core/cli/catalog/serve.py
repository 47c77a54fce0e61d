"""`lossplug catalog serve`: the page of what is installed and allowed, as it changes."""

from __future__ import annotations

import signal
import webbrowser
from functools import partial
from pathlib import Path
from typing import Any

import click

from lossplug_core.cli._output import printable
from lossplug_core.cli.catalog.build import check_packages, evidence_options

__all__ = ["command"]


@click.command("serve")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="Its port; 0 takes a free one.",
)
@click.option("--open", "opens", is_flag=True, help="Open it in the browser.")
@evidence_options
def command(
    port: int, opens: bool, conformance: tuple[Path, ...], benchmarks: tuple[Path, ...]
) -> None:
    """Show the site of `lossplug catalog build`, and keep it up to date.

    It is built again when a plugin is installed, upgraded or removed, and when a file of a plugin,
    a catalogue or a report changes; an open page follows by itself. If a build fails, the one
    before it stays. Only this machine can reach it. Ctrl-C ends it.
    """
    from lossplug_core.catalog.serving.builds import Rebuilding, building
    from lossplug_core.catalog.serving.live import Live
    from lossplug_core.catalog.serving.server import serving

    check_packages()
    live = Live()
    options = [f"--conformance={file}" for file in conformance]
    options += [f"--benchmarks={file}" for file in benchmarks]
    files = [str(file) for file in (*conformance, *benchmarks)]
    try:
        with serving(live, port) as server:
            signal.signal(signal.SIGTERM, _interrupt)
            click.echo(server.url)
            if opens:
                webbrowser.open(server.url)
            Rebuilding(live, _say, start=partial(building, options), more=files).run()
    except KeyboardInterrupt:
        click.echo("Ended.", err=True)


def _interrupt(*_: Any) -> None:
    """End as by Ctrl-C, so that nothing is left behind."""
    raise KeyboardInterrupt


def _say(text: str) -> None:
    for line in text.splitlines():
        click.echo(printable(line), err=True)
