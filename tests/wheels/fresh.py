"""Distributions that are built, and environments in which nothing is installed yet."""

from __future__ import annotations

import os
import subprocess
import venv
from pathlib import Path

import pytest

__all__ = ["DISTRIBUTIONS", "ROOT", "Environment", "run"]

ROOT = Path(__file__).parents[2]
DISTRIBUTIONS = {
    "lossplug_core": ROOT,
    "lossplug_distillation": ROOT / "plugins/lossplug-distillation",
    "lossplug_imbalance": ROOT / "plugins/lossplug-imbalance",
    "lossplug_metric_learning": ROOT / "plugins/lossplug-metric-learning",
    "lossplug_regression": ROOT / "plugins/lossplug-regression",
}


def run(
    *command: object, check: bool = True, cwd: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """A command, or a line for the shell; it has to succeed unless `check` is False."""
    words = [str(word) for word in command]
    done = subprocess.run(
        words if len(words) > 1 else words[0],
        shell=len(words) == 1,
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, **environment},
    )
    if check and done.returncode:
        pytest.fail(f"{command}\n{done.stdout}\n{done.stderr}")
    return done


class Environment:
    """A fresh virtual environment."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=True)
        self.python = folder / "bin/python"
        if not self.python.exists():
            self.python = folder / "Scripts/python.exe"

    @property
    def path(self) -> str:
        """The variable `PATH` where it is activated."""
        return os.pathsep.join([str(self.python.parent), os.environ["PATH"]])

    def pip(self, *arguments: object) -> None:
        run(self.python, "-m", "pip", "--quiet", *arguments)

    def lossplug(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return run(self.python, "-m", "lossplug_core", *arguments, check=check)

    def does(self, code: str) -> str:
        return run(self.python, "-c", code).stdout.strip()
