"""Saved here, loaded elsewhere: in a fresh process, where things may be missing or hostile."""

import json
import os
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

import lossplug_core
from lossplug_core import (
    ChangedLossWarning,
    ConfigError,
    FutureVersionError,
    LossNotInstalledError,
    LossplugError,
    PluginWarning,
    as_dict,
    get_loss,
    loss,
)

X = np.random.default_rng(0).normal(size=(16, 3)).astype("float32")
Y = np.sum(X, axis=1, keepdims=True)


@loss(y_true="values", y_pred="values")
def local(y_true, y_pred):
    """A loss of no plugin."""
    return keras.ops.mean(keras.ops.abs(y_true - y_pred), axis=-1)


def saved(path: Path, chosen) -> Path:
    """A small model, trained with a loss and saved."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, name="out")])
    model.compile("adam", loss=chosen)
    model.fit(X, Y, verbose=0)
    model.save(path)
    return path


def edited(path: Path, edit) -> Path:
    """The same archive with the config of its loss edited in place."""
    target = path.with_name(f"edited-{path.name}")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "config.json":
                config = json.loads(data)
                edit(config["compile_config"]["loss"])
                data = json.dumps(config).encode()
            new.writestr(name, data)
    return target


def in_a_new_process(code: str, site: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(site)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().splitlines()[-1]


@pytest.mark.parametrize(
    "imports",
    [
        "import keras, lossplug_core",
        "import lossplug_core, keras",
        "import lossplug_core\nimport keras",
    ],
)
def test_a_new_process_loads_the_loss_as_it_was(site, tmp_path, imports) -> None:
    site.install("lossplug-fake", "one")
    built = get_loss("one", scale=3, reduction="sum", name="mine")
    path = saved(tmp_path / "model.keras", built)
    code = f"""{imports}
model = keras.models.load_model({str(path)!r})
import numpy as np
model.fit(np.ones((4, 3)), np.ones((4, 1)), verbose=0)
import json; print(json.dumps(model.loss.get_config()))
"""
    assert json.loads(in_a_new_process(code, site.folder)) == built.get_config()


PARTS = """
from typing import Any
from lossplug_core import Positive, chosen, loss, one_of, ops

def plain(values):
    return values

def scaled(values, *, scale: Positive = 1.0):
    return scale * values

Part: Any = one_of(plain, scaled)

@loss(y_true="values", y_pred="values")
def composed(y_true, y_pred, *, part: Part = "plain", other: Part | None = None):
    return chosen(Part, part)(ops.mean(ops.square(y_true - y_pred), axis=-1))
"""


@pytest.mark.parametrize("part", ["plain", {"name": "scaled", "scale": 3}])
def test_a_part_is_the_same_in_a_new_process(site, tmp_path, part) -> None:
    site.install(
        "lossplug-parts",
        modules={"parts": PARTS},
        entry_points="[lossplug.losses]\ncomposed = parts:composed\n",
    )
    built = get_loss("composed", part=part, reduction="sum")
    assert get_loss(as_dict(built)).parameters == built.parameters
    assert pickle.loads(pickle.dumps(built)).parameters == built.parameters
    config = built.get_config()
    assert config["parameters"] == {"part": part, "other": None}
    path = saved(tmp_path / "model.keras", built)
    code = f"""import keras, lossplug_core, json, numpy as np
