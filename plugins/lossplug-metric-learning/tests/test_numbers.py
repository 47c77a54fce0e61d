"""Parameters that are numbers may be tensors, as a schedule gives them."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import lossplug_metric_learning
from lossplug_core import ParameterError
from lossplug_core.bridge.autodiff import value_and_gradient
from lossplug_core.params import parameters_of, validate
from lossplug_core.schedules import Linear
from lossplug_core.spec import spec_of
from lossplug_metric_learning import (
    arcface,
    contrastive,
    cross_batch_memory,
    pair_contrastive,
    proxy_anchor,
    supcon,
    triplet_semi_hard,
)
from numerics import tensor

LABELS = np.array([0, 1, 0, 2, 1, 0])
RANDOM = np.random.default_rng(2)
EMBEDDINGS = RANDOM.normal(size=(6, 3)).astype("float32")
DISTANCES = np.abs(EMBEDDINGS[:, 0])

classes = {"num_classes": 3, "embedding_size": 3}
vectors = RANDOM.normal(size=(3, 3)).astype("float32")
remembering = {
    "memory_size": 8,
    "embedding_size": 3,
    "weights": {
        "embeddings": RANDOM.normal(size=(8, 3)).astype("float32"),
        "labels": np.arange(8) % 3,
        "position": 3,
        "filled": 8,
    },
}

# Each loss, what it needs beside, and numbers for each parameter that is one.
NUMBERS = [
    (pair_contrastive, {}, {"margin": (2,)}),
    (contrastive, {}, {"margin": (2,)}),
    (triplet_semi_hard, {"normalize": False}, {"margin": (0, 3)}),
    (triplet_semi_hard, {"distance": "euclidean", "average": "pairs"}, {"margin": (3,)}),
    (supcon, {}, {"temperature": (2,), "base_temperature": (0.07,)}),
    (
        supcon,
        {"base_temperature": 0.07, "average": "anchors_with_positives"},
        {"temperature": (0.05,), "base_temperature": (0.5,)},
    ),
    (
        arcface,
        {**classes, "weights": {"prototypes": vectors}},
        {"margin": (0, 0.5), "scale": (64,)},
    ),
    (
        arcface,
        {**classes, "weights": {"prototypes": vectors}, "monotonic": True},
        {"margin": (0.5, 3.5), "scale": (4,)},
    ),
    (
        proxy_anchor,
        {**classes, "weights": {"proxies": vectors}},
        {"margin": (0, 0.5), "alpha": (4,)},
    ),
    (cross_batch_memory, remembering, {"margin": (1.5,), "temperature": (0.1,)}),
    (
        cross_batch_memory,
        {**remembering, "loss": "triplet_semi_hard"},
        {"margin": (1.5,), "temperature": (0.1,)},
    ),
    (
        cross_batch_memory,
        {**remembering, "loss": "supcon"},
        {"margin": (1,), "temperature": (2,)},
    ),
]
ROWS = [
    pytest.param(
        loss,
        parameters,
        name,
        float(np.float32(number)),
        id=f"{loss.__name__}{place}-{name}={number}",
    )
    for place, (loss, parameters, numbers) in enumerate(NUMBERS)
    for name in numbers
    for number in numbers[name]
]
every_number = pytest.mark.parametrize(("loss", "parameters", "name", "number"), ROWS)


def y_pred_of(loss):
    return DISTANCES if loss is pair_contrastive else EMBEDDINGS


def computed(loss, y_pred, parameters):
    parameters = dict(parameters)
    if "weights" in parameters:
        weights = parameters["weights"]
        parameters["weights"] = {name: tensor(weights[name]) for name in weights}
    y_true = LABELS == 0 if loss is pair_contrastive else LABELS
    result = loss(tensor(y_true), y_pred, **parameters)
    return result[0] if isinstance(result, tuple) else result


def may_change(loss, required, name):
    """Whether a parameter can be a schedule."""
    try:
        validate(spec_of(loss), {**required, name: Linear(0.5, 0.75, steps=1)})
    except ParameterError:
        return False
    return True


def test_no_number_is_forgotten():
    for loss, parameters, numbers in NUMBERS:
        required = {name: parameters[name] for name in parameters if name != "weights"}
        names = [n for n in parameters_of(spec_of(loss)) if may_change(loss, required, n)]
        assert sorted(numbers) == sorted(names), loss.__name__
    assert {loss.__name__ for loss, _, _ in NUMBERS} == set(lossplug_metric_learning.__all__)


@every_number
def test_a_tensor_in_compiled_code_gives_what_the_number_gives(loss, parameters, name, number):
    at = y_pred_of(loss)

    def with_tensor(flat):
        return computed(loss, keras.ops.reshape(flat[1:], at.shape), {**parameters, name: flat[0]})

    # The number is traced as the prediction is: compiled code does not know it.
    flat = np.concatenate([np.float32([number]), at.reshape(-1)])
    values, gradient = value_and_gradient(with_tensor, flat, jit=True)
    assert np.isfinite(gradient).all()
    expected_values, expected_gradient = value_and_gradient(
        lambda y_pred: computed(loss, y_pred, {**parameters, name: number}), at
    )
    tolerance = {"rtol": 1e-4, "atol": 1e-5}  # what compiling may round otherwise
    np.testing.assert_allclose(values, expected_values, **tolerance)
    np.testing.assert_allclose(gradient[1:].reshape(at.shape), expected_gradient, **tolerance)


@every_number
@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_predictions_of_any_precision_meet_a_number_in_float32(
    loss, parameters, name, number, dtype
):
    y_pred = keras.ops.cast(tensor(y_pred_of(loss)), dtype)
    found, expected = (
        computed(loss, y_pred, {**parameters, name: value}) for value in (tensor(number), number)
    )
    if keras.backend.backend() == "tensorflow":  # Keras's other backends make float64 float32
        assert keras.ops.dtype(found) == ("float32" if dtype == "float16" else "float64")
    found, expected = (keras.ops.convert_to_numpy(values) for values in (found, expected))
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)
