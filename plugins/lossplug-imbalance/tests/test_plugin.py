"""What makes it a plugin: entry points, a light import, a README that is true."""

from pathlib import Path

import pytest

import lossplug_imbalance
from plugin import (
    check_conventions,
    check_entry_points,
    check_light_import,
    check_readme,
    losses_of,
)

LOSSES = losses_of(lossplug_imbalance)
REQUIRED = {
    "weighted_categorical_crossentropy": {"class_weights": (1, 2)},
    "class_balanced": {"samples_per_class": (9, 1)},
    "running_class_balanced": {"num_classes": 2},
}


def test_every_loss_and_alias_has_its_entry_point():
    check_entry_points(lossplug_imbalance)


def test_importing_it_imports_no_framework():
    check_light_import(lossplug_imbalance)


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.__name__)
def test_every_convention_is_valid(loss):
    check_conventions(loss, REQUIRED.get(loss.__name__, {}))


def test_the_readme_is_true():
    check_readme(Path(__file__).parents[1] / "README.md", LOSSES)
