"""What is built once for all tests of the wheels."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from fresh import DISTRIBUTIONS, Environment, run


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Path]]:
    """For each distribution its wheel and its sdist; the wheel is built from the sdist."""
    out = tmp_path_factory.mktemp("dist")
    for folder in DISTRIBUTIONS.values():
        run(sys.executable, "-m", "build", "--outdir", out, folder)
    return {
        name: (next(out.glob(f"{name}-*.whl")), next(out.glob(f"{name}-*.tar.gz")))
        for name in DISTRIBUTIONS
    }


@pytest.fixture(scope="session")
def environment(
    tmp_path_factory: pytest.TempPathFactory, built: dict[str, tuple[Path, Path]]
) -> Environment:
    """One with the core alone, and JAX, the smallest backend."""
    environment = Environment(tmp_path_factory.mktemp("env"))
    environment.pip("install", f"{built['lossplug_core'][0]}[jax]")
    return environment
