"""What every loss computes: a table of cases, and the same checks on each row.

The oracles are loops over samples in float64, written from the definitions in the docstrings.
What all pair losses share is tested in test_pair_losses.py.
"""

from __future__ import annotations

import numpy as np
import pytest

from lossplug_core.testing import parametrize_with_checks
from lossplug_metric_learning import contrastive, pair_contrastive, supcon, triplet_semi_hard
from numerics import Case, check_finite, check_gradient, check_values
from pair_oracles import (
    oracle_contrastive,
    oracle_pair_contrastive,
    oracle_supcon,
    oracle_triplet,
)

RANDOM = np.random.default_rng(7)
EMBEDDINGS = RANDOM.normal(size=(8, 3))
LABELS = np.array([0, 1, 0, 2, 1, 0, 3, 1])
PAIRS = np.array([1, 0, 1, 0, 0, 1, 0])
DISTANCES = np.array([0.4, 0.3, 2.0, 1.9, 0.7, 0.01, 5.0])

CASES = [
    Case("defaults", pair_contrastive, PAIRS, DISTANCES, oracle_pair_contrastive),
    Case("margin", pair_contrastive, PAIRS, DISTANCES, oracle_pair_contrastive, {"margin": 2.5}),
    Case("soft", pair_contrastive, PAIRS * 0.8, DISTANCES, oracle_pair_contrastive),
    Case("columns", pair_contrastive, PAIRS[:, None], DISTANCES[:, None], oracle_pair_contrastive),
    Case("column-row", pair_contrastive, PAIRS, DISTANCES[:, None], oracle_pair_contrastive),
    Case("row-column", pair_contrastive, PAIRS[:, None], DISTANCES, oracle_pair_contrastive),
    Case("defaults", contrastive, LABELS, EMBEDDINGS, oracle_contrastive),
    Case("margin", contrastive, LABELS, EMBEDDINGS, oracle_contrastive, {"margin": 3.0}),
    Case("sphere", contrastive, LABELS, EMBEDDINGS, oracle_contrastive, {"normalize": True}),
    Case("column", contrastive, LABELS[:, None], EMBEDDINGS, oracle_contrastive),
    Case("far-away", contrastive, LABELS, EMBEDDINGS + 1000, oracle_contrastive),
    Case("defaults", triplet_semi_hard, LABELS, EMBEDDINGS, oracle_triplet),
    Case("no-margin", triplet_semi_hard, LABELS, EMBEDDINGS, oracle_triplet, {"margin": 0.0}),
    Case("margin", triplet_semi_hard, LABELS, EMBEDDINGS, oracle_triplet, {"margin": 3.0}),
    Case(
        "euclidean",
        triplet_semi_hard,
        LABELS,
        EMBEDDINGS,
        oracle_triplet,
        {"distance": "euclidean", "margin": 1.0},
    ),
    Case("raw", triplet_semi_hard, LABELS, EMBEDDINGS, oracle_triplet, {"normalize": False}),
    Case("terms", triplet_semi_hard, LABELS, EMBEDDINGS, oracle_triplet, {"average": "terms"}),
    Case("column", triplet_semi_hard, LABELS[:, None], EMBEDDINGS, oracle_triplet),
    Case("defaults", supcon, LABELS, EMBEDDINGS, oracle_supcon),
    Case("temperature", supcon, LABELS, EMBEDDINGS, oracle_supcon, {"temperature": 1.5}),
    Case("cold", supcon, LABELS, EMBEDDINGS, oracle_supcon, {"temperature": 0.01}),
    Case("base", supcon, LABELS, EMBEDDINGS, oracle_supcon, {"base_temperature": 0.07}),
    Case("raw", supcon, LABELS, EMBEDDINGS, oracle_supcon, {"normalize": False}),
    Case(
        "terms",
        supcon,
        LABELS,
        EMBEDDINGS,
        oracle_supcon,
        {"average": "terms"},
    ),
    Case("column", supcon, LABELS[:, None], EMBEDDINGS, oracle_supcon),
]


