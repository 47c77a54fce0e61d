"""What a new plugin is made of: every file, whatever its author is called."""

import ast
import configparser
import dataclasses
import doctest
import re
import tomllib
import unicodedata
from email.headerregistry import Address
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lossplug_core.errors import LossplugError
from lossplug_core.scaffold import LICENSES, Plugin, render

ROOT = Path(__file__).parents[2]
OURS = ROOT / "plugins/lossplug-regression"

LONGEST = {"name": "lossplug-" + "n" * 31, "loss": "l" * 35}
"""Names as long as they may be, at which the lines are as long as they may be."""


def files_of(name="robust", **decided):
    return render(Plugin.of(name, **decided))


def pyproject(files):
    return tomllib.loads(files["pyproject.toml"])


# --- The files ------------------------------------------------------------------------------------


def test_all_that_a_plugin_needs_is_there() -> None:
    assert set(files_of()) == {
        ".github/workflows/ci.yml",
        ".github/workflows/release.yml",
        ".gitignore",
        ".pre-commit-config.yaml",
        "CHANGELOG.md",
        "LICENSE",
        "README.md",
        "changelog.d/+first.feature.md",
        "pyproject.toml",
        "src/lossplug_robust/__init__.py",
        "src/lossplug_robust/charbonnier.py",
        "src/lossplug_robust/py.typed",
        "tests/test_conformance.py",
        "tests/test_values.py",
        "tox.ini",
    }


def test_the_names_are_where_they_belong() -> None:
    files = files_of("acme-losses", loss="smooth_l1")
    project = pyproject(files)["project"]
    assert project["name"] == "acme-losses"
    assert project["entry-points"]["lossplug.losses"] == {
        "smooth_l1": "acme_losses.smooth_l1:smooth_l1"
    }
    assert '__all__ = ["smooth_l1"]' in files["src/acme_losses/__init__.py"]
    assert "def smooth_l1(" in files["src/acme_losses/smooth_l1.py"]
    assert '@parametrize_with_checks("acme-losses")' in files["tests/test_conformance.py"]
    assert '"acme-losses/smooth_l1"' in files["tests/test_values.py"]
    assert 'get_loss("acme-losses/smooth_l1")' in files["README.md"]
    assert "/acme-losses/" in files[".github/workflows/release.yml"]
    assert not [path for path in files if "PACKAGE" in path or "LOSS" in path]


@pytest.mark.parametrize("decided", [{}, {"name": "acme-losses", "loss": "smooth_l1"}, LONGEST])
def test_nothing_of_the_template_is_left_in_a_file(decided) -> None:
    for path, text in files_of(**decided).items():
        assert not re.search(r"(?<!\$)\{\{|\{%|PACKAGE|LOSS\b", text), path
        assert text.endswith("\n") or path.endswith("py.typed"), path
        assert not re.search(r"[ \t]$|\n\n\n\n|\n\n\Z", text, re.M), path


def test_only_the_charbonnier_loss_says_that_it_is_one() -> None:
    assert "an example to start from" not in files_of()["src/lossplug_robust/charbonnier.py"]
    other = files_of(loss="other")["src/lossplug_robust/other.py"]
    assert "an example to start from" in other


# --- As ours are ----------------------------------------------------------------------------------


def test_it_is_packaged_as_our_plugins_are() -> None:
    text = (OURS / "pyproject.toml").read_text(encoding="utf-8").replace("regression", "robust")
    ours, new = tomllib.loads(text), pyproject(files_of())
    assert new["build-system"] == ours["build-system"]
    for table in ("hatch", "towncrier"):
        assert new["tool"][table] == ours["tool"][table]
    for field in ("readme", "license", "license-files", "requires-python", "dependencies"):
        assert new["project"][field] == ours["project"][field]


def test_it_is_linted_as_our_plugins_are() -> None:
    ours = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["ruff"]
    new = pyproject(files_of())["tool"]["ruff"]
    assert (
        new.pop("lint").items()
        >= {name: ours["lint"][name] for name in ("select", "ignore", "pydocstyle")}.items()
    )
    assert new.items() <= ours.items()


@pytest.mark.parametrize("tool", ["ruff", "mypy", "pre-commit-hooks"])
def test_it_uses_the_versions_of_the_tools_that_we_use(tool) -> None:
    pinned = re.compile(rf"\b{tool}==[\d.]+")
    files = ("tox.ini", ".pre-commit-config.yaml")
    ours = {use for file in files for use in pinned.findall((ROOT / file).read_text("utf-8"))}
    new = files_of()
    assert {use for file in files for use in pinned.findall(new[file])} == ours != set()


def test_its_docstring_has_the_sections_in_our_order() -> None:
    def sections(text):
        return re.findall(r"^    (\w+):$", text, re.M)

    ours = (OURS / "src/lossplug_regression/squared.py").read_text(encoding="utf-8")
    first = ours[: ours.index("\ndef _states")]
    assert sections(files_of()["src/lossplug_robust/charbonnier.py"]) == sections(first)


