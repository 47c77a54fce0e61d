"""Losses on two outputs agree with sentence-transformers, CLIP, SigLIP and TensorFlow Addons.

These do not install beside Keras 3, or load far more than a loss: what they compute is written down
here, with the cross-entropies of torch, so that it has gradients as well.
"""

from __future__ import annotations

import numpy as np
import pytest

from lossplug_core.bridge.autodiff import value_and_gradient
from lossplug_core.params import validate
from lossplug_core.spec import spec_of
from lossplug_metric_learning import info_nce, n_pairs, siglip

torch = pytest.importorskip("torch")
functional = torch.nn.functional

SIZES = [(1, 3), (2, 4), (33, 16)]  # samples, features


def batch(samples, *features):
    random = np.random.default_rng(samples)
    return random.normal(size=(samples, *features)).astype("float32")


def same(loss, theirs, y_true, y_pred, convention=None, **parameters):
    """The mean over the batch and its gradient, in `[batch, 2 + further, features]`."""
    complete = validate(spec_of(loss), parameters, convention=convention)
    names = spec_of(loss).outputs

    def mean(x):
        second = x[:, 1:] if y_pred.shape[1] > 2 else x[:, 1]
        values = loss(y_true, {names[0]: x[:, 0], names[1]: second}, **complete, **given)
        return values / len(y_true)

    given = {} if loss is not siglip else {"weights": {"log_scale": 2.0, "bias": -3.0}}
    values, gradient = value_and_gradient(mean, y_pred)
    x = torch.tensor(y_pred, dtype=torch.float64, requires_grad=True)
    expected = theirs(x)
    expected.backward()
    np.testing.assert_allclose(values.sum(), expected.item(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(gradient, x.grad.numpy(), rtol=1e-4, atol=1e-5)


def unit(x):
    return functional.normalize(x, dim=-1)


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("hard", [0, 1, 3])
def test_sentence_transformers(sizes, hard):
    """One query against all positives, then all first negatives, then all second ones."""

    def theirs(x):
        queries = unit(x[:, 0])
        candidates = torch.cat([unit(x[:, k]) for k in range(1, 2 + hard)])
        return functional.cross_entropy(20 * queries @ candidates.T, torch.arange(len(x)))

    y_pred = batch(sizes[0], 2 + hard, sizes[1])
    same(info_nce, theirs, np.arange(sizes[0]), y_pred, "sentence-transformers")


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_clip(sizes):
    """Half of what each side gives, at the temperature that it starts from."""

    def theirs(x):
        logits = unit(x[:, 0]) @ unit(x[:, 1]).T / 0.07
        right = torch.arange(len(x))
        of_both = [functional.cross_entropy(side, right) for side in (logits, logits.T)]
        return sum(of_both) / 2

    same(info_nce, theirs, np.arange(sizes[0]), batch(sizes[0], 2, sizes[1]), "clip")


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_siglip(sizes):
    def theirs(x):
        logits = np.exp(2.0) * unit(x[:, 0]) @ unit(x[:, 1]).T - 3.0
        signs = 2 * torch.eye(len(x)) - 1
        return -functional.logsigmoid(signs * logits).sum() / len(x)

    same(siglip, theirs, np.arange(sizes[0]), batch(sizes[0], 2, sizes[1]))


def addons_n_pairs(x, wanted):
    logits = x[:, 0] @ x[:, 1].T
    wanted = torch.tensor(wanted / wanted.sum(axis=1, keepdims=True))
    return functional.cross_entropy(logits, wanted)


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("classes", [1, 3, 100])
def test_addons_n_pairs(sizes, classes):
    y_true = np.random.default_rng(1).integers(0, classes, sizes[0])
    wanted = (y_true[:, None] == y_true).astype("float64")
    y_pred = batch(sizes[0], 2, sizes[1])
    same(n_pairs, lambda x: addons_n_pairs(x, wanted), y_true, y_pred, "tensorflow-addons")


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_addons_n_pairs_with_several_labels(sizes):
    y_true = (np.random.default_rng(1).random((sizes[0], 6)) < 0.4).astype("int32")
    y_true[:, 0] |= y_true.sum(axis=1) == 0  # theirs is NaN without any label
    wanted = (y_true @ y_true.T).astype("float64")
    y_pred = batch(sizes[0], 2, sizes[1])
    same(n_pairs, lambda x: addons_n_pairs(x, wanted), y_true, y_pred, "tensorflow-addons")
