"""What the commands say of presets."""

from __future__ import annotations

import json

import pytest

import lossplug_core

CATALOGUE = """
[presets.usual]
loss = "fake/one"
params = {scale = 2.0}
description = "For \\u001b[31mall."
owner = "losses@acme.example"
version = 3

[presets.outer]
loss = "usual"
reduction = "sum"
status = "deprecated"
replaced_by = "usual"
until = 2031-12-24

[presets.both]
loss = {combine = ["usual", "mse"]}
"""


@pytest.fixture
def catalogue(site, tmp_path, monkeypatch):
    """A catalogue in force, and a loss."""
    path = tmp_path / "acme.toml"
    path.write_text(CATALOGUE)
    monkeypatch.setenv("LOSSPLUG_CATALOG", str(path))
    site.install("lossplug-fake", "one")
    return path


def test_why_names_the_presets_on_the_way(catalogue, run) -> None:
    result = run("why", "Outer")
    assert result.exit_code == 0
    for text in ("fake/one", f"the preset 'outer' ({catalogue}:9)", f"'usual' ({catalogue}:2)"):
        assert text in result.stdout
    preset = json.loads(run("why", "outer", "--json").stdout)["preset"]
    assert (preset["over"], preset["leads_to"]) == (["usual"], "fake/one")
    assert preset["with"] == {"scale": 2.0, "reduction": "sum"}


def test_why_answers_for_a_combination(catalogue, run) -> None:
    result = run("why", "both")
    assert result.exit_code == 0
    assert "which is a combination" in result.stdout
    document = json.loads(run("why", "both", "--json").stdout)
    assert (document["winner"], document["error"]) == (None, None)
    assert document["preset"]["leads_to"] == {"combine": ["usual", "mse"]}


def test_show_has_what_is_said_of_the_preset_before_the_loss(catalogue, run) -> None:
    result = run("show", "outer")
    start = result.stdout.split("\n\n")[0]
    for text in ("outer, version 1, deprecated", "2031-12-24", "scale=2.0", "reduction='sum'"):
        assert text in start
    assert "A fake loss." in result.stdout
    document = json.loads(run("show", "usual", "--json").stdout)
    assert document["id"] == "fake/one"
    assert document["preset"]["owner"] == "losses@acme.example"


def test_show_of_a_combination_is_its_preset(catalogue, run) -> None:
    assert "a combination" in run("show", "both").stdout
    assert json.loads(run("show", "both", "--json").stdout)["preset"]["name"] == "both"


def test_text_of_a_catalogue_does_not_steer_the_terminal(catalogue, run) -> None:
    assert "\x1b" not in run("show", "usual").stdout


def test_list_has_presets_by_themselves(catalogue, run) -> None:
    result = run("list", "--presets")
    assert [line.split()[:3] for line in result.stdout.splitlines()] == [
        ["both", "approved", "a"],
        ["outer", "deprecated", "usual"],
        ["usual", "approved", "fake/one"],
    ]
    document = json.loads(run("list", "--presets", "--json").stdout)
    assert [preset["name"] for preset in document["presets"]] == ["both", "outer", "usual"]
    assert "usual" not in run("list").stdout


@pytest.mark.parametrize("filters", [["--namespace", "fake"], ["--deprecated"], ["--text", "a"]])
def test_presets_have_no_filters(catalogue, run, filters) -> None:
    assert run("list", "--presets", *filters).exit_code == 2


def test_without_a_catalogue_there_are_no_presets(site, run) -> None:
    result = run("list", "--presets")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "preset" not in json.loads(run("why", "mse", "--json").stdout)


def test_a_broken_catalogue_is_told_with_its_place(catalogue, run) -> None:
    catalogue.write_text("[presets.x]\nlos = 1\n")
    lossplug_core.refresh()
    result = run("list")
    assert result.exit_code == 1
    assert f"{catalogue}:2" in result.stderr


@pytest.mark.backend
def test_plot_draws_with_the_parameters_of_the_preset(catalogue, run) -> None:
    for given, scale in (([], 2.0), (["-p", "scale=5"], 5.0)):
        document = json.loads(run("plot", "outer", "--json", *given).stdout)
        assert document["parameters"]["scale"] == scale


@pytest.mark.backend
def test_inspect_shows_the_preset_of_a_saved_model(catalogue, run, tmp_path) -> None:
    import keras

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(loss=lossplug_core.get_loss("usual"))
    model.save(tmp_path / "model.keras")
    assert "usual, version 3" in run("inspect", str(tmp_path / "model.keras")).stdout
    (loss,) = json.loads(run("inspect", str(tmp_path / "model.keras"), "--json").stdout)["losses"]
    assert loss["presets"] == [{"name": "usual", "version": 3}]
