"""Saved, loaded, interrupted and resumed: what training was, it is afterwards, to the last bit."""

from __future__ import annotations

import copy
import json
import pickle

import keras
import numpy as np
import pytest

from lossplug_core import TrainingModel, combine, get_loss
from lossplug_core.schedules import Adjustable, Linear
from training import (
    INNER,
    Subclassed,
    X,
    Y,
    assert_same,
    everything,
    fitted,
    functional,
    in_a_new_process,
    install,
    sequential,
    training_model,
    two_outputs,
    values,
    weights,
)

pytestmark = pytest.mark.backend

BACKEND = keras.backend.backend()


@pytest.fixture(autouse=True)
def installed(site):
    install(site)
    return site


def changing():
    """A loss in which everything changes: a weight, a state, a schedule, a number that was set."""
    loss = get_loss("moving", scale=Linear(0.5, 2.0, steps=6), rate=Adjustable(0.5))
    loss.assign(rate=0.25)
    return loss


def compiled(inner=sequential, jit_compile=False, loss=None):
    return training_model(
        loss or changing(), inner, optimizer=keras.optimizers.Adam(0.1), jit_compile=jit_compile
    )


REST = """
import json, keras, lossplug_core
alone = keras.models.load_model({paths!r}[-1])
assert alone.loss.layer is alone.loss_layers[0]
from training import everything, fitted
def rest(path):
    model = keras.models.load_model(path)
    return {{"losses": fitted(model, epochs=2)["loss"], **everything(model)}}
print(json.dumps([rest(path) for path in {paths!r}]))
"""


def test_two_epochs_and_two_in_a_new_process_are_four(installed, tmp_path) -> None:
    variants = {
        "subclassed": {"inner": Subclassed},
        "compiled": {"inner": functional, "jit_compile": BACKEND != "torch"},
        "unbuilt": {"inner": INNER["unbuilt"]},
    }
    expected, paths = {}, []
    for name, options in variants.items():
        whole, half = compiled(**options), compiled(**options)
        losses = fitted(whole, epochs=4)["loss"]
        assert_same(fitted(half, epochs=2)["loss"], losses[:2])
        half.save(tmp_path / f"{name}.keras")
        paths.append(str(tmp_path / f"{name}.keras"))
        expected[name] = {"losses": losses[2:], **everything(whole)}
    found = in_a_new_process(REST.format(paths=paths), site=installed.folder)
    assert_same(dict(zip(variants, found, strict=True)), expected)


def test_weights_alone_resume_as_well(tmp_path) -> None:
    path = tmp_path / "half.weights.h5"
    whole = compiled()
    losses = fitted(whole, epochs=4)["loss"]
    half = compiled()
    fitted(half, epochs=2)
    half.save_weights(path)
    again = compiled(loss=get_loss("moving", scale=Linear(0.5, 2.0, steps=6), rate=Adjustable(9)))
    again.optimizer.build(again.trainable_variables)
    again.load_weights(path)
    assert again.loss.current()["rate"] == 0.25
    assert_same(fitted(again, epochs=2)["loss"], losses[2:])
    assert_same(everything(again), everything(whole))


class Interruption(keras.callbacks.Callback):
    """The machine goes away in an epoch."""

    def __init__(self, epoch: int) -> None:
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch: int, logs=None) -> None:
        if epoch == self.epoch:
            raise KeyboardInterrupt


@pytest.mark.parametrize("make", [functional, INNER["unbuilt"]])
def test_an_interrupted_run_ends_as_any_other(tmp_path, make) -> None:
    def inner():
        model = make()
        model.build((None, 4))
        return model

    whole = compiled(inner)
    losses = fitted(whole, epochs=4)["loss"]
    backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
    with pytest.raises(KeyboardInterrupt):
        fitted(compiled(inner), epochs=4, callbacks=[backup, Interruption(2)])
    again = compiled(inner)
    backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
    assert_same(fitted(again, epochs=4, callbacks=[backup])["loss"], losses[2:])
    assert_same(everything(again), everything(whole))


