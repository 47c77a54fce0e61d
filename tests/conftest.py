"""Fixtures of all tests: distributions that are installed for one test, and the command line."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import click.testing
import pytest

import lossplug_core
from lossplug_core.cli import main

Run = Callable[..., click.testing.Result]

# A developer may have a catalogue: what is tested is not their policy. Processes inherit it.
os.environ["LOSSPLUG_CATALOG"] = "off"

LOSS = """
from lossplug_core import NonNegative, loss

@loss(y_true="values", y_pred="values")
def {name}(y_true, y_pred, *, scale: NonNegative = 1.0):
    '''A fake loss.'''
    return scale * abs(y_true - y_pred)
"""


@dataclass
class Site:
    """A folder on `sys.path` into which a test installs distributions."""

    folder: Path
    modules: list[str] = field(default_factory=list)

    def install(
        self,
        name: str,
        *losses: str,
        version: str = "1.0",
        modules: Mapping[str, str] | None = None,
        entry_points: str | None = None,
        metadata: str | None = None,
        tag: str | None = None,
    ) -> Path:
        """Install a distribution.

        Args:
            name: Its name, as its author spells it.
            *losses: Names of losses that it brings, all fakes of one kind.
            version: Its version.
            modules: Further modules: name -> source.
            entry_points: The text of `entry_points.txt`, instead of one that lists the losses.
            metadata: The text of `METADATA`, instead of a valid one.
            tag: The part of the folder's name that stands for the distribution.
        """
        module = f"{name.replace('-', '_').replace('.', '_').lower()}_losses"
        sources = {module: "".join(LOSS.format(name=loss) for loss in losses), **(modules or {})}
        for module_name, source in sources.items():
            (self.folder / f"{module_name}.py").write_text(textwrap.dedent(source))
            self.modules.append(module_name)
        if entry_points is None:
            lines = [f"{loss} = {module}:{loss}" for loss in losses]
            entry_points = "\n".join(["[lossplug.losses]", *lines])
        if metadata is None:
            metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        info = self.folder / f"{tag or name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(metadata)
        (info / "entry_points.txt").write_text(textwrap.dedent(entry_points))
        lossplug_core.refresh()
        return info


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Somewhere to install distributions, gone after the test."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delenv("LOSSPLUG_DISABLE", raising=False)
    monkeypatch.delenv("LOSSPLUG_STRICT", raising=False)
    site = Site(folder)
    lossplug_core.refresh()
    yield site
    for module in site.modules:
        sys.modules.pop(module, None)
    monkeypatch.undo()
    lossplug_core.refresh()


@pytest.fixture
def run() -> Run:
    """`lossplug` with these arguments, in this process."""

    def run(*arguments: object) -> click.testing.Result:
        try:
            runner = click.testing.CliRunner(mix_stderr=False)
        except TypeError:  # click 8.2 never mixes them
            runner = click.testing.CliRunner()
        return runner.invoke(main, list(map(str, arguments)), catch_exceptions=False)

    return run
