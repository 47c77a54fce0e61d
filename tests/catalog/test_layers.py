"""Catalogues in layers: where they come from, in which order, and what they are together."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

import lossplug_core
from lossplug_core import (
    AmbiguousLossError,
    CatalogError,
    ForbiddenLossError,
    PluginWarning,
    find_spec,
    list_losses,
)
from lossplug_core._app import catalogue, registry

HOOK = """
from lossplug_core import hookimpl

@hookimpl
def lossplug_catalog():
    return {given}
"""


@pytest.fixture
def project(site, tmp_path, monkeypatch):
    """A working directory in a project, two folders below its top."""
    folder = tmp_path / "project" / "src" / "deep"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    monkeypatch.delenv("LOSSPLUG_CATALOG")
    site.install("lossplug-a", "one")
    site.install("lossplug-b", "one")
    return tmp_path / "project"


def bring(site, given: str, name: str = "acme-rules", extra: str = "") -> None:
    """Install a hook plugin that brings a catalogue."""
    module = name.replace("-", "_")
    site.install(
        name,
        modules={module: HOOK.format(given=given) + extra},
        entry_points=f"[lossplug.hooks]\nrules = {module}\n",
    )


def preset(loss: str) -> str:
    return f'[presets.usual]\nloss = "{loss}"\n'


def test_without_a_catalogue_there_is_none(project) -> None:
    lossplug_core.refresh()
    assert catalogue().layers == ()
    assert not registry.hooks.has("lossplug_veto")


def test_the_nearest_file_above_the_working_directory_is_the_projects(project) -> None:
    (project / "lossplug.toml").write_text(preset("a/one"))
    (project.parent / "lossplug.toml").write_text(preset("b/one"))
    lossplug_core.refresh()
    assert find_spec("usual").id == "a/one"
    assert [layer.source for layer in catalogue().layers] == [str(project / "lossplug.toml")]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('[tool.lossplug.presets.usual]\nloss = "a/one"\n', True),
        ("[tool.other]\nlossplug = 3\n", False),
        ("[tool.lossplug\n", False),
        ("", False),
    ],
)
def test_a_pyproject_counts_if_it_has_a_table_for_it(project, text, found) -> None:
    (project / "pyproject.toml").write_text(text)
    (project.parent / "lossplug.toml").write_text(preset("b/one"))
    lossplug_core.refresh()
    assert find_spec("usual").id == ("a/one" if found else "b/one")


def test_the_place_in_a_pyproject_is_that_of_the_whole_file(project) -> None:
    path = project / "pyproject.toml"
    path.write_text('[project]\nname = "x"\n\n[tool.lossplug.policy]\ndeny = ["a", "b"]\n')
    lossplug_core.refresh()
    with pytest.raises(ForbiddenLossError, match=r"pyproject.toml:5 denies"):
        find_spec("one")


def test_the_last_layer_that_has_a_name_counts(site, project, tmp_path, monkeypatch) -> None:
    team, other = tmp_path / "team.toml", tmp_path / "other.toml"
    team.write_text(preset("keras/mae"))
    other.write_text('prefer = {one = "b"}\n[presets.second]\nloss = "keras/mae"\n')
    monkeypatch.setenv("LOSSPLUG_CATALOG", f"{team}{os.pathsep}{other}")
    bring(site, "{'name': 'Acme', 'prefer': {'one': 'a'}, 'presets': {'usual': {'loss': 'one'}}}")
    (project / "lossplug.toml").write_text(preset("a/one"))
    lossplug_core.refresh()
    assert [layer.source for layer in catalogue().layers] == [
        "the hook plugin acme-rules:rules",
        str(team),
        str(other),
        str(project / "lossplug.toml"),
    ]
    assert registry.resolve("usual").winner.id == "a/one"
    assert registry.resolve("second").winner.id == "keras/mean_absolute_error"
    assert find_spec("one").id == "b/one"


TEXT = '[policy]\ndeny = ["b"]\n' + '[presets.usual]\nloss = "a/one"\n'
BESIDE = "__import__('pathlib').Path(__file__).with_name('rules.toml')"


def bring_file(site, text: str, module: str = "acme_rules.hooks") -> str:
    """Install a hook plugin that has a catalogue as a file beside its module. The file's path."""
    source = site.folder.joinpath(*module.split(".")).with_suffix(".py")
    source.parent.mkdir(parents=True, exist_ok=True)
    for folder in source.relative_to(site.folder).parents[:-1]:
        (site.folder / folder / "__init__.py").touch()
    source.write_text(HOOK.format(given=BESIDE))
    file = source.with_name("rules.toml")
    file.write_text(text)
    entry_points = f"[lossplug.hooks]\nrules = {module}\n"
    site.install("acme-rules", version="1.2", entry_points=entry_points)
    parts = module.split(".")
    site.modules += [".".join(parts[:end]) for end in range(1, len(parts) + 1)]
    return str(file)


