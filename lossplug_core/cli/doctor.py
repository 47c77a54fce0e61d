"""`lossplug doctor`: what is installed, what is wrong with it, and how to mend it."""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from typing import Any

import click

from lossplug_core.cli._output import columns, json_option, print_json

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

    Shows versions, backend, plugins and hooks. Every plugin is imported, Keras is not. The exit
    code is 1 if anything is wrong. Notes are names that mean something else than one may think.
    """
    report = _examine()
    if as_json:
        print_json(**report)
    else:
        _print(report)
    ctx.exit(1 if report["findings"] else 0)


def _examine() -> dict[str, Any]:
    from lossplug_core import _backend
    from lossplug_core._app import registry
    from lossplug_core.cli import _checkup, _machine
    from lossplug_core.hooks import hook_name

    every = [*_backend.backend_findings(), *_checkup.findings()]
    findings = [finding for finding in every if finding.kind not in _checkup.NOTES]
    notes = [finding for finding in every if finding.kind in _checkup.NOTES]
    found = registry.found
    losses = Counter((e.provider.distribution, e.provider.version) for e in found.losses)
    hooks = {name for name, _ in registry.hooks.manager.list_name_plugin()}
    chosen = _backend.backend()
    return {
        "python": _machine.system(),
        "packages": {name: _machine.version_of(name) for name in _machine.PACKAGES},
        "backend": {"name": chosen.name, "source": chosen.source},
        "settings": {name: os.environ[name] for name in _SETTINGS if os.environ.get(name)},
        "plugins": [
            {"distribution": name, "version": version, "losses": count}
            for (name, version), count in sorted(losses.items())
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


def _print(report: dict[str, Any]) -> None:
    packages = [(name, version or "not installed") for name, version in report["packages"].items()]
    backend = f"{report['backend']['name']}, from {report['backend']['source']}"
    settings = report["settings"].items()
    click.echo(columns([("python", report["python"]), *packages, ("backend", backend), *settings]))
    _heading("Plugins")
    plugins = [
        (p["distribution"], p["version"], f"{p['losses']} loss{'es' * (p['losses'] > 1)}")
        for p in report["plugins"]
    ]
    click.echo(columns(plugins, indent="  ") if plugins else "  none")
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
        click.secho(f"  {finding['subject']}", bold=True, nl=False)
        click.echo(f"  {finding['kind']}")
        click.echo(f"    {finding['problem']}\n    Fix: {finding['fix']}")


def _heading(text: str, fg: str | None = None) -> None:
    click.echo()
    click.secho(text, bold=True, fg=fg)
