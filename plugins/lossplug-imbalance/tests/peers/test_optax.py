"""optax: sigmoid focal loss, of each output, and PolyLoss."""

import keras
import numpy as np
import pytest

from lossplug_core.bridge.autodiff import value_and_gradient
from lossplug_core.params import validate
from lossplug_core.spec import spec_of
from lossplug_imbalance import focal, poly1_crossentropy

optax = pytest.importorskip("optax")


rng = np.random.default_rng(0)
BINARY = rng.integers(0, 2, (16, 5)).astype("float32")
LOGITS = rng.normal(0, 6, (16, 5)).astype("float32")


def assert_same(ours, theirs):
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(ours), np.asarray(theirs).mean(-1), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("alpha", [None, 0.25])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_sigmoid_focal_loss(gamma, alpha):
    theirs = optax.losses.sigmoid_focal_loss(LOGITS, BINARY, gamma=gamma, alpha=alpha)
    assert_same(focal(BINARY, LOGITS, gamma=gamma, alpha=alpha, from_logits=True), theirs)


def test_its_defaults_are_a_convention():
    parameters = validate(spec_of(focal), {"from_logits": True}, convention="optax")
    theirs = optax.losses.sigmoid_focal_loss(LOGITS, BINARY)
    assert_same(focal(BINARY, LOGITS, **parameters), theirs)


def poly_loss(labels, logits, **parameters):
    """Its values, and the gradient of their sum."""
    jax = pytest.importorskip("jax")

    def total(logits):
        values = optax.losses.poly_loss_cross_entropy(logits, labels, **parameters)
        return values.sum(), values

    (_, values), gradient = jax.value_and_grad(total, has_aux=True)(logits)
    return np.asarray(values), np.asarray(gradient)


@pytest.mark.parametrize(
    ("convention", "parameters"), [("optax", {}), (None, {"epsilon": -1.0}), (None, {"epsilon": 5})]
)
def test_poly_loss_cross_entropy(convention, parameters):
    labels = rng.dirichlet(np.ones(5), 16).astype("float32")
    given = {**parameters, "from_logits": True}
    given = validate(spec_of(poly1_crossentropy), given, convention=convention)
    ours = value_and_gradient(lambda y_pred: poly1_crossentropy(labels, y_pred, **given), LOGITS)
    for mine, theirs in zip(ours, poly_loss(labels, LOGITS, **parameters), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6)
