"""`lossplug inspect MODEL.keras`."""

import json
import zipfile

import pytest

from saved import compiled, plugin_loss, saved_model

VERSIONED = """
from lossplug_core import loss

def migrate(version, parameters):
    return dict(scale=parameters["factor"])

@loss(y_true="values", y_pred="values", version=3{migrate})
def versioned(y_true, y_pred, *, scale: float = 1.0):
    "Of version 3."
    return y_pred
"""


@pytest.fixture
def inspect(run, tmp_path):
    """The one loss that `lossplug inspect --json` reports, and its exit code."""

    def inspect(loss) -> tuple[dict, int]:
        result = run("inspect", saved_model(tmp_path, compiled(loss)), "--json")
        (found,) = json.loads(result.stdout)["losses"]
        return found, result.exit_code

    return inspect


def test_a_loss_that_is_here(site, inspect) -> None:
    site.install("lossplug-fake", "sturdy", version="2.0")
    found, exit_code = inspect(plugin_loss("fake/sturdy", parameters={"scale": 2.0}))
    assert exit_code == 0
    assert found == {
        "kind": "plugin",
        "name": "fake/sturdy",
        "at": "loss",
        "parameters": {"scale": 2.0},
        "spec_version": 1,
        "saved_by": {"distribution": "lossplug-fake", "version": "1.0"},
        "presets": [],
        "state": "here",
        "installed": {
            "distribution": "lossplug-fake",
            "version": "2.0",
            "entry_point": "sturdy",
            "target": "lossplug_fake_losses:sturdy",
        },
        "installed_spec_version": 1,
        "now_called": None,
        "changes": [],
        "deprecated": None,
        "problem": None,
        "fix": None,
    }


def test_a_missing_plugin_is_named_with_the_command_that_installs_what_saved_the_model(inspect):
    found, exit_code = inspect(plugin_loss("no-such/sturdy"))
    assert (found["state"], exit_code) == ("missing", 1)
    assert found["fix"] == "pip install lossplug-no-such==1.0"


@pytest.mark.parametrize(
    "provider",
    [
        {"distribution": "evil", "version": "1.0"},
        {"distribution": "--index-url=http://evil", "version": "1.0"},
        {"distribution": "lossplug-no-such; rm -rf /", "version": "1.0"},
        {"distribution": "lossplug-other", "version": "1.0"},
        {"distribution": None, "version": None},
        None,
    ],
)
def test_a_file_cannot_make_us_recommend_a_package_that_does_not_own_the_id(inspect, provider):
    found, exit_code = inspect(plugin_loss("no-such/sturdy", provider=provider))
    assert (found["state"], exit_code) == ("missing", 1)
    assert "evil" not in found["fix"]
    assert not found["fix"].startswith("pip")


def test_an_option_of_pip_is_no_distribution(inspect) -> None:
    provider = {"distribution": "--pre", "version": "1.0"}
    found, _ = inspect(plugin_loss("--pre/sturdy", provider=provider))
    assert not found["fix"].startswith("pip")


def test_a_version_that_is_none_is_left_out_of_the_command(inspect) -> None:
    provider = {"distribution": "lossplug-no-such", "version": "1.0 --index-url=http://evil"}
    found, _ = inspect(plugin_loss("no-such/sturdy", provider=provider))
    assert found["fix"] == "pip install lossplug-no-such"


def test_a_loss_that_its_plugin_has_no_more_is_missing(site, inspect) -> None:
    site.install("lossplug-fake", "sturdy", version="2.0")
    found, _ = inspect(plugin_loss("fake/gone"))
    assert (found["state"], found["fix"]) == ("missing", "pip install lossplug-fake==1.0")


@pytest.mark.parametrize(
    ("migrate", "version", "state", "fix"),
    [
        ("", 3, "here", None),
        ("", 4, "missing", "pip install --upgrade lossplug-fake"),
        ("", 2, "missing", "pip install lossplug-fake==1.0"),
        (", migrate=migrate", 2, "here", None),
        (", migrate=migrate", 4, "missing", "pip install --upgrade lossplug-fake"),
    ],
)
def test_versions_of_a_loss(site, inspect, migrate, version, state, fix) -> None:
    site.install(
        "lossplug-fake",
        version="5.0",
        modules={"versioned_losses": VERSIONED.format(migrate=migrate)},
        entry_points="[lossplug.losses]\nversioned = versioned_losses:versioned\n",
    )
    parameters = {"factor": 2} if version == 2 else {"scale": 2}
    found, exit_code = inspect(
        plugin_loss("fake/versioned", spec_version=version, parameters=parameters)
    )
    assert (found["state"], found["fix"]) == (state, fix)
    assert found["installed_spec_version"] == 3
    assert exit_code == (state == "missing")


def test_parameters_that_the_loss_here_refuses_are_a_problem(site, inspect) -> None:
    site.install("lossplug-fake", "sturdy")
    found, _ = inspect(plugin_loss("fake/sturdy", parameters={"scale": -1}))
    assert found["state"] == "missing"
    assert "'scale'" in found["problem"]


