"""Losses that are softmaxes over the pairs of an anchor: values, gradients, degenerate batches.

What all pair losses share is tested in test_pair_losses.py.
"""

from __future__ import annotations

import typing

import numpy as np
import pytest

from lossplug_core.spec import spec_of
from lossplug_core.testing import parametrize_with_checks
from lossplug_metric_learning import (
    circle,
    multi_similarity,
    nca,
    nt_xent,
    pn,
    soft_nearest_neighbour,
)
from lossplug_metric_learning.distances import Distance
from numerics import Case, check_finite, check_gradient, check_jit, check_values
from softmax_oracles import (
    oracle_circle,
    oracle_multi_similarity,
    oracle_nca,
    oracle_nt_xent,
    oracle_pn,
    oracle_soft_nearest_neighbour,
)

RANDOM = np.random.default_rng(7)
EMBEDDINGS = RANDOM.normal(size=(9, 3))
LABELS = np.array([0, 1, 0, 2, 1, 0, 3, 1, 1])
VIEWS = np.array([0, 1, 2, 3, 0, 1, 2, 3])
ORACLES = {
    nt_xent: oracle_nt_xent,
    multi_similarity: oracle_multi_similarity,
    circle: oracle_circle,
    nca: oracle_nca,
    soft_nearest_neighbour: oracle_soft_nearest_neighbour,
    pn: oracle_pn,
}
MINED = {"mining": "multi_similarity"}
PARAMETERS = {
    nt_xent: [
        {},
        {"temperature": 1.5},
        {"temperature": 0.02},
        {"doubled": True},
        {"doubled": True, "average": "nonzero"},
        {"average": "terms"},
        {"distance": "euclidean", "normalize": False},
        {**MINED, "temperature": 0.5},
    ],
    multi_similarity: [
        {},
        {"alpha": 5.0},
        {"beta": 3.0},
        {"base": -0.2},
        {"average": "terms"},
        {"distance": "euclidean", "normalize": False, "base": -1.0},
        {**MINED, "average": "terms"},
        {**MINED, "beta": 40.0},
    ],
    circle: [
        {"constant_weights": False},
        {"constant_weights": False, "gamma": 3.0},
        {"constant_weights": False, "margin": -0.2, "gamma": 3.0},
        {"constant_weights": False, "separate": True},
        {"constant_weights": False, "average": "nonzero"},
        {"constant_weights": False, "average": "terms", **MINED},
        {"constant_weights": False, "distance": "inner_product", "gamma": 3.0},
    ],
    nca: [
        {},
        {"scale": 0.1},
        {"scale": 20.0, "normalize": True},
        {"objective": "probability"},
        {"objective": "probability", "scale": 0.3, "average": "terms"},
        {"distance": "euclidean", "average": "nonzero"},
        {**MINED, "normalize": True},
    ],
    soft_nearest_neighbour: [
        {},
        {"temperature": 9.0},
        {"temperature": 0.05, "normalize": True},
        {"distance": "cosine", "average": "terms"},
        {**MINED, "normalize": True, "temperature": 0.5},
    ],
    pn: [
        {},
        {"margin": 0.0},
        {"smooth": True, "average": "terms"},
        *({"positives": p, "margin": 3.0} for p in ("hard", "easy")),
        *({"negatives": n, "margin": 3.0} for n in ("hard", "semi_hard", "easy")),
        *({"distance": distance, "margin": 3.0} for distance in typing.get_args(Distance)),
        {**MINED, "normalize": True, "average": "nonzero"},
    ],
}
CASES = [
    Case(str(parameters), loss, LABELS, EMBEDDINGS, ORACLES[loss], parameters)
    for loss, rows in PARAMETERS.items()
    for parameters in rows
]
CASES += [
    Case("two-views", loss, VIEWS, EMBEDDINGS[:8], ORACLES[loss], PARAMETERS[loss][0])
    for loss in ORACLES
]


@pytest.mark.parametrize("check", [check_values, check_gradient])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(case, check):
    check(case)


BATCHES = {
    "one-sample": (LABELS[:1], EMBEDDINGS[:1]),
    "two-of-one-class": (np.array([4, 4]), EMBEDDINGS[:2]),
    "two-of-two-classes": (np.array([4, 5]), EMBEDDINGS[:2]),
    "one-class": (np.zeros(9, "int32"), EMBEDDINGS),
    "no-positives": (np.arange(9), EMBEDDINGS),
    "all-equal": (LABELS, np.full((9, 3), 0.7)),
    "all-zero": (LABELS, np.zeros((9, 3))),
    "one-zero": (LABELS, EMBEDDINGS * (np.arange(9) != 2)[:, None]),
    "duplicates": (LABELS, EMBEDDINGS[[0, 0, 0, 1, 1, 1, 2, 3, 3]]),
    "huge": (LABELS, EMBEDDINGS * 1e4),
    "tiny": (LABELS, EMBEDDINGS * 1e-20),
}
DEGENERATE = [
    Case("-".join([name, *map(str, shared.values())]), loss, *batch, oracle, shared)
    for loss, oracle in ORACLES.items()
    for name, batch in BATCHES.items()
    for shared in ({}, MINED, {"average": "nonzero"})
]


@pytest.mark.parametrize("check", [check_values, check_finite])
@pytest.mark.parametrize("case", DEGENERATE, ids=str)
def test_degenerate_batch(case, check):
    check(case)


@pytest.mark.parametrize("average", ["anchors", "terms", "nonzero"])
@pytest.mark.parametrize("loss", ORACLES)
def test_huge_inner_products_are_finite(loss, average):
    shared = {"distance": "inner_product", "normalize": False, "average": average}
    check_finite(Case("raw", loss, LABELS, EMBEDDINGS * 1e4, ORACLES[loss], shared))


@pytest.mark.parametrize("loss", ORACLES)
def test_a_chunk_changes_nothing(loss):
    whole = Case("whole", loss, LABELS, EMBEDDINGS, ORACLES[loss], {"average": "terms"})
    parts = Case("parts", loss, LABELS, EMBEDDINGS, ORACLES[loss], {**whole.parameters, "chunk": 3})
    for received, expected in zip(parts.computed(), whole.computed(), strict=True):
        rounding = 1e-6 * max(1.0, np.abs(expected).max())
        np.testing.assert_allclose(received, expected, rtol=2e-5, atol=rounding)
    check_jit(parts)


def test_the_weights_of_circle_are_constants():
    """The gradient is that of the exponents with weights that were calculated before."""
    similarity, margin, gamma = 0.3, 0.4, 2.0
    angle = np.arccos(similarity)
    y_pred = np.array([[1.0, 0.0], [1.0, 0.0], [np.cos(angle), np.sin(angle)]])
    case = Case("", circle, np.array([0, 0, 1]), y_pred, oracle_circle, {"gamma": gamma})
    values, gradient = case.computed()
    share = 1 - np.exp(-values[0])  # the sigmoid of what the softplus is of
    # Both anchors of the class pull at the negative, which is itself no anchor with positives.
    to_similarity = 2 * share * gamma * (similarity + margin)
    np.testing.assert_allclose(
        gradient[2],
        to_similarity * np.sin(angle) * np.array([np.sin(angle), -np.cos(angle)]),
        rtol=1e-4,
    )


@parametrize_with_checks(
    [f"metric-learning/{loss.__name__}" for loss in ORACLES],
    only=["oracle"],
    oracles={
        loss.__name__: dict.fromkeys([None, *spec_of(loss).conventions], oracle)
        for loss, oracle in ORACLES.items()
    },
)
def test_agrees_on_drawn_data(loss, check):
    check(loss)