@pytest.mark.parametrize(("weights_only", "best_only"), [(False, True), (True, False)])
def test_checkpoints_hold_the_loss(tmp_path, weights_only, best_only) -> None:
    path = tmp_path / ("best.weights.h5" if weights_only else "best.keras")
    checkpoint = keras.callbacks.ModelCheckpoint(
        path, save_weights_only=weights_only, save_best_only=best_only, monitor="loss", mode="max"
    )
    first, model = compiled(), compiled()
    history = fitted(model, epochs=3, callbacks=[checkpoint])
    best = 1 + int(np.argmax(history["loss"])) if best_only else 3
    fitted(first, epochs=best)
    if weights_only:
        again = compiled()
        again.optimizer.build(again.trainable_variables)
        again.load_weights(path)
    else:
        again = keras.models.load_model(path)
    assert_same(values(again.loss), values(first.loss))
    assert_same(weights(again), weights(first))


def test_the_best_weights_are_restored_with_those_of_the_loss() -> None:
    stop = keras.callbacks.EarlyStopping("loss", mode="max", patience=5, restore_best_weights=True)
    model, first = compiled(), compiled()
    losses = fitted(model, epochs=3, callbacks=[stop])["loss"]
    fitted(first, epochs=1 + int(np.argmax(losses)))
    assert_same(values(model.loss), values(first.loss))


def reloaded(model, tmp_path):
    model.save(tmp_path / "model.keras")
    return keras.models.load_model(tmp_path / "model.keras")


COPIES = {
    "saved": reloaded,
    "pickled": lambda model, _: pickle.loads(pickle.dumps(model)),
    "copied": lambda model, _: copy.deepcopy(model),
}


@pytest.mark.parametrize("make", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("inner", [functional, Subclassed])
def test_a_copy_is_whole_and_apart(tmp_path, make, inner) -> None:
    model = compiled(inner)
    fitted(model)
    other = make(model, tmp_path)
    assert_same(everything(other), everything(model))
    assert other.loss.layer is other.loss_layers[0]
    assert other.loss.layer is not model.loss.layer
    before = everything(model)
    history = fitted(other)
    assert_same(everything(model), before, rtol=0)
    assert_same(fitted(model), history)


@pytest.mark.parametrize("make", [copy.deepcopy, lambda loss: pickle.loads(pickle.dumps(loss))])
def test_a_copied_loss_has_the_same_values_of_its_own(make) -> None:
    loss = changing()
    fitted(compiled(loss=loss))
    other = make(loss)
    assert_same(values(other), values(loss), rtol=0)
    before = values(loss)
    fitted(compiled(loss=other))
    assert_same(values(loss), before, rtol=0)


@pytest.mark.parametrize("inner", [sequential, Subclassed])
def test_clones_and_configs_begin_anew(inner) -> None:
    model = compiled(inner)
    fitted(model)
    config = json.loads(json.dumps(model.get_config()))
    for other in (keras.models.clone_model(model), TrainingModel.from_config(config)):
        assert isinstance(other, TrainingModel)
        assert other.name == model.name
        assert type(other.inference_model) is type(model.inference_model)
        other.compile("adam", loss=changing())
        fitted(other)


def test_loaded_without_compiling_it_predicts_and_compiles(tmp_path) -> None:
    model = compiled()
    fitted(model)
    model.save(tmp_path / "model.keras")
    other = keras.models.load_model(tmp_path / "model.keras", compile=False)
    assert other.loss_layers == ()
    assert_same(other.predict(X, verbose=0), model.predict(X, verbose=0))
    other.compile("adam", loss=changing())
    fitted(other)


@pytest.mark.parametrize(
    "chosen",
    [
        lambda: {"a": changing(), "b": get_loss("centered")},
        lambda: combine([changing(), ("centered", Linear(0.0, 1.0, steps=4))]),
        lambda: (lambda loss: {"a": loss, "b": loss})(changing()),
    ],
    ids=["two losses", "a combination", "one loss twice"],
)
def test_several_losses_come_back(tmp_path, chosen) -> None:
    chosen = chosen()
    several = isinstance(chosen, dict)
    model = training_model(chosen, two_outputs if several else sequential)
    data = {"x": X, "y": {"a": Y, "b": Y} if several else Y}
    fitted(model, epochs=2, **data)
    other = reloaded(model, tmp_path)
    assert_same(weights(other), weights(model))
    assert len(other.loss_layers) == len(model.loss_layers)
    assert_same(fitted(other, **data)["loss"], fitted(model, **data)["loss"])
