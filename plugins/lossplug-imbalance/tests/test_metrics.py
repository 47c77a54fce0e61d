"""Metrics as losses: what they are summed up to, in loops over samples, and their hard limits."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn import metrics

from lossplug_core import DataError
from lossplug_core.bridge.autodiff import value_and_gradient
from lossplug_core.testing import parametrize_with_checks
from lossplug_imbalance import (
    categorical_f_beta,
    pairwise_auc,
    smooth_average_precision,
    soft_f_beta,
    soft_mcc,
)
from numerics import Case, check_finite, check_gradient, check_jit, check_values, tensor

# --- The definitions, in NumPy and loops ----------------------------------------------------------


def with_outputs(y_true, y_pred):
    """As `[samples, outputs]`; class ids are each class against the rest."""
    if y_pred.ndim > 1 and y_pred.shape[-1] > 1 and y_true.size < y_pred.size:
        y_true = np.eye(y_pred.shape[-1])[y_true.reshape(-1)]
    outputs = y_pred.shape[-1] if y_pred.ndim > 1 else 1
    return y_true.reshape(-1, outputs).astype("float64"), y_pred.reshape(-1, outputs)


def per_output(one):
    """The oracle of several outputs from that of one: the mean."""

    def oracle(y_true, y_pred, **parameters):
        targets, predictions = with_outputs(y_true, y_pred)
        values = [one(y, x, **parameters) for y, x in zip(targets.T, predictions.T, strict=True)]
        return np.mean(values, axis=0).reshape(y_pred.shape[:-1] if y_pred.ndim > 1 else (-1,))

    return oracle


def sigmoid(x):
    return np.exp(-np.logaddexp(0, -x))


COSTS = {
    "hinge": lambda d, margin: max(0.0, margin - d),
    "squared_hinge": lambda d, margin: max(0.0, margin - d) ** 2,
    "squared": lambda d, margin: (margin - d) ** 2,
}


@per_output
def auc_oracle(y, s, surrogate, margin):
    pairs, values = y.sum() * (1 - y).sum(), np.zeros(len(y))
    if pairs == 0:
        return values
    for i in range(len(y)):
        for j in range(len(y)):
            values[i] += y[i] * (1 - y[j]) * COSTS[surrogate](s[i] - s[j], margin)
    return values * len(y) / pairs


@per_output
def average_precision_oracle(y, s, temperature, chunk):
    del chunk
    values = np.zeros(len(y))
    for i in range(len(y)):
        others = [j for j in range(len(y)) if j != i]
        above = {j: sigmoid((s[j] - s[i]) / temperature) for j in others}
        among_positives = 1 + sum(y[j] * above[j] for j in others)
        among_all = 1 + sum(above[j] for j in others)
        values[i] = y[i] * (1 - among_positives / among_all)
    return values * len(y) / y.sum() if y.sum() else values


def lost_f(y, p, beta, epsilon):
    """One minus the F-score of targets and probabilities, and the part of each in it."""
    t, missed, wrong = (y * p).sum(), y * (1 - p), (1 - y) * p
    weighted = (1 + beta**2) * t
    whole = weighted + beta**2 * missed.sum() + wrong.sum() + epsilon
    parts = (beta**2 * missed + wrong) / whole
    np.testing.assert_allclose(parts.sum(), 1 - (weighted + epsilon) / whole, atol=1e-12)
    return parts


def f_beta(y, p, beta, average, epsilon, shape):
    if average == "micro":
        return len(y) * lost_f(y, p, beta, epsilon).sum(-1).reshape(shape)
    if average == "samples":
        rows = zip(y, p, strict=True)
        return np.array([lost_f(*row, beta, epsilon).sum() for row in rows]).reshape(shape)
    columns = zip(y.T, p.T, strict=True)
    each = [len(y) * lost_f(*column, beta, epsilon) for column in columns]
    return np.mean(each, axis=0).reshape(shape)


def f_beta_oracle(y_true, y_pred, beta, average, slope, offset, epsilon, from_logits):
    shape = y_pred.shape[:-1] if y_pred.ndim > 1 else (-1,)
    y, p = with_outputs(y_true, y_pred)
    p = sigmoid(slope * (p + offset)) if from_logits else p
    return f_beta(y, p, beta, average, epsilon, shape)


def categorical_f_beta_oracle(y_true, y_pred, beta, average, epsilon, from_logits):
    y, p = with_outputs(y_true, y_pred)
    p = np.exp(p - np.logaddexp.reduce(p, -1, keepdims=True)) if from_logits else p
    p = p / np.where(p.any(-1, keepdims=True), p.sum(-1, keepdims=True), 1)
    return f_beta(y, p, beta, average, epsilon, y_pred.shape[:-1])


@per_output
def mcc_oracle(y, p, epsilon, from_logits):
    found, missed = (sigmoid(p), sigmoid(-p)) if from_logits else (p, 1 - p)
    t, u = (y * found).sum(), (y * missed).sum()
    v, w = ((1 - y) * found).sum(), ((1 - y) * missed).sum()
    denominator = np.sqrt((t + v) * (t + u) * (w + v) * (w + u)) + epsilon
    values = 1 - len(y) ** 2 * (y - y.mean()) * (found - found.mean()) / denominator
    np.testing.assert_allclose(values.mean(), 1 - (t * w - v * u) / denominator, atol=1e-6)
    return values


# --- The data -------------------------------------------------------------------------------------

rng = np.random.default_rng(0)

LOGITS = rng.normal(0, 3, (6, 3))
SCORES = rng.uniform(0, 1, (6, 3))
POSITIONS = rng.normal(0, 3, (2, 4, 3))
DISTRIBUTIONS = rng.dirichlet((1.0, 1.0, 1.0), 6)
BINARY = np.array([[1, 0, 0], [0, 0, 1], [1, 1, 1], [0, 1, 0], [0, 0, 1], [0, 1, 1]])
BINARY_POSITIONS = rng.integers(0, 2, (2, 4, 3))
SOFT = rng.uniform(0, 1, (6, 3))
IDS = np.array([0, 2, 1, 1, 0, 0])
ID_POSITIONS = rng.integers(0, 3, (2, 4))
ONE_HOT = np.eye(3, dtype=int)[IDS]
SOFT_LABELS = rng.dirichlet((0.3, 0.3, 0.3), 6)
LARGE = 1e4 + LOGITS
FAR = np.array([[1e4, -1e4, 1e4], [-1e4, 1e4, -1e4], [100, 0, -100], [0, 0, 0]])
FAR_BINARY = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1], [0, 1, 0]])
SATURATED = np.array([[1.0, 0, 1], [0, 1, 0], [0, 0, 1], [1, 0, 0]])
FAR_IDS = np.array([0, 0, 1, 2])

logits = {"from_logits": True}


def auc_case(name, y_true, y_pred, **parameters):
    return Case(name, pairwise_auc, y_true, y_pred, auc_oracle, parameters)


def average_precision_case(name, y_true, y_pred, **parameters):
    oracle = average_precision_oracle
    return Case(name, smooth_average_precision, y_true, y_pred, oracle, parameters)


def f_beta_case(name, y_true, y_pred, **parameters):
    return Case(name, soft_f_beta, y_true, y_pred, f_beta_oracle, parameters)


def categorical_f_beta_case(name, y_true, y_pred, **parameters):
    return Case(name, categorical_f_beta, y_true, y_pred, categorical_f_beta_oracle, parameters)


def mcc_case(name, y_true, y_pred, **parameters):
    return Case(name, soft_mcc, y_true, y_pred, mcc_oracle, parameters)


CASES = [
    auc_case("squared hinge", BINARY, LOGITS),
    auc_case("hinge", BINARY, LOGITS, surrogate="hinge", margin=2.5),
    auc_case("squared", BINARY, LOGITS, surrogate="squared", margin=0.3),
    auc_case("no outputs axis", BINARY[:, 0], LOGITS[:, 0], margin=0.3),
    auc_case("soft", SOFT, SCORES),
    auc_case("class ids", IDS, LOGITS, surrogate="hinge"),
    auc_case("positions", BINARY_POSITIONS, POSITIONS),
    auc_case("all alike", BINARY, LOGITS * 0, surrogate="hinge"),
    auc_case("large and alike", BINARY, LARGE, margin=0.3),
    average_precision_case("probabilities", BINARY, SCORES, temperature=0.1),
    average_precision_case("no outputs axis", BINARY[:, 0], SCORES[:, 0]),
    average_precision_case("soft", SOFT, LOGITS, temperature=1.0),
    average_precision_case("class ids", IDS, LOGITS, temperature=0.5, chunk=2),
    average_precision_case("positions", BINARY_POSITIONS, POSITIONS, temperature=1.0, chunk=3),
    average_precision_case("large and alike", BINARY, LARGE, temperature=2.0),
    f_beta_case("probabilities", BINARY, SCORES),
    f_beta_case("logits", BINARY, LOGITS, beta=2, **logits),
    f_beta_case("slope and offset", BINARY, LOGITS, slope=0.5, offset=1.5, **logits),
    f_beta_case("micro", SOFT, LOGITS, average="micro", beta=0.5, **logits),
    f_beta_case("samples", BINARY, SCORES, average="samples", epsilon=0.1),
    f_beta_case("no outputs axis", BINARY[:, 0], LOGITS[:, 0], beta=0, **logits),
    f_beta_case("positions", BINARY_POSITIONS, POSITIONS, epsilon=1, **logits),
    f_beta_case("far", FAR_BINARY, FAR, **logits),
    categorical_f_beta_case("distributions", IDS, DISTRIBUTIONS),
    categorical_f_beta_case("not distributions", IDS, SCORES, beta=2),
    categorical_f_beta_case("one-hot", ONE_HOT, LOGITS, average="micro", **logits),
    categorical_f_beta_case("soft", SOFT_LABELS, LOGITS, **logits),
    categorical_f_beta_case("samples", IDS, LOGITS, average="samples", **logits),
    categorical_f_beta_case("positions", ID_POSITIONS, POSITIONS, **logits),
    categorical_f_beta_case("far", FAR_IDS, FAR, **logits),
    mcc_case("probabilities", BINARY, SCORES),
    mcc_case("logits", BINARY, LOGITS, **logits),
    mcc_case("soft", SOFT, LOGITS, **logits),
    mcc_case("no outputs axis", BINARY[:, 0], LOGITS[:, 0], **logits),
    mcc_case("positions", BINARY_POSITIONS, POSITIONS, epsilon=1, **logits),
    mcc_case("nearly sure", BINARY, LOGITS + 12, **logits),
    mcc_case("far", FAR_BINARY[:, ::2], FAR[:, ::2], **logits),
]

EXTREMES = [
    *[auc_case(f"far, {of}", FAR_BINARY, FAR, surrogate=of) for of in COSTS],
    auc_case("all alike", BINARY, LOGITS * 0),
    average_precision_case("far", FAR_BINARY, FAR, chunk=3),
    average_precision_case("all alike", BINARY, LOGITS * 0),
    f_beta_case("saturated", FAR_BINARY, SATURATED),
    f_beta_case("nothing", BINARY * 0, LOGITS * 0),
    categorical_f_beta_case("saturated", FAR_IDS, SATURATED),
    categorical_f_beta_case("nothing is likely", FAR_IDS, SATURATED * 0),
    mcc_case("saturated", FAR_BINARY, SATURATED),
    mcc_case("all no", BINARY, LOGITS * 0),
    mcc_case("far below", BINARY, LOGITS - 1e4, **logits),
]


@pytest.mark.parametrize("check", [check_values, check_gradient])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees_with_the_definition(case, check):
    check(case)


@pytest.mark.parametrize("check", [check_values, check_finite, check_jit])
@pytest.mark.parametrize("case", EXTREMES, ids=str)
def test_never_overflows(case, check):
    check(case)


@parametrize_with_checks(
    [
        "imbalance/pairwise_auc",
        "imbalance/smooth_average_precision",
        "imbalance/soft_f_beta",
        "imbalance/categorical_f_beta",
        "imbalance/soft_mcc",
    ],
    only=["oracle"],
    oracles={
        "pairwise_auc": {None: auc_oracle},
        "smooth_average_precision": {None: average_precision_oracle},
        "soft_f_beta": {None: f_beta_oracle},
        "categorical_f_beta": {None: categorical_f_beta_oracle},
        "soft_mcc": {None: mcc_oracle, "authors": mcc_oracle},
    },
)
def test_agrees_on_drawn_data(loss, check):
    check(loss)


# --- The hard limit: the metric -------------------------------------------------------------------

TARGETS = np.array([1, 0, 0, 1, 0, 1, 0, 0, 0, 1])
RANKED = rng.permutation(10).astype("float64")
SURE = np.array([1, 0, 1, 1, 0, 0, 0, 0, 1, 1])
"""Predictions that are certain, some of them wrong."""
CLASSES, SURE_CLASSES = np.array([0, 1, 2, 1, 0, 2, 2, 0]), np.array([0, 1, 1, 1, 2, 2, 2, 0])


def mean(values):
    return float(keras.ops.mean(values))


def test_with_a_margin_below_all_gaps_hinge_counts_the_pairs_in_wrong_order():
    margin = 1e-3  # a pair in the right order is apart by 1 at least, and costs nothing
    hinge = mean(pairwise_auc(TARGETS, RANKED, surrogate="hinge", margin=margin))
    less = mean(pairwise_auc(TARGETS, RANKED, surrogate="hinge", margin=margin / 2))
    wrong_pairs = (hinge - less) / (margin / 2)
    assert wrong_pairs == pytest.approx(1 - metrics.roc_auc_score(TARGETS, RANKED), abs=2e-3)


def test_scores_of_two_values_have_exactly_the_auc():
    # Pairs cost 1 if they are the wrong way round, half if they are a tie: d is 1, 0 or -1.
    found = mean(pairwise_auc(TARGETS, SURE, surrogate="hinge", margin=1.0)) / 2
    assert found == pytest.approx(1 - metrics.roc_auc_score(TARGETS, SURE), rel=1e-6)


def test_the_limit_is_average_precision():
    found = mean(smooth_average_precision(TARGETS, RANKED, temperature=0.01))
    expected = 1 - metrics.average_precision_score(TARGETS, RANKED)
    assert found == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("given", [{}, logits], ids=["probabilities", "logits"])
def test_the_limit_is_the_f_score(beta, given):
    predictions = 100.0 * (2 * SURE - 1) if given else SURE
    found = mean(soft_f_beta(TARGETS, predictions, beta=beta, **given))
    assert found == pytest.approx(1 - metrics.fbeta_score(TARGETS, SURE, beta=beta), rel=1e-6)


@pytest.mark.parametrize("average", ["macro", "micro", "samples"])
def test_the_limit_is_the_f_score_of_many_labels(average):
    expected = 1 - metrics.f1_score(BINARY, np.roll(BINARY, 1, 0), average=average)
    found = mean(soft_f_beta(BINARY, np.roll(BINARY, 1, 0), average=average))
    assert found == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("average", ["macro", "micro"])
def test_the_limit_is_the_f_score_of_classes(average):
    expected = 1 - metrics.f1_score(CLASSES, SURE_CLASSES, average=average)
    found = mean(categorical_f_beta(CLASSES, np.eye(3)[SURE_CLASSES], average=average))
    assert found == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("given", [{}, logits], ids=["probabilities", "logits"])
def test_the_limit_is_the_matthews_correlation(given):
    predictions = 100.0 * (2 * SURE - 1) if given else SURE
    found = mean(soft_mcc(TARGETS, predictions, **given))
    assert found == pytest.approx(1 - metrics.matthews_corrcoef(TARGETS, SURE), rel=1e-6)


def test_one_positive_in_many_counts_in_full():
    targets = np.zeros(65_536)
    targets[7] = 1
    assert mean(soft_mcc(targets, targets)) == pytest.approx(0.0, abs=1e-5)
    assert mean(soft_f_beta(targets, targets)) == pytest.approx(0.0, abs=1e-5)


# --- Many samples ---------------------------------------------------------------------------------


@pytest.mark.parametrize("surrogate", COSTS)
@pytest.mark.parametrize("where", ["around 0", "around 10,000", "apart"])
def test_many_pairs_keep_their_digits(surrogate, where):
    count, margin = 3000, 0.7
    targets = (rng.uniform(size=count) < 0.1).astype("float64")
    scores = rng.normal(0, {"apart": 5e3}.get(where, 1.0), count)
    # Multiples of 1/512 are exact, also far from 0: no pair is at the kink by rounding.
    scores = np.float32(np.round(scores * 512) / 512 + (1e4 if where == "around 10,000" else 0))
    difference = scores[targets > 0, None].astype("float64") - scores[targets == 0]
    under = np.maximum(margin - difference, 0)
    cost, slope = {
        "hinge": (under, -(under > 0).astype("float64")),
        "squared_hinge": (under**2, -2 * under),
        "squared": ((margin - difference) ** 2, -2 * (margin - difference)),
    }[surrogate]
    factor = count / cost.size
    found, gradient = value_and_gradient(
        lambda scores: pairwise_auc(tensor(targets), scores, surrogate=surrogate, margin=margin),
        scores,
    )
    np.testing.assert_allclose(found[targets > 0], factor * cost.sum(1), rtol=1e-5)
    expected = np.zeros(count)
    expected[targets > 0], expected[targets == 0] = factor * slope.sum(1), -factor * slope.sum(0)
    rounded = 1e-6 * np.abs(expected).max() if surrogate == "squared" else 0  # of both signs
    np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=rounded)


def second_derivatives(function, at):
    """The Hessian of the sum of a function's values, by the backend."""

    def total(x):
        return keras.ops.sum(function(x))

    at = tensor(at)
    if keras.backend.backend() == "torch":
        from torch.autograd.functional import hessian

        return hessian(total, at)
    if keras.backend.backend() == "jax":
        import jax

        return jax.hessian(total)(at)
    import tensorflow as tf

    with tf.GradientTape() as outer:
        outer.watch(at)
        with tf.GradientTape() as inner:
            inner.watch(at)
            value = total(at)
        gradient = inner.gradient(value, at)
    return outer.jacobian(gradient, at, unconnected_gradients=tf.UnconnectedGradients.ZERO)


