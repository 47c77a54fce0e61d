"""What the commands say of losses that changed, moved, or will go, and of older code."""

from __future__ import annotations

import json

import pytest

from saved import compiled, plugin_loss, saved_model

SOURCE = """
from lossplug_core import deprecated, loss

@loss(y_true="values", y_pred="values"{declared})
def new(y_true, y_pred, *, gamma: float = 1.0):
    "A loss."
    return gamma * abs(y_true - y_pred)
"""
CHANGED = (
    "version=2, migrate={'focus': 'gamma'}, history={2: 'focus is now called gamma.'}, "
    "formerly=('acme/old', 'older')"
)
GOING = "deprecated=deprecated(replaced_by='keras/huber', removed_in='3.0')"


def install(site, declared="", former=(), distribution="lossplug-fake", names=("new",)) -> None:
    module = distribution.replace("-", "_")
    site.install(
        distribution,
        version="2.0",
        modules={module: SOURCE.format(declared=f", {declared}" if declared else "")},
        entry_points="\n".join(
            [
                "[lossplug.losses]",
                *(f"{name} = {module}:new" for name in names),
                "[lossplug.formerly]",
                *(f"{name} = {module}:new" for name in former),
            ]
        ),
    )


@pytest.fixture
def document(run):
    """What a command says as JSON."""
    return lambda *arguments: json.loads(run(*arguments, "--json").stdout)


# show


def test_show_tells_the_history_and_the_former_names(site, run, document) -> None:
    install(site, CHANGED, ("acme.old", "older"))
    shown = document("show", "acme/old")
    assert shown["id"] == "fake/new"
    assert shown["history"] == {"2": "focus is now called gamma."}
    assert shown["formerly"] == ["acme/old", "fake/older"]
    assert shown["aliases"] == []
    assert shown["deprecated"] is None
    page = run("show", "older").stdout
    assert "formerly      acme/old, fake/older" in page
    assert "changed in 2  focus is now called gamma." in page
    assert "Deprecated" not in page


def test_show_tells_that_a_loss_will_go(site, run, document) -> None:
    install(site, GOING)
    deprecation = {"replaced_by": "keras/huber", "removed_in": "3.0"}
    assert document("show", "new")["deprecated"] == deprecation
    said = "Deprecated: it will be removed in 3.0. Use get_loss('keras/huber')."
    assert said in run("show", "new").stdout


# list and why


def test_list_shows_no_former_name(site, run) -> None:
    install(site, CHANGED, ("acme.old", "older"))
    assert run("list", "--namespace", "fake").stdout == "fake/new    lossplug-fake 2.0\n"
    assert run("list", "--namespace", "acme").stdout == ""


def test_list_tells_which_losses_will_go(site, run, document) -> None:
    install(site, GOING)
    site.install("lossplug-other", "stays")
    assert run("list", "--deprecated").stdout == "fake/new    lossplug-fake 2.0\n"
    (going,) = document("list", "--deprecated")["losses"]
    assert going["deprecated"] == {"replaced_by": "keras/huber", "removed_in": "3.0"}
    (stays,) = document("list", "--text", "stays")["losses"]
    assert stays["deprecated"] is None
    # Which would be known after an import only.
    assert all("deprecated" not in one for one in document("list")["losses"])


def test_why_tells_that_a_name_is_a_former_one(site, run) -> None:
    install(site, CHANGED, ("acme.old", "older"))
    expected = "wins  fake/new  lossplug-fake 2.0  the only loss that had this name\n"
    assert run("why", "acme/old").stdout == expected
    site.install("lossplug-acme", "old")
    assert run("why", "acme/old").stdout.startswith("wins  acme/old  lossplug-acme 1.0")


def test_why_tells_of_two_that_took_over_a_loss(site, run) -> None:
    install(site, "", ("acme.old",), "lossplug-one")
    install(site, "", ("acme.old",), "lossplug-two")
    result = run("why", "acme/old")
    assert result.exit_code == 1
    assert [line.split()[:2] for line in result.stdout.splitlines()] == [
        ["loses", "one/new"],
        ["loses", "two/new"],
    ]
    assert "they were called 'acme/old'" in result.stderr


# inspect


def test_inspect_tells_what_has_changed_since_a_model_was_saved(site, run, document, tmp_path):
    install(site, f"{CHANGED}, {GOING}", ("acme.old", "older"))
    model = saved_model(tmp_path, compiled(plugin_loss("acme/old", parameters={"focus": 2.0})))
    (found,) = document("inspect", model)["losses"]
    assert found["state"] == "here"
    assert found["now_called"] == "fake/new"
    assert found["changes"] == ["Version 2: focus is now called gamma."]
    assert found["deprecated"] == {"replaced_by": "keras/huber", "removed_in": "3.0"}
    page = run("inspect", model).stdout
    for row in (
        "installed   lossplug-fake 2.0, spec version 2",
        "now called  fake/new",
        "changed     Version 2: focus is now called gamma.",
        "deprecated  it will be removed in 3.0. Use get_loss('keras/huber')",
    ):
        assert row in page


# doctor


