"""Networks as parameters: what is one, and what comes back from a config."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest

from lossplug_core import ConfigError, Network, ParameterError, get_loss, loss, ops
from lossplug_core.errors import PluginWarning

pytestmark = [
    pytest.mark.backend,
    pytest.mark.filterwarnings(f"ignore::{PluginWarning.__module__}.PluginWarning"),
]


@loss(y_true="values", y_pred="values")
def featured(y_true, y_pred, *, features: Network, further: Network | None = None):
    """Squared error between features."""
    error = features(y_true) - features(y_pred)
    return ops.mean(ops.square(error if further is None else further(error)), axis=-1)


@keras.saving.register_keras_serializable(package="tests")
def doubled(x):
    return 2.0 * x


NETWORKS = {
    "a layer": lambda: keras.layers.Dense(3),
    "a model": lambda: keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)]),
    "a function": lambda: doubled,
    "a function of Keras": lambda: keras.activations.relu,
}


@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)
def test_whatever_keras_can_call_and_save(make) -> None:
    made = get_loss(featured, features=make())
    value = float(made([[1.0, 2.0]], [[0.0, 0.5]]))
    assert value > 0
    config = json.loads(json.dumps(made.get_config()))
    again = get_loss(featured, features=config["parameters"]["features"])
    assert type(again.parameters["features"]) is type(made.parameters["features"])
    assert config["parameters"]["further"] is None


def test_it_is_frozen_and_called_as_in_inference() -> None:
    network = keras.Sequential([keras.Input((2,)), keras.layers.Dropout(0.9)])
    made = get_loss(featured, features=network)
    assert float(made([[1.0, 1.0]], [[0.0, 0.0]])) == 1.0
    assert not network.trainable
    assert made.trainable_variables == []


@pytest.mark.parametrize("wrong", [None, "resnet", 3, keras.layers.Dense, np.ones(2)])
def test_what_is_no_network_is_refused(wrong) -> None:
    with pytest.raises(ParameterError, match="network"):
        get_loss(featured, features=wrong)


def test_what_may_be_none_may_be_none() -> None:
    assert get_loss(featured, features=doubled, further=None).parameters["further"] is None


def test_what_cannot_be_saved_or_made_again_is_told() -> None:
    with pytest.raises(ConfigError, match="lambda"):
        get_loss(featured, features=lambda x: x).get_config()
    config = {"class_name": "NoSuchLayer", "config": {}, "module": "os", "registered_name": None}
    with pytest.raises(ConfigError, match="cannot be made again"):
        get_loss(featured, features=config)


def test_a_config_that_names_a_module_is_not_imported(tmp_path, monkeypatch) -> None:
    (tmp_path / "trap.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(str(tmp_path))
    config = {
        "class_name": "Layer",
        "config": {},
        "module": "trap",
        "registered_name": "trap>Layer",
    }
    with pytest.raises(ConfigError):
        get_loss(featured, features=config)
