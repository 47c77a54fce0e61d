"""What a loss owns: who trains it, when it changes, and who is told that it would not."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from gradients import on_one_device
from lossplug_core import (
    DataError,
    SetParameter,
    TrainingModel,
    UntrainedLossError,
    Weight,
    combine,
    get_loss,
    loss,
)
from lossplug_core.schedules import Adjustable, Linear
from training import (
    INNER,
    TRACES,
    Subclassed,
    X,
    Y,
    assert_same,
    centered,
    fitted,
    functional,
    moved,
    sequential,
    training_model,
    values,
    weights,
)

pytestmark = pytest.mark.backend


@pytest.mark.parametrize("inner", INNER.values(), ids=INNER)
def test_fit_trains_what_the_loss_owns(inner) -> None:
    loss = moved()
    model = training_model(loss, inner)
    before = values(loss)
    fitted(model)
    for name, value in values(loss).items():
        assert not np.allclose(value, before[name]), name


@pytest.mark.parametrize("inner", INNER.values(), ids=INNER)
def test_nothing_changes_in_evaluate_and_predict(inner) -> None:
    loss = moved(scale=Linear(1.0, 2.0, steps=8))
    model = training_model(loss, inner)
    fitted(model)
    before = values(loss), weights(model)
    model.evaluate(X, Y, batch_size=8, verbose=0)
    model.test_on_batch(X, Y)
    model.predict(X, verbose=0)
    assert_same((values(loss), weights(model)), before, rtol=0)


def test_validation_changes_nothing() -> None:
    alone, validated = moved(), moved()
    history = fitted(training_model(alone), epochs=2)
    with_validation = fitted(training_model(validated), epochs=2, validation_data=(3 * X, Y))
    assert_same(with_validation["loss"], history["loss"])
    assert_same(values(validated), values(alone))


def test_a_loop_of_the_users_own_may_say_that_it_evaluates() -> None:
    loss = moved(scale=Linear(0.5, 2.0, steps=4))
    model = training_model(loss)
    before = values(loss)
    model.compute_loss(X, Y, model(X), training=False)
    assert_same(values(loss), before, rtol=0)
    model.compute_loss(X, Y, model(X), training=True)
    assert loss.current() == {"scale": 0.875}


def test_a_step_that_fails_does_not_count() -> None:
    loss = moved(scale=Linear(0.5, 2.0, steps=8))
    with pytest.raises(DataError):
        loss(Y, Y[:3])
    assert loss.current() == {"scale": 0.5}


class Setting(keras.callbacks.Callback):
    """Sets a number after each batch. On JAX, Keras hands the variables out with `self.model`."""

    def on_train_batch_end(self, batch, logs=None) -> None:
        self.model.loss.assign(rate=0.5 * batch)


def test_a_number_that_is_set_holds_from_the_next_step_on() -> None:
    loss = moved(rate=Adjustable(0.25))
    model = training_model(loss)
    history = fitted(
        model, epochs=2, callbacks=[SetParameter(loss, "rate", lambda epoch, _: epoch)]
    )
    assert history["moving_rate"] == [0.0, 1.0]
    assert fitted(model, callbacks=[Setting()])["moving_rate"] == [0.0]
    assert loss.current() == {"rate": 0.5}


def test_a_weight_counts_once_where_the_gradient_calculates_anew() -> None:
    """TensorFlow counts a variable twice that is an argument of what is calculated anew."""

    @loss(y_true="values", y_pred="values", weights={"shift": Weight((3,), 0.5)})
    def shifted(y_true, y_pred, *, weights):
        square = keras.remat(lambda error, shift: keras.ops.square(error + shift))
        return keras.ops.sum(square(y_true - y_pred, weights["shift"]), axis=-1)

    batch = np.zeros((1, 3), "float32"), np.zeros((1, 3), "float32"), np.ones(1, "float32")
    gradients = on_one_device(get_loss(shifted), [batch])
    np.testing.assert_allclose(gradients["trained 0, batch 0"], 2 * 0.5)


def test_a_step_of_sgd_is_the_gradient_by_hand() -> None:
    """On torch, gradients that nobody clears would add up in the second step."""
    loss = get_loss(centered)
    model = training_model(loss)
    kernel, bias = weights(model.inference_model)
    center = np.full(3, 0.1)
    for _ in range(3):
        error = Y - X @ kernel - bias - center
        model.train_on_batch(X, Y)
        step = -0.1 * -2 * error.mean(axis=0) / 3
        kernel, bias, center = kernel + 0.1 * 2 * X.T @ error / 48, bias + step, center + step
    assert_same(weights(model), [kernel, bias, center])


PLAIN = {
    "sequential": sequential,
    "functional": functional,
    "subclassed": Subclassed,
}
FIRST_STEPS = {
    "fit": lambda model: model.fit(X, Y, verbose=0),
    "train_on_batch": lambda model: model.train_on_batch(X, Y),
    "evaluate": lambda model: model.evaluate(X, Y, verbose=0),
    "test_on_batch": lambda model: model.test_on_batch(X, Y),
}
OWNING = {
    "a weight": lambda: get_loss(centered),
    "a state": moved,
    "a step": lambda: get_loss("focal", gamma=Linear(0.0, 2.0, steps=8)),
    "an adjustable number": lambda: get_loss("focal", gamma=Adjustable(1.0)),
}


@pytest.mark.parametrize("step", FIRST_STEPS.values(), ids=FIRST_STEPS)
@pytest.mark.parametrize("inner", PLAIN.values(), ids=PLAIN)
def test_a_plain_model_says_that_it_does_not_train_the_loss(inner, step) -> None:
    model = inner()
    model.compile("sgd", loss=moved())
    with pytest.raises(UntrainedLossError, match=r"TrainingModel\(model\)"):
        step(model)


@pytest.mark.parametrize("make", OWNING.values(), ids=OWNING)
def test_whatever_a_loss_owns_has_to_be_held(make) -> None:
    model = sequential()
    model.compile("sgd", loss=make())
    with pytest.raises(UntrainedLossError, match="owns"):
        model.fit(X, np.round(np.clip(Y, 0, 1)), verbose=0)


def test_a_loss_without_anything_of_its_own_trains_in_any_model() -> None:
    model = sequential()
    model.compile("sgd", loss=get_loss("focal", gamma=2.0, from_logits=True))
    model.fit(X, np.round(np.clip(Y, 0, 1)), verbose=0)


def test_a_model_of_the_users_own_that_holds_the_layer_is_accepted() -> None:
    loss = moved()
    model = Subclassed()
    model.of_the_loss = loss.layer
    model.compile("sgd", loss=loss)
    before = values(loss)
    model.fit(X, Y, verbose=0)
    for name, value in values(loss).items():
        assert not np.allclose(value, before[name]), name


def test_a_model_of_the_users_own_evaluates_without_a_change() -> None:
    loss = moved(scale=Linear(0.5, 2.0, steps=4))
    model = Subclassed()
    model.of_the_loss = loss.layer
    model.compile("sgd", loss=combine([loss]))
    model.fit(X, Y, batch_size=8, verbose=0, validation_data=(X, Y))
    assert loss.current() == {"scale": 1.25}
    before = values(loss)
    model.evaluate(X, Y, verbose=0)
    assert_same(values(loss), before, rtol=0)


def test_a_loss_that_was_adapted_after_compile_has_to_be_compiled_again() -> None:
    loss = get_loss("class_balanced", beta=Linear(0.0, 0.9, steps=4))
    model = training_model(loss)
    loss.adapt(np.array([0, 0, 1, 2]))
    with pytest.raises(UntrainedLossError, match="adapted after compile"):
        model.fit(X, np.arange(16) % 3, verbose=0)


def test_a_loop_of_the_users_own_never_raises() -> None:
    loss = moved()
    model = sequential()
    assert np.isfinite(float(loss(Y, model(X))))
    assert [v.name for v in loss.trainable_variables] == ["center"]
    assert [v.name for v in loss.non_trainable_variables] == ["mean"]


@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_schedule_traces_nothing_anew(jit_compile) -> None:
    if keras.backend.backend() == "torch":
        pytest.skip("Torch runs the function in every step.")
    model = training_model(moved(scale=Linear(1.0, 2.0, steps=8)), jit_compile=jit_compile)
    if keras.backend.backend() == "jax" and not jit_compile:
        pytest.skip("JAX runs the function in every step, too, where nothing is compiled.")
    fitted(model)
    before = len(TRACES)
    fitted(model, epochs=3)
    assert len(TRACES) == before


def test_the_same_loss_for_two_models_belongs_to_both() -> None:
    loss = moved()
    one, other = training_model(loss), TrainingModel(sequential())
    other.compile(keras.optimizers.SGD(0.1), loss=loss)
    for model in (one, other, one):
        before = values(loss)
        model.train_on_batch(X, Y)
        assert not np.allclose(values(loss)["center"], before["center"])


def test_a_state_that_has_no_mean_needs_the_whole_batch(monkeypatch) -> None:
    from lossplug_core.bridge import replicas

    monkeypatch.setattr(replicas, "several_replicas", lambda tensors: True)
    embeddings = np.eye(4, dtype="float32")
    for whole in (False, True):
        loss = get_loss("cross_batch_memory", embedding_size=4, global_batch=whole)
        loss(np.arange(4), embeddings, training=False)
        if whole:
            loss(np.arange(4), embeddings)
        else:
            with pytest.raises(UntrainedLossError, match="global_batch=True"):
                loss(np.arange(4), embeddings)
