"""`lossplug why NAME`."""

import json

import pytest


def rows(result) -> list[list[str]]:
    return [line.split(maxsplit=4) for line in result.stdout.splitlines()]


def test_the_only_loss_of_a_name_wins(site, run) -> None:
    site.install("lossplug-fake", "sturdy")
    result = run("why", "SturdyLoss")
    assert rows(result) == [
        ["wins", "fake/sturdy", "lossplug-fake", "1.0", "the only loss of this name"]
    ]
    assert result.exit_code == 0


def test_keras_own_wins_over_a_plugin_unless_the_namespace_is_written(site, run) -> None:
    site.install("lossplug-fake", "huber")
    wins, loses = rows(run("why", "huber"))
    assert (wins[:2], wins[4]) == (["wins", "keras/huber"], "Keras's own loss of this name")
    assert (loses[:2], loses[4]) == (["loses", "fake/huber"], "Keras's own loss comes first")
    assert rows(run("why", "fake/huber"))[0][1] == "fake/huber"


def test_of_several_plugins_none_wins(site, run) -> None:
    site.install("lossplug-fake", "sturdy")
    site.install("lossplug-other", "sturdy")
    result = run("why", "sturdy")
    assert result.exit_code == 1
    assert [row[:2] for row in rows(result)] == [
        ["loses", "fake/sturdy"],
        ["loses", "other/sturdy"],
    ]
    assert "Several installed losses are called 'sturdy'" in result.stderr


def test_a_forbidden_loss_names_its_rule(site, run, monkeypatch) -> None:
    site.install("lossplug-fake", "sturdy")
    monkeypatch.setenv("LOSSPLUG_DISABLE", "fake")
    result = run("why", "sturdy")
    assert result.exit_code == 1
    assert rows(result)[0][4] == "forbidden by LOSSPLUG_DISABLE=fake"
    assert "is forbidden by LOSSPLUG_DISABLE=fake" in result.stderr


def test_json_has_winner_and_losers(site, run) -> None:
    site.install("lossplug-fake", "huber")
    document = json.loads(run("why", "huber", "--json").stdout)
    assert document["schema_version"] == 1
    assert document["winner"]["id"] == "keras/huber"
    assert document["winner"]["provider"]["distribution"] == "keras"
    assert [loser["id"] for loser in document["losers"]] == ["fake/huber"]
    assert document["error"] is None


@pytest.mark.parametrize(
    ("name", "error"), [("no-such", "UnknownLossError"), ("/", "IdentifierError")]
)
def test_json_has_the_error_if_nobody_wins(run, name, error) -> None:
    result = run("why", name, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["error"]["type"] == error
