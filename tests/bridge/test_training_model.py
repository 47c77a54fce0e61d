"""`TrainingModel` in everything that is done with a model between `compile` and the logs."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from lossplug_core import ConfigError, TrainingModel, UnknownLossError, combine, get_loss
from lossplug_core.schedules import Linear
from training import (
    INNER,
    X,
    Y,
    assert_same,
    centered,
    fitted,
    functional,
    moved,
    sequential,
    training_model,
    two_outputs,
    values,
)

pytestmark = pytest.mark.backend

BACKEND = keras.backend.backend()
BOTH = {"a": Y, "b": 2 * Y}


def parameters(model) -> list[int]:
    """What torch trains, by identity."""
    return [id(parameter) for parameter in model.parameters()]


def focal(steps: int = 8):
    return get_loss("focal", gamma=Linear(0.0, 2.0, steps=steps), from_logits=True)


def centers(model) -> list[str]:
    return [v.path for v in model.trainable_variables if v.name == "center"]


@pytest.mark.parametrize("wrong", [None, "model", 3, keras.layers.Dense(3), sequential, "mse"])
def test_only_a_model_can_be_trained(wrong) -> None:
    with pytest.raises(ConfigError, match=r"keras\.Model"):
        TrainingModel(wrong)


def test_a_training_model_is_wrapped_once() -> None:
    with pytest.raises(ConfigError, match="already"):
        TrainingModel(TrainingModel(sequential()))


@pytest.mark.parametrize("method", ["train_step", "test_step", "compute_loss", "compute_metrics"])
def test_a_model_with_its_own_steps_is_refused(method) -> None:
    own = type("Own", (keras.Sequential,), {method: lambda self, *args: None})
    with pytest.raises(ConfigError, match=f"{method}.*\n.*\n.*loss.layer"):
        TrainingModel(own([keras.layers.Dense(3)]))


def test_a_loss_is_named_as_in_get_loss() -> None:
    model = TrainingModel(sequential())
    model.compile("sgd", loss="huber_loss")
    assert isinstance(model.loss, keras.losses.Huber)
    with pytest.raises(UnknownLossError, match="Did you mean"):
        model.compile("sgd", loss="hubber")


def test_what_keras_compiles_is_compiled() -> None:
    def mine(y_true, y_pred):
        return keras.ops.mean(keras.ops.abs(y_true - y_pred), axis=-1)

    for chosen in (mine, "mae", keras.losses.MeanAbsoluteError(), keras.losses.mean_absolute_error):
        model = training_model(chosen)
        expected = np.abs(Y - model.predict(X, verbose=0)).mean()
        assert model.evaluate(X, Y, verbose=0) == pytest.approx(expected, rel=1e-5)


def test_the_summary_and_the_repr_show_what_the_loss_owns() -> None:
    model = training_model(moved(), functional)
    lines: list[str] = []
    model.summary(print_fn=lines.append, expand_nested=True)
    assert "LossWeights" in "\n".join(lines)
    assert model.count_params() == 15 + 4
    assert [layer.owner for layer in model.loss_layers] == ["moving"]
    assert "moving" in repr(model)
    assert model.inference_model.name in repr(model)


@pytest.mark.parametrize("inner", INNER.values(), ids=INNER)
@pytest.mark.parametrize("when", ["before compile", "after compile", "never"])
def test_compiling_again_forgets_the_loss_before(inner, when) -> None:
    keras.utils.set_random_seed(0)
    model = TrainingModel(inner())
    if when == "before compile":
        model.build((None, 4))
    model.compile("sgd", loss=moved())
    if when == "after compile":
        model.build((None, 4))
    fitted(model)
    assert len(model.trainable_variables) == 3
    second = get_loss(centered)
    model.compile("sgd", loss=second)
    if BACKEND == "torch":
        assert id(second.variables[0].value) in parameters(model)
        assert len(parameters(model)) == 3
    fitted(model)
    assert len(model.trainable_variables) == 3
    assert len(model.variables) == len(model.inference_model.variables) + 1
    assert any(v is second.variables[0] for v in model.trainable_variables)
    assert len(model.loss_layers) == 1
    if BACKEND == "torch":
        listed = parameters(model)
        assert len(listed) == len(set(listed)) == 3
        assert id(second.variables[0].value) in listed
    model.compile("sgd", loss="mse")
    fitted(model)
    assert model.loss_layers == ()
    assert len(model.trainable_variables) == 2
    if BACKEND == "torch":
        assert len(parameters(model)) == 2


def test_compiling_again_with_the_same_loss_keeps_it() -> None:
    loss = moved()
    model = training_model(loss)
    fitted(model)
    before = values(loss)
    model.compile("adam", loss=loss)
    assert_same(values(loss), before)
    fitted(model)
    assert len(centers(model)) == 1
    assert not np.allclose(values(loss)["center"], before["center"])


def test_compiling_again_without_a_loss_keeps_the_last_as_keras_does() -> None:
    loss = moved()
    model = training_model(loss)
    model.compile("sgd")
    before = values(loss)
    fitted(model)
    assert not np.allclose(values(loss)["center"], before["center"])


@pytest.mark.skipif(BACKEND != "torch", reason="Torch alone keeps gradients.")
def test_torch_clears_and_lists_the_weights_of_the_loss() -> None:
    loss = get_loss(centered)
    model = training_model(loss)
    fitted(model)
    [center] = loss.trainable_variables
    assert parameters(model).count(id(center.value)) == 1
    names = [name for name, _ in model.named_parameters()]
    assert len(names) == len(set(names)) == 3
    assert center.value.grad is not None
    model.zero_grad()
    assert center.value.grad is None or not center.value.grad.abs().sum()


# What is logged.


def test_schedules_are_logged_under_the_name_of_the_loss() -> None:
    labels = (Y > 0.5).astype("float32")
    model = training_model(focal(), sequential, metrics=["mae"])
    history = fitted(model, epochs=2, y=labels, x=X, validation_data=(X, labels))
    assert history["focal_gamma"] == pytest.approx([0.25, 0.75])
    assert set(history) == {
        f"{prefix}{name}" for prefix in ("", "val_") for name in ("loss", "mae", "focal_gamma")
    } or set(history) >= {"loss", "focal_gamma", "val_focal_gamma"}
    names = [metric.name for metric in model.metrics]
    assert len(names) == len(set(names)), names


def test_metrics_are_listed_once_and_reset() -> None:
    model = training_model(combine({"mse": 1.0, "mae": Linear(0.0, 1.0, steps=4)}), metrics=["mae"])
    for _ in range(3):
        model.compile("sgd", loss=model.loss, metrics=["mae"])
        fitted(model)
        assert len({id(m) for m in model.metrics}) == len(model.metrics)
        assert len(model.metrics_variables) == len({id(v) for v in model.metrics_variables})
    model.reset_metrics()
    assert all(not np.any(np.array(v)) for v in model.metrics_variables)


def test_logs_are_those_of_this_loss_only() -> None:
    model = training_model(focal())
    labels = (Y > 0.5).astype("float32")
    assert "focal_gamma" in fitted(model, x=X, y=labels)
    model.compile("sgd", loss="mse")
    assert set(fitted(model)) == {"loss"}


# Several outputs.


CHOSEN = {
    "a list": lambda: [moved(), get_loss(centered)],
    "a dict": lambda: {"a": moved(), "b": get_loss(centered)},
    "with a name": lambda: {"a": moved(), "b": "mse"},
    "one for all": moved,
    "one name for all": lambda: "mse",
}
# Keras wants losses and targets by name where the outputs have names.
SHAPES = [(list, list), (list, dict), (dict, dict)]


@pytest.mark.parametrize(
    ("container", "targets", "chosen"),
    [
        pytest.param(container, targets, chosen, id=f"{container.__name__}-{targets.__name__}-{id}")
        for container, targets in SHAPES
        for id, chosen in CHOSEN.items()
        if (container, id) != (dict, "a list")
    ],
)
def test_each_output_has_its_loss(container, targets, chosen) -> None:
    model = training_model(
        chosen(), lambda: two_outputs(container), metrics={"a": ["mae"], "b": ["mse"]}
    )
    y = BOTH if targets is dict else list(BOTH.values())
    history = fitted(model, x=X, y=y, epochs=2)
    assert np.isfinite(history["loss"]).all()
    assert {"a_loss", "b_loss", "a_mae", "b_mse"} <= set(history)
    assert history["loss"][-1] < history["loss"][0]


@pytest.mark.filterwarnings("ignore:Gradients do not exist")
def test_an_output_may_have_no_loss() -> None:
    model = training_model({"a": moved()}, two_outputs)
    assert len(centers(model)) == 1
    assert fitted(model, x=X, y=BOTH, epochs=2)["loss"][-1] < np.inf


@pytest.mark.parametrize("container", [list, dict])
def test_one_loss_for_two_outputs_counts_a_step_once(container) -> None:
    loss = moved(scale=Linear(0.0, 8.0, steps=8))
    chosen = {"a": loss, "b": loss} if container is dict else [loss, loss]
    model = training_model(chosen, lambda: two_outputs(container))
    y = BOTH if container is dict else list(BOTH.values())
    history = fitted(model, x=X, y=y, epochs=2)
    assert loss.current() == {"scale": 4.0}
    assert len(centers(model)) == 1
    assert history["moving_scale"] == [1.0, 3.0]
    assert [name for name in history if "scale" in name] == ["moving_scale"]


@pytest.mark.parametrize("container", [list, dict])
def test_weights_of_losses_and_samples_are_as_in_keras(container) -> None:
    def results(make) -> dict:
        keras.utils.set_random_seed(0)
        model = make(two_outputs(container))
        losses = {"a": "mse", "b": "mae"}
        factors = {"a": 0.5, "b": 2.0}
        samples = {"a": np.arange(16.0), "b": np.ones(16)}
        if container is list:
            losses, factors, samples = (list(x.values()) for x in (losses, factors, samples))
        model.compile(
            keras.optimizers.SGD(0.1),
            loss=losses,
            loss_weights=factors,
            metrics={"a": ["mae"], "b": ["mae"]},
            weighted_metrics={"a": ["mse"]} if container is dict else [["mse"], []],
        )
        y = BOTH if container is dict else list(BOTH.values())
        return fitted(model, epochs=2, x=X, y=y, sample_weight=samples)

    assert_same(results(TrainingModel), results(lambda model: model))


def test_classes_are_weighted_as_in_keras() -> None:
    labels = np.arange(16) % 3

    def results(make) -> dict:
        keras.utils.set_random_seed(0)
        model = make(sequential())
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("sgd", loss=loss, metrics=["accuracy"])
        return fitted(model, x=X, y=labels, class_weight={0: 1.0, 1: 5.0, 2: 0.1}, epochs=2)

    assert_same(results(TrainingModel), results(lambda model: model))


def test_sample_weights_reach_a_loss_that_owns_weights() -> None:
    model = training_model(get_loss(centered), metrics=["mae"])
    half = np.repeat([1.0, 0.0], 8)
    value = model.evaluate(X, Y, sample_weight=half, verbose=0, batch_size=16)[0]
    error = Y - model.predict(X, verbose=0) - 0.1
    assert value == pytest.approx((np.mean(error**2, axis=-1) * half).mean(), rel=1e-5)
