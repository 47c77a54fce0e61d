"""`lossplug list`."""

import json

import pytest


@pytest.fixture(autouse=True)
def fakes(site) -> None:
    site.install("lossplug-fake", "sturdy", "sturdier", version="2.0")
    site.install(
        "lossplug-other",
        modules={
            "other_losses": """
                from lossplug_core import loss

                @loss(y_true="labels", y_pred="embeddings")
                def near(y_true, y_pred):
                    "Pulls together."
            """
        },
        entry_points="[lossplug.losses]\nnear = other_losses:near\nclose = other_losses:near\n",
    )


def ids(result) -> list[str]:
    return [line.split()[0] for line in result.stdout.splitlines()]


def test_a_line_is_id_aliases_and_provider(run) -> None:
    lines = run("list", "--namespace", "other").stdout
    assert lines == "other/near  close  lossplug-other 1.0\n"


def test_columns_are_aligned(run) -> None:
    first, second = run("list", "--namespace", "fake").stdout.splitlines()
    assert first.index("lossplug-fake") == second.index("lossplug-fake")


def test_everything_is_listed_by_id_with_keras_own(run) -> None:
    listed = ids(run("list"))
    assert listed == sorted(listed)
    assert {"fake/sturdier", "fake/sturdy", "keras/huber", "other/near"} <= set(listed)


@pytest.mark.parametrize(
    ("options", "here", "gone"),
    [
        (["--namespace", "fake"], "fake/sturdy", "keras/huber"),
        (["--namespace", "Lossplug_Fake"], None, "fake/sturdy"),
        (["--namespace", "FAKE"], "fake/sturdy", "keras/huber"),
        (["--y-true", "labels"], "other/near", "fake/sturdy"),
        (["--y-true", "values"], "keras/huber", "other/near"),
        (["--y-pred", "embeddings"], "other/near", "fake/sturdy"),
        (["--text", "pulls"], "other/near", "fake/sturdy"),
        (["--text", "close"], "other/near", "fake/sturdy"),
        (["--y-true", "values", "--namespace", "fake"], "fake/sturdier", "keras/huber"),
    ],
)
def test_filters(run, options, here, gone) -> None:
    listed = ids(run("list", *options))
    assert here is None or here in listed
    assert gone not in listed


def test_nothing_found_is_an_empty_answer_and_a_remark(run) -> None:
    result = run("list", "--text", "no such text")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr


def test_without_filters_no_plugin_is_imported(site, run) -> None:
    site.install(
        "lossplug-trap",
        modules={"trap_losses": "raise SystemExit"},
        entry_points="[lossplug.losses]\ntrap = trap_losses:trap\n",
    )
    result = run("list", "--namespace", "trap")
    assert (ids(result), result.stderr) == (["trap/trap"], "")


def test_json(run) -> None:
    assert json.loads(run("list", "--namespace", "other", "--json").stdout) == {
        "schema_version": 1,
        "losses": [
            {
                "id": "other/near",
                "namespace": "other",
                "name": "near",
                "aliases": ["close"],
                "provider": {
                    "distribution": "lossplug-other",
                    "version": "1.0",
                    "entry_point": "near",
                    "target": "other_losses:near",
                },
            }
        ],
    }