@pytest.mark.parametrize(
    ("running", "range_"),
    [
        ("0.1.0", ">=0.1,<1"),
        ("0.4.2", ">=0.4,<1"),
        ("1.0.0", ">=1.0,<2"),
        ("0.2.0.dev1", ">=0.2.0.dev1,<1"),
    ],
)
def test_it_needs_the_core_that_runs(monkeypatch, running, range_) -> None:
    monkeypatch.setattr("lossplug_core.scaffold._plugin.version", lambda name: running)
    project = pyproject(files_of())["project"]
    assert project["dependencies"] == [f"lossplug-core{range_}"]


def test_every_environment_of_tox_is_run_by_ci() -> None:
    files = files_of()
    tox = configparser.ConfigParser(interpolation=None)
    tox.read_string(files["tox.ini"])
    (matrix,) = re.findall(r"env: \[(.*)\]", files[".github/workflows/ci.yml"])
    assert matrix.split(", ") == tox["tox"]["env_list"].split()
    assert "tox run -e ${{ matrix.env }}" in files[".github/workflows/ci.yml"]


# --- Licenses -------------------------------------------------------------------------------------


@pytest.mark.parametrize("license", LICENSES)
def test_every_license_names_year_and_holder(license) -> None:
    plugin = dataclasses.replace(Plugin.of("robust", author="Ada", license=license), year=1843)
    files = render(plugin)
    holder = [line for line in files["LICENSE"].splitlines() if "1843" in line]
    assert len(holder) == 1
    assert re.search("Copyright .*1843,? Ada", holder[0])
    assert pyproject(files)["project"]["license"] == license


def test_the_apache_license_is_the_one_of_this_repository() -> None:
    def words(text):
        return [line for line in text.splitlines() if not line.startswith("   Copyright ")]

    ours = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert words(files_of()["LICENSE"]) == words(ours)


def test_another_license_is_refused() -> None:
    with pytest.raises(LossplugError, match="no text of this license"):
        Plugin.of("robust", license="Beer")


# --- Whoever writes it ----------------------------------------------------------------------------

HOSTILE = (
    "\"quotes\" 'of' \\both\\ kinds\n[project]\r\nname = 'evil'\x00\x1b[31m\x7f\ud800\u2028"
    "{{ 7 * 7 }} {% raw %} {# ``` ~~~ ''' \"\"\" </details> $& \\"
)


@given(author=st.text(), description=st.text())
@example(author=HOSTILE, description=HOSTILE)
@example(author=" \n", description="\\")
@example(author="Ada", description=">>> 1 / 0")
@example(author="Ada", description="```python")
@settings(max_examples=50, deadline=None)
def test_any_text_gives_valid_files_that_mean_the_same(author, description) -> None:
    plugin, plain = Plugin.of("robust", author=author, description=description), Plugin.of("robust")
    files, plain_files = render(plugin), render(plain)
    project = pyproject(files)["project"]
    assert project["authors"] == [{"name": plugin.author}]
    assert project["description"] == plugin.description
    for text in (plugin.author, plugin.description):
        assert len(text.splitlines()) == 1
        assert not {"Cc", "Cs"} & {unicodedata.category(letter) for letter in text}
    assert project | {"authors": 0, "description": 0} == pyproject(plain_files)["project"] | {
        "authors": 0,
        "description": 0,
    }
    for path in files.keys() - {"pyproject.toml", "README.md", "LICENSE"}:
        assert files[path] == plain_files[path]
    parser = doctest.DocTestParser()
    count = len(parser.get_examples(files["README.md"]))
    assert count == len(parser.get_examples(plain_files["README.md"])) > 0
    assert files["README.md"].count("\n```") == plain_files["README.md"].count("\n```")


@given(st.text())
@example("Ada Lovelace")
@example("ada@example.org\nEvil: yes")
@example("ada@")
@example("@example.org")
@example("ä@example.org")
@example("ada")
def test_an_address_is_one_or_is_refused(text) -> None:
    try:
        plugin = Plugin.of("robust", author="Ada", email=text)
    except LossplugError:
        return
    author = {"name": "Ada"} | ({"email": plugin.email} if plugin.email else {})
    assert pyproject(render(plugin))["project"]["authors"] == [author]
    assert (
        not plugin.email or str(Address("Ada", addr_spec=plugin.email)) == f"Ada <{plugin.email}>"
    )


def test_usual_addresses_are_accepted_and_others_are_refused() -> None:
    assert Plugin.of("robust", email=" ada+losses@example.org").email == "ada+losses@example.org"
    with pytest.raises(LossplugError, match="no e-mail address"):
        Plugin.of("robust", email="ada")


@given(
    words=st.integers(1, 31),
    loss=st.integers(2, 35),
)
@example(words=31, loss=35)
@settings(max_examples=30, deadline=None)
def test_python_is_python_and_no_line_is_too_long_however_long_the_names(words, loss) -> None:
    for path, text in files_of("lossplug-" + "n" * words, loss="l" * loss).items():
        if path.endswith(".py"):
            ast.parse(text)
            assert max(map(len, text.splitlines())) <= 100, path
        if path.endswith(".ini"):
            configparser.ConfigParser(interpolation=None).read_string(text)
