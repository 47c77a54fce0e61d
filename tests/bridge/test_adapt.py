"""What a loss learns from the training set before training."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest

from lossplug_core import (
    DataError,
    LossplugError,
    ParameterError,
    SpecError,
    TrainingModel,
    combine,
    get_loss,
    loss,
)
from lossplug_core.statistics import class_counts, class_priors, class_weights

pytestmark = pytest.mark.backend

IDS = np.repeat([0, 1, 2], [60, 30, 10])
np.random.default_rng(0).shuffle(IDS)
X = np.zeros((100, 4), "float32")
COUNTS = (60.0, 30.0, 10.0)


class Batches(keras.utils.PyDataset):
    def __init__(self, y, size=32):
        super().__init__()
        self.y, self.size = y, size

    def __len__(self):
        return -(-100 // self.size)

    def __getitem__(self, place):
        rows = slice(place * self.size, (place + 1) * self.size)
        return X[rows], keras.tree.map_structure(lambda y: y[rows], self.y)


def tf_dataset(y):
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices((X, y)).batch(32)


def torch_loader(y):
    import torch

    data = torch.utils.data.TensorDataset(torch.as_tensor(X), torch.as_tensor(y))
    return torch.utils.data.DataLoader(data, batch_size=32)


SOURCES = {
    "array": lambda y: y,
    "list": lambda y: y.tolist(),
    "tensor": keras.ops.convert_to_tensor,
    "column": lambda y: y.reshape(-1, 1),
    "dict of targets": lambda y: {"y_true": y, "mask": y},
    "PyDataset": Batches,
    "generator": lambda y: ((X[i : i + 32], y[i : i + 32], None) for i in range(0, 100, 32)),
    "list of batches": lambda y: [(X[:50], y[:50]), (X[50:], y[50:])],
    "tf.data": tf_dataset,
    "DataLoader": torch_loader,
}
NEEDS = {"tf.data": "tensorflow", "DataLoader": "torch"}


@pytest.mark.parametrize("source", SOURCES)
def test_whatever_fit_accepts(source) -> None:
    if NEEDS.get(source, keras.backend.backend()) != keras.backend.backend():
        pytest.skip(f"a matter of {NEEDS[source]}")
    adapted = get_loss("class_balanced").adapt(SOURCES[source](IDS))
    assert adapted.parameters["samples_per_class"] == COUNTS


@pytest.mark.parametrize(
    ("targets", "counts"),
    [
        (IDS, COUNTS),
        (IDS.astype("float32"), COUNTS),
        (np.eye(3)[IDS], COUNTS),
        (np.eye(3, dtype="int64")[IDS], COUNTS),
        (np.array([[0.7, 0.3], [0.5, 0.5]]), (1.2, 0.8)),
        (np.array([[0, 1], [1, 1]]), (1.0, 3.0)),  # ids with positions: rows do not sum to 1
        (np.array([True, False, False]), (2.0, 1.0)),
        (np.zeros(5, "int32"), (5.0,)),
    ],
)
def test_classes_are_counted_in_every_form(targets, counts) -> None:
    assert class_counts([targets]) == pytest.approx(counts)
    assert class_priors([targets]) == pytest.approx(np.divide(counts, np.sum(counts)))
    weights = class_weights([targets])
    assert np.dot(weights, counts) == pytest.approx(np.sum(counts))  # a sample weighs 1 on average
    assert np.multiply(weights, counts) == pytest.approx(np.sum(counts) / len(counts))


@pytest.mark.parametrize(
    "targets", [[], [np.array([0, 2])], [np.array([-1, 0])], [np.array([0.5, 1.0])]]
)
def test_what_cannot_be_counted_is_refused(targets) -> None:
    with pytest.raises(DataError):
        class_counts(targets)


def test_adapted_is_as_if_given() -> None:
    adapted = get_loss("class_balanced", beta=0.9).adapt(IDS)
    given = get_loss("class_balanced", beta=0.9, samples_per_class=COUNTS)
    assert adapted.get_config() == given.get_config()
    again = type(adapted).from_config(json.loads(json.dumps(adapted.get_config())))
    y_true, y_pred = [0, 2], [[0.5, 0.3, 0.2], [0.2, 0.2, 0.6]]
    assert float(again(y_true, y_pred)) == pytest.approx(float(given(y_true, y_pred)))


def test_unadapted_says_what_to_do() -> None:
    unadapted = get_loss("class_balanced")
    with pytest.raises(ParameterError, match="adapt"):
        unadapted([0, 1], [[0.5, 0.5], [0.5, 0.5]])
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "softmax")])
    model.compile("sgd", loss=unadapted)
    with pytest.raises(ParameterError, match="adapt"):
        model.fit(X, IDS, verbose=0)
    assert "samples_per_class" not in unadapted.get_config()["parameters"]


def test_a_loss_in_use_is_not_adapted() -> None:
    adapted = get_loss("class_balanced").adapt(IDS)
    adapted([0, 1], [[0.5, 0.3, 0.2], [0.5, 0.3, 0.2]])
    with pytest.raises(ParameterError, match="in use"):
        adapted.adapt(IDS)


def two_outputs() -> TrainingModel:
    inputs = keras.Input((4,))
    outputs = {
        "kind": keras.layers.Dense(3, "softmax", name="kind")(inputs),
        "grade": keras.layers.Dense(2, "softmax", name="grade")(inputs),
        "size": keras.layers.Dense(1, name="size")(inputs),
    }
    return TrainingModel(keras.Model(inputs, outputs))


TARGETS = {"kind": IDS, "grade": (IDS == 2).astype("int32"), "size": X[:, :1]}


@pytest.mark.parametrize("data", [lambda: TARGETS, lambda: Batches(TARGETS)])
def test_each_loss_of_a_model_learns_from_its_own_output(data) -> None:
    training = two_outputs()
    losses = {
        "kind": combine([("class_balanced", 1.0), ("sparse_categorical_crossentropy", 1.0)]),
        "grade": "class_balanced",
        "size": "mse",
    }
    training.compile("sgd", loss=losses)
    training.adapt(data())
    kind, grade = training.loss["kind"].parts[0].loss, training.loss["grade"]
    assert kind.parameters["samples_per_class"] == COUNTS
    assert grade.parameters["samples_per_class"] == (90.0, 10.0)
    training.fit(X, TARGETS, verbose=0)


def test_one_output_is_named() -> None:
    adapted = get_loss("class_balanced").adapt(Batches(TARGETS), output="grade")
    assert adapted.parameters["samples_per_class"] == (90.0, 10.0)


def test_an_endless_dataset_is_read_as_far_as_it_is_told() -> None:
    def endless():
        while True:
            yield X[:2], np.array([0, 1])

    assert get_loss("class_balanced").adapt(endless(), steps=3).parameters["samples_per_class"] == (
        3.0,
        3.0,
    )


def test_the_adapted_model_is_saved_with_what_it_learned(tmp_path) -> None:
    training = TrainingModel(keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]))
    training.compile("sgd", loss=get_loss("class_balanced", from_logits=True))
    training.adapt(IDS)
    training.fit(X, IDS, verbose=0)
    training.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.loss.parameters["samples_per_class"] == COUNTS


@pytest.mark.parametrize(
    "adapt",
    [
        lambda: get_loss("focal").adapt(IDS),
        lambda: get_loss("class_balanced").adapt(3),
        lambda: get_loss("class_balanced").adapt(TARGETS),
        lambda: get_loss("class_balanced").adapt(TARGETS, output="colour"),
        lambda: get_loss("class_balanced").adapt([(X,)]),
        lambda: get_loss("class_balanced").adapt(iter([X, X])),
        lambda: get_loss("class_balanced").adapt(iter([])),
        lambda: get_loss("class_balanced").adapt(np.array(["a", "b"])),
        lambda: two_outputs().adapt(TARGETS),
    ],
)
def test_what_is_nothing_to_learn_from_is_refused(adapt) -> None:
    with pytest.raises(LossplugError):
        adapt()


def test_what_adapts_is_a_parameter() -> None:
    with pytest.raises(SpecError, match="does not have"):

        @loss(y_true="values", y_pred="values", adapts={"prior": class_priors})
        def without(y_true, y_pred):
            """No parameters."""
