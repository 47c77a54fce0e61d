"""What makes it a plugin: entry points, a light import, a README that is true."""

from __future__ import annotations

import doctest
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest

import lossplug_metric_learning
from lossplug_core.params import validate
from lossplug_core.spec import spec_of

LOSSES = [getattr(lossplug_metric_learning, name) for name in lossplug_metric_learning.__all__]
REQUIRED = {
    "arcface": {"num_classes": 2, "embedding_size": 2},
    "proxy_anchor": {"num_classes": 2, "embedding_size": 2},
    "cross_batch_memory": {"embedding_size": 2},
}


def test_every_loss_and_alias_has_its_entry_point():
    declared = {
        name: loss for loss in LOSSES for name in (spec_of(loss).name, *spec_of(loss).aliases)
    }
    found = distribution("lossplug-metric-learning").entry_points.select(group="lossplug.losses")
    assert {point.name: point.load() for point in found} == declared


def test_importing_it_imports_no_framework():
    code = (
        "import sys, lossplug_metric_learning;"
        "print([m for m in ('keras', 'numpy', 'tensorflow', 'jax', 'torch') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.__name__)
def test_every_convention_is_valid(loss):
    for convention in (None, *spec_of(loss).conventions):
        validate(spec_of(loss), REQUIRED.get(loss.__name__, {}), convention=convention)


def test_the_readme_is_true():
    readme = Path(__file__).parents[1] / "README.md"
    failed, attempted = doctest.testfile(str(readme), module_relative=False)
    assert attempted >= len(LOSSES)
    assert not failed