loss = keras.models.load_model({str(path)!r}).loss
value = float(keras.ops.convert_to_numpy(loss(np.ones((2, 1)), np.zeros((2, 1)))))
print(json.dumps([value, repr(loss.parameters["part"]), loss.get_config()]))
"""
    value, text, again = json.loads(in_a_new_process(code, site.folder))
    assert again == config
    assert (value, text) == ((2.0, "plain()") if part == "plain" else (6.0, "scaled(scale=3.0)"))


def test_several_outputs_each_keep_their_loss(site, tmp_path) -> None:
    site.install("lossplug-fake", "one")
    inputs = keras.Input((3,))
    outputs = {name: keras.layers.Dense(1, name=name)(inputs) for name in ("a", "b")}
    model = keras.Model(inputs, outputs)
    model.compile("adam", loss={"a": get_loss("one", scale=2), "b": get_loss("huber", delta=3)})
    model.fit(X, {"a": Y, "b": Y}, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.loss["a"].parameters == {"scale": 2.0}
    assert loaded.loss["b"].parameters == {"delta": 3.0}


def test_a_model_with_kerass_own_loss_owes_lossplug_nothing(tmp_path) -> None:
    path = saved(tmp_path / "model.keras", get_loss("mse"))
    assert b"lossplug" not in zipfile.ZipFile(path).read("config.json")


def test_a_missing_plugin_is_answered_with_the_pip_command(site, tmp_path) -> None:
    info = site.install("lossplug-fake", "one", version="1.2")
    path = saved(tmp_path / "model.keras", get_loss("one"))
    (info / "entry_points.txt").write_text("")
    lossplug_core.refresh()
    with pytest.raises(LossNotInstalledError, match=r"pip install lossplug-fake==1\.2"):
        keras.models.load_model(path)
    assert keras.models.load_model(path, compile=False).count_params() == 4


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"spec_version": 2}, FutureVersionError),
        ({"spec_version": 0}, ConfigError),
        ({"id": "os:system"}, ConfigError),
        ({"id": "os/system"}, LossNotInstalledError),
        ({"id": "lossplug_fake_losses:one"}, ConfigError),
        ({"id": None}, ConfigError),
        ({"parameters": {"scale": {"class_name": "__lambda__", "config": {}}}}, LossplugError),
        ({"parameters": {"scale": -1}}, LossplugError),
        ({"parameters": {"unknown": 1}}, LossplugError),
        ({"of_the_future": 1}, ConfigError),
        (
            {"provider": {"distribution": "evil; rm -rf /", "version": "1"}, "id": "evil/one"},
            LossNotInstalledError,
        ),
        (
            {"provider": {"distribution": "--pre", "version": "1"}, "id": "--pre/one"},
            LossNotInstalledError,
        ),
        ({"reduction": "average"}, LossplugError),
    ],
)
def test_a_file_that_cannot_be_right_is_refused(site, tmp_path, change, error) -> None:
    site.install("lossplug-fake", "one")
    path = saved(tmp_path / "model.keras", get_loss("one"))
    bad = edited(path, lambda config: config["config"].update(change))
    with pytest.raises(error) as caught:
        keras.models.load_model(bad)
    assert "pip install --pre" not in str(caught.value)
    assert "rm -rf /" not in str(caught.value)


@pytest.mark.parametrize(
    "envelope",
    [
        {"module": "os", "class_name": "system", "registered_name": "system"},
        {"module": "builtins", "class_name": "__lambda__", "registered_name": None},
    ],
)
def test_a_file_that_names_a_module_runs_nothing(site, tmp_path, envelope) -> None:
    site.install("lossplug-fake", "one")
    path = saved(tmp_path / "model.keras", get_loss("one"))
    bad = edited(path, lambda config: config.update(envelope))
    with pytest.raises((ValueError, TypeError)):
        keras.models.load_model(bad)


def test_an_older_config_is_migrated_by_the_author(site, tmp_path) -> None:
    source = """
        from lossplug_core import loss

        def migrate(version, parameters):
            return {"scale": parameters["factor"] * 2}

        @loss(y_true="values", y_pred="values", version=2, migrate=migrate)
        def one(y_true, y_pred, *, scale: float = 1.0):
            return scale * abs(y_true - y_pred)
    """
    site.install(
        "lossplug-fake",
        modules={"new_module": source},
        entry_points="[lossplug.losses]\none = new_module:one\n",
    )
    config = get_loss("one").get_config()
    old = {**config, "spec_version": 1, "parameters": {"factor": 3}}
    with pytest.warns(ChangedLossWarning, match="version 2"):
        assert lossplug_core.PluginLoss.from_config(old).parameters == {"scale": 6.0}
    with pytest.raises(ConfigError, match="cannot migrate"):
        lossplug_core.PluginLoss.from_config({**old, "parameters": {}})


def test_saving_a_loss_of_no_plugin_warns(tmp_path) -> None:
    with pytest.warns(PluginWarning, match="Give it an entry point"):
        path = saved(tmp_path / "model.keras", get_loss(local))
    with pytest.raises(ConfigError, match="one entry point"):
        keras.models.load_model(path)
