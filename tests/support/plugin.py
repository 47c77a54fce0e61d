"""What the tests of every plugin check of the plugin as a whole."""

from __future__ import annotations

import doctest
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import distribution
from pathlib import Path
from types import ModuleType
from typing import Any

from lossplug_core.params import validate
from lossplug_core.spec import spec_of

__all__ = [
    "check_conventions",
    "check_entry_points",
    "check_light_import",
    "check_readme",
    "losses_of",
]

_FRAMEWORKS = ("keras", "numpy", "tensorflow", "jax", "torch")


def losses_of(package: ModuleType) -> list[Callable[..., Any]]:
    """All losses of a plugin: its public names."""
    return [getattr(package, name) for name in package.__all__]


def check_entry_points(package: ModuleType) -> None:
    """Every loss and alias has its entry point, and there are no others."""
    declared = {
        name: loss
        for loss in losses_of(package)
        for name in (spec_of(loss).name, *spec_of(loss).aliases)
    }
    installed = distribution(package.__name__.replace("_", "-"))
    found = installed.entry_points.select(group="lossplug.losses")
    assert {point.name: point.load() for point in found} == declared


def check_light_import(package: ModuleType) -> None:
    """Importing it imports no framework."""
    code = f"import sys, {package.__name__};print([m for m in {_FRAMEWORKS} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def check_conventions(loss: Callable[..., Any], required: dict[str, Any]) -> None:
    """Its defaults and every convention are valid, with the parameters that it requires."""
    for convention in (None, *spec_of(loss).conventions):
        validate(spec_of(loss), required, convention=convention)


def check_readme(readme: Path, losses: Sequence[Callable[..., Any]]) -> None:
    """What the README shows is what happens, and there is something for each loss."""
    failed, attempted = doctest.testfile(str(readme), module_relative=False)
    assert attempted >= len(losses)
    assert not failed
