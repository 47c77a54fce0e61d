"""Focal crossentropy has its gradient in closed form; whoever differentiates it cannot tell."""

import keras
import numpy as np
import pytest

from lossplug_core.bridge.autodiff import value_and_gradient
from lossplug_imbalance import focal
from lossplug_imbalance._crossentropy import sigmoid_crossentropy
from numerics import tensor

LOGITS = np.array([[-30.0, -3.0, -0.1, 0.0, 0.7, 2.0, 30.0]], "float32")
SOFT = np.array([[1.0, 0.0, 0.3, 1.0, 0.5, 0.0, 0.9]], "float32")
every_focus = pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0, 3.0, 10.0])


def costs(x, gamma):
    """What a certain yes and a certain no cost, in float64."""
    log_p, log_not_p = -np.logaddexp(0, -x), -np.logaddexp(0, x)
    return -np.exp(gamma * log_not_p) * log_p, -np.exp(gamma * log_p) * log_not_p


def total(x, gamma):
    yes, no = costs(x, gamma)
    return SOFT * yes + (1 - SOFT) * no


@every_focus
def test_the_gradient_in_the_target(gamma):
    _, gradient = value_and_gradient(
        lambda y_true: focal(y_true, LOGITS, gamma=gamma, average="sum", from_logits=True), SOFT
    )
    yes, no = costs(LOGITS.astype("float64"), gamma)
    np.testing.assert_allclose(gradient, yes - no, rtol=1e-5, atol=1e-6)


@every_focus
def test_the_gradient_in_the_weights_of_the_outputs(gamma):
    def weighted(weight):
        return sigmoid_crossentropy(
            tensor(SOFT), tensor(LOGITS), from_logits=True, gamma=gamma, negative_weight=weight
        )

    _, gradient = value_and_gradient(weighted, np.ones_like(LOGITS))
    _, no = costs(LOGITS.astype("float64"), gamma)
    np.testing.assert_allclose(gradient, (1 - SOFT) * no, rtol=1e-5, atol=1e-6)


@every_focus
def test_the_second_derivative(gamma):
    found = second_derivative(
        lambda y_pred: focal(SOFT, y_pred, gamma=gamma, average="sum", from_logits=True)
    )
    x, step = LOGITS.astype("float64"), 1e-4
    around = [total(x + shift, gamma) for shift in (-step, 0, step)]
    expected = (around[0] - 2 * around[1] + around[2]) / step**2
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)


def second_derivative(function):
    """The diagonal of the Hessian, which has nothing beside it, at LOGITS."""
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        gradient = jax.grad(lambda x: function(x).sum())
        return jax.grad(lambda x: gradient(x).sum())(LOGITS)
    if backend == "torch":
        import torch

        x = torch.tensor(LOGITS, requires_grad=True)
        (gradient,) = torch.autograd.grad(function(x).sum(), x, create_graph=True)
        return torch.autograd.grad(gradient.sum(), x)[0].numpy()
    import tensorflow as tf

    x = tf.constant(LOGITS)
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            values = function(x)
        gradient = inner.gradient(values, x)
    return outer.gradient(gradient, x).numpy()
