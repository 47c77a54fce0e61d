"""`lossplug catalog serve`: the page of what is installed and allowed, as it changes."""

from __future__ import annotations

import signal
import webbrowser
from typing import Any

import click

from lossplug_core.cli._output import printable

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
def command(port: int, opens: bool) -> None:
    """Show the site of `lossplug catalog build`, and keep it up to date.

    It is built again when a plugin is installed, upgraded or removed, when a file of a plugin
    changes, and when a catalogue does; an open page follows by itself. If a build fails, the one
    before it stays. Only this machine can reach it. Ctrl-C ends it.
    """
    from lossplug_core.catalog.serving.builds import Rebuilding
    from lossplug_core.catalog.serving.live import Live
    from lossplug_core.catalog.serving.server import serving
    from lossplug_core.cli.catalog.build import check_packages

    check_packages()
    signal.signal(signal.SIGTERM, _interrupt)
    live = Live()
    try:
        with serving(live, port) as server:
            click.echo(server.url)
            if opens:
                webbrowser.open(server.url)
            Rebuilding(live, _say).run()
    except KeyboardInterrupt:
        click.echo("Ended.", err=True)


def _interrupt(*_: Any) -> None:
    """End as by Ctrl-C, so that nothing is left behind."""
    raise KeyboardInterrupt


def _say(text: str) -> None:
    for line in text.splitlines():
        click.echo(printable(line), err=True)