@pytest.fixture
def findings(run, monkeypatch, site):
    """What `lossplug doctor` finds, as {kind: finding}."""
    (site.folder / "jax.py").write_text("raise SystemExit('doctor imports no backend')")
    monkeypatch.setenv("KERAS_BACKEND", "jax")

    def findings() -> dict[str, dict]:
        found = json.loads(run("doctor", "--json").stdout)["findings"]
        assert all(finding["fix"] for finding in found)
        return {finding["kind"]: finding for finding in found}

    return findings


@pytest.mark.parametrize(
    ("declared", "former", "kind"),
    [
        (CHANGED, ("acme.old", "older"), None),
        (CHANGED, ("ACME.OldLoss", "fake.older"), None),
        (CHANGED, ("acme.old",), "former-name-without-entry-point"),
        (CHANGED, ("older",), "former-name-without-entry-point"),
        ("", ("older",), "undeclared-former-name"),
        ("formerly=('older',)", ("acme.older", "older"), "undeclared-former-name"),
        ("", ("keras.huber",), "false-former-name"),
    ],
)
def test_entry_points_and_loss_name_the_same_former_names(
    site, findings, declared, former, kind
) -> None:
    install(site, declared, former)
    assert list(findings()) == ([kind] if kind else [])


def test_the_line_that_is_missing_is_written_out(site, findings) -> None:
    install(site, CHANGED, ("older",))
    fix = findings()["former-name-without-entry-point"]["fix"]
    assert '"acme.old" = "lossplug_fake:new"' in fix


def test_a_former_name_among_the_names_of_today(site, findings) -> None:
    install(site, "formerly=('older',)", names=("new", "older"))
    (kind,) = findings()
    assert kind == "former-name-as-alias"


def test_two_that_took_over_one_loss(site, findings, monkeypatch) -> None:
    install(site, "formerly=('acme/old',)", ("acme.old",), "lossplug-one")
    install(site, "formerly=('acme/old',)", ("acme.old",), "lossplug-two")
    found = findings()
    assert set(found) == {"shared-former-name"}
    assert "one/new of lossplug-one 2.0" in found["shared-former-name"]["problem"]
    site.install("lossplug-acme", "old")
    assert not findings()  # the loss of today is meant


@pytest.mark.parametrize(
    ("replaced_by", "removed_in", "kind"),
    [
        ("keras/huber", "3.0", None),
        ("keras/huber", None, None),
        (None, "2.0.1", None),
        ("fake/newer", "3.0", "missing-replacement"),
        ("no-such/loss", "3.0", "missing-replacement"),
        ("fake/new", "3.0", "missing-replacement"),
        ("New", "3.0", "missing-replacement"),
        (None, "2.0", "overdue-removal"),
        (None, "1", "overdue-removal"),
        (None, "the next one", "invalid-removal"),
    ],
)
def test_a_loss_goes_when_it_was_said_and_leaves_another(
    site, findings, replaced_by, removed_in, kind
) -> None:
    given = f"replaced_by={replaced_by!r}, removed_in={removed_in!r}"
    install(site, f"deprecated=deprecated({given})")
    found = findings()
    assert list(found) == ([kind] if kind else [])
    assert all(finding["subject"] == "fake/new" for finding in found.values())


def test_losses_that_replace_each_other(site, findings) -> None:
    install(site, "deprecated=deprecated(replaced_by='b/new')", (), "lossplug-a")
    install(site, "deprecated=deprecated(replaced_by='a/new')", (), "lossplug-b")
    problem = findings()["missing-replacement"]["problem"]
    assert "nothing in the end" in problem
    assert "'b/new'" in problem


@pytest.mark.parametrize("word", ["acme/old", "fake/older", "acme"])
def test_a_rule_against_a_former_id_is_in_use(site, findings, monkeypatch, word) -> None:
    install(site, CHANGED, ("acme.old", "older"))
    monkeypatch.setenv("LOSSPLUG_DISABLE", word)
    assert findings() == {}


# Older code


def test_older_code_has_a_page_and_no_picture(site, run, document) -> None:
    source = '''
        def older(labels, outputs, power=2, average: bool = True):
            """The error to a power."""
            return abs(labels - outputs) ** power
    '''
    site.install(
        "acme-losses",
        modules={"acme_module": source},
        entry_points="[lossplug.losses]\nolder = acme_module:older\n",
    )
    shown = document("show", "older")
    assert (shown["id"], shown["summary"]) == ("acme-losses/older", "The error to a power.")
    assert list(shown["y_true"]["forms"]) == list(shown["y_pred"]["forms"]) == ["any"]
    assert [(p["name"], p["type"], p["default"]) for p in shown["parameters"]] == [
        ("power", "int, or float", 2),
        ("average", "bool", True),
    ]
    assert "The error to a power." in run("show", "older").stdout
    assert run("list", "--y-true", "any").stdout.startswith("acme-losses/older")
    pytest.importorskip("matplotlib")
    result = run("plot", "older")
    assert result.exit_code == 1
    assert "no picture for losses of the kind of 'acme-losses/older'" in result.stderr
