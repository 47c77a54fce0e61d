"""Losses of triplets and ranked lists agree with pytorch-metric-learning: values and gradients."""

from __future__ import annotations

import numpy as np
import pytest

from lossplug_core.bridge.autodiff import value_and_gradient
from lossplug_core.params import validate
from lossplug_core.spec import spec_of
from lossplug_metric_learning import (
    angular,
    fast_ap,
    generalized_lifted,
    lifted_structure,
    margin,
    ranked_list,
    signal_to_noise,
    triplet_margin,
    tuplet_margin,
)

pytest.importorskip("pytorch_metric_learning")

import torch
from pytorch_metric_learning import losses, miners, regularizers
from pytorch_metric_learning.distances import CosineSimilarity, LpDistance
from pytorch_metric_learning.reducers import AvgNonZeroReducer, MeanReducer

RANDOM = np.random.default_rng(0)
SIZES = [(8, 3, 3), (33, 16, 5), (64, 32, 40)]  # samples, features, classes
BATCHES = {
    str(size): (RANDOM.integers(0, size[2], size[0]), RANDOM.normal(size=size[:2]))
    for size in SIZES
}
BATCHES |= {
    "four-of-each": (np.arange(24) % 6, RANDOM.normal(size=(24, 4))),
    "one-class": (np.zeros(6, "int64"), RANDOM.normal(size=(6, 3))),
    "no-positives": (np.arange(6), RANDOM.normal(size=(6, 3))),
}
AVERAGES = {"terms": MeanReducer, "nonzero": AvgNonZeroReducer}


class OnSphere:
    """A loss of theirs that gets embeddings of length 1, and does not make them so itself."""

    def __init__(self, peer):
        self.peer = peer

    def __call__(self, x, labels, chosen):
        return self.peer(torch.nn.functional.normalize(x), labels, chosen)


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


ALL = list(BATCHES)
WITH_NEGATIVES = [name for name in BATCHES if name != "one-class"]
COMPLETE = ["(33, 16, 5)", "four-of-each"]  # each anchor has a positive and a negative
MEAN = {"average": "terms"}
# Loss, theirs, parameters, batches.
OTHERS = {
    "lifted": (lifted_structure, losses.LiftedStructureLoss(), {}, ALL),
    "lifted-margins": (
        lifted_structure,
        losses.LiftedStructureLoss(
            neg_margin=0.8,
            pos_margin=0.3,
            distance=LpDistance(power=2),
            reducer=AvgNonZeroReducer(),
        ),
        {
            "margin": 0.8,
            "positive_margin": 0.3,
            "distance": "squared_euclidean",
            "average": "nonzero",
        },
        ALL,
    ),
    "generalized": (generalized_lifted, losses.GeneralizedLiftedStructureLoss(), {}, COMPLETE),
    "generalized-margins": (
        generalized_lifted,
        losses.GeneralizedLiftedStructureLoss(neg_margin=0.8, pos_margin=0.3),
        {"margin": 0.8, "positive_margin": 0.3},
        COMPLETE,
    ),
    "snr": (signal_to_noise, losses.SignalToNoiseRatioContrastiveLoss(), {}, ALL),
    "snr-mean": (
        signal_to_noise,
        losses.SignalToNoiseRatioContrastiveLoss(
            pos_margin=0.1, neg_margin=0.7, reducer=MeanReducer()
        ),
        {"positive_margin": 0.1, "margin": 0.7, **MEAN},
        ALL,
    ),
    "snr-regularized": (
        signal_to_noise,
        losses.SignalToNoiseRatioContrastiveLoss(
            embedding_regularizer=regularizers.ZeroMeanRegularizer(),
            embedding_reg_weight=0.1,
            reducer=MeanReducer(),
        ),
        {"regularizer": {"name": "zero_mean", "weight": 0.1}, **MEAN},
        ALL,
    ),
    "fast_ap": (fast_ap, losses.FastAPLoss(), {}, ALL),
    "fast_ap-bins": (fast_ap, losses.FastAPLoss(num_bins=25), {"num_bins": 25}, ALL),
    "angular": (angular, OnSphere(losses.AngularLoss()), {}, ALL),
    "angular-wide": (
        angular,
        OnSphere(losses.AngularLoss(alpha=55, reducer=AvgNonZeroReducer())),
        {"angle": np.radians(55), "average": "nonzero"},
        ALL,
    ),
    "tuplet": (tuplet_margin, losses.TupletMarginLoss(), {}, ALL),
    "tuplet-margin": (
        tuplet_margin,
        losses.TupletMarginLoss(margin=20, scale=8),
        {"margin": np.radians(20), "scale": 8.0},
        ALL,
    ),
    "ranked": (
        ranked_list,
        losses.RankedListLoss(margin=0.4, Tn=10, alpha=1.2),
        {},
        WITH_NEGATIVES,
    ),
    "ranked-temperatures": (
        ranked_list,
        losses.RankedListLoss(margin=0.6, Tn=2, Tp=3, imbalance=0.3),
        {
            "margin": 0.6,
            "alpha": 1.3,
            "negative_temperature": 2.0,
            "positive_temperature": 3.0,
            "balance": 0.3,
        },
        ALL,
    ),
}


@pytest.mark.parametrize(
    ("name", "batch"),
    [(name, batch) for name, (*_, batches) in OTHERS.items() for batch in batches],
)
def test_others(name, batch):
    loss, peer, parameters, _ = OTHERS[name]
    theirs = "pytorch-metric-learning"
    compare(loss, peer, batch, parameters, convention=theirs if loss is not fast_ap else None)


@pytest.mark.parametrize("batch", COMPLETE)
@pytest.mark.parametrize("num_classes", [None, 40])
def test_margin(batch, num_classes):
    """Of each anchor's hardest triplet, which is a positive and a negative pair."""
    nu = 0.1 if num_classes is None else 0.0  # they divide a sum over triplets by that of pairs
    peer = losses.MarginLoss(0.3, nu, 1.0, learn_beta=True, num_classes=num_classes)
    boundary = np.random.default_rng(1).uniform(0.8, 1.2, num_classes or 1).astype("float32")
    peer.beta.data = torch.tensor(boundary, dtype=torch.float64)
    y_true, y_pred = BATCHES[batch]
    y_true, y_pred = y_true.astype("int32"), y_pred.astype("float32")
    parameters = {"alpha": 0.3, "nu": nu, "num_classes": num_classes, "mining": "hard"}
    complete = validate(spec_of(margin), parameters)

    def mean(y_pred, boundary):
        mined = margin(y_true, y_pred, weights={"beta": boundary}, **complete)
        return mined / len(y_true)

    x = torch.tensor(y_pred, dtype=torch.float64, requires_grad=True)
    labels = torch.tensor(y_true, dtype=torch.int64)
    triplets = miners.BatchHardMiner()(x.detach(), labels)
    expected = peer(x, labels, triplets)
    expected.backward()
    values, slope = value_and_gradient(lambda x: mean(x, boundary), y_pred)
    np.testing.assert_allclose(values.sum(), expected.item(), rtol=1e-5)
    np.testing.assert_allclose(slope, x.grad.numpy(), rtol=1e-3, atol=1e-6)
    _, slope = value_and_gradient(lambda x: mean(y_pred, x), boundary)
    np.testing.assert_allclose(slope, peer.beta.grad.numpy(), rtol=1e-4, atol=1e-6)
