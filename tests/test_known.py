"""The losses that a missing package is known by are among those that it brings.

The index is brought up to date when the core is released; a loss that a plugin adds in between is
found as any other, and only lacks the hint where the plugin is missing.
"""

import tomllib
from pathlib import Path

import pytest

from lossplug_core._known import KNOWN_LOSSES

PLUGINS = Path(__file__).parents[1] / "plugins"


@pytest.mark.parametrize("distribution", KNOWN_LOSSES)
def test_what_is_known_of_a_package_is_true(distribution) -> None:
    project = tomllib.loads((PLUGINS / distribution / "pyproject.toml").read_text())["project"]
    assert project["name"] == distribution
    assert set(KNOWN_LOSSES[distribution]) <= set(project["entry-points"]["lossplug.losses"])