@pytest.mark.parametrize(
    ("module", "inside"),
    [
        ("acme_rules.hooks", "rules.toml"),
        ("acme_rules.inner.hooks", "inner/rules.toml"),
        ("acme_rules", "rules.toml"),
    ],
    ids=["in a package", "deeper in a package", "beside a module"],
)
def test_a_file_that_a_distribution_brings_is_called_by_both(
    site, project, run, module, inside
) -> None:
    path = bring_file(site, TEXT, module)
    place = f"acme-rules 1.2: {inside}"
    with pytest.raises(ForbiddenLossError, match=rf"by veto: {place}:2 denies 'b'\.") as caught:
        find_spec("b/one")
    assert str(site.folder) not in str(caught.value)
    assert f"{place}:3" in run("show", "usual").stdout
    shown = json.loads(run("show", "usual", "--json").stdout)["preset"]
    assert (shown["at"], shown["path"], shown["line"]) == (f"{place}:3", path, 3)


@pytest.mark.parametrize("folder", ["above", "site/other"])
def test_a_file_elsewhere_is_called_by_its_path(site, project, tmp_path, folder) -> None:
    file = tmp_path / folder / "shared.toml"
    file.parent.mkdir()
    file.write_text(TEXT)
    bring(site, repr(str(file)))
    lossplug_core.refresh()
    assert catalogue().presets["usual"].place == f"{file}:3"


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("[policy]\ndenny = []", 2, "a catalogue has no 'policy.denny'."),
        ("[policy", 1, "this is not TOML: "),
        (TEXT.replace("a/one", "a/two"), 4, "No installed loss is called 'a/two'."),
    ],
    ids=["a key that there is not", "not TOML", "a finding"],
)
def test_check_calls_it_so_too_and_tells_programs_the_path(
    site, project, run, text, line, problem
) -> None:
    path = bring_file(site, text)
    result = run("catalog", "check", "--no-build")
    assert f"acme-rules 1.2: rules.toml:{line}: error: " in result.stdout
    assert problem in result.stdout
    assert str(site.folder) not in result.stdout
    (found, *_) = json.loads(run("catalog", "check", "--no-build", "--json").stdout)["findings"]
    assert (found["path"], found["line"]) == (path, line)


def test_an_error_about_it_tells_programs_the_path_too(site, project, run) -> None:
    path = bring_file(site, "[policy]\ndenny = []")
    result = run("list", "--json")
    assert (result.exit_code, str(site.folder) in result.stderr) == (1, False)
    error = json.loads(result.stdout)["error"]
    assert error["what"].startswith("acme-rules 1.2: rules.toml:2: a catalogue has no ")
    assert (error["path"], error["line"]) == (path, 2)


def test_no_layer_allows_what_another_forbids(site, project) -> None:
    bring(site, "{'policy': {'deny': ['a']}}")
    (project / "lossplug.toml").write_text('policy.allow = ["a", "keras"]')
    lossplug_core.refresh()
    for name in ("a/one", "b/one"):
        with pytest.raises(ForbiddenLossError):
            find_spec(name)
    assert list_losses(namespace="a") == []


def test_a_file_that_is_named_and_found_is_one_layer(project, monkeypatch) -> None:
    path = project / "lossplug.toml"
    path.write_text(preset("a/one"))
    monkeypatch.setenv("LOSSPLUG_CATALOG", str(path))
    lossplug_core.refresh()
    assert len(catalogue().layers) == 1


@pytest.mark.parametrize("word", ["", "0", "off", "None"])
def test_the_variable_turns_files_off_and_not_the_organisations(
    site, project, monkeypatch, word
) -> None:
    (project / "lossplug.toml").write_text(preset("a/one"))
    bring(site, "{'policy': {'deny': ['a']}}")
    monkeypatch.setenv("LOSSPLUG_CATALOG", word)
    lossplug_core.refresh()
    assert [layer.source for layer in catalogue().layers] == ["the hook plugin acme-rules:rules"]


@pytest.mark.parametrize(
    ("name", "what"), [("missing.toml", "a catalogue that is not there"), (".", "a folder")]
)
def test_a_file_that_is_named_must_be_there(site, monkeypatch, tmp_path, name, what) -> None:
    monkeypatch.setenv("LOSSPLUG_CATALOG", str(tmp_path / name))
    lossplug_core.refresh()
    with pytest.raises(CatalogError, match=rf"LOSSPLUG_CATALOG names {what}\."):
        find_spec("mse")