def test_a_broken_and_a_forbidden_plugin_are_problems_with_their_reason(site, inspect, monkeypatch):
    site.install(
        "lossplug-broken",
        modules={"broken_module": "raise RuntimeError('on purpose')"},
        entry_points="[lossplug.losses]\nbroken = broken_module:broken\n",
    )
    found, _ = inspect(plugin_loss("broken/broken"))
    assert (found["state"], "on purpose" in found["problem"]) == ("missing", True)
    monkeypatch.setenv("LOSSPLUG_DISABLE", "broken")
    found, _ = inspect(plugin_loss("broken/broken"))
    assert "LOSSPLUG_DISABLE=broken" in found["problem"]


def test_a_function_of_no_plugin_was_saved_by_its_bare_name(site, inspect) -> None:
    site.install("lossplug-fake", "sturdy")
    found, exit_code = inspect(plugin_loss("sturdy", provider=None))
    assert (found["state"], exit_code) == ("missing", 1)


@pytest.mark.parametrize("loss", ["mse", plugin_loss("keras/mse"), plugin_loss("keras/huber")])
def test_keras_own_losses_are_here(inspect, loss) -> None:
    found, exit_code = inspect(loss)
    assert (found["state"], exit_code) == ("here", 0)
    assert found["installed"]["distribution"] == "keras"


def test_classes_and_functions_of_programs_are_what_they_are(inspect) -> None:
    mine = {"module": None, "class_name": "Mine", "config": {}, "registered_name": "my>Mine"}
    found, exit_code = inspect(mine)
    assert (found["name"], found["state"], exit_code) == ("my>Mine", "unknown", 0)
    assert "custom_objects" in found["fix"]
    found, _ = inspect({"class_name": "__lambda__", "config": {"value": ["x"]}})
    assert (found["kind"], found["state"]) == ("lambda", "unknown")


def test_a_page_for_people(site, run, tmp_path) -> None:
    site.install("lossplug-fake", "sturdy")
    loss = {"a": plugin_loss("fake/sturdy", parameters={"scale": 2.0}), "b": "mse"}
    page = run("inspect", saved_model(tmp_path, compiled(loss))).stdout
    assert "model.keras, saved by Keras 3.15.1, needs:" in page
    assert (
        "fake/sturdy  here\n"
        "  at          loss.a\n"
        "  parameters  scale=2.0\n"
        "  saved by    lossplug-fake 1.0, spec version 1\n"
        "  installed   lossplug-fake 1.0, spec version 1\n"
    ) in page
    assert "\nkeras/mean_squared_error  here\n  at         loss.b\n" in page


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({"class_name": "Functional"}, "saved without compile"),
        (compiled(None), "compiled without one"),
    ],
)
def test_a_model_that_needs_no_loss(run, tmp_path, config, why) -> None:
    result = run("inspect", saved_model(tmp_path, config))
    assert result.exit_code == 0
    assert why in result.stdout


def test_a_file_cannot_steer_the_terminal(run, tmp_path) -> None:
    hostile = "\x1b[2J\r\x07"
    provider = {"distribution": hostile, "version": hostile}
    loss = {
        hostile: plugin_loss("a/b" + hostile, parameters={hostile: hostile}, provider=provider),
        "x": {"class_name": hostile, "config": {}},
    }
    result = run("inspect", saved_model(tmp_path, compiled(loss)))
    assert "�" in result.stdout
    assert not {"\x1b", "\r", "\x07"} & set(result.stdout + result.stderr)


def test_numbers_that_json_does_not_have_are_null(run, tmp_path) -> None:
    config = compiled(plugin_loss("keras/huber", parameters={"delta": float("nan")}))
    document = json.loads(run("inspect", saved_model(tmp_path, config), "--json").stdout)
    assert document["losses"][0]["parameters"] == {"delta": None}


def test_what_is_no_model_is_an_error(run, tmp_path) -> None:
    path = tmp_path / "model.keras"
    path.write_text("text")
    result = run("inspect", path)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "is no .keras file" in result.stderr


@pytest.mark.backend
def test_a_model_that_keras_saved(site, run, tmp_path) -> None:
    import keras

    from lossplug_core import get_loss

    site.install("lossplug-fake", "sturdy")
    inputs = keras.Input((2,))
    outputs = [keras.layers.Dense(1, name=name)(inputs) for name in ("a", "b", "c")]
    model = keras.Model(inputs, outputs)
    losses = {"a": get_loss("sturdy", scale=2), "b": get_loss("huber", delta=3), "c": "mse"}
    model.compile("adam", loss=losses)
    path = tmp_path / "model.keras"
    model.save(path)
    result = run("inspect", path, "--json")
    assert result.exit_code == 0
    assert [
        (loss["name"], loss["at"], loss["parameters"], loss["state"])
        for loss in json.loads(result.stdout)["losses"]
    ] == [
        ("fake/sturdy", "loss.a", {"scale": 2.0}, "here"),
        ("keras/huber", "loss.b", {"delta": 3.0}, "here"),
        ("keras/mean_squared_error", "loss.c", {}, "here"),
    ]
    assert "config.json" in zipfile.ZipFile(path).namelist()
