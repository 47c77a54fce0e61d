"""Several losses as one: its value, its parts in the logs, its config, and what is refused."""

from __future__ import annotations

import json
import tomllib

import keras
import numpy as np
import pytest
import tomli_w

from lossplug_core import (
    CombinedLoss,
    ConfigError,
    DataError,
    LossplugError,
    ParameterError,
    TrainingModel,
    UnknownLossError,
    as_dict,
    combine,
    get_loss,
)
from lossplug_core.schedules import Adjustable, Linear, deferred

pytestmark = pytest.mark.backend

RANDOM = np.random.default_rng(0)
Y_TRUE = (RANDOM.random((6, 2)) > 0.5).astype("float32")
Y_PRED = RANDOM.uniform(0.1, 0.9, (6, 2)).astype("float32")
WEIGHTS = np.array([0.0, 1.0, 2.0, 0.5, 1.0, 3.0], "float32")

COMBINATIONS = {
    "names": {"mse": 1.0, "imbalance/focal": 0.5},
    "a loss twice": ["mae", ("focal", 2.0), {"loss": "focal", "weight": 0.5}],
    "parameters": [
        {"loss": {"name": "focal", "params": {"gamma": 3, "alpha": 0.3}}, "name": "hard"},
        {"loss": {"name": "huber", "params": {"delta": 0.2}}, "weight": 2},
    ],
    "dicts of parts": {"mse": {"weight": 2.0, "name": "level"}, "mae": 0.0},
    "nested": [{"loss": {"combine": {"mse": 1.0, "focal": 0.1}, "name": "region"}, "weight": 0.5}],
    "changing": [("mse", Linear(1.0, 0.0, steps=4)), ("mae", Adjustable(0.5))],
    "a schedule as data": {"mae": {"schedule": "linear", "start": 0, "end": 1, "steps": 10}},
    "a parameter that changes": [{"loss": {"name": "focal", "params": {"gamma": Linear(0, 2, 4)}}}],
    "other reductions": [{"loss": {"name": "focal", "reduction": "sum"}}, "mse"],
}
WEIGHTINGS = [None, "uncertainty", "ema", {"name": "dwa", "every": 3, "temperature": 1.5}]


def value(loss, **arguments) -> float:
    return float(loss(Y_TRUE, Y_PRED, **arguments))


@pytest.mark.parametrize("sample_weight", [None, WEIGHTS])
def test_the_value_is_the_weighted_sum(sample_weight) -> None:
    parts = [("mse", 2.0), ("focal", -0.5), (get_loss("mae"), 1.0)]
    expected = sum(w * value(get_loss(loss), sample_weight=sample_weight) for loss, w in parts)
    assert value(combine(parts), sample_weight=sample_weight) == pytest.approx(expected, rel=1e-6)


def test_combinations_nest() -> None:
    inner = combine({"mse": 1.0, "focal": 0.5}, name="inner")
    outer = combine([(inner, 2.0), "mae"])
    expected = 2.0 * value(get_loss("mse")) + value(get_loss("focal")) + value(get_loss("mae"))
    assert value(outer) == pytest.approx(expected, rel=1e-6)


def test_every_part_has_a_name_of_its_own() -> None:
    parts = ["focal", "focal", {"loss": "mse", "name": "focal_2"}, "focal"]
    assert [part.name for part in combine(parts).parts] == [
        "focal",
        "focal_3",
        "focal_2",
        "focal_4",
    ]


def test_weights_change_with_the_step() -> None:
    loss = combine([("mse", Linear(1.0, 0.0, steps=2)), ("mae", deferred(1.0, until=2))])
    mse, mae = value(get_loss("mse")), value(get_loss("mae"))
    for expected in (mse, 0.5 * mse, mae, mae):
        assert value(loss) == pytest.approx(expected, rel=1e-6)


def test_uncertainty_is_that_of_kendall() -> None:
    # A loss over classes has the factor 1, one over values 1/2; the variances start at 1.
    loss = combine({"mse": 2.0, "focal": 1.0}, weighting="uncertainty")
    (log_variances,) = loss.trainable_variables
    parts = np.array([2.0 * value(get_loss("mse")), value(get_loss("focal"))])
    for s in ([0.0, 0.0], [0.7, -1.3]):
        log_variances.assign(s)
        expected = np.sum([0.5, 1.0] * np.exp(-np.array(s)) * parts) + 0.5 * np.sum(s)
        assert value(loss) == pytest.approx(expected, rel=1e-6)