@pytest.mark.parametrize("check", [check_values, check_gradient])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(case, check):
    check(case)


ORACLES = {
    "pair_contrastive": {None: oracle_pair_contrastive},
    "contrastive": {None: oracle_contrastive},
    "supcon": {
        None: oracle_supcon,
        "pytorch-metric-learning": oracle_supcon,
        "supcontrast": oracle_supcon,
    },
}


@parametrize_with_checks(list(ORACLES), only=["oracle"], oracles=ORACLES)
def test_agrees_on_drawn_data(loss, check):
    check(loss)


BATCHES = {
    "one-sample": (LABELS[:1], EMBEDDINGS[:1]),
    "two-of-one-class": (np.array([4, 4]), EMBEDDINGS[:2]),
    "one-class": (np.zeros(8, "int32"), EMBEDDINGS),
    "no-positives": (np.arange(8), EMBEDDINGS),
    "all-equal": (LABELS, np.full((8, 3), 0.7)),
    "all-zero": (LABELS, np.zeros((8, 3))),
    "one-zero": (LABELS, EMBEDDINGS * (np.arange(8) != 2)[:, None]),
    "duplicates": (np.array([0, 1, 0, 0, 1, 2, 2, 0]), EMBEDDINGS[[0, 0, 0, 1, 1, 1, 2, 3]]),
    "huge": (LABELS, EMBEDDINGS * 1e4),
    "tiny": (LABELS, EMBEDDINGS * 1e-20),
}
ON_BATCHES = [
    (contrastive, oracle_contrastive, {}),
    (contrastive, oracle_contrastive, {"normalize": True}),
    (triplet_semi_hard, oracle_triplet, {}),
    (triplet_semi_hard, oracle_triplet, {"average": "terms"}),
    (triplet_semi_hard, oracle_triplet, {"distance": "euclidean", "normalize": False}),
    (supcon, oracle_supcon, {}),
    (supcon, oracle_supcon, {"average": "terms"}),
    (supcon, oracle_supcon, {"normalize": False}),
]
DEGENERATE = [
    Case("-".join([name, *map(str, parameters.values())]), loss, *batch, oracle, parameters)
    for loss, oracle, parameters in ON_BATCHES
    for name, batch in BATCHES.items()
]


@pytest.mark.parametrize("check", [check_values, check_finite])
@pytest.mark.parametrize("case", DEGENERATE, ids=str)
def test_degenerate_batch(case, check):
    check(case)


# Samples on a line, and their labels. Whole numbers whose mean float32 holds exactly: distances
# that are equal are equal to the last bit. The first anchor of the first row has its positive at 2
# and two negatives just as far; the closest negative beyond it is at 3.
TIES = [
    ("negative-as-far-as-positive", [0, 2, -2, 2, 3, -5, 9, -9], [0, 0, 1, 2, 1, 2, 1, 2]),
    ("all-negatives-as-far", [0, 2, -2, 2, -2, 2, -2, 2], [0, 0, 1, 1, 2, 2, 1, 2]),
    ("positive-on-anchor", [0, 0, 1, 1, -1, -1, 3, -3], [0, 0, 1, 2, 1, 2, 1, 2]),
    ("negative-on-anchor", [0, 1, 0, 0, 0, 1, -1, -1], [0, 0, 1, 1, 2, 2, 0, 1]),
    ("everyone-together", [3] * 8, [0, 0, 1, 1, 2, 2, 0, 1]),
]
AT_TIES = [
    Case(
        f"{name}-{distance}",
        triplet_semi_hard,
        np.array(labels),
        np.array(places, "float64")[:, None],
        oracle_triplet,
        {"distance": distance, "normalize": False, "margin": 8.0},
    )
    for name, places, labels in TIES
    for distance in ("euclidean", "squared_euclidean")
]


@pytest.mark.parametrize("check", [check_values, check_finite])
@pytest.mark.parametrize("case", AT_TIES, ids=str)
def test_a_negative_as_far_as_the_positive_is_not_beyond_it(case, check):
    check(case)
