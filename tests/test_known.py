"""The losses that a missing package is known by are those that it brings."""

import tomllib
from pathlib import Path

import pytest

from lossplug_core._known import KNOWN_LOSSES

PLUGINS = sorted((Path(__file__).parents[1] / "plugins").iterdir())


def project(folder: Path) -> dict:
    return tomllib.loads((folder / "pyproject.toml").read_text())["project"]


def test_every_plugin_of_this_repository_is_known() -> None:
    assert set(KNOWN_LOSSES) == {project(folder)["name"] for folder in PLUGINS}


@pytest.mark.parametrize("folder", PLUGINS, ids=lambda folder: folder.name)
def test_a_plugin_is_known_by_its_entry_points(folder) -> None:
    entry_points = project(folder)["entry-points"]["lossplug.losses"]
    assert KNOWN_LOSSES[project(folder)["name"]] == tuple(sorted(entry_points))