def test_dynamic_weight_average_is_that_of_the_paper() -> None:
    loss = combine(["mse", "mae"], weighting={"name": "dwa", "every": 2, "temperature": 1.5})
    batches = [(Y_TRUE, RANDOM.random(Y_TRUE.shape).astype("float32")) for _ in range(8)]
    parts = [[float(get_loss(name)(*batch)) for name in ("mse", "mae")] for batch in batches]
    means = np.asarray(parts).reshape(4, 2, 2).mean(axis=1)
    for epoch in range(4):
        weights = np.ones(2)
        if epoch >= 2:
            ratios = means[epoch - 1] / means[epoch - 2] / 1.5
            weights = 2 * np.exp(ratios) / np.exp(ratios).sum()
        for step in (2 * epoch, 2 * epoch + 1):
            assert float(loss(*batches[step])) == pytest.approx(weights @ parts[step], rel=1e-5)


def test_ema_makes_all_parts_alike() -> None:
    # Where every batch costs the same, each part counts 1, whatever its scale.
    loss = combine([("mse", 1e3), ("mae", 1e-3)], weighting={"name": "ema", "decay": 0.9})
    for _ in range(3):
        assert value(loss) == pytest.approx(2.0, rel=1e-5)


@pytest.mark.parametrize("weighting", WEIGHTINGS, ids=str)
@pytest.mark.parametrize("parts", COMBINATIONS.values(), ids=COMBINATIONS)
def test_a_combination_comes_back(parts, weighting) -> None:
    loss = combine(parts, weighting=weighting, name="mine")
    expected = value(loss, training=False)
    config = json.loads(json.dumps(keras.losses.serialize(loss)))
    described = as_dict(loss)
    for again in (
        keras.losses.deserialize(config),
        get_loss(config),
        CombinedLoss.from_config(config["config"]),
        get_loss(json.loads(json.dumps(described))),
        get_loss(tomllib.loads(tomli_w.dumps(described))),
    ):
        assert again.get_config() == loss.get_config()
        assert value(again, training=False) == pytest.approx(expected, rel=1e-6)


def test_toml_as_a_person_writes_it() -> None:
    text = """
        weighting = "uncertainty"

        [[combine]]
        loss = "mse"

        [[combine]]
        name = "rare"
        weight = { schedule = "linear", start = 0.0, end = 1.0, steps = 100 }
        loss = { name = "imbalance/focal", params = { gamma = 3 } }
    """
    loss = get_loss(tomllib.loads(text))
    assert [part.name for part in loss.parts] == ["mean_squared_error", "rare"]
    assert loss.parts[1].weight == Linear(0.0, 1.0, steps=100)
    assert loss.parts[1].loss.parameters["gamma"] == 3.0


def model() -> keras.Model:
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, activation="sigmoid")])


X = RANDOM.normal(size=(6, 3)).astype("float32")


def test_fit_logs_the_parts_without_computing_them_twice() -> None:
    calls = []

    class Counted(keras.losses.MeanAbsoluteError):
        def call(self, y_true, y_pred):
            calls.append(1)
            return super().call(y_true, y_pred)

    inner = combine({"mse": 1.0}, name="inner")
    loss = combine([("focal", 2.0), (inner, 0.5), ("focal", Linear(0, 1, 10)), (Counted(), 1.0)])
    training = TrainingModel(model())
    training.compile("sgd", loss=loss, run_eagerly=True)
    data = {"x": X, "y": Y_TRUE, "batch_size": 4}
    before = training.evaluate(**data, verbose=0, return_dict=True)
    calls.clear()
    history = training.fit(**data, epochs=2, verbose=0, validation_data=(X, Y_TRUE)).history
    assert len(calls) == 2 * (2 + 2)  # two steps, and two of validation, in each epoch
    logged = {"focal_loss", "inner_loss", "inner_mean_squared_error_loss", "focal_2_loss"}
    logged |= {"focal_2_weight", "mean_absolute_error_loss", "loss"}
    assert {name for name in history if not name.startswith("val_")} == logged
    assert {f"val_{name}" for name in logged} <= set(history)
    y_pred = training.inference_model(X)
    after = training.evaluate(**data, verbose=0, return_dict=True)  # batches of 4 and 2
    assert after["focal_loss"] == pytest.approx(float(get_loss("focal")(Y_TRUE, y_pred)), rel=1e-5)
    assert after["focal_2_weight"] == pytest.approx(0.4)
    assert before["inner_loss"] == pytest.approx(before["inner_mean_squared_error_loss"])


def test_logs_of_a_combination_for_each_output() -> None:
    inputs = keras.Input((3,))
    outputs = {name: keras.layers.Dense(2, name=name)(inputs) for name in ("a", "b")}
    training = TrainingModel(keras.Model(inputs, outputs))
    losses = {name: combine({"mse": 1.0, "mae": 1.0}) for name in outputs}
    training.compile("sgd", loss=losses)
    logs = training.train_on_batch(X, {"a": Y_TRUE, "b": Y_TRUE}, return_dict=True)
    parts = ("mean_squared_error_loss", "mean_absolute_error_loss")
    assert {f"{output}_{part}" for output in outputs for part in parts} <= set(logs)
    a, b = (logs["a_mean_squared_error_loss"], logs["b_mean_squared_error_loss"])
    assert a != pytest.approx(b)


