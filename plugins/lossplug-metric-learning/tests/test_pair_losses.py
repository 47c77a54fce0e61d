"""What all pair losses share: distances, mining, matching, averages, regularisers, chunks.

Each is tested in full on two losses, one of which is a sum over pairs and the other a softmax; the
others are compared with their oracles on drawn parameters, and on degenerate batches.
"""

from __future__ import annotations

import typing

import numpy as np
import pytest

from lossplug_metric_learning import contrastive, supcon
from lossplug_metric_learning._averages import Average
from lossplug_metric_learning.distances import Distance
from numerics import Case, check_finite, check_gradient, check_jit, check_values
from pair_oracles import oracle_contrastive, oracle_supcon

RANDOM = np.random.default_rng(7)
EMBEDDINGS = RANDOM.normal(size=(9, 3))
LABELS = np.array([0, 1, 0, 2, 1, 0, 3, 1, 1])
MULTI_HOT = (RANDOM.random((9, 4)) < 0.4).astype("int32")
ORACLES = {contrastive: oracle_contrastive, supcon: oracle_supcon}

MINING = [
    "angular",
    {"name": "angular", "angle": 0.9},
    "distance_weighted",
    {"name": "distance_weighted", "cutoff": 0.9, "farthest": 1.9},
    "easy_positive",
    {"name": "easy_positive", "negatives": "hard"},
    "hard",
    "multi_similarity",
    {"name": "multi_similarity", "epsilon": -0.3},
    "pair_margin",
    {"name": "pair_margin", "positive": 0.5, "negative": 1.1},
    "semi_hard",
]
SHARED = [
    *[{"distance": name} for name in typing.get_args(Distance)],
    *[{"distance": "inner_product", "normalize": True}],
    *[{"mining": mining, "normalize": True} for mining in MINING],
    *[{"average": average} for average in typing.get_args(Average)],
    *[{"average": average, "mining": "hard"} for average in typing.get_args(Average)],
    {"regularizer": "length"},
    {"regularizer": {"name": "length", "weight": 0.3, "norm": 1, "power": 2}},
    {"regularizer": "zero_mean"},
    {"mining": "semi_hard", "distance": "cosine", "average": "nonzero"},
]
CASES = [
    Case(str(shared), loss, LABELS, EMBEDDINGS, oracle, shared)
    for loss, oracle in ORACLES.items()
    for shared in SHARED
]
SEVERAL = [{}, {"matching": "jaccard"}, {"matching": {"name": "jaccard", "threshold": 0.2}}]
WITH_SEVERAL_LABELS = [
    Case(str(shared), loss, MULTI_HOT, EMBEDDINGS, oracle, {**shared, **other})
    for loss, oracle in ORACLES.items()
    for shared in SEVERAL
    for other in ({}, {"average": "classes"})
]


@pytest.mark.parametrize("case", [*CASES, *WITH_SEVERAL_LABELS], ids=str)
def test_values(case):
    check_values(case)


@pytest.mark.parametrize("case", [*CASES, *WITH_SEVERAL_LABELS], ids=str)
def test_gradient(case):
    if "distance_weighted" in str(case):
        pytest.skip("how much a negative counts has no gradient, by design")
    check_gradient(case)


@pytest.mark.parametrize("loss", ORACLES)
def test_one_hot_rows_are_labels(loss):
    one_hot = Case("one-hot", loss, np.eye(4, dtype="int32")[LABELS], EMBEDDINGS, ORACLES[loss])
    plain = Case("plain", loss, LABELS, EMBEDDINGS, ORACLES[loss])
    for received, expected in zip(one_hot.computed(), plain.computed(), strict=True):
        np.testing.assert_allclose(received, expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("chunk", [1, 2, 3, 4, 8, 9, 100])
@pytest.mark.parametrize("loss", ORACLES)
def test_a_chunk_changes_nothing(loss, chunk):
    shared = {"mining": "multi_similarity", "average": "classes", "normalize": True}
    whole = Case("whole", loss, LABELS, EMBEDDINGS, ORACLES[loss], shared)
    parts = Case("parts", loss, LABELS, EMBEDDINGS, ORACLES[loss], {**shared, "chunk": chunk})
    for received, expected in zip(parts.computed(), whole.computed(), strict=True):
        np.testing.assert_allclose(received, expected, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("labels", [LABELS, MULTI_HOT], ids=["labels", "multi-hot"])
@pytest.mark.parametrize("loss", ORACLES)
def test_a_chunk_compiled(loss, labels):
    check_jit(Case("jit", loss, labels, EMBEDDINGS, ORACLES[loss], {"chunk": 4}))


BATCHES = {
    "one-sample": (LABELS[:1], EMBEDDINGS[:1]),
    "one-class": (np.zeros(9, "int32"), EMBEDDINGS),
    "no-positives": (np.arange(9), EMBEDDINGS),
    "all-equal": (LABELS, np.full((9, 3), 0.7)),
    "all-zero": (LABELS, np.zeros((9, 3))),
    "no-label-at-all": (np.zeros((9, 4), "int32"), EMBEDDINGS),
}


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("mining", ["angular", "distance_weighted", "hard", "semi_hard"])
@pytest.mark.parametrize("loss", ORACLES)
def test_a_miner_that_finds_nothing_is_finite(loss, mining, batch):
    for average in typing.get_args(Average):
        parameters = {"mining": mining, "average": average, "normalize": True}
        check_finite(Case(batch, loss, *BATCHES[batch], ORACLES[loss], parameters))
