"""What makes it a plugin: entry points, a light import, a README that is true."""

from pathlib import Path

import pytest

import lossplug_distillation
from plugin import (
    check_conventions,
    check_entry_points,
    check_light_import,
    check_readme,
    losses_of,
)

LOSSES = losses_of(lossplug_distillation)
REQUIRED = {"distillation": {"teacher": abs}, "perceptual": {"extractor": abs}}


def test_every_loss_and_alias_has_its_entry_point():
    check_entry_points(lossplug_distillation)


def test_importing_it_imports_no_framework():
    check_light_import(lossplug_distillation)


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.__name__)
def test_every_convention_is_valid(loss):
    check_conventions(loss, REQUIRED.get(loss.__name__, {}))


def test_the_readme_is_true():
    check_readme(Path(__file__).parents[1] / "README.md", LOSSES)
