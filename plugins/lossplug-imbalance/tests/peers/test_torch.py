"""torch.nn.functional, also where Keras runs on another backend."""

import keras
import numpy as np
import pytest

from lossplug_imbalance import (
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
