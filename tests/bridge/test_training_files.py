"""The files of a model and of what its loss owns: what is shipped, and what is refused."""

from __future__ import annotations

import zipfile

import h5py
import keras
import numpy as np
import pytest

from lossplug_core import ConfigError, get_loss
from training import (
    assert_same,
    fitted,
    functional,
    in_a_new_process,
    install,
    moved,
    training_model,
    values,
)

pytestmark = pytest.mark.backend

EXPORTS = keras.backend.backend() == "tensorflow"
"""Whether the format of SavedModel is the backend's own."""


@pytest.fixture(autouse=True)
def installed(site):
    install(site)
    return site


USE = """
import json, sys, keras, numpy as np
x = np.ones((2, 4), "float32")
model = keras.models.load_model("shipped.keras")
results = [[model.predict(x, verbose=0).tolist(), len(model.variables)]]
if {exports}:
    import tensorflow as tf
    model = tf.saved_model.load("exported")
    results += [[model.serve(x).numpy().tolist(), len(model.variables)]]
assert "lossplug_core" not in sys.modules
print(json.dumps(results))
"""


def test_what_is_shipped_knows_nothing_of_the_loss(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    model = training_model(moved(), functional)
    fitted(model)
    model.inference_model.save("shipped.keras")
    assert b"lossplug" not in zipfile.ZipFile("shipped.keras").read("config.json")
    if EXPORTS:
        model.export("exported", verbose=False)
    expected = model.predict(np.ones((2, 4)), verbose=0).tolist()
    for predicted, variables in in_a_new_process(USE.format(exports=EXPORTS)):
        assert variables == 2
        assert_same(predicted, expected)


@pytest.mark.parametrize(
    ("size", "words"),
    [(4, ["'center'", "'centered'", "(3,)", "(4,)"])],
)
def test_weights_of_another_shape_are_refused(tmp_path, size, words) -> None:
    def of(size: int):
        inner = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
        return training_model(get_loss("centered", size=size), lambda: inner)

    of(size).save_weights(tmp_path / "other.weights.h5")
    with pytest.raises(ConfigError) as caught:
        of(3).load_weights(tmp_path / "other.weights.h5")
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_a_file_without_the_weights_of_the_loss_is_refused(tmp_path) -> None:
    training_model("mse").save_weights(tmp_path / "plain.weights.h5")
    model = training_model(get_loss("centered"))
    with pytest.raises(ConfigError, match=r"no weights of the loss 'centered'"):
        model.load_weights(tmp_path / "plain.weights.h5")
    before = values(model.loss)
    with pytest.warns(UserWarning, match="centered"):
        model.load_weights(tmp_path / "plain.weights.h5", skip_mismatch=True)
    assert_same(values(model.loss), before)


def test_a_keras_file_with_other_weights_says_which(tmp_path) -> None:
    path = tmp_path / "model.keras"
    training_model(get_loss("centered")).save(path)
    edited = tmp_path / "edited.keras"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(edited, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name.endswith(".h5"):
                (tmp_path / "weights.h5").write_bytes(data)
                with h5py.File(tmp_path / "weights.h5", "r+") as file:
                    found: list[str] = []
                    file.visit(found.append)
                    [center] = [key for key in found if key.endswith("center")]
                    del file[center]
                    file[center] = np.zeros(7, "float32")
                data = (tmp_path / "weights.h5").read_bytes()
            new.writestr(name, data)
    with pytest.raises(ValueError, match="'center' of 'centered'") as caught:
        keras.models.load_model(edited)
    assert "(7,)" in str(caught.value)
    assert "(3,)" in str(caught.value)


def test_a_model_that_was_compiled_with_the_loss_itself_is_saved_all_the_same(tmp_path) -> None:
    loss = moved()
    inner = functional()
    inner.compile("sgd", loss=loss)
    model = training_model(loss, lambda: inner)
    fitted(model)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert_same(values(loaded.loss), values(loss))
    assert not loaded.inference_model.compiled
