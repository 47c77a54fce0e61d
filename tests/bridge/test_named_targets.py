"""Losses that need more than `y_true`, and losses that compare several outputs."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops

from lossplug_core import DataError, SpecError, TrainingModel, combine, get_loss, loss

pytestmark = pytest.mark.backend

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(8, 3)).astype("float32")
Y = RANDOM.normal(size=(8, 2)).astype("float32")
MASK = (RANDOM.random((8, 2)) > 0.4).astype("float64")
GROUPS = RANDOM.integers(0, 2**30, 8)


@loss(y_true="values", y_pred="values", targets=("mask", "groups"))
def masked(y_true, y_pred, *, mask, groups, power: float = 2.0):
    """Error where the mask is 1; even groups count twice."""
    error = ops.abs(y_true - y_pred) ** power
    factor = ops.where(groups % 2 == 0, 2.0, 1.0)
    return factor * ops.sum(mask * error, axis=-1)


@loss(y_true="values", y_pred="values", targets=("inputs",))
def anchored(y_true, y_pred, *, inputs):
    """Error beside the mean of the inputs."""
    return ops.mean((y_true - y_pred) ** 2, axis=-1) + ops.mean(inputs, axis=-1)


@loss(y_true="values", y_pred="values", outputs=("mean", "spread"))
def interval(y_true, y_pred):
    """Error of one output in units of another."""
    error = (y_true - y_pred["mean"]) / (1.0 + y_pred["spread"] ** 2)
    return ops.mean(error**2, axis=-1)


def expected_masked(y_pred) -> float:
    factor = np.where(GROUPS % 2 == 0, 2.0, 1.0)
    return float(np.mean(factor * np.sum(MASK * (Y - np.asarray(y_pred)) ** 2, axis=-1)))


def model(**options) -> keras.Model:
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)], **options)


def named() -> dict[str, np.ndarray]:
    return {"y_true": Y, "mask": MASK, "groups": GROUPS}


class Batches(keras.utils.PyDataset):
    def __len__(self) -> int:
        return 2

    def __getitem__(self, place):
        rows = slice(4 * place, 4 * place + 4)
        return X[rows], {name: target[rows] for name, target in named().items()}


def dataset():
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices((X, named())).batch(4)


def test_in_a_loop_of_ones_own() -> None:
    y_pred = ops.convert_to_numpy(model()(X))
    assert float(get_loss(masked)(named(), y_pred)) == pytest.approx(expected_masked(y_pred), 1e-5)


@pytest.mark.parametrize("data", ["arrays", "tf.data", "PyDataset"])
def test_a_dict_of_targets_in_fit(data) -> None:
    given = {
        "arrays": lambda: {"x": X, "y": named(), "batch_size": 4},
        "tf.data": lambda: {"x": dataset()},
        "PyDataset": lambda: {"x": Batches()},
    }
    if data == "tf.data" and keras.backend.backend() != "tensorflow":
        pytest.skip("TensorFlow is not installed beside other backends")
    training = TrainingModel(model())
    training.compile("sgd", loss=get_loss(masked), metrics=["mae"])
    y_pred = training.predict(X, verbose=0)
    logs = training.evaluate(**given[data](), verbose=0, return_dict=True)
    assert logs["loss"] == pytest.approx(expected_masked(y_pred), rel=1e-5)
    assert logs["mae"] == pytest.approx(float(np.abs(Y - y_pred).mean()), rel=1e-5)
    history = training.fit(**given[data](), epochs=3, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]


def test_sample_weights_are_those_of_the_samples() -> None:
    weights = np.array([0.0, 1, 2, 0, 1, 1, 3, 1], "float32")
    loss = get_loss(masked, reduction="none")
    values = ops.convert_to_numpy(loss(named(), ops.zeros((8, 2))))
    weighted = get_loss(masked)(named(), ops.zeros((8, 2)), weights)
    assert float(weighted) == pytest.approx(float(np.mean(values * weights)), rel=1e-5)


def test_targets_for_one_output_of_several() -> None:
    inputs = keras.Input((3,))
    outputs = {name: keras.layers.Dense(2, name=name)(inputs) for name in ("a", "b")}
    training = TrainingModel(keras.Model(inputs, outputs))
    training.compile("sgd", loss={"a": get_loss(masked), "b": "mse"})
    logs = training.evaluate(X, {"a": named(), "b": Y}, verbose=0, return_dict=True)
    predictions = training.predict(X, verbose=0)
    assert logs["a_loss"] == pytest.approx(expected_masked(predictions["a"]), rel=1e-5)
    assert logs["b_loss"] == pytest.approx(float(((Y - predictions["b"]) ** 2).mean()), rel=1e-5)
    training.fit(X, {"a": named(), "b": Y}, verbose=0)


def test_a_combination_takes_the_targets_of_its_parts() -> None:
    plain = get_loss("normalized_squared_error")  # a plugin's loss that takes no further target
    loss = combine([(get_loss(masked), 2.0), ("mse", 1.0), (plain, 0.1)])
    assert loss.targets == ("mask", "groups")
    training = TrainingModel(model())
    training.compile("sgd", loss=loss)
    y_pred = training.predict(X, verbose=0)
    logs = training.evaluate(X, named(), verbose=0, return_dict=True)
    assert logs["masked_loss"] == pytest.approx(expected_masked(y_pred), rel=1e-5)
    assert logs["mean_squared_error_loss"] == pytest.approx(float(((Y - y_pred) ** 2).mean()), 1e-5)


def test_the_inputs_of_the_model_are_a_target_that_nobody_has_to_give() -> None:
    training = TrainingModel(model())
    training.compile("sgd", loss=get_loss(anchored))
    y_pred = training.predict(X, verbose=0)
    logs = training.evaluate(X, Y, verbose=0, return_dict=True)
    assert logs["loss"] == pytest.approx(float(((Y - y_pred) ** 2).mean() + X.mean()), rel=1e-4)
    training.fit(X, Y, verbose=0)
    with pytest.raises(DataError, match="inputs"):
        get_loss(anchored)(Y, y_pred)
    assert float(get_loss(anchored)({"y_true": Y, "inputs": X}, y_pred)) == pytest.approx(
        logs["loss"], rel=1e-5
    )


@pytest.mark.parametrize("kind", ["dict", "list"])
def test_one_loss_over_several_outputs(kind) -> None:
    inputs = keras.Input((3,))
    mean = keras.layers.Dense(2, name="mean")(inputs)
    spread = keras.layers.Dense(2, name="spread")(inputs)
    outputs = {"mean": mean, "spread": spread} if kind == "dict" else [mean, spread]
    training = TrainingModel(keras.Model(inputs, outputs))
    training.compile("adam", loss=get_loss(interval))
    predicted = training.predict(X, verbose=0)
    mean, spread = predicted.values() if kind == "dict" else predicted
    expected = float((((Y - mean) / (1 + spread**2)) ** 2).mean())
    logs = training.evaluate(X, Y, verbose=0, return_dict=True)
    assert logs["loss"] == pytest.approx(expected, rel=1e-4)
    before = [w.copy() for w in training.inference_model.get_weights()]
    training.fit(X, Y, verbose=0)
    after = training.inference_model.get_weights()
    assert all(not np.array_equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (Y, "needs the target 'mask'"),
        ({"y_true": Y, "mask": MASK}, "needs the target 'groups'"),
        ({"y_true": Y, "mask": MASK, "gruops": GROUPS}, "Did you mean 'groups'"),
        ({**named(), "weights": MASK}, "knows no target 'weights'"),
        ({"mask": MASK, "groups": GROUPS}, "needs the target 'y_true'"),
        ({**named(), "mask": None}, "mask is not an array of numbers"),
    ],
)
def test_names_that_do_not_fit_are_refused(y, message) -> None:
    with pytest.raises(DataError, match=message):
        get_loss(masked)(y, ops.zeros((8, 2)))


@pytest.mark.parametrize("y", [Y, {"y_true": Y, "mask": MASK}, {**named(), "other": MASK}])
def test_they_are_refused_in_fit_as_well(y) -> None:
    training = TrainingModel(model())
    training.compile("sgd", loss=get_loss(masked))
    with pytest.raises(DataError, match="target"):
        training.fit(X, y, verbose=0)


@pytest.mark.parametrize(
    ("y_pred", "message"),
    [
        (Y, "compares several outputs"),
        ({"mean": Y}, "needs the output 'spread'"),
        ([Y, Y, Y], "compares several outputs"),
    ],
)
def test_outputs_that_do_not_fit_are_refused(y_pred, message) -> None:
    with pytest.raises(DataError, match=message):
        get_loss(interval)(Y, y_pred)


def test_a_loss_of_one_prediction_refuses_several() -> None:
    with pytest.raises(DataError, match="one prediction"):
        get_loss("focal")(Y, {"a": Y})


def test_what_is_declared_must_be_taken() -> None:
    with pytest.raises(SpecError, match="keyword argument 'mask'"):

        @loss(y_true="values", y_pred="values", targets=("mask",))
        def forgetful(y_true, y_pred):
            """No mask."""
