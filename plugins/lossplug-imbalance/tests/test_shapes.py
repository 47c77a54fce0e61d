"""Which shapes and dtypes the losses take, what they give, and what they refuse."""

import keras
import numpy as np
import pytest

from lossplug_core import DataError
from lossplug_core.bridge.autodiff import value_and_gradient
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

rng = np.random.default_rng(0)


def running(y_true, y_pred, **parameters):
    """The values alone, in the middle of training."""
    states = {"frequencies": tensor([0.7, 0.25, 0.05]), "samples": tensor(300.0)}
    return running_class_balanced(y_true, y_pred, weights=states, **parameters)[0]


INDEPENDENT = {
    "focal": (focal, {"from_logits": True}),
    "weighted_binary_crossentropy": (weighted_binary_crossentropy, {"from_logits": True}),
    "margin_hinge": (margin_hinge, {}),
    "reduced_focal": (reduced_focal, {"from_logits": True}),
    "poly1_focal": (poly1_focal, {"from_logits": True}),
    "asymmetric": (asymmetric, {"from_logits": True}),
    "ghm": (ghm, {"bins": 5, "from_logits": True}),
}
EXCLUSIVE = {
    "categorical_focal": (categorical_focal, {"from_logits": True}),
    "weighted_categorical_crossentropy": (
        weighted_categorical_crossentropy,
        {"class_weights": (1, 2, 3), "from_logits": True},
    ),
    "class_balanced": (class_balanced, {"samples_per_class": (9, 4, 1), "from_logits": True}),
    "class_balanced, focal": (
        class_balanced,
        {"samples_per_class": (9, 4, 1), "crossentropy": "focal", "from_logits": True},
    ),
    "running_class_balanced": (running, {"num_classes": 3, "from_logits": True}),
    "poly1_crossentropy": (poly1_crossentropy, {"from_logits": True}),
    "asymmetric_single_label": (asymmetric_single_label, {"from_logits": True}),
}


def each(losses):
    return pytest.mark.parametrize(("loss", "parameters"), losses.values(), ids=losses)


def numbers(values):
    return keras.ops.convert_to_numpy(values)


def logits(*shape):
    return rng.normal(0, 2, shape).astype("float32")


# --- Shapes ---------------------------------------------------------------------------------------


@each(INDEPENDENT)
@pytest.mark.parametrize(
    ("y_true", "y_pred", "result"),
    [
        ((4, 3), (4, 3), (4,)),
        ((4, 1), (4, 1), (4,)),
        ((4,), (4,), (4,)),
        ((4,), (4, 1), (4,)),
        ((4, 1), (4,), (4,)),
        ((1,), (1, 1), (1,)),
        ((2, 5, 6, 3), (2, 5, 6, 3), (2, 5, 6)),
        ((2, 5, 6), (2, 5, 6, 1), (2, 5, 6)),
        ((2, 5, 6, 1), (2, 5, 6), (2, 5)),
    ],
)
def test_independent_outputs(loss, parameters, y_true, y_pred, result):
    targets, predictions = rng.integers(0, 2, y_true), logits(*y_pred)
    found = numbers(loss(targets, predictions, **parameters))
    assert found.shape == result
    alone = numbers(loss(targets.reshape(-1), predictions.reshape(-1), **parameters))
    np.testing.assert_allclose(found, alone.reshape(*result, -1).mean(-1), rtol=1e-5)


@each(EXCLUSIVE)
@pytest.mark.parametrize("positions", [(4,), (2, 5), (2, 5, 6), (1,), (0,)])
def test_class_ids_come_with_or_without_a_last_axis_and_mean_one_hot(loss, parameters, positions):
    class_ids, predictions = rng.integers(0, 3, positions), logits(*positions, 3)
    one_hot = np.eye(3)[class_ids]
    expected = numbers(loss(one_hot, predictions, **parameters))
    assert expected.shape == positions
    for target in (class_ids, class_ids[..., None], one_hot.astype("int32")):
        found = numbers(loss(target, predictions, **parameters))
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8", "float32"])
def test_class_ids_have_any_dtype(dtype):
    class_ids, predictions = np.array([44, 0, 255]), logits(3, 1000)
    expected = categorical_focal(class_ids.astype("int32"), predictions, from_logits=True)
    found = categorical_focal(class_ids.astype(dtype), predictions, from_logits=True)
    np.testing.assert_array_equal(numbers(found), numbers(expected))


def test_class_ids_above_two_to_the_24_do_not_merge():
    confident = np.zeros((1, 2**24 + 2), "float32")
    confident[0, 2**24 + 1] = 100.0
    right = categorical_focal(np.array([2**24 + 1]), confident, from_logits=True)
    wrong = categorical_focal(np.array([2**24]), confident, from_logits=True)
    assert numbers(right)[0] == pytest.approx(0.0, abs=1e-6)
    assert numbers(wrong)[0] == pytest.approx(100.0)


