"""Losses that are softmaxes over an anchor's pairs agree with pytorch-metric-learning."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from lossplug_core.bridge.autodiff import value_and_gradient
from lossplug_core.params import validate
from lossplug_core.spec import spec_of
from lossplug_metric_learning import circle, multi_similarity, n_pairs, nca, nt_xent

pytest.importorskip("pytorch_metric_learning")

import torch
from pytorch_metric_learning import distances, losses, miners
from pytorch_metric_learning.reducers import AvgNonZeroReducer, MeanReducer

RANDOM = np.random.default_rng(3)


def batch(samples, features, classes):
    labels = RANDOM.integers(0, classes, samples).astype("int32")
    return labels, RANDOM.normal(size=(samples, features)).astype("float32")


LABELS, EMBEDDINGS = batch(12, 4, 3)
BATCHES = {
    "8": batch(8, 3, 3),
    "33": batch(33, 16, 5),
    "64-many-classes": batch(64, 32, 40),
    "two-views": (np.tile(np.arange(16, dtype="int32"), 2), batch(32, 8, 2)[1]),
    "one-sample": (LABELS[:1], EMBEDDINGS[:1]),
    "one-class": (np.zeros(12, "int32"), EMBEDDINGS),
    "no-positives": (np.arange(12, dtype="int32"), EMBEDDINGS),
    "duplicates": (LABELS, EMBEDDINGS[np.arange(12) // 2]),
    "all-equal": (LABELS, np.full((12, 4), 0.7, "float32")),
}
REDUCERS = {"terms": MeanReducer, "nonzero": AvgNonZeroReducer}


def same(loss, peer, y_true, y_pred, miner=None, **parameters):
    """Our mean over the batch, and its gradient, are what theirs returns."""
    complete = validate(spec_of(loss), parameters)
    values, gradient = value_and_gradient(lambda x: loss(y_true, x, **complete), y_pred)
    x = torch.tensor(y_pred, dtype=torch.float64, requires_grad=True)
    labels = torch.tensor(y_true.astype("int64"))
    pairs = miner(x.detach(), labels) if miner else None
    expected = peer(x, labels, pairs)
    expected.backward()
    slope = np.zeros_like(y_pred) if x.grad is None else x.grad.numpy()
    np.testing.assert_allclose(values.mean(), expected.item(), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(gradient / len(values), slope, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("batch", BATCHES)
def test_conventions_are_their_defaults(batch):
    for loss, peer in (
        (circle, losses.CircleLoss()),
        (multi_similarity, losses.MultiSimilarityLoss()),
        (nt_xent, losses.NTXentLoss(reducer=AvgNonZeroReducer())),
    ):
        convention = spec_of(loss).conventions["pytorch-metric-learning"]
        same(loss, peer, *BATCHES[batch], **convention)


DISTANCES = {
    "cosine": (distances.CosineSimilarity(), True),
    "euclidean": (distances.LpDistance(), True),
    "squared_euclidean": (distances.LpDistance(power=2, normalize_embeddings=False), False),
    "inner_product": (distances.DotProductSimilarity(normalize_embeddings=False), False),
    "signal_to_noise": (distances.SNRDistance(), True),
}
APART = [name for name in BATCHES if name not in ("all-equal", "duplicates")]


@pytest.mark.parametrize("average", REDUCERS)
@pytest.mark.parametrize("batch", APART)
@pytest.mark.parametrize("distance", DISTANCES)
def test_nt_xent(distance, batch, average):
    theirs, normalize = DISTANCES[distance]
    peer = losses.NTXentLoss(0.5, distance=theirs, reducer=REDUCERS[average]())
    parameters = {"distance": distance, "normalize": normalize, "average": average}
    same(nt_xent, peer, *BATCHES[batch], temperature=0.5, **parameters)


@pytest.mark.parametrize("batch", APART)
@pytest.mark.parametrize("distance", ["cosine", "euclidean", "inner_product"])
def test_multi_similarity(distance, batch):
    """Their base of a distance is a distance, ours the similarity that is minus it."""
    theirs, normalize = DISTANCES[distance]
    base = -0.5 if distance == "euclidean" else 0.5
    parameters = {"distance": distance, "normalize": normalize}
    for average, reducer in (("anchors", MeanReducer), ("nonzero", AvgNonZeroReducer)):
        peer = losses.MultiSimilarityLoss(3.0, 7.0, 0.5, distance=theirs, reducer=reducer())
        same(
            multi_similarity,
            peer,
            *BATCHES[batch],
            **{"alpha": 3.0, "beta": 7.0, "base": base, "average": average, **parameters},
        )


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("average", ["anchors", "nonzero"])
def test_circle(average, batch):
    reducer = MeanReducer() if average == "anchors" else AvgNonZeroReducer()
    peer = losses.CircleLoss(0.25, 16.0, reducer=reducer)
    same(circle, peer, *BATCHES[batch], margin=0.25, gamma=16.0, average=average)


WITH_POSITIVES = [name for name in BATCHES if name not in ("one-sample", "no-positives")]


@pytest.mark.parametrize("batch", WITH_POSITIVES)
def test_the_convention_of_nca(batch):
    convention = spec_of(nca).conventions["pytorch-metric-learning"]
    same(nca, losses.NCALoss(), *BATCHES[batch], **convention)


def test_where_nca_differs():
    """As the docstring says: theirs is NaN if no anchor has a positive."""
    y_true, y_pred = BATCHES["no-positives"]
    assert losses.NCALoss()(torch.tensor(y_pred), torch.tensor(y_true)).isnan()
    complete = validate(spec_of(nca), {}, convention="pytorch-metric-learning")
    assert keras.ops.convert_to_numpy(nca(y_true, y_pred, **complete)).tolist() == [0.0] * 12


@pytest.mark.parametrize("average", REDUCERS)
@pytest.mark.parametrize("batch", [name for name in APART if name in WITH_POSITIVES])
@pytest.mark.parametrize("distance", ["cosine", "euclidean", "squared_euclidean"])
def test_nca(distance, batch, average):
    theirs, normalize = DISTANCES[distance]
    peer = losses.NCALoss(0.7, distance=theirs, reducer=REDUCERS[average]())
    parameters = {"distance": distance, "normalize": normalize, "average": average}
    same(nca, peer, *BATCHES[batch], scale=0.7, **parameters)


MINERS = {
    "multi_similarity": miners.MultiSimilarityMiner(),
    "pair_margin": miners.PairMarginMiner(0.5, 0.6, distance=distances.CosineSimilarity()),
}
MINING = {
    "multi_similarity": "multi_similarity",
    "pair_margin": {"name": "pair_margin", "positive": 0.5, "negative": 0.4},
}


@pytest.mark.parametrize("mining", MINERS)
@pytest.mark.parametrize("batch", ["8", "33", "64-many-classes", "two-views", "one-class"])
def test_mining(batch, mining):
    mined = {"mining": MINING[mining]}
    arguments = (*BATCHES[batch], MINERS[mining])
    same(multi_similarity, losses.MultiSimilarityLoss(), *arguments, **mined)
    same(circle, losses.CircleLoss(), *arguments, average="nonzero", **mined)
    if batch != "one-class":
        peer = losses.NTXentLoss(0.3, reducer=MeanReducer())
        same(nt_xent, peer, *arguments, temperature=0.3, average="terms", **mined)


def first_pairs(labels):
    """The first two samples of each class that has two, in the order of the classes."""
    places = [np.flatnonzero(labels == label)[:2] for label in np.unique(labels)]
    return np.array([each for each in places if len(each) == 2]).T


@pytest.mark.parametrize("batch", ["8", "33", "64-many-classes", "two-views", "one-class"])
@pytest.mark.parametrize(
    "convention", [{}, spec_of(n_pairs).conventions["pytorch-metric-learning"]]
)
def test_n_pairs(batch, convention):
    """They choose one pair of each class of a batch; given these pairs, both agree."""
    of_raw = distances.DotProductSimilarity(normalize_embeddings=False)
    y_true, y_pred = BATCHES[batch]
    anchors, positives = first_pairs(y_true)

    def of_pairs(x):
        chosen = [keras.ops.take(x, places, axis=0) for places in (anchors, positives)]
        y_pred = dict(zip(("anchors", "positives"), chosen, strict=True))
        values = n_pairs(y_true[anchors], y_pred, **convention)
        return keras.ops.mean(values)

    value, gradient = value_and_gradient(of_pairs, y_pred)
    x = torch.tensor(y_pred, dtype=torch.float64, requires_grad=True)
    theirs = losses.NPairsLoss(**({} if convention else {"distance": of_raw}))
    expected = theirs(x, torch.tensor(y_true.astype("int64")))
    expected.backward()
    np.testing.assert_allclose(value, expected.item(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(gradient, x.grad.numpy(), rtol=1e-4, atol=1e-5)
