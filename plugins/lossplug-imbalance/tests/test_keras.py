"""Keras's own losses, where Keras has them, on every backend."""

import keras
import numpy as np
import pytest

from lossplug_core.bridge.autodiff import value_and_gradient
from lossplug_core.params import validate
from lossplug_core.spec import spec_of
from lossplug_imbalance import (
    categorical_focal,
    class_balanced,
    focal,
    margin_hinge,
    weighted_binary_crossentropy,
    weighted_categorical_crossentropy,
)

rng = np.random.default_rng(0)
BINARY = rng.integers(0, 2, (8, 3)).astype("float32")
IDS = rng.integers(0, 3, 8)
ONE_HOT = np.eye(3, dtype="float32")[IDS]
LOGITS = rng.normal(0, 3, (8, 3)).astype("float32")
PROBABILITIES = rng.uniform(0.01, 0.99, (8, 3)).astype("float32")
CLASS_WEIGHTS = (0.5, 1.0, 3.0)

# (our loss, its parameters, Keras's loss, its parameters, the target): the defaults of both sides
# agree only where nothing is given.
PEERS = {
    "focal": (
        focal,
        {"convention": "keras"},
        keras.losses.binary_focal_crossentropy,
        {},
        BINARY,
    ),
    "focal, gamma": (
        focal,
        {"gamma": 0.7},
        keras.losses.binary_focal_crossentropy,
        {"gamma": 0.7},
        BINARY,
    ),
    "focal, balanced": (
        focal,
        {"convention": "torchvision"},
        keras.losses.binary_focal_crossentropy,
        {"apply_class_balancing": True},
        BINARY,
    ),
    "categorical_focal": (
        categorical_focal,
        {"convention": "keras"},
        keras.losses.categorical_focal_crossentropy,
        {},
        ONE_HOT,
    ),
    "categorical_focal, alpha": (
        categorical_focal,
        {"alpha": CLASS_WEIGHTS, "gamma": 3.0},
        keras.losses.categorical_focal_crossentropy,
        {"alpha": list(CLASS_WEIGHTS), "gamma": 3.0},
        ONE_HOT,
    ),
    "weighted_binary_crossentropy": (
        weighted_binary_crossentropy,
        {},
        keras.losses.binary_crossentropy,
        {},
        BINARY,
    ),
    "weighted_categorical_crossentropy": (
        weighted_categorical_crossentropy,
        {"class_weights": (1, 1, 1)},
        keras.losses.categorical_crossentropy,
        {},
        ONE_HOT,
    ),
    "class_balanced": (
        class_balanced,
        {"samples_per_class": (7, 7, 7)},
        keras.losses.categorical_crossentropy,
        {},
        ONE_HOT,
    ),
}


def complete(loss, convention=None, **parameters):
    return validate(spec_of(loss), parameters, convention=convention)


def assert_same(ours, theirs, y_pred):
    for mine, peer in zip(
        value_and_gradient(ours, y_pred), value_and_gradient(theirs, y_pred), strict=True
    ):
        np.testing.assert_allclose(mine, peer, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("from_logits", [False, True])
@pytest.mark.parametrize(
    ("loss", "parameters", "peer", "peer_parameters", "y_true"), PEERS.values(), ids=PEERS
)
def test_gives_what_keras_gives(loss, parameters, peer, peer_parameters, y_true, from_logits):
    parameters = complete(loss, **parameters, from_logits=from_logits)
    assert_same(
        lambda y_pred: loss(y_true, y_pred, **parameters),
        lambda y_pred: peer(y_true, y_pred, **peer_parameters, from_logits=from_logits),
        LOGITS if from_logits else PROBABILITIES,
    )


@pytest.mark.parametrize("y_true", [BINARY, 2 * BINARY - 1], ids=["0 and 1", "-1 and 1"])
@pytest.mark.parametrize("squared", [False, True])
def test_hinge_gives_what_keras_gives(y_true, squared):
    peer = keras.losses.squared_hinge if squared else keras.losses.hinge
    assert_same(
        lambda y_pred: margin_hinge(y_true, y_pred, squared=squared),
        lambda y_pred: peer(y_true, y_pred),
        LOGITS,
    )


@pytest.mark.skipif(
    keras.backend.backend() == "tensorflow", reason="there Keras finds the logits of a sigmoid"
)
def test_keras_saturates_and_we_do_not():
    y_true, y_pred = np.zeros((1, 1), "float32"), np.full((1, 1), 100.0, "float32")
    theirs = keras.losses.binary_focal_crossentropy(y_true, y_pred, from_logits=True)
    ours = focal(y_true, y_pred, from_logits=True)
    assert float(theirs[0]) == pytest.approx(15.94, abs=0.01)
    assert float(ours[0]) == pytest.approx(100.0)


def test_keras_gives_one_number_for_a_flat_batch_and_we_one_per_sample():
    y_true, y_pred = BINARY[:, 0], PROBABILITIES[:, 0]
    theirs = keras.losses.binary_focal_crossentropy(y_true, y_pred)
    ours = focal(y_true, y_pred)
    assert tuple(theirs.shape) == ()
    assert tuple(ours.shape) == (8,)
    assert float(keras.ops.mean(ours)) == pytest.approx(float(theirs), rel=1e-5)
