"""What must hold of the losses whatever the data."""

import keras
import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lossplug_core import get_loss
from lossplug_core.bridge.autodiff import value_and_gradient
from lossplug_regression import gaussian_nll, scaled_squared_error
from numerics import tensor

law = settings(max_examples=25, deadline=None)

values = arrays(
    "float32", (4, 2), elements=st.floats(-10, 10, width=32, allow_subnormal=False).map(np.round)
)
variances = arrays("float32", (4, 2), elements=st.floats(0.125, 10, width=32))
numbers_above_0 = st.floats(1e-6, 1e6)


def numbers(x):
    return keras.ops.convert_to_numpy(x)


def assert_equal(left, right):
    np.testing.assert_allclose(numbers(left), numbers(right), rtol=1e-4, atol=1e-5)


def normalized(*batches, **parameters):
    """What each batch costs, one after the other."""
    loss = get_loss("normalized_squared_error", reduction=None, **parameters)
    return np.concatenate([numbers(loss(y_true, y_pred)) for y_true, y_pred in batches])


# --- scaled_squared_error -------------------------------------------------------------------------


@law
@given(y_true=values, y_pred=values, scale=st.floats(0, 100))
def test_it_is_keras_s_mean_squared_error_times_the_scale(y_true, y_pred, scale):
    plain = numbers(keras.losses.mean_squared_error(y_true, y_pred))
    assert_equal(scaled_squared_error(y_true, y_pred, scale=scale), scale * plain)


# --- normalized_squared_error ---------------------------------------------------------------------


@law
@given(first=values, second=values, y_pred=values, unit=numbers_above_0)
def test_the_unit_does_not_matter(first, second, y_pred, unit):
    assume(first.std() > 0.1)
    unit = np.float32(unit)
    in_other_units = normalized((unit * first, unit * y_pred), (unit * second, unit * y_pred))
    np.testing.assert_allclose(
        in_other_units, normalized((first, y_pred), (second, y_pred)), rtol=1e-4, atol=1e-5
    )


@law
@given(first=values, second=values, y_pred=values, shift=st.integers(-100, 100))
def test_the_origin_does_not_matter(first, second, y_pred, shift):
    assume(first.std() > 0.1)
    shifted = normalized((first + shift, y_pred + shift), (second + shift, y_pred + shift))
    assert_equal(shifted, normalized((first, y_pred), (second, y_pred)))


@law
@given(y_true=values, unit=numbers_above_0)
def test_the_mean_as_prediction_costs_1(y_true, unit):
    assume(y_true.std() > 0.1)
    y_true = np.float32(unit) * y_true
    costs = normalized((y_true, np.full_like(y_true, y_true.mean())))
    np.testing.assert_allclose(costs.mean(), 1.0, rtol=1e-3)


@law
@given(y_true=values, y_pred=values, units=st.tuples(numbers_above_0, numbers_above_0))
def test_each_output_has_its_own_unit_if_they_are_counted(y_true, y_pred, units):
    assume((y_true.std(axis=0) > 0.1).all())
    units = np.array(units, "float32")
    in_other_units = normalized((units * y_true, units * y_pred), outputs=2)
    assert_equal(in_other_units, normalized((y_true, y_pred), outputs=2))


@law
@given(y_true=values, y_pred=values)
def test_one_output_of_two_is_an_average(y_true, y_pred):
    assume((y_true.std(axis=0) > 0.1).all())
    apart = [normalized((y_true[:, [k]], y_pred[:, [k]]), outputs=1) for k in (0, 1)]
    assert_equal(normalized((y_true, y_pred), outputs=2), np.mean(apart, axis=0))


# --- gaussian_nll ---------------------------------------------------------------------------------


def likelihood(y_true, mean, variance, **parameters):
    return gaussian_nll(y_true, {"mean": mean, "variance": variance}, **parameters)


@law
@given(y_true=values, mean=values)
def test_at_variance_1_it_is_half_the_squared_error(y_true, mean):
    squares = np.mean((y_true - mean) ** 2, axis=-1)
    assert_equal(likelihood(y_true, mean, np.ones_like(mean)), squares / 2)


@law
@given(y_true=values, mean=values, variance=variances)
def test_no_variance_is_better_than_the_squared_error(y_true, mean, variance):
    squares = np.maximum((y_true - mean) ** 2, np.float32(1e-6))
    best = numbers(likelihood(y_true, mean, squares))
    assert (best <= numbers(likelihood(y_true, mean, variance)) + 1e-4).all()
    assume((y_true != mean).all())
    gradient = value_and_gradient(lambda v: likelihood(y_true, tensor(mean), v), squares)[1]
    assert_equal(gradient, np.zeros_like(gradient))


@law
@given(y_true=values, mean=values, variance=variances, unit=st.floats(0.1, 10))
def test_another_unit_adds_its_logarithm(y_true, mean, variance, unit):
    unit = np.float32(unit)
    scaled = likelihood(unit * y_true, unit * mean, unit**2 * variance)
    plain = numbers(likelihood(y_true, mean, variance))
    np.testing.assert_allclose(numbers(scaled), plain + np.log(unit), rtol=1e-3, atol=1e-4)


@law
@given(y_true=values, mean=values, variance=variances)
def test_full_adds_a_constant(y_true, mean, variance):
    difference = numbers(likelihood(y_true, mean, variance, full=True)) - numbers(
        likelihood(y_true, mean, variance)
    )
    np.testing.assert_allclose(difference, 0.5 * np.log(2 * np.pi), rtol=1e-3)
