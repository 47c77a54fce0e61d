"""MONAI: both focal losses, of each output. Its classes come before the positions."""

import keras
import numpy as np
import pytest

from lossplug_core.params import validate
from lossplug_core.spec import spec_of
from lossplug_imbalance import categorical_focal, focal

pytest.importorskip("torch")
losses = pytest.importorskip("monai.losses")

rng = np.random.default_rng(0)
LOGITS = rng.normal(0, 4, (4, 6, 3)).astype("float32")
BINARY = rng.integers(0, 2, (4, 6, 3))
CLASS_IDS = rng.integers(0, 3, (4, 6))


def monai(y_true, logits, **parameters):
    import torch

    logits, y_true = (
        torch.tensor(np.moveaxis(array, -1, 1), device="cpu") for array in (logits, y_true)
    )
    values = losses.FocalLoss(reduction="none", **parameters)(logits, y_true)
    return np.moveaxis(values.numpy(), 1, -1)


def assert_same(ours, theirs):
    np.testing.assert_allclose(keras.ops.convert_to_numpy(ours), theirs, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("parameters", [{}, {"alpha": 0.25}, {"gamma": 0.5}], ids=str)
def test_sigmoid_focal_loss(parameters):
    ours = focal(BINARY, LOGITS, from_logits=True, **parameters)
    assert_same(ours, monai(BINARY, LOGITS, **parameters).mean(-1))


@pytest.mark.parametrize("parameters", [{}, {"alpha": (0.5, 1.0, 4.0)}, {"gamma": 0.5}], ids=str)
def test_softmax_focal_loss(parameters):
    one_hot = np.eye(3, dtype="float32")[CLASS_IDS]
    ours = categorical_focal(CLASS_IDS, LOGITS, from_logits=True, **parameters)
    assert_same(ours, monai(one_hot, LOGITS, use_softmax=True, **parameters).sum(-1))


def test_its_one_alpha_is_our_several():
    one_hot = np.eye(3, dtype="float32")[CLASS_IDS]
    ours = categorical_focal(CLASS_IDS, LOGITS, alpha=(0.25, 0.75, 0.75), from_logits=True)
    assert_same(ours, monai(one_hot, LOGITS, use_softmax=True, alpha=0.75).sum(-1))


def test_its_defaults_are_conventions():
    def ours(loss, y_true):
        parameters = validate(spec_of(loss), {"from_logits": True}, convention="monai")
        return loss(y_true, LOGITS, **parameters)

    one_hot = np.eye(3, dtype="float32")[CLASS_IDS]
    assert_same(ours(focal, BINARY), monai(BINARY, LOGITS).mean(-1))
    assert_same(ours(categorical_focal, one_hot), monai(one_hot, LOGITS, use_softmax=True).sum(-1))


def test_its_sum_averages_positions_first():
    import torch

    arrays = (np.moveaxis(array, -1, 1) for array in (LOGITS, BINARY))
    theirs = losses.FocalLoss(reduction="sum")(*(torch.tensor(a, device="cpu") for a in arrays))
    ours = keras.ops.convert_to_numpy(focal(BINARY, LOGITS, average="sum", from_logits=True))
    assert ours.mean(axis=1).sum() == pytest.approx(float(theirs), rel=1e-5)
