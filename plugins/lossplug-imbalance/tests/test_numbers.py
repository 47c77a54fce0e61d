"""Parameters that are numbers may be tensors: what a schedule gives, or one number per class.

The conformance kit asks that of every loss; here are the ends of ranges, and other precisions.
"""

import keras
import numpy as np
import pytest

from lossplug_core.bridge.autodiff import value_and_gradient
from lossplug_core.testing.calculate import compiled
from lossplug_imbalance import (
    asymmetric,
    asymmetric_single_label,
    categorical_focal,
    class_balanced,
    focal,
    ghm,
    margin_hinge,
    poly1_crossentropy,
    poly1_focal,
    reduced_focal,
    running_class_balanced,
    weighted_binary_crossentropy,
    weighted_categorical_crossentropy,
)
from numerics import tensor

Y_TRUE = np.eye(3)[[0, 2, 1, 1, 0, 2]]
LOGITS = np.array(
    [[1, -2, 0.5], [0.3, 4, -1], [-3, 0, 2], [0, 0, 0], [1e4, -1e4, 0], [1e4, -1e4, 0]], "float32"
)

logits = {"from_logits": True}
balanced = {"samples_per_class": (900, 40, 3), "crossentropy": "focal", **logits}
running = {
    "num_classes": 3,
    "weights": {"frequencies": tensor([0.7, 0.25, 0.05]), "samples": tensor(300.0)},
    "crossentropy": "focal",
    **logits,
}
harmonized = {
    "bins": 5,
    "weights": {"frequencies": tensor([0.4, 0.1, 0.05, 0.0, 0.2])},
    **logits,
}

# Each loss, what it needs beside, and numbers for each parameter that is one.
NUMBERS = [
    (focal, logits, {"gamma": (0, 0.5, 2), "alpha": (0, 0.25, 1)}),
    (categorical_focal, logits, {"gamma": (0, 0.5, 2), "alpha": (0, 0.25, 3)}),
    (
        weighted_binary_crossentropy,
        logits,
        {"positive_weight": (0, 5), "negative_weight": (0, 0.3)},
    ),
    (weighted_categorical_crossentropy, {"class_weights": (1, 2, 3)}, {}),
    (class_balanced, balanced, {"beta": (0, 0.1, 0.9999, 1), "gamma": (0, 0.5)}),
    (
        running_class_balanced,
        running,
        {"beta": (0, 0.9999, 1), "gamma": (0.5,), "decay": (0, 0.9, 1)},
    ),
    (margin_hinge, {}, {"margin": (0.5, 3)}),
    (reduced_focal, logits, {"gamma": (0, 0.5), "threshold": (0.5, 0.7, 1), "alpha": (0, 0.25)}),
    (
        poly1_crossentropy,
        logits,
        {"epsilon": (-1, 0.5), "label_smoothing": (0, 0.1), "class_weights": (0, 2)},
    ),
    (poly1_focal, logits, {"gamma": (0, 0.5), "epsilon": (-1, 0.5), "alpha": (0, 0.25)}),
    (
        asymmetric,
        logits,
        {"gamma_positive": (0, 0.5), "gamma_negative": (0, 4), "clip": (0, 0.05, 1)},
    ),
    (
        asymmetric_single_label,
        logits,
        {"gamma_positive": (0, 0.5), "gamma_negative": (0, 4), "label_smoothing": (0, 0.1)},
    ),
    (ghm, harmonized, {"momentum": (0, 0.75)}),
]
ROWS = [
    (loss, parameters, name, float(np.float32(number)))
    for loss, parameters, numbers in NUMBERS
    for name in numbers
    for number in numbers[name]
]
every_number = pytest.mark.parametrize(
    ("loss", "parameters", "name", "number"),
    ROWS,
    ids=[f"{loss.__name__}-{name}={number:.4g}" for loss, _, name, number in ROWS],
)


def computed(loss, y_pred, parameters):
    """The values of a loss and, behind them, the new values of its states."""
    result = loss(tensor(Y_TRUE), y_pred, **parameters)
    if not isinstance(result, tuple):
        return result
    values, states = result
    return keras.ops.concatenate([values, *(keras.ops.reshape(s, (-1,)) for s in states.values())])


def assert_close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@every_number
@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_predictions_of_any_precision_meet_a_number_in_float32(
    loss, parameters, name, number, dtype
):
    if dtype == "float64" and keras.backend.backend() == "jax":
        pytest.skip("this backend has no float64")
    y_pred = keras.ops.cast(tensor(LOGITS), dtype)
    found, expected = (
        computed(loss, y_pred, {**parameters, name: value}) for value in (tensor(number), number)
    )
    assert keras.ops.dtype(found) == ("float32" if dtype == "float16" else "float64")
    assert_close(keras.ops.convert_to_numpy(found), keras.ops.convert_to_numpy(expected))


PER_CLASS = [
    (categorical_focal, logits, "alpha", (0.0, 1.5, 4.0)),
    (weighted_binary_crossentropy, logits, "positive_weight", (0.0, 1.5, 4.0)),
    (weighted_binary_crossentropy, logits, "negative_weight", (0.0, 1.5, 4.0)),
    (weighted_categorical_crossentropy, logits, "class_weights", (0.0, 1.5, 4.0)),
    (class_balanced, balanced, "samples_per_class", (900.0, 40.0, 3.0)),
    (margin_hinge, {}, "margin", (0.5, 1.0, 2.0)),
    (poly1_crossentropy, logits, "class_weights", (0.0, 1.5, 4.0)),
]


@pytest.mark.parametrize(
    ("loss", "parameters", "name", "numbers"),
    PER_CLASS,
    ids=[f"{loss.__name__}-{name}" for loss, _, name, _ in PER_CLASS],
)
def test_so_may_one_number_per_class(loss, parameters, name, numbers):
    values, gradient = value_and_gradient(
        lambda value: computed(loss, tensor(LOGITS), {**parameters, name: value}),
        np.float32(numbers),
        jit=True,
    )
    assert np.isfinite(gradient).all()
    expected = computed(loss, tensor(LOGITS), {**parameters, name: numbers})
    assert_close(values, keras.ops.convert_to_numpy(expected))


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="others trace each number anew")
@pytest.mark.parametrize(("loss", "name"), [(focal, "gamma"), (asymmetric, "gamma_positive")])
def test_what_torch_compiled_for_one_exponent_takes_others(loss, name) -> None:
    # From the second on, torch.compile takes numbers for variables: none may have to be known.
    def run(y_pred, number):
        return computed(loss, y_pred, {**logits, name: number})

    fast = compiled(run)
    for number in (2.0, 1.0, 0.5):
        assert_close(fast(tensor(LOGITS), number), run(tensor(LOGITS), number))
