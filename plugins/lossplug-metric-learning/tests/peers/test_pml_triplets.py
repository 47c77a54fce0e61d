"""Losses of triplets and ranked lists agree with pytorch-metric-learning: values and gradients."""

from __future__ import annotations

import numpy as np
import pytest

from lossplug_core.bridge.autodiff import value_and_gradient
from lossplug_core.params import validate
from lossplug_core.spec import spec_of
from lossplug_metric_learning import triplet_margin

pytest.importorskip("pytorch_metric_learning")

import torch
from pytorch_metric_learning import losses, miners
from pytorch_metric_learning.distances import CosineSimilarity, LpDistance
from pytorch_metric_learning.reducers import AvgNonZeroReducer, MeanReducer

RANDOM = np.random.default_rng(0)
SIZES = [(8, 3, 3), (33, 16, 5), (64, 32, 40)]  # samples, features, classes
BATCHES = {
    str(size): (RANDOM.integers(0, size[2], size[0]), RANDOM.normal(size=size[:2]))
    for size in SIZES
}
BATCHES |= {
    "one-class": (np.zeros(6, "int64"), RANDOM.normal(size=(6, 3))),
    "no-positives": (np.arange(6), RANDOM.normal(size=(6, 3))),
}
AVERAGES = {"terms": MeanReducer, "nonzero": AvgNonZeroReducer}


def compare(loss, peer, batch, parameters, miner=None, convention="pytorch-metric-learning"):
    """The mean over the batch, and its gradient."""
    y_true, y_pred = BATCHES[batch]
    y_true, y_pred = y_true.astype("int32"), y_pred.astype("float32")
    complete = validate(spec_of(loss), parameters, convention=convention)
    values, gradient = value_and_gradient(lambda x: loss(y_true, x, **complete), y_pred)
    x = torch.tensor(y_pred, dtype=torch.float64, requires_grad=True)
    labels = torch.tensor(y_true, dtype=torch.int64)
    chosen = None if miner is None else miner(x.detach(), labels)
    expected = peer(x, labels, chosen)
    expected.backward()
    slope = np.zeros(y_pred.shape) if x.grad is None else x.grad.numpy()
    np.testing.assert_allclose(values.mean(), expected.item(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(gradient / len(values), slope, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("average", AVERAGES)
@pytest.mark.parametrize("margin", [0.05, 0.5])
def test_triplet_margin(batch, average, margin):
    peer = losses.TripletMarginLoss(margin=margin, reducer=AVERAGES[average]())
    compare(triplet_margin, peer, batch, {"margin": margin, "average": average})


@pytest.mark.parametrize("batch", BATCHES)
def test_triplet_margin_as_it_comes(batch):
    compare(triplet_margin, losses.TripletMarginLoss(), batch, {})


DISTANCES = {
    "cosine": CosineSimilarity(),
    "squared_euclidean": LpDistance(power=2),
}


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("distance", DISTANCES)
def test_triplet_margin_at_other_distances(batch, distance):
    peer = losses.TripletMarginLoss(distance=DISTANCES[distance])
    compare(triplet_margin, peer, batch, {"distance": distance})


MINERS = {
    "semi_hard": (
        {"triplets": "semi_hard", "margin": 0.3, "average": "terms"},
        miners.TripletMarginMiner(margin=0.3, type_of_triplets="semihard"),
    ),
    "hard": ({"triplets": "hard", "margin": 0.3}, miners.BatchHardMiner()),
    "easy_positive": (
        {"triplets": "easy_positive", "margin": 0.3, "average": "terms"},
        miners.BatchEasyHardMiner(pos_strategy="easy", neg_strategy="semihard"),
    ),
    "mined": ({"mining": "multi_similarity"}, miners.MultiSimilarityMiner()),
}


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("triplets", MINERS)
def test_triplet_margin_with_a_miner(batch, triplets):
    """Of mined pairs, theirs makes triplets again."""
    parameters, miner = MINERS[triplets]
    margin = parameters.get("margin", 0.05)
    reducer = MeanReducer() if "average" in parameters else AvgNonZeroReducer()
    peer = losses.TripletMarginLoss(margin=margin, reducer=reducer)
    compare(triplet_margin, peer, batch, parameters, miner)


@pytest.mark.parametrize("batch", list(BATCHES)[:3])
def test_triplet_margin_smooth(batch):
    parameters = {"triplets": "hard", "smooth": True, "average": "terms", "margin": 0.3}
    peer = losses.TripletMarginLoss(margin=0.3, smooth_loss=True, reducer=MeanReducer())
    compare(triplet_margin, peer, batch, parameters, miners.BatchHardMiner())