@each(EXCLUSIVE)
def test_an_id_that_is_no_class_has_no_loss_and_no_gradient(loss, parameters):
    class_ids = np.array([-1, 3, 255, 1])
    values, gradient = value_and_gradient(
        lambda y_pred: loss(class_ids, y_pred, **parameters), logits(4, 3)
    )
    np.testing.assert_array_equal(values[:3], 0)
    np.testing.assert_array_equal(gradient[:3], 0)
    assert values[3] > 0


# --- What does not fit ----------------------------------------------------------------------------

REFUSED = {
    "other outputs": (focal, (4, 2), (4, 3)),
    "other samples": (focal, (4, 3), (5, 3)),
    "one target for several outputs": (focal, (4, 1), (4, 3)),
    "other positions": (margin_hinge, (2, 5), (2, 6)),
    "no samples axis": (focal, (), ()),
    "two axes less": (weighted_binary_crossentropy, (4,), (4, 1, 1)),
    "one class": (categorical_focal, (4,), (4, 1)),
    "no classes": (categorical_focal, (4,), (4,)),
    "ids of other samples": (categorical_focal, (4,), (5, 3)),
    "ids of other positions": (categorical_focal, (2, 5), (2, 6, 3)),
    "one-hot of other classes": (categorical_focal, (4, 2), (4, 3)),
}


@pytest.mark.parametrize(("loss", "y_true", "y_pred"), REFUSED.values(), ids=list(REFUSED))
def test_a_target_that_does_not_fit_is_refused(loss, y_true, y_pred):
    with pytest.raises(DataError, match=r"(?s)Expected .*Received "):
        loss(np.zeros(y_true, "int32"), np.full(y_pred, 0.5, "float32"))


@pytest.mark.parametrize(
    ("loss", "y_true", "y_pred", "parameter", "value"),
    [
        (categorical_focal, (4,), (4, 3), "alpha", (1, 2)),
        (weighted_categorical_crossentropy, (4,), (4, 3), "class_weights", (1, 2, 3, 4)),
        (weighted_categorical_crossentropy, (4,), (4, 3), "class_weights", (1,)),
        (class_balanced, (4,), (4, 3), "samples_per_class", (9, 1)),
        (weighted_binary_crossentropy, (4, 3), (4, 3), "positive_weight", (1, 2)),
        (weighted_binary_crossentropy, (4,), (4,), "negative_weight", (1, 2)),
        (margin_hinge, (4, 3), (4, 3), "margin", (1, 2)),
        (margin_hinge, (4, 1), (4, 1), "margin", (1, 2, 3)),
        (margin_hinge, (4,), (4,), "margin", (1,)),
    ],
)
def test_a_parameter_that_does_not_fit_is_refused(loss, y_true, y_pred, parameter, value):
    with pytest.raises(DataError, match=rf"(?s)'{parameter}'.*Expected .*Received "):
        loss(np.zeros(y_true, "int32"), np.full(y_pred, 0.5, "float32"), **{parameter: value})


# --- Dtypes ---------------------------------------------------------------------------------------


@each(INDEPENDENT | EXCLUSIVE)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_computed_in_full(loss, parameters, dtype):
    target = np.eye(3, dtype="float32")
    half = keras.ops.cast(np.array([[1e4, -1e4, 3], [0.1, 0.2, -8], [12, 12, 11]]), dtype)
    values, gradient = value_and_gradient(
        lambda y_pred: keras.ops.cast(loss(target, y_pred, **parameters), "float32"), half
    )
    assert np.isfinite(values).all()
    assert np.isfinite(np.asarray(gradient, "float32")).all()
    full = numbers(loss(target, keras.ops.cast(half, "float32"), **parameters))
    np.testing.assert_allclose(values, full, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_probabilities_are_clipped_in_full(dtype):
    certain = keras.ops.cast(np.array([[0.0, 1.0], [1.0, 0.0]]), dtype)
    values, gradient = value_and_gradient(
        lambda y_pred: categorical_focal([0, 0], y_pred, gamma=0.5), certain
    )
    np.testing.assert_allclose(values, [-np.log(1e-7), 0], rtol=1e-5, atol=1e-6)
    assert np.isfinite(np.asarray(gradient, "float32")).all()


@each(INDEPENDENT | EXCLUSIVE)
def test_plain_lists_will_do(loss, parameters):
    assert numbers(loss([[1, 0, 0]], [[2, 1, -1]], **parameters)).shape == (1,)


# --- Unknown sizes, in TensorFlow's graphs --------------------------------------------------------


def traced(loss, parameters, y_true, y_pred, *, jit=False):
    tf = pytest.importorskip("tensorflow")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("only TensorFlow traces unknown sizes")
    signature = [tf.TensorSpec(y_true, "int32"), tf.TensorSpec(y_pred, "float32")]
    return tf.function(
        lambda y_true, y_pred: loss(y_true, y_pred, **parameters),
        input_signature=signature,
        jit_compile=jit,
    )


@each(INDEPENDENT)
def test_unknown_sizes_never_broadcast(loss, parameters):
    run = traced(loss, parameters, (None, None), (None, None))
    with pytest.raises(Exception, match="reshape"):
        run(np.ones((4, 1), "int32"), logits(4, 3))
