"""torch.nn.functional, also where Keras runs on another backend."""

import keras
import numpy as np
import pytest

from lossplug_core import get_loss
from lossplug_core.bridge.autodiff import value_and_gradient
from lossplug_imbalance import (
    multiclass_margin_hinge,
    smoothed_crossentropy,
    weighted_binary_crossentropy,
    weighted_categorical_crossentropy,
)

torch = pytest.importorskip("torch")
functional = torch.nn.functional

rng = np.random.default_rng(0)
LOGITS = rng.normal(0, 4, (16, 5)).astype("float32")
WEIGHTS = (0.0, 0.5, 1.0, 2.0, 30.0)


def assert_same(ours, theirs):
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(ours), theirs.cpu().numpy(), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize(
    "y_true", [rng.integers(0, 2, (16, 5)), rng.uniform(0, 1, (16, 5))], ids=["0 or 1", "soft"]
)
def test_pos_weight(y_true):
    theirs = functional.binary_cross_entropy_with_logits(
        torch.tensor(LOGITS, device="cpu"),
        torch.tensor(y_true, device="cpu", dtype=torch.float32),
        pos_weight=torch.tensor(WEIGHTS, device="cpu"),
        reduction="none",
    )
    ours = weighted_binary_crossentropy(y_true, LOGITS, positive_weight=WEIGHTS, from_logits=True)
    assert_same(ours, theirs.mean(-1))


@pytest.mark.parametrize(
    "y_true",
    [rng.integers(0, 5, 16), rng.dirichlet(np.ones(5), 16).astype("float32")],
    ids=["class ids", "soft"],
)
def test_weight(y_true):
    theirs = functional.cross_entropy(
        torch.tensor(LOGITS, device="cpu"),
        torch.tensor(y_true, device="cpu"),
        weight=torch.tensor(WEIGHTS, device="cpu"),
        reduction="none",
    )
    ours = weighted_categorical_crossentropy(
        y_true, LOGITS, class_weights=WEIGHTS, from_logits=True
    )
    assert_same(ours, theirs)


@pytest.mark.parametrize(
    "y_true",
    [rng.integers(0, 5, 16), rng.dirichlet(np.ones(5), 16).astype("float32")],
    ids=["class ids", "soft"],
)
def test_label_smoothing(y_true):
    theirs = functional.cross_entropy(
        torch.tensor(LOGITS, device="cpu"),
        torch.tensor(y_true, device="cpu"),
        label_smoothing=0.2,
        reduction="none",
    )
    assert_same(smoothed_crossentropy(y_true, LOGITS, smoothing=0.2, from_logits=True), theirs)


@pytest.mark.parametrize("margin", [1.0, 4.0])
@pytest.mark.parametrize("squared", [False, True])
def test_multi_margin_loss(margin, squared):
    class_ids = rng.integers(0, 5, 16)
    at = torch.tensor(LOGITS, device="cpu", requires_grad=True)
    theirs = functional.multi_margin_loss(
        at, torch.tensor(class_ids, device="cpu"), p=2 if squared else 1, margin=margin
    )
    theirs.backward()
    loss = get_loss("multiclass_margin_hinge", convention="torch", margin=margin, squared=squared)
    ours, gradient = value_and_gradient(lambda x: loss(class_ids, x), LOGITS)
    assert float(ours) == pytest.approx(float(theirs.detach()), rel=1e-5)
    np.testing.assert_allclose(gradient, at.grad.numpy(), rtol=1e-4, atol=1e-6)


def test_categorical_hinge_of_keras_counts_a_score_of_0_too():
    class_ids, scores = rng.integers(0, 5, 16), np.abs(LOGITS)
    one_hot = np.eye(5, dtype="float32")[class_ids]
    for x in (scores, -scores):
        ours = keras.ops.convert_to_numpy(multiclass_margin_hinge(class_ids, x))
        theirs = keras.ops.convert_to_numpy(keras.losses.categorical_hinge(one_hot, x))
        above_0 = np.maximum(0, 1 - np.sum(one_hot * x, axis=-1))
        np.testing.assert_allclose(theirs, np.maximum(ours, above_0), rtol=1e-5, atol=1e-6)
