"""From an empty folder to a plugin with green tests: three commands, in a fresh environment."""

from __future__ import annotations

import json
import os
import sys
import zipfile
from dataclasses import dataclass
from email import message_from_string
from pathlib import Path

import pytest
from fresh import Environment, run


@dataclass(frozen=True)
class Author:
    """Somebody who has the core, and makes a plugin with it."""

    environment: Environment
    folder: Path
    find_links: str

    def does(self, line: str, cwd: Path | None = None):
        """What a line in the shell does."""
        return run(
            line,
            cwd=cwd or self.folder,
            PATH=self.environment.path,
            PIP_FIND_LINKS=self.find_links,
            KERAS_BACKEND="jax",
            GIT_CONFIG_GLOBAL=os.devnull,
            GIT_CONFIG_SYSTEM=os.devnull,
        )


@pytest.fixture(scope="module")
def author(tmp_path_factory, built) -> Author:
    environment = Environment(tmp_path_factory.mktemp("author"))
    wheel = built["lossplug_core"][0]
    environment.pip("install", wheel)
    # The core is on no index yet: its wheel takes that place.
    find_links = f"{wheel.parent} {os.environ.get('PIP_FIND_LINKS', '')}"
    return Author(environment, tmp_path_factory.mktemp("work"), find_links)


@pytest.fixture(scope="module")
def plugin(author) -> Path:
    """The folder of a new plugin, after the commands that `lossplug new` says come next."""
    steps = json.loads(author.does("lossplug new robust --json").stdout)["next"]
    folder = author.folder / "lossplug-robust"
    assert steps[0].startswith("cd lossplug-robust && ")
    author.does(steps[0])
    for step in steps[1:]:
        print(author.does(step, cwd=folder).stdout)
    return folder


def test_its_tests_are_green(author, plugin) -> None:
    tests = author.does("python -m pytest -v", cwd=plugin).stdout
    assert "test_conforms[robust/charbonnier-" in tests
    assert "test_value[a right angle] PASSED" in tests
    assert "README.md::README.md PASSED" in tests
    assert not {"FAILED", "ERROR", "XPASS"} & {*tests.split()}


def test_its_tests_can_fail(author, plugin) -> None:
    module = plugin / "src/lossplug_robust/charbonnier.py"
    right = module.read_text(encoding="utf-8")
    module.write_text(right.replace("ops.sqrt", "ops.square"), encoding="utf-8")
    try:
        failed = author.does("python -m pytest tests/test_values.py || true", cwd=plugin).stdout
        assert "FAILED tests/test_values.py::test_value[a right angle]" in failed
    finally:
        module.write_text(right, encoding="utf-8")


def test_its_loss_is_found(author, plugin) -> None:
    assert author.does("lossplug why charbonnier").stdout.split()[:2] == [
        "wins",
        "robust/charbonnier",
    ]
    assert "Half-Quadratic" in author.does("lossplug show robust/charbonnier").stdout
    code = "from lossplug_core import get_loss; print(get_loss('Charbonnier', epsilon=0.1))"
    assert (
        "robust/charbonnier(epsilon=0.1) from lossplug-robust 0.1.0"
        in author.does(f'python -c "{code}"').stdout
    )
    assert author.does("lossplug doctor").returncode == 0


def test_its_tox_is_green(author, plugin) -> None:
    author.environment.pip("install", "tox>=4.20")
    author.does("python -m tox run -e lint,types,jax", cwd=plugin)


def test_its_changelog_is_built(author, plugin) -> None:
    author.environment.pip("install", "towncrier>=24")
    news = author.does("towncrier build --draft --version 0.1.0", cwd=plugin).stdout
    assert "The first loss: `charbonnier`." in news


NAMES = ["a", "robust", "acme-losses", "lossplug-" + "n" * 24, "lossplug-" + "n" * 31]


def test_names_of_any_length_are_formatted_as_ruff_does(author, tmp_path) -> None:
    author.environment.pip("install", "ruff==0.17.6")
    author.environment.does(
        f"""
from pathlib import Path
from lossplug_core.scaffold import Plugin, render, write
for name in {NAMES}:
    for length in range(2, 36):
        folder = Path({str(tmp_path)!r}, f"{{name}}-{{length}}")
        write(render(Plugin.of(name, loss="l" * length)), folder)
"""
    )
    author.does("ruff check .", cwd=tmp_path)
    author.does("ruff format --check .", cwd=tmp_path)


HOSTILE = """O'Brien, "the \\ author" <x@y>\nLicense: evil\n\n[project] é 著者"""


def test_whatever_its_author_is_called_its_metadata_is_right(author, built, tmp_path) -> None:
    run(
        author.environment.python,
        "-m",
        "lossplug_core",
        "new",
        "hostile",
        "--email",
        "ada@example.org",
        "--author",
        HOSTILE,
        "--description",
        HOSTILE,
        "-o",
        tmp_path / "p",
    )
    run(sys.executable, "-m", "build", "--outdir", tmp_path / "dist", tmp_path / "p")
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (info,) = [name for name in names if name.endswith("METADATA")]
        metadata = message_from_string(archive.read(info).decode("utf-8"))
    assert metadata["Name"] == "lossplug-hostile"
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["License"] is None
    assert metadata["Summary"] == " ".join(HOSTILE.split())
    assert metadata["Author-email"].endswith("<ada@example.org>")
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"lossplug_hostile"}
    assert "lossplug_hostile/py.typed" in names
