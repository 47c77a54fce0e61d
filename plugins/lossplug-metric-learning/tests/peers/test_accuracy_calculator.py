"""Agreement with the `AccuracyCalculator` of pytorch-metric-learning."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lossplug_metric_learning.evaluation import retrieval_metrics

pytest.importorskip("pytorch_metric_learning")
pytest.importorskip("sklearn")

import torch
from pytorch_metric_learning.distances import CosineSimilarity, DotProductSimilarity, LpDistance
from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
from pytorch_metric_learning.utils.inference import CustomKNN
from sklearn.cluster import KMeans

THEIR_NAME = {
    "precision_at_1": "precision_at_1",
    "r_precision": "r_precision",
    "map_at_r": "mean_average_precision_at_r",
    "nmi": "NMI",
    "ami": "AMI",
}
OF_NEIGHBOURS = ("precision_at_1", "r_precision", "map_at_r")
DISTANCE = {
    "euclidean": LpDistance(normalize_embeddings=False),
    "cosine": CosineSimilarity(),
    "inner_product": DotProductSimilarity(normalize_embeddings=False),
}
SIZES = [(9, 2, 3), (60, 8, 4), (200, 16, 90)]  # samples, features, classes


def batch(samples, features, classes, seed=0):
    random = np.random.default_rng((samples, seed))
    labels = random.integers(0, classes, samples)
    return random.normal(size=(samples, features)).astype("float32"), labels


def clusters(x, count):
    return torch.tensor(KMeans(count, random_state=0, n_init=1).fit_predict(x.numpy()))


def theirs(names, *data, distance="euclidean", **options):
    calculator = AccuracyCalculator(
        include=tuple(THEIR_NAME[name] for name in names),
        knn_func=CustomKNN(DISTANCE[distance]),
        kmeans_func=clusters,
        device=torch.device("cpu"),
        **options,
    )
    found = calculator.get_accuracy(*(torch.tensor(one) for one in data))
    return {name: found[THEIR_NAME[name]] for name in names}


def same(received, expected):
    assert received == pytest.approx(expected, abs=1e-5, nan_ok=True)


@pytest.mark.parametrize("distance", DISTANCE)
@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("k", [None, "max_bin_count"])
def test_among_themselves(sizes, distance, k):
    x, y = batch(*sizes)
    received = retrieval_metrics(x, y, metrics=OF_NEIGHBOURS, distance=distance)
    same(received, theirs(OF_NEIGHBOURS, x, y, distance=distance, k=k))


@pytest.mark.parametrize("distance", DISTANCE)
@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("more", [0, 5], ids=["classes of the queries", "other classes too"])
def test_among_references(sizes, distance, more):
    (x, y), (references, labels) = batch(*sizes), batch(150, sizes[1], sizes[2] + more, seed=1)
    received = retrieval_metrics(
        x,
        y,
        reference_embeddings=references,
        reference_labels=labels,
        metrics=OF_NEIGHBOURS,
        distance=distance,
    )
    same(received, theirs(OF_NEIGHBOURS, x, y, references, labels, distance=distance))


@pytest.mark.parametrize(
    "labels",
    [
        pytest.param([0] * 12, id="one class"),
        pytest.param([0] * 11 + [1], id="a class with one sample"),
        pytest.param([0] * 6 + list(range(1, 7)), id="many with one sample"),
        pytest.param([0] * 10 + [1, 1], id="large and small"),
        pytest.param(list(range(12)), id="each its own"),
    ],
)
def test_degenerate(labels):
    x, y = batch(12, 4, 2)[0], np.array(labels)
    names = tuple(THEIR_NAME)
    same(retrieval_metrics(x, y, metrics=names), theirs(names, x, y))


def test_a_class_without_references():
    x, y = batch(12, 4, 3)
    references, labels = x[y < 2], y[y < 2]
    several = {"reference_embeddings": references + 1, "reference_labels": labels}
    received = retrieval_metrics(x, y, metrics=OF_NEIGHBOURS, **several)
    same(received, theirs(OF_NEIGHBOURS, x, y, references + 1, labels))
    assert not any(math.isnan(value) for value in received.values())


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_clusters(sizes):
    x, y = batch(*sizes)
    same(retrieval_metrics(x, y, metrics=("nmi", "ami")), theirs(("nmi", "ami"), x, y))


def test_several_labels_a_sample():
    x = batch(40, 4, 2)[0]
    y = (np.random.default_rng(0).random((40, 6)) < 0.25).astype("int32")
    y[~y.any(axis=1), 0] = 1

    def share(a, b):
        return torch.logical_and(a, b).any(dim=-1)

    expected = theirs(OF_NEIGHBOURS, x, y, label_comparison_fn=share)
    same(retrieval_metrics(x, y, metrics=OF_NEIGHBOURS), expected)
