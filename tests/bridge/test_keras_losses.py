"""Keras's own losses: all listed, all whole after a round trip."""

import inspect

import keras
import numpy as np
import pytest

from lossplug_core import PluginLoss, find_spec, get_loss, list_losses
from lossplug_core._keras_table import KERAS_LOSSES
from lossplug_core.names import key
from lossplug_core.params import parameters_of

EXPORTED = {
    name: value
    for name, value in vars(keras.losses).items()
    if isinstance(value, type) and value is not keras.losses.Loss
}
FUNCTIONS = {name for name, value in vars(keras.losses).items() if inspect.isfunction(value)}
UTILITIES = {"deserialize", "get", "serialize"}

OTHER_VALUES = {
    "alpha": 0.75,
    "apply_class_balancing": True,
    "axis": 0,
    "beta": 0.25,
    "delta": 3.0,
    "from_logits": True,
    "gamma": 5.0,
    "ignore_class": 7,
    "label_smoothing": 0.125,
    "margin": 0.25,
    "q": 0.75,
    "remove_diagonal": False,
}
EVERY_PARAMETER = [
    (row.name, parameter)
    for row in KERAS_LOSSES
    for parameter in parameters_of(find_spec(f"keras/{row.name}"))
]


def test_the_table_lists_what_the_installed_keras_exports() -> None:
    assert {row.class_name for row in KERAS_LOSSES} == set(EXPORTED)
    names = {key(name) for row in KERAS_LOSSES for name in (row.name, *row.aliases)}
    assert {key(name) for name in FUNCTIONS - UTILITIES} <= names


def test_every_name_that_keras_accepts_is_accepted() -> None:
    for row in KERAS_LOSSES:
        for name in (row.name, row.class_name, *row.aliases):
            assert find_spec(name).id == f"keras/{row.name}"
            assert find_spec(f"keras/{name}").id == f"keras/{row.name}"
            try:
                keras_has = keras.losses.get(name)
            except ValueError:
                continue
            own = getattr(keras_has, "__name__", type(keras_has).__name__)
            assert find_spec(own).id == f"keras/{row.name}"


def test_they_are_listed() -> None:
    assert list_losses(namespace="keras") == sorted(f"keras/{row.name}" for row in KERAS_LOSSES)


@pytest.mark.parametrize("row", KERAS_LOSSES, ids=lambda row: row.name)
def test_with_default_parameters_they_are_kerass_own_objects(row) -> None:
    assert type(get_loss(row.name)) is EXPORTED[row.class_name]


@pytest.mark.parametrize(("name", "parameter"), EVERY_PARAMETER)
def test_every_parameter_survives_the_round_trip(name, parameter) -> None:
    value = OTHER_VALUES[parameter]
    loss = get_loss(f"keras/{name}", **{parameter: value})
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    config = again.get_config()
    assert config.get("parameters", config)[parameter] == value


@pytest.mark.parametrize("name", [row.name for row in KERAS_LOSSES])
def test_the_dtype_survives_the_round_trip(name) -> None:
    loss = get_loss(f"keras/{name}", dtype="float16")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert again.dtype == "float16"


def test_only_what_keras_would_lose_is_wrapped() -> None:
    assert type(get_loss("huber")) is keras.losses.Huber
    forgets = "delta" not in keras.losses.Huber(delta=3.0).get_config()
    assert isinstance(get_loss("huber", delta=3.0), PluginLoss) is forgets
    assert type(get_loss("bce", from_logits=True)) is keras.losses.BinaryCrossentropy


DATA = {
    "huber": {"delta": 3.0},
    "tversky": {"alpha": 0.25},
    "sparse_categorical_crossentropy": {"from_logits": True},
    "mean_squared_error": {},
}


@pytest.mark.parametrize("name", DATA)
@pytest.mark.parametrize("reduction", ["sum", "mean", None])
def test_a_wrapped_loss_gives_what_keras_gives(name, reduction) -> None:
    rng = np.random.default_rng(0)
    y_pred = rng.random((6, 4), "float32")
    y_true = rng.integers(0, 4, 6) if name.startswith("sparse") else rng.random((6, 4), "float32")
    weight = rng.random(6, "float32")
    spec = find_spec(name)
    wrapped = PluginLoss(spec, DATA[name], reduction=reduction)
    own = spec.function(**DATA[name], reduction=reduction)
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(wrapped(y_true, y_pred, weight)),
        keras.ops.convert_to_numpy(own(y_true, y_pred, weight)),
        rtol=1e-6,
    )
