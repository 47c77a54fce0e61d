"""Agreement with pytorch-metric-learning, as far as the definitions agree."""

from __future__ import annotations

import numpy as np
import pytest

from lossplug_core.bridge.autodiff import value_and_gradient
from lossplug_core.params import validate
from lossplug_core.spec import spec_of
from lossplug_metric_learning import contrastive, supcon, triplet_semi_hard

pytest.importorskip("pytorch_metric_learning")

import torch
from pytorch_metric_learning import losses
from pytorch_metric_learning.distances import LpDistance
from pytorch_metric_learning.reducers import DoNothingReducer

SIZES = [(8, 3, 3), (33, 16, 5), (64, 32, 40)]  # samples, features, classes


def batch(samples, features, classes):
    random = np.random.default_rng(samples)
    labels = random.integers(0, classes, samples)
    return labels.astype("int32"), random.normal(size=(samples, features)).astype("float32")


def ours(loss, y_true, y_pred, **parameters):
    complete = validate(spec_of(loss), parameters)
    return value_and_gradient(lambda x: loss(y_true, x, **complete), y_pred)


def theirs(loss, y_true, y_pred, total, **arguments):
    """Values in float64, and the gradient of what `total` makes of them."""
    x = torch.tensor(y_pred, dtype=torch.float64, requires_grad=True)
    values = loss(x, torch.tensor(y_true), **arguments)
    total(values).backward()
    return values, x.grad.numpy()


def same(received, expected):
    np.testing.assert_allclose(received, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("temperature", [0.05, 0.1, 1.0])
def test_supcon(sizes, temperature):
    y_true, y_pred = batch(*sizes)
    values, gradient = ours(supcon, y_true, y_pred, temperature=temperature)
    peer = losses.SupConLoss(temperature, reducer=DoNothingReducer())
    expected, slope = theirs(peer, y_true, y_pred, lambda x: x["loss"]["losses"].sum())
    same(values, expected["loss"]["losses"].detach().numpy())
    same(gradient, slope)


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_the_convention_has_their_mean(sizes):
    y_true, y_pred = batch(*sizes)
    convention = spec_of(supcon).conventions["pytorch-metric-learning"]
    values, gradient = ours(supcon, y_true, y_pred, **convention)
    expected, slope = theirs(losses.SupConLoss(), y_true, y_pred, lambda x: x)
    same(values.mean(), expected.item())
    same(gradient / len(values), slope)


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("normalize", [False, True])
def test_contrastive_is_the_mean_square_of_their_pairs(sizes, normalize):
    y_true, y_pred = batch(*sizes)
    margin = 1.2 if normalize else 4.0
    pairs = len(y_true) * (len(y_true) - 1)

    def mean_square(parts):
        squares = [part["losses"].square().sum() for part in parts.values()]
        return sum(squares) / pairs

    values, gradient = ours(contrastive, y_true, y_pred, margin=margin, normalize=normalize)
    peer = losses.ContrastiveLoss(
        neg_margin=margin,
        distance=LpDistance(normalize_embeddings=normalize),
        reducer=DoNothingReducer(),
    )
    expected, slope = theirs(peer, y_true, y_pred, mean_square)
    same(values.mean(), mean_square(expected).item())
    same(gradient / len(values), slope)


def semi_hard(y_true, distances):
    """Anchor, positive and negative of every triplet, searched one by one."""
    triplets = []
    for a, p in np.argwhere(y_true[:, None] == y_true):
        negatives = np.flatnonzero(y_true != y_true[a])
        if a != p and len(negatives):
            to = distances[a, negatives]
            beyond = np.where(to > distances[a, p], to, np.inf)
            chosen = beyond.argmin() if np.isfinite(beyond).any() else to.argmax()
            triplets.append((a, p, negatives[chosen]))
    return np.array(triplets).T


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("power", [1, 2])
def test_triplet_is_their_mean_over_semi_hard_triplets(sizes, power):
    y_true, y_pred = batch(*sizes)
    unit = y_pred / np.linalg.norm(y_pred, axis=1, keepdims=True)
    chosen = semi_hard(y_true, np.linalg.norm(unit[:, None] - unit, axis=2))
    peer = losses.TripletMarginLoss(
        margin=0.3, distance=LpDistance(power=power), reducer=DoNothingReducer()
    )
    expected, slope = theirs(
        peer,
        y_true,
        y_pred,
        lambda x: x["loss"]["losses"].mean(),
        indices_tuple=tuple(map(torch.tensor, chosen)),
    )
    values, gradient = ours(
        triplet_semi_hard,
        y_true,
        y_pred,
        margin=0.3,
        distance="euclidean" if power == 1 else "squared_euclidean",
        average="pairs",
    )
    same(values.mean(), expected["loss"]["losses"].mean().item())
    same(gradient / len(values), slope)