@pytest.mark.parametrize(("surrogate", "bend"), {"squared_hinge": 2, "squared": 2}.items())
def test_the_gradient_has_a_gradient(surrogate, bend):
    scores, targets, margin = LOGITS[:, 2], BINARY[:, 2], 1.0
    expected = np.zeros((6, 6))
    for i in np.flatnonzero(targets):
        for j in np.flatnonzero(1 - targets):
            if surrogate == "squared" or scores[i] - scores[j] < margin:
                pair = np.eye(6)[i] - np.eye(6)[j]
                expected += bend * np.outer(pair, pair)
    pairs = targets.sum() * (1 - targets).sum()
    found = second_derivatives(
        lambda s: pairwise_auc(targets, s, surrogate=surrogate, margin=margin), scores
    )
    found = keras.ops.convert_to_numpy(found)
    np.testing.assert_allclose(found, 6 / pairs * expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("chunk", [1, 4, 7, 100])
def test_chunks_change_nothing(chunk):
    targets, scores = rng.integers(0, 2, (10, 2)), rng.normal(size=(10, 2)).astype("float32")

    def loss(chunk):
        return value_and_gradient(
            lambda s: smooth_average_precision(targets, s, temperature=0.5, chunk=chunk), scores
        )

    for found, expected in zip(loss(chunk), loss(None), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


# --- Where there is nothing to compare ------------------------------------------------------------

ALONE = {
    "no positives": np.zeros(4),
    "no negatives": np.ones(4),
    "a positive alone": np.ones(1),
    "a negative alone": np.zeros(1),
}


def at(loss, targets, **parameters):
    scores = rng.uniform(0.1, 0.9, len(targets)).astype("float32")
    return value_and_gradient(lambda s: loss(tensor(targets), s, **parameters), scores)


@pytest.mark.parametrize("targets", ALONE.values(), ids=list(ALONE))
@pytest.mark.parametrize(
    ("loss", "parameters"),
    [*[(pairwise_auc, {"surrogate": of}) for of in COSTS], (smooth_average_precision, {})],
)
def test_without_pairs_there_is_no_loss_and_no_gradient(loss, parameters, targets):
    for numbers in at(loss, targets, **parameters):
        np.testing.assert_array_equal(numbers, 0)


@pytest.mark.parametrize("targets", ALONE.values(), ids=list(ALONE))
def test_one_class_has_no_correlation(targets):
    values, gradient = at(soft_mcc, targets)
    np.testing.assert_allclose(values, 1, atol=1e-6)
    np.testing.assert_allclose(gradient, 0, atol=1e-6)


def test_nothing_wanted_and_nothing_found_is_right():
    assert mean(soft_f_beta(np.zeros(4), np.zeros(4))) == 0
    assert mean(soft_f_beta(np.zeros(4), np.full(4, 0.5))) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("loss", [pairwise_auc, smooth_average_precision, categorical_f_beta])
def test_an_id_that_is_no_class_is_not_there(loss):
    ids, scores = np.array([0, 1, 2, -1, 1, 3]), rng.uniform(0.1, 0.9, (6, 3)).astype("float32")
    known = np.array([0, 1, 2, 4])
    values, gradient = value_and_gradient(lambda s: loss(ids, s), scores)
    np.testing.assert_array_equal(values[[3, 5]], 0)
    np.testing.assert_array_equal(gradient[[3, 5]], 0)
    alone = keras.ops.convert_to_numpy(loss(ids[known], scores[known]))
    np.testing.assert_allclose(values[known] / 6, alone / 4, rtol=1e-5)


def test_a_target_that_does_not_fit_is_refused():
    for loss in (pairwise_auc, smooth_average_precision, soft_f_beta, categorical_f_beta, soft_mcc):
        with pytest.raises(DataError, match=r"(?s)Expected .*Received "):
            loss(np.zeros((4, 2), "int32"), np.full((4, 3), 0.5, "float32"))


# --- Laws -----------------------------------------------------------------------------------------

law = settings(max_examples=20, deadline=None)
scores = arrays("float32", 8, elements=st.integers(-64, 64).map(lambda n: n / 16))
binary = arrays("float32", 8, elements=st.sampled_from([0.0, 1.0]))


@law
@given(y=binary, s=scores, shift=st.integers(-1000, 1000))
def test_rankings_ignore_a_common_shift(y, s, shift):
    for loss in (pairwise_auc, smooth_average_precision):
        np.testing.assert_allclose(mean(loss(y, s + shift)), mean(loss(y, s)), rtol=1e-5, atol=1e-6)


@law
@given(y=binary, s=scores, surrogate=st.sampled_from(sorted(COSTS)))
def test_positives_below_negatives_are_the_same_turned_around(y, s, surrogate):
    turned = mean(pairwise_auc(1 - y, -s, surrogate=surrogate))
    found = mean(pairwise_auc(y, s, surrogate=surrogate))
    np.testing.assert_allclose(turned, found, rtol=1e-5, atol=1e-6)


@law
@given(y=binary, s=scores)
def test_the_hinge_is_above_what_auc_misses(y, s):
    if 0 < y.sum() < 8:
        assert mean(pairwise_auc(y, s)) >= 1 - metrics.roc_auc_score(y, s) - 1e-5


@law
@given(y=binary, s=scores)
def test_the_correlation_is_the_same_with_classes_swapped(y, s):
    swapped = soft_mcc(1 - y, -s, from_logits=True)
    found = soft_mcc(y, s, from_logits=True)
    np.testing.assert_allclose(*map(keras.ops.convert_to_numpy, (swapped, found)), atol=1e-4)


@law
@given(y=binary, s=scores, beta=st.floats(0, 4))
def test_two_classes_are_the_mean_of_both_ways(y, s, beta):
    both = np.stack([0 * s, s], axis=1)
    of_two = mean(categorical_f_beta(y.astype("int32"), both, beta=beta, from_logits=True))
    ways = [
        mean(soft_f_beta(targets, x, beta=beta, from_logits=True))
        for targets, x in ((y, s), (1 - y, -s))
    ]
    assert of_two == pytest.approx(np.mean(ways), rel=1e-4, abs=1e-6)