def test_a_broken_catalogue_stops_every_look_up(site, project) -> None:
    (project / "lossplug.toml").write_text('[policy]\ndeni = ["a"]')
    lossplug_core.refresh()
    for look in (lambda: find_spec("b/one"), list_losses, catalogue):
        with pytest.raises(CatalogError, match=r"lossplug.toml:2.*'policy.deni'"):
            look()


def test_a_link_that_leads_nowhere_is_a_lost_policy_and_an_error(project) -> None:
    (project / "lossplug.toml").symlink_to("lossplug.toml")
    lossplug_core.refresh()
    with pytest.raises(CatalogError, match="cannot be read"):
        list_losses()


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ("3", "gives no catalogue"),
        ("{'presets': {'a/b': {'loss': 'x'}}}", "the hook plugin acme-rules:rules"),
        ("'/nowhere/acme.toml'", "cannot be read"),
    ],
)
def test_a_catalogue_of_a_hook_plugin_that_is_wrong_is_an_error(site, given, error) -> None:
    bring(site, given)
    with pytest.raises(CatalogError, match=error):
        list_losses()


def test_a_catalogue_of_a_hook_plugin_may_be_a_file(site, tmp_path) -> None:
    (tmp_path / "acme.toml").write_text('policy.deny = ["a"]')
    bring(site, repr(str(tmp_path / "acme.toml")))
    site.install("lossplug-a", "one")
    with pytest.raises(ForbiddenLossError, match=r"acme.toml:1"):
        find_spec("a/one")


def test_hooks_that_an_organisations_catalogue_denies_do_not_answer(site) -> None:
    veto = "\n@hookimpl\ndef lossplug_veto(id):\n    return 'no'\n"
    bring(site, "None", "some-veto", veto)
    site.install("lossplug-a", "one")
    with pytest.raises(ForbiddenLossError):
        find_spec("a/one")
    bring(site, "{'policy': {'deny': ['some-veto']}}")
    assert find_spec("a/one").id == "a/one"


def test_a_hook_plugin_that_fails_brings_no_catalogue_and_says_so(site) -> None:
    bring(site, "1 / 0")
    with pytest.warns(PluginWarning, match="acme-rules"):
        list_losses()


@pytest.mark.parametrize(
    ("prefer", "winner"),
    [
        ('{one = "b"}', "b/one"),
        ('{One = "lossplug-b"}', "b/one"),
        ('{OneLoss = "B/One"}', "b/one"),
        ('{one = "c"}', None),
        ('{two = "b"}', None),
    ],
)
def test_a_preference_decides_between_plugins(project, prefer, winner) -> None:
    (project / "lossplug.toml").write_text(f"prefer = {prefer}\n")
    lossplug_core.refresh()
    if winner is None:
        with pytest.raises(AmbiguousLossError):
            find_spec("one")
    else:
        resolution = registry.resolve("one")
        assert resolution.winner.id == winner
        assert "is preferred for this name" in resolution.rule
        assert find_spec("a/one").id == "a/one"


def test_a_preference_for_what_is_forbidden_leaves_the_other(project) -> None:
    (project / "lossplug.toml").write_text('prefer = {one = "b"}\npolicy.deny = ["b"]\n')
    lossplug_core.refresh()
    assert find_spec("one").id == "a/one"


def test_keras_comes_before_any_preference(site, project) -> None:
    site.install("lossplug-c", "mse")
    (project / "lossplug.toml").write_text('prefer = {mse = "c"}\n')
    lossplug_core.refresh()
    assert registry.resolve("mse").winner.id == "keras/mean_squared_error"


def test_what_a_catalogue_says_is_looked_up_once(project) -> None:
    (project / "lossplug.toml").write_text('prefer = {one = "b"}\n' + preset("one"))
    lossplug_core.refresh()
    assert registry.resolve("usual") is registry.resolve("usual")


@pytest.mark.parametrize("gone", [False, True])
def test_without_a_catalogue_pydantic_and_the_parser_are_not_imported(tmp_path, gone) -> None:
    code = (
        "import os, sys\n"
        "import lossplug_core\n"
        f"{gone} and os.rmdir(os.getcwd())\n"
        "lossplug_core.list_losses()\n"
        "print({'pydantic', 'lossplug_core.catalog.model'} & set(sys.modules))\n"
    )
    folder = tmp_path / "work"
    folder.mkdir()
    environment = {k: v for k, v in os.environ.items() if k != "LOSSPLUG_CATALOG"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout.strip(), done.stderr) == ("set()", "")
