"""Which shapes and dtypes the losses take, what they give, and what they refuse."""

import numpy as np
import pytest
from keras import ops

from lossplug_core import DataError, ParameterError, get_loss
from lossplug_core.bridge.autodiff import value_and_gradient
from lossplug_regression import gaussian_nll, normalized_squared_error, scaled_squared_error
from numerics import tensor

rng = np.random.default_rng(0)


def state():
    return {name: tensor(0.0) for name in ("mean", "variance", "seen")}


def normalized(y_true, y_pred):
    return normalized_squared_error(y_true, y_pred, weights=state())[0]


def gaussian(y_true, y_pred):
    return gaussian_nll(y_true, {"mean": y_pred, "variance": ops.exp(y_pred)})


LOSSES = {"scaled": scaled_squared_error, "normalized": normalized, "gaussian": gaussian}
each = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)


def reals(*shape):
    return rng.normal(size=shape).astype("float32")


# --- Shapes ---------------------------------------------------------------------------------------


@each
@pytest.mark.parametrize("shape", [(4, 3), (4, 1), (1, 1), (2, 5, 3), (2, 5, 6, 3)])
def test_the_last_axis_are_the_outputs(loss, shape):
    assert tuple(loss(reals(*shape), reals(*shape)).shape) == shape[:-1]


@each
def test_a_flat_batch_is_one_output_per_sample(loss):
    y_true, y_pred = reals(4), reals(4)
    flat = ops.convert_to_numpy(loss(y_true, y_pred))
    column = ops.convert_to_numpy(loss(y_true[:, None], y_pred[:, None]))
    np.testing.assert_array_equal(flat, column)


@each
@pytest.mark.parametrize(
    ("y_true", "y_pred"),
    [
        ((4,), (4, 1)),
        ((4, 1), (4,)),
        ((4, 2), (4, 3)),
        ((3, 1), (4, 1)),
        ((4, 1), (4, 3)),
        ((), ()),
    ],
)
def test_nothing_is_broadcast(loss, y_true, y_pred):
    with pytest.raises(DataError, match="do not have one shape"):
        loss(reals(*y_true), reals(*y_pred))


def test_mean_and_variance_have_one_shape():
    with pytest.raises(DataError, match=r"Expected variance of shape \(4, 2\), as mean"):
        gaussian_nll(reals(4, 2), {"mean": reals(4, 2), "variance": reals(4, 1)})


def test_the_outputs_that_are_estimated_are_there():
    with pytest.raises(DataError, match="outputs=2"):
        get_loss("normalized_squared_error", outputs=2)(reals(4, 3), reals(4, 3))


@pytest.mark.parametrize(
    ("y_pred", "message"),
    [
        (reals(4, 1), "several outputs"),
        ({"mean": reals(4, 1)}, "needs the output 'variance'"),
        ({"mean": reals(4, 1), "var": reals(4, 1)}, "needs the output 'variance'"),
    ],
)
def test_outputs_by_the_wrong_names_are_refused(y_pred, message):
    with pytest.raises(DataError, match=message):
        get_loss("gaussian_nll")(reals(4, 1), y_pred)


@pytest.mark.parametrize(
    ("loss", "parameters"),
    [
        ("scaled_squared_error", {"scale": -1}),
        ("normalized_squared_error", {"decay": 1.0}),
        ("normalized_squared_error", {"decay": 0.0}),
        ("normalized_squared_error", {"outputs": 0}),
        ("normalized_squared_error", {"epsilon": 0.0}),
        ("gaussian_nll", {"epsilon": 0.0}),
        ("gaussian_nll", {"full": "yes, please"}),
    ],
)
def test_parameters_that_are_refused(loss, parameters):
    with pytest.raises(ParameterError, match=next(iter(parameters))):
        get_loss(loss, **parameters)


# --- Numbers --------------------------------------------------------------------------------------


@each
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_computed_in_float32(loss, dtype):
    half = ops.cast(np.array([[300.0, -3.0], [0.1, 0.2]]), dtype)
    target = ops.cast(np.array([[-300.0, 3.0], [1.0, 2.0]]), dtype)
    assert ops.dtype(loss(target, half)) == "float32"
    values, gradient = value_and_gradient(lambda y_pred: loss(target, y_pred), 0.01 * half)
    assert np.isfinite(values).all()
    assert np.isfinite(np.asarray(gradient, "float32")).all()


@each
def test_plain_lists_will_do(loss):
    assert tuple(loss([[1, 0, 2]], [[2.0, 1.0, -1.0]]).shape) == (1,)
