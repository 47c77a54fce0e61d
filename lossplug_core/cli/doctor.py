"""`lossplug doctor`: what is installed, what is wrong with it, and how to mend it."""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import click

from lossplug_core.cli._output import columns, json_option, print_json, printable

if TYPE_CHECKING:
    from lossplug_core.discovery import Entry

__all__ = ["command"]

_SETTINGS = (
    "KERAS_BACKEND",
    "KERAS_HOME",
    "LOSSPLUG_CATALOG",
    "LOSSPLUG_DISABLE",
    "LOSSPLUG_STRICT",
)


@click.command("doctor")
@json_option
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """Find what is wrong here, and say how to mend it.

    Shows versions, backend, plugins, catalogues and hooks. Every plugin is imported, Keras is not.
    The exit code is 1 if anything is wrong. Notes are names that mean something else than one may
    think.
    """
    report = _examine()
    if as_json:
        print_json(**report)
    else:
        _print(report)
    ctx.exit(1 if report["findings"] else 0)


def _examine() -> dict[str, Any]:
    from lossplug_core import _backend
    from lossplug_core._app import catalogue, registry
    from lossplug_core.cli import _checkup, _machine
    from lossplug_core.hooks import hook_name

    every = [*_backend.backend_findings(), *_checkup.findings()]
    findings = [finding for finding in every if finding.kind not in _checkup.NOTES]
    notes = [finding for finding in every if finding.kind in _checkup.NOTES]
    found = registry.found
    hooks = {name for name, _ in registry.hooks.manager.list_name_plugin()}
    chosen = _backend.backend()
    return {
        "python": _machine.system(),
        "packages": {name: _machine.version_of(name) for name in _machine.PACKAGES},
        "backend": {"name": chosen.name, "source": chosen.source},
        "settings": {name: os.environ[name] for name in _SETTINGS if os.environ.get(name)},
        "plugins": [*_plugins(found.losses, registry.entries())],
        "catalogues": [
            {"place": layer.place(), "path": layer.source, "presets": len(layer.content.presets)}
            for layer in catalogue().layers
        ],
        "hooks": [
            {
                "distribution": hook.distribution,
                "version": hook.version,
                "entry_point": hook.entry_point,
                "loaded": hook_name(hook) in hooks,
            }
            for hook in found.hooks
        ],
        "findings": [dataclasses.asdict(finding) for finding in findings],
        "notes": [dataclasses.asdict(note) for note in notes],
    }


def _plugins(losses: Iterable[Entry], allowed: Iterable[Entry]) -> Iterator[dict[str, Any]]:
    """For each plugin how many losses it has, and how many of them rules forbid."""
    every = Counter((e.provider.distribution, e.provider.version) for e in losses)
    usable = Counter((e.provider.distribution, e.provider.version) for e in allowed)
    for plugin, count in sorted(every.items()):
        yield {
            "distribution": plugin[0],
            "version": plugin[1],
            "losses": count,
            "forbidden": count - usable[plugin],
        }


def _print(report: dict[str, Any]) -> None:
    packages = [(name, version or "not installed") for name, version in report["packages"].items()]
    backend = f"{report['backend']['name']}, from {report['backend']['source']}"
    settings = report["settings"].items()
    click.echo(columns([("python", report["python"]), *packages, ("backend", backend), *settings]))
    _heading("Plugins")
    plugins = [
        (
            p["distribution"],
            p["version"],
            f"{p['losses']} loss{'es' * (p['losses'] > 1)}",
            f"{p['forbidden']} of them forbidden" if p["forbidden"] else "",
        )
        for p in report["plugins"]
    ]
    click.echo(columns(plugins, indent="  ") if plugins else "  none")
    if report["catalogues"]:
        _heading("Catalogues, the last counts most")
        catalogues = [
            (c["place"], f"{c['presets']} preset{'s' * (c['presets'] != 1)}")
            for c in report["catalogues"]
        ]
        click.echo(columns(catalogues, indent="  "))
    if report["hooks"]:
        _heading("Hook plugins")
        hooks = [
            (h["distribution"], h["version"], h["entry_point"], "" if h["loaded"] else "not loaded")
            for h in report["hooks"]
        ]
        click.echo(columns(hooks, indent="  "))
    findings = report["findings"]
    _heading(f"Findings: {len(findings) or 'none'}", fg="red" if findings else "green")
    _print_all(findings)
    if report["notes"]:
        _heading("Notes")
        _print_all(report["notes"])


def _print_all(findings: list[dict[str, str]]) -> None:
    for finding in findings:
        click.secho(f"  {printable(finding['subject'])}", bold=True, nl=False)
        click.echo(f"  {finding['kind']}")
        lines = [*finding["problem"].splitlines(), f"Fix: {finding['fix']}"]
        click.echo("\n".join(f"    {printable(line)}" for line in lines))


def _heading(text: str, fg: str | None = None) -> None:
    click.echo()
    click.secho(text, bold=True, fg=fg)
