"""What the losses of triplets and of ranked lists compute."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lossplug_core.errors import ParameterError
from lossplug_core.testing import parametrize_with_checks
from lossplug_metric_learning import (
    _triplets,
    angular,
    fast_ap,
    generalized_lifted,
    lifted_structure,
    margin,
    ranked_list,
    signal_to_noise,
    triplet_margin,
    triplet_semi_hard,
    tuplet_margin,
)
from numerics import Case, check_finite, check_gradient, check_jit, check_values
from pair_oracles import oracle_triplet
from triplets_oracles import (
    oracle_angular,
    oracle_fast_ap,
    oracle_generalized_lifted,
    oracle_lifted_structure,
    oracle_margin,
    oracle_ranked_list,
    oracle_signal_to_noise,
    oracle_triplet_margin,
    oracle_tuplet_margin,
)

RANDOM = np.random.default_rng(7)
EMBEDDINGS = RANDOM.normal(size=(9, 3))
LABELS = np.array([0, 1, 0, 2, 1, 0, 3, 1, 1])
MULTI_HOT = (RANDOM.random((9, 4)) < 0.4).astype("int32")

ON = {
    triplet_margin: (
        oracle_triplet_margin,
        [
            {},
            {"margin": 0.0},
            {"margin": 1.5},
            {"average": "nonzero"},
            {"average": "anchors"},
            {"normalize": False},
            {"distance": "cosine"},
            {"distance": "inner_product", "normalize": False},
            {"triplets": "semi_hard", "margin": 0.6},
            {"triplets": "semi_hard", "margin": 0.6, "average": "nonzero"},
            {"triplets": "hard"},
            {"triplets": "hard", "smooth": True},
            {"triplets": "hard", "margin": 0.0, "average": "anchors", "smooth": True},
            {"triplets": "easy_positive"},
            {"triplets": "easy_positive", "smooth": True},
            {"mining": "multi_similarity"},
            {"mining": "semi_hard", "triplets": "hard", "smooth": True, "margin": 0.0},
        ],
    ),
    lifted_structure: (
        oracle_lifted_structure,
        [
            {},
            {"margin": 2.0, "positive_margin": 0.4},
            {"normalize": True, "average": "nonzero"},
            {"mining": "multi_similarity"},
        ],
    ),
    generalized_lifted: (
        oracle_generalized_lifted,
        [{}, {"margin": 2.0, "positive_margin": 0.4}, {"normalize": True, "distance": "cosine"}],
    ),
    signal_to_noise: (
        oracle_signal_to_noise,
        [
            {},
            {"margin": 2.0, "positive_margin": 0.4},
            {"normalize": False},
            {"average": "nonzero", "regularizer": {"name": "zero_mean", "weight": 0.01}},
        ],
    ),
    fast_ap: (oracle_fast_ap, [{}, {"num_bins": 1}, {"num_bins": 25}]),
    angular: (oracle_angular, [{}, {"angle": 0.2}, {"angle": 1.04}]),
    tuplet_margin: (oracle_tuplet_margin, [{}, {"margin": 0.0}, {"margin": 0.5, "scale": 4.0}]),
    ranked_list: (
        oracle_ranked_list,
        [
            {},
            {"alpha": 0.9, "margin": 0.0},
            {"positive_temperature": 3.0, "negative_temperature": 0.0, "balance": 0.2},
            {"epsilon": 0.01, "normalize": False, "alpha": 2.5},
        ],
    ),
}
ONE, EACH = {"beta": np.array([0.9])}, {"beta": np.array([0.9, 1.1, 0.6, 1.4])}
MARGINS = [
    Case(str(parameters), margin, LABELS, EMBEDDINGS, oracle_margin, parameters, weights)
    for parameters, weights in [
        ({}, ONE),
        ({"alpha": 0.5, "nu": 0.3}, ONE),
        ({"num_classes": 4, "nu": 0.3}, EACH),
        ({"num_classes": 4, "average": "anchors", "distance": "squared_euclidean"}, EACH),
        ({"mining": "hard"}, ONE),
        ({"chunk": 4, "nu": 0.1}, ONE),
    ]
]
CASES = [
    Case(str(parameters), loss, LABELS, EMBEDDINGS, oracle, parameters)
    for loss, (oracle, rows) in ON.items()
    for parameters in rows
]


@pytest.mark.parametrize("check", [check_values, check_gradient])
@pytest.mark.parametrize("case", CASES + MARGINS, ids=str)
def test_case(case, check):
    check(case)


@pytest.mark.parametrize("case", MARGINS, ids=str)
def test_gradient_in_the_boundary(case):
    check_gradient(case, argument="beta")


def test_drawn_by_distance():
    check_values(replace(MARGINS[0], parameters={"mining": "distance_weighted"}))


def test_a_label_that_is_no_class_is_nan():
    labels = np.where(LABELS == 1, 4, LABELS)
    case = replace(MARGINS[2], y_true=labels)
    np.testing.assert_array_equal(np.isnan(case.computed()[0]), labels == 4)


@pytest.mark.parametrize("loss", ON)
def test_rows_of_several_labels(loss):
    check_values(Case("several", loss, MULTI_HOT, EMBEDDINGS, ON[loss][0]))


@pytest.mark.parametrize("loss", ON)
def test_a_chunk_changes_nothing(loss):
    whole = Case("whole", loss, LABELS, EMBEDDINGS, ON[loss][0])
    if "chunk" not in whole.complete:
        pytest.skip("all references are compared with each other")
    parts = Case("parts", loss, LABELS, EMBEDDINGS, ON[loss][0], {"chunk": 4})
    for received, expected in zip(parts.computed(), whole.computed(), strict=True):
        np.testing.assert_allclose(received, expected, rtol=2e-5, atol=1e-6)
    check_jit(parts)


ORACLES = {
    "angular": {None: oracle_angular, "pytorch-metric-learning": oracle_angular},
    "fast_ap": {None: oracle_fast_ap},
    "generalized_lifted": {
        None: oracle_generalized_lifted,
        "pytorch-metric-learning": oracle_generalized_lifted,
    },
    "lifted_structure": {
        None: oracle_lifted_structure,
        "pytorch-metric-learning": oracle_lifted_structure,
    },
    "ranked_list": {None: oracle_ranked_list, "pytorch-metric-learning": oracle_ranked_list},
    "signal_to_noise": {
        None: oracle_signal_to_noise,
        "pytorch-metric-learning": oracle_signal_to_noise,
    },
    "tuplet_margin": {
        None: oracle_tuplet_margin,
        "pytorch-metric-learning": oracle_tuplet_margin,
    },
    "triplet_margin": {
        None: oracle_triplet_margin,
        "pytorch-metric-learning": oracle_triplet_margin,
        "tensorflow-addons": oracle_triplet_margin,
    },
    "triplet_semi_hard": {None: oracle_triplet, "tensorflow-addons": oracle_triplet},
}


@parametrize_with_checks(list(ORACLES), only=["oracle"], oracles=ORACLES)
def test_agrees_on_drawn_data(loss, check):
    check(loss)


BATCHES = {
    "one-sample": (LABELS[:1], EMBEDDINGS[:1]),
    "two-of-one-class": (np.array([4, 4]), EMBEDDINGS[:2]),
    "one-class": (np.zeros(9, "int32"), EMBEDDINGS),
    "no-positives": (np.arange(9), EMBEDDINGS),
    "all-equal": (LABELS, np.full((9, 3), 0.7)),
    "all-zero": (LABELS, np.zeros((9, 3))),
    "one-zero": (LABELS, EMBEDDINGS * (np.arange(9) != 2)[:, None]),
    "duplicates": (LABELS, EMBEDDINGS[[0, 0, 0, 1, 1, 1, 2, 3, 2]]),
    "huge": (LABELS, EMBEDDINGS * 1e4),
    "tiny": (LABELS, EMBEDDINGS * 1e-20),
}
# Of samples just as far as each other, rounding decides which is beyond the other, and whether a
# hinge of 0 is above 0. Squares of the tiny ones underflow.
ROUNDED = {
    "duplicates": ("semi_hard", "easy_positive"),
    "one-zero": ("semi_hard", "easy_positive", "zero_mean"),
    "tiny": ("signal_to_noise-{'normalize': False}",),
}
ON_BATCHES = [
    Case(f"{parameters}-{name}", loss, *batch, oracle, parameters)
    for loss, (oracle, rows) in ON.items()
    for parameters in rows
    for name, batch in BATCHES.items()
]
DEGENERATE = [
    case
    for case in ON_BATCHES
    if not any(
        case.name.endswith(f"-{name}") and part in str(case)
        for name, parts in ROUNDED.items()
        for part in parts
    )
]


@pytest.mark.parametrize("case", DEGENERATE, ids=str)
def test_degenerate_batch(case):
    check_values(case)


@pytest.mark.parametrize("batch", BATCHES)
def test_margin_of_a_degenerate_batch(batch):
    case = replace(MARGINS[1], y_true=BATCHES[batch][0], y_pred=BATCHES[batch][1])
    check_values(case)
    check_finite(case)


@pytest.mark.parametrize("case", ON_BATCHES, ids=str)
def test_degenerate_batch_is_finite(case):
    check_finite(case)


# Two ways to add up triplets

FEW_CLASSES = RANDOM.integers(0, 3, 24)
MANY = [
    (triplet_margin, oracle_triplet_margin, {}),
    (triplet_margin, oracle_triplet_margin, {"average": "nonzero", "margin": 0.5}),
    (triplet_margin, oracle_triplet_margin, {"mining": "distance_weighted"}),
    (triplet_margin, oracle_triplet_margin, {"triplets": "semi_hard", "margin": 0.5}),
    (triplet_margin, oracle_triplet_margin, {"triplets": "semi_hard", "average": "nonzero"}),
    (triplet_margin, oracle_triplet_margin, {"distance": "inner_product", "normalize": False}),
    (triplet_margin, oracle_triplet_margin, {"average": "nonzero", "margin": 0.0}),
    (triplet_semi_hard, oracle_triplet, {}),
    (triplet_semi_hard, oracle_triplet, {"average": "nonzero", "margin": 0.5}),
    (triplet_semi_hard, oracle_triplet, {"mining": "distance_weighted"}),
]
# Whole numbers, whose distances are equal to the last bit where they are equal.
LINE = np.array([0, 2, -2, 2, 3, -5, 9, -9, 4, 4, -4, 0, 1, -1, 3, -3])[:, None].astype("float64")
TIES = [
    {"distance": distance, "normalize": False, "margin": margin, "average": average, **more}
    for distance in ("euclidean", "squared_euclidean")
    for margin in (0.0, 2.0, 5.0)
    for average in ("terms", "nonzero")
    for more in ({}, {"triplets": "semi_hard"})
]


@pytest.fixture(params=[0.0, 100.0], ids=["many-positives", "few-positives"])
def way(request, monkeypatch):
    """Either way of adding up, whatever the batch."""
    monkeypatch.setattr(_triplets, "_FEW", request.param)
    return request.param


@pytest.mark.parametrize("check", [check_values, check_gradient])
@pytest.mark.parametrize(("loss", "oracle", "parameters"), MANY, ids=str)
def test_both_ways_give_the_same(way, check, loss, oracle, parameters):
    if check is check_gradient and "mining" in parameters:
        pytest.skip("how much a negative counts has no gradient, by design")
    embeddings = np.random.default_rng(3).normal(size=(24, 4))
    check(Case("", loss, FEW_CLASSES, embeddings, oracle, parameters))


@pytest.mark.parametrize("parameters", TIES, ids=str)
def test_both_ways_agree_at_ties(way, parameters):
    labels = np.arange(16) % 3
    check_values(Case("", triplet_margin, labels, LINE, oracle_triplet_margin, parameters))


def test_a_small_loss_of_large_distances_is_exact(way):
    """Nothing is subtracted that is far larger than the loss."""
    embeddings = np.random.default_rng(3).normal(size=(24, 4))
    parameters = {"margin": 0.01, "average": "nonzero", "normalize": False}
    case = Case("", triplet_margin, FEW_CLASSES, embeddings + 3, oracle_triplet_margin, parameters)
    check_values(case)


@pytest.mark.parametrize("triplets", ["all", "semi_hard"])
def test_no_softplus_of_all_triplets(triplets):
    with pytest.raises(ParameterError, match="hard"):
        triplet_margin(LABELS, EMBEDDINGS, triplets=triplets, smooth=True)