@pytest.mark.parametrize("weighting", WEIGHTINGS[1:], ids=str)
def test_weightings_train(weighting) -> None:
    loss = combine({"mse": 1.0, "focal": 1.0}, weighting=weighting)
    training = TrainingModel(model())
    training.compile(keras.optimizers.Adam(0.1), loss=loss)
    before = loss.values()
    history = training.fit(X, Y_TRUE, batch_size=2, epochs=3, verbose=0).history
    assert all(np.isfinite(history["loss"]))
    assert "focal_weight" in history
    changed = [not np.array_equal(state, before[name]) for name, state in loss.values().items()]
    assert any(changed)


@pytest.mark.parametrize("weighting", WEIGHTINGS[1:], ids=str)
def test_evaluation_leaves_the_weighting_alone(weighting) -> None:
    loss = combine({"mse": 1.0, "focal": 1.0}, weighting=weighting)
    value(loss)
    before = loss.values()
    value(loss, training=False)
    assert all(np.array_equal(loss.values()[name], before[name]) for name in before)


def test_the_weights_that_are_found_are_logged() -> None:
    training = TrainingModel(model())
    training.compile("sgd", loss=combine({"mse": 1.0, "focal": 1.0}, weighting="uncertainty"))
    logs = training.evaluate(X, Y_TRUE, verbose=0, return_dict=True)
    assert (logs["mean_squared_error_weight"], logs["focal_weight"]) == (0.5, 1.0)


def test_one_combination_over_several_outputs() -> None:
    inputs = keras.Input((3,))
    deep = keras.layers.Dense(2, name="deep")(inputs)
    outputs = {"deep": deep, "final": keras.layers.Dense(2, name="final")(deep)}
    training = TrainingModel(keras.Model(inputs, outputs))
    loss = combine([{"loss": "mse", "output": "final"}, {"loss": "mse", "output": "deep"}])
    assert get_loss(as_dict(loss)).get_config() == loss.get_config()
    training.compile("sgd", loss=loss)
    logs = training.evaluate(X, Y_TRUE, verbose=0, return_dict=True)
    for part, output in (("mean_squared_error", "final"), ("mean_squared_error_2", "deep")):
        expected = float(
            np.mean((np.asarray(training.predict(X, verbose=0)[output]) - Y_TRUE) ** 2)
        )
        assert logs[f"{part}_loss"] == pytest.approx(expected, rel=1e-5)
    with pytest.raises(DataError, match="final"):
        loss(Y_TRUE, {"deep": Y_PRED})


def cycle() -> dict:
    parts: list = ["mse"]
    config = {"combine": parts}
    parts.append({"loss": config})
    return config


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: combine({}), ParameterError),
        (lambda: combine([]), ParameterError),
        (lambda: combine("mse"), ParameterError),
        (lambda: combine(None), ParameterError),
        (lambda: combine([None]), LossplugError),
        (lambda: combine({"mse": float("nan")}), ParameterError),
        (lambda: combine({"mse": True}), ParameterError),
        (lambda: combine({"mse": "1"}), ParameterError),
        (lambda: combine({"no_such_loss": 1.0}), UnknownLossError),
        (lambda: combine([{"loss": "mse", "wieght": 2.0}]), ParameterError),
        (lambda: combine([{"loss": "focal", "gamma": 2.0}]), ParameterError),
        (
            lambda: combine([{"loss": "mse", "name": "a"}, {"loss": "mae", "name": "a"}]),
            LossplugError,
        ),
        (lambda: combine({"mse": 1.0}, weighting="unsure"), ParameterError),
        (lambda: combine({"mse": 1.0}, weighting="dwa"), ParameterError),
        (lambda: combine({"mse": 1.0}, weighting={"name": "dwa", "every": 0}), ParameterError),
        (lambda: combine({"mse": 1.0}, weighting={"name": "ema", "decay": 1.5}), ParameterError),
        (lambda: combine({"mse": 1.0}, weighting={"name": "ema", "rate": 0.5}), ParameterError),
        (lambda: get_loss(cycle()), ConfigError),
        (lambda: get_loss({"combine": ["mse"], "params": {}}), ConfigError),
        (lambda: get_loss({"combine": ["mse"]}, gamma=1), ParameterError),
        (lambda: CombinedLoss.from_config({"name": "x"}), ConfigError),
    ],
)
def test_what_is_no_combination_is_refused(make, error) -> None:
    with pytest.raises(error):
        make()
