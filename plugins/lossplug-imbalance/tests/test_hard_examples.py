"""Losses for hard examples agree with their papers, computed in NumPy and float64."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lossplug_core import TrainingModel, get_loss
from lossplug_core.bridge.autodiff import value_and_gradient
from lossplug_core.testing import parametrize_with_checks
from lossplug_imbalance import (
    asymmetric,
    asymmetric_single_label,
    categorical_focal,
    focal,
    ghm,
    poly1_crossentropy,
    poly1_focal,
    reduced_focal,
)
from numerics import Case, check_finite, check_gradient, check_jit, check_values, tensor
from probabilities import (
    BINARY,
    BINARY_POSITIONS,
    DISTRIBUTIONS,
    HUGE_BINARY,
    HUGE_IDS,
    ID_POSITIONS,
    IDS,
    LOGITS,
    POSITIONS,
    PROBABILITIES,
    SATURATED,
    SOFT,
    SOFT_LABELS,
    UNDECIDED,
    one_hot,
    sigmoid_logs,
    with_outputs,
)

# --- The papers, in NumPy -------------------------------------------------------------------------


def softmax_logs(y_pred, from_logits):
    """log p, where p sums to 1."""
    if from_logits:
        return y_pred - np.logaddexp.reduce(y_pred, axis=-1, keepdims=True)
    return np.log(np.clip(y_pred / y_pred.sum(-1, keepdims=True), 1e-7, 1 - 1e-7))


def smoothed(labels, label_smoothing):
    spread = labels.sum(-1, keepdims=True) / labels.shape[-1]
    return (1 - label_smoothing) * labels + label_smoothing * spread


def balanced_mean(y_true, positive, negative, alpha=None):
    """The mean over the outputs of what positives and negatives cost."""
    of_positives, of_negatives = (1, 1) if alpha is None else (alpha, 1 - alpha)
    values = of_positives * y_true * positive + of_negatives * (1 - y_true) * negative
    return values.mean(-1)


def reduced_focal_oracle(y_true, y_pred, gamma, threshold, alpha, from_logits):
    y_true, y_pred = with_outputs(y_true, y_pred)

    def cost(log_right, log_wrong):
        factor = (np.exp(log_wrong) / threshold) ** gamma
        return -np.where(log_right < np.log(threshold), 1, factor) * log_right

    log_p, log_not_p = sigmoid_logs(y_pred, from_logits)
    return balanced_mean(y_true, cost(log_p, log_not_p), cost(log_not_p, log_p), alpha)


def poly1_crossentropy_oracle(y_true, y_pred, epsilon, label_smoothing, class_weights, from_logits):
    labels = smoothed(one_hot(y_true, y_pred), label_smoothing)
    log_p = softmax_logs(y_pred, from_logits)
    costs = -log_p + epsilon * (1 - np.exp(log_p))
    return (np.asarray(class_weights) * labels * costs).sum(-1)


def poly1_focal_oracle(y_true, y_pred, gamma, epsilon, alpha, from_logits):
    y_true, y_pred = with_outputs(y_true, y_pred)

    def cost(log_right, log_wrong):
        wrong = np.exp(log_wrong)
        return -(wrong**gamma) * log_right + epsilon * wrong ** (gamma + 1)

    log_p, log_not_p = sigmoid_logs(y_pred, from_logits)
    return balanced_mean(y_true, cost(log_p, log_not_p), cost(log_not_p, log_p), alpha)


def asymmetric_oracle(
    y_true, y_pred, gamma_positive, gamma_negative, clip, constant_weights, average, from_logits
):
    y_true, y_pred = with_outputs(y_true, y_pred)
    log_p, log_not_p = sigmoid_logs(y_pred, from_logits)
    q = np.maximum(np.exp(log_p) - clip, 0)
    log_not_q = np.log1p(-q) if clip else log_not_p
    positive = -(np.exp(log_not_p) ** gamma_positive) * log_p
    mean = balanced_mean(y_true, positive, -(q**gamma_negative) * log_not_q)
    return mean * y_pred.shape[-1] if average == "sum" else mean


def asymmetric_single_label_oracle(
    y_true, y_pred, gamma_positive, gamma_negative, label_smoothing, from_logits
):
    targets = one_hot(y_true, y_pred)
    log_p = softmax_logs(y_pred, from_logits)
    weights = targets * (-np.expm1(log_p)) ** gamma_positive
    weights += (1 - targets) * np.exp(log_p) ** gamma_negative
    return -(smoothed(targets, label_smoothing) * weights * log_p).sum(-1)


def ghm_oracle(y_true, y_pred, bins, momentum, divisor, from_logits, weights=None):
    y_true, y_pred = with_outputs(y_true, y_pred)
    log_p, log_not_p = sigmoid_logs(y_pred, from_logits)
    p = np.exp(log_p) if from_logits else y_pred
    bin_of = np.minimum((bins * np.abs(p - y_true)).astype(int), bins - 1)
    counts = np.bincount(bin_of.ravel(), minlength=bins)
    frequencies = counts / counts.sum()
    if weights:
        average = momentum * weights["frequencies"] + (1 - momentum) * frequencies
        frequencies = average / average.sum()
    number = (counts > 0).sum() if divisor == "occupied_bins" else bins
    costs = -y_true * log_p - (1 - y_true) * log_not_p
    return (costs / (number * frequencies[bin_of])).mean(-1)


# --- The data -------------------------------------------------------------------------------------

rng = np.random.default_rng(0)


HUGE_LOGITS = np.array([[1e4, -1e4, 1e4], [-1e4, 1e4, -1e4], [100, 5, -100], [3, 0.1, 2]])

FREQUENCIES = {"frequencies": np.array([0.4, 0.1, 0.05, 0.0, 0.2])}

logits = {"from_logits": True}
no_clip = {"clip": 0, "gamma_negative": 0.5}


def cases(loss, oracle, *rows):
    """A case of each row `(name, y_true, y_pred, parameters)`, with weights behind them if any."""
    return [
        Case(name, loss, y_true, y_pred, oracle, parameters, *weights)
        for name, y_true, y_pred, parameters, *weights in rows
    ]


CASES = [
    *cases(
        reduced_focal,
        reduced_focal_oracle,
        ("probabilities", BINARY, PROBABILITIES, {}),
        ("logits, alpha", BINARY, LOGITS, {"alpha": 0.25, **logits}),
        ("threshold, gamma=0.5", BINARY, LOGITS, {"threshold": 0.75, "gamma": 0.5, **logits}),
        ("soft, gamma=10", SOFT, LOGITS, {"gamma": 10, **logits}),
        ("positions", BINARY_POSITIONS, POSITIONS, logits),
        ("no outputs axis", BINARY[:, 0], LOGITS[:, 0], logits),
        ("huge logits", HUGE_BINARY, HUGE_LOGITS, {"gamma": 0.5, **logits}),
    ),
    *cases(
        poly1_crossentropy,
        poly1_crossentropy_oracle,
        ("probabilities", IDS, DISTRIBUTIONS, {}),
        ("logits, epsilon=-1", IDS, LOGITS, {"epsilon": -1, **logits}),
        ("smoothing", IDS, LOGITS, {"epsilon": 2, "label_smoothing": 0.1, **logits}),
        ("class weights", IDS, LOGITS, {"class_weights": (0.0, 1.5, 4.0), **logits}),
        ("soft, not a distribution", SOFT_LABELS, PROBABILITIES, {"label_smoothing": 0.3}),
        ("positions", ID_POSITIONS, POSITIONS, logits),
        ("huge logits", HUGE_IDS, HUGE_LOGITS, {"epsilon": 2, **logits}),
    ),
    *cases(
        poly1_focal,
        poly1_focal_oracle,
        ("probabilities", BINARY, PROBABILITIES, {}),
        ("logits, epsilon=-1", BINARY, LOGITS, {"epsilon": -1, **logits}),
        ("alpha, gamma=0.5", BINARY, LOGITS, {"alpha": 0.25, "gamma": 0.5, **logits}),
        ("soft, gamma=0", SOFT, LOGITS, {"gamma": 0, **logits}),
        ("positions", BINARY_POSITIONS, POSITIONS, {"gamma": 10, **logits}),
        ("no outputs axis", BINARY[:, 0], PROBABILITIES[:, 0], {}),
        ("huge logits", HUGE_BINARY, HUGE_LOGITS, {"gamma": 0.5, **logits}),
    ),
    *cases(
        asymmetric,
        asymmetric_oracle,
        ("probabilities", BINARY, PROBABILITIES, {}),
        ("logits, sum", BINARY, LOGITS, {"average": "sum", **logits}),
        ("no clip", BINARY, 20 * LOGITS, {"clip": 0, "gamma_positive": 0.5, **logits}),
        ("all is clipped", BINARY, LOGITS, {"clip": 1, **logits}),
        ("no focus", SOFT, LOGITS, {"gamma_positive": 0, "gamma_negative": 0, **logits}),
        ("positions", BINARY_POSITIONS, POSITIONS, {"gamma_negative": 10, **logits}),
        ("huge logits", HUGE_BINARY, HUGE_LOGITS, {"gamma_negative": 0.5, **logits}),
        ("huge logits, no clip", HUGE_BINARY, HUGE_LOGITS, {**no_clip, **logits}),
    ),
    *cases(
        asymmetric_single_label,
        asymmetric_single_label_oracle,
        ("probabilities", IDS, DISTRIBUTIONS, {}),
        ("logits, focus", IDS, LOGITS, {"gamma_positive": 1, **logits}),
        ("no smoothing", IDS, DISTRIBUTIONS, {"gamma_positive": 0.5, "label_smoothing": 0}),
        ("soft", SOFT_LABELS, LOGITS, {"gamma_negative": 0.5, "label_smoothing": 0.3, **logits}),
        ("positions", ID_POSITIONS, POSITIONS, {"gamma_negative": 0, **logits}),
        ("huge logits", HUGE_IDS, HUGE_LOGITS, {"gamma_positive": 2, **logits}),
    ),
    *cases(
        ghm,
        ghm_oracle,
        ("probabilities", BINARY, PROBABILITIES, {}),
        ("logits, 5 bins", BINARY, LOGITS, {"bins": 5, **logits}),
        ("occupied bins", BINARY, LOGITS, {"divisor": "occupied_bins", **logits}),
        ("soft, 4 bins", SOFT, LOGITS, {"bins": 4, **logits}),
        ("momentum", BINARY, LOGITS, {"bins": 5, "momentum": 0.75, **logits}, FREQUENCIES),
        ("positions", BINARY_POSITIONS, POSITIONS, {"bins": 7, **logits}),
        ("no outputs axis", BINARY[:, 0], LOGITS[:, 0], {"bins": 3, **logits}),
        ("huge logits", HUGE_BINARY, HUGE_LOGITS, {"bins": 5, **logits}),
    ),
]

EXTREMES = [
    *cases(
        reduced_focal,
        reduced_focal_oracle,
        ("saturated", HUGE_BINARY, SATURATED, {"gamma": 0.5}),
        ("at the threshold", HUGE_BINARY, UNDECIDED, {"gamma": 10, **logits}),
        ("only crossentropy", HUGE_BINARY, HUGE_LOGITS, {"threshold": 1, **logits}),
    ),
    *cases(
        poly1_crossentropy,
        poly1_crossentropy_oracle,
        ("saturated", HUGE_IDS, SATURATED, {"epsilon": -1, "label_smoothing": 0.1}),
        ("nothing is likely", HUGE_IDS, UNDECIDED, {}),
    ),
    *cases(
        poly1_focal,
        poly1_focal_oracle,
        ("saturated", HUGE_BINARY, SATURATED, {"gamma": 0.1, "epsilon": -1}),
    ),
    *cases(
        asymmetric,
        asymmetric_oracle,
        ("saturated", HUGE_BINARY, SATURATED, {"gamma_negative": 0.1}),
        ("saturated, no clip", HUGE_BINARY, SATURATED, {"gamma_negative": 0.1, "clip": 0}),
        ("at the clip", HUGE_BINARY, UNDECIDED, {"clip": 0.5, "gamma_negative": 0.1, **logits}),
        ("all positive", np.ones((4, 3)), HUGE_LOGITS, {"constant_weights": True, **logits}),
        ("none positive", np.zeros((4, 3)), HUGE_LOGITS, {"clip": 1e-6, **logits}),
        ("hardly a clip", HUGE_BINARY, -HUGE_LOGITS / 100, {"clip": 1e-30, **logits}),
    ),
    *cases(
        asymmetric_single_label,
        asymmetric_single_label_oracle,
        ("saturated", HUGE_IDS, SATURATED, {"gamma_positive": 0.1, "gamma_negative": 0.1}),
        ("nothing is likely", HUGE_IDS, UNDECIDED, {}),
        ("huge logits, gamma=0.1", HUGE_IDS, HUGE_LOGITS, {"gamma_positive": 0.1, **logits}),
    ),
    *cases(
        ghm,
        ghm_oracle,
        ("saturated", HUGE_BINARY, SATURATED, {}),
        ("all equally hard", HUGE_BINARY, UNDECIDED, logits),
        ("one sample, one bin", HUGE_BINARY[:1, 0], HUGE_LOGITS[:1, 0], {"bins": 1, **logits}),
    ),
]


@pytest.mark.parametrize("check", [check_values, check_gradient])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees_with_the_paper(case, check):
    check(case)


@pytest.mark.parametrize("check", [check_finite, check_jit])
@pytest.mark.parametrize("case", EXTREMES, ids=str)
def test_never_overflows(case, check):
    check(case)


ORACLES = {
    "imbalance/reduced_focal": reduced_focal_oracle,
    "imbalance/poly1_crossentropy": poly1_crossentropy_oracle,
    "imbalance/poly1_focal": poly1_focal_oracle,
    "imbalance/asymmetric": asymmetric_oracle,
    "imbalance/asymmetric_single_label": asymmetric_single_label_oracle,
}


@parametrize_with_checks(
    list(ORACLES), only=["oracle"], oracles={name: {None: ORACLES[name]} for name in ORACLES}
)
def test_agrees_on_drawn_data(loss, check):
    check(loss)


# --- What must hold whatever the data -------------------------------------------------------------

law = settings(max_examples=20, deadline=None)

some_logits = arrays(
    "float32", (4, 3), elements=st.floats(-30, 30, width=32, allow_subnormal=False)
)
some_binary = arrays("float32", (4, 3), elements=st.sampled_from([0.0, 1.0]))
some_soft = arrays("float32", (4, 3), elements=st.floats(0, 1, width=32))
some_ids = arrays("int32", 4, elements=st.integers(0, 2))
gammas = st.floats(0, 10)
alphas = st.floats(0, 1)


def numbers(values):
    return keras.ops.convert_to_numpy(values)


def assert_equal(left, right):
    np.testing.assert_allclose(numbers(left), numbers(right), rtol=1e-4, atol=1e-5)


def gradient(loss, y_true, at, **parameters):
    return value_and_gradient(
        lambda y_pred: loss(tensor(y_true), y_pred, from_logits=True, **parameters),
        np.asarray(at, "float32"),
    )[1]


@law
@given(y=some_binary, x=some_logits, gamma=gammas)
def test_reduced_focal_lies_between_focal_and_crossentropy(y, x, gamma):
    found = numbers(reduced_focal(y, x, gamma=gamma, from_logits=True))
    most = numbers(focal(y, x, gamma=0.0, from_logits=True))
    least = numbers(focal(y, x, gamma=gamma, from_logits=True))
    assert (found <= most * (1 + 1e-5) + 1e-6).all()
    assert (found >= least * (1 - 1e-5) - 1e-6).all()


@law
@given(y=some_soft, x=some_logits, gamma=gammas)
def test_with_the_threshold_at_one_it_is_crossentropy(y, x, gamma):
    found = reduced_focal(y, x, gamma=gamma, threshold=1.0, from_logits=True)
    assert_equal(found, focal(y, x, gamma=0.0, from_logits=True))


@pytest.mark.parametrize("gamma", [0.5, 2.0, 10.0])
def test_at_the_threshold_the_gradient_is_that_of_the_focal_side(gamma):
    expected = -0.5 - gamma * np.log(2) / 2
    found = gradient(reduced_focal, [1.0, 0.0], [0.0, 0.0], gamma=gamma)
    np.testing.assert_allclose(found, [expected, -expected], rtol=1e-5)


@law
@given(ids=some_ids, x=some_logits, epsilon=st.floats(-1, 5))
def test_poly1_adds_the_missing_probability_to_crossentropy(ids, x, epsilon):
    crossentropy = keras.losses.sparse_categorical_crossentropy(ids, x, from_logits=True)
    missing = 1 - numbers(keras.ops.softmax(x))[np.arange(4), ids]
    found = poly1_crossentropy(ids, x, epsilon=epsilon, from_logits=True)
    assert_equal(found, numbers(crossentropy) + epsilon * missing)


@law
@given(y=some_soft, x=some_logits, gamma=gammas, alpha=alphas)
def test_poly1_focal_without_epsilon_is_focal(y, x, gamma, alpha):
    parameters = {"gamma": gamma, "alpha": alpha, "from_logits": True}
    assert_equal(poly1_focal(y, x, epsilon=0.0, **parameters), focal(y, x, **parameters))


@law
@given(y=some_soft, x=some_logits, gamma=gammas)
def test_asymmetric_with_one_focus_and_no_clip_is_focal(y, x, gamma):
    found = asymmetric(y, x, gamma_positive=gamma, gamma_negative=gamma, clip=0.0, from_logits=True)
    assert_equal(found, focal(y, x, gamma=gamma, from_logits=True))


@pytest.mark.parametrize("gamma", [0.0, 0.5, 4.0])
def test_a_negative_below_the_clip_costs_nothing_and_moves_nothing(gamma):
    below = np.array([-1e4, -20.0, -3.0])  # a probability of 0.047 at most
    assert (
        numbers(asymmetric(np.zeros(3), below, gamma_negative=gamma, from_logits=True)) == 0
    ).all()
    assert (gradient(asymmetric, np.zeros(3), below, gamma_negative=gamma) == 0).all()


def test_constant_weights_change_the_gradient_alone():
    flows, stops = (
        {"constant_weights": constant, "clip": 0.0, "from_logits": True}
        for constant in (False, True)
    )
    assert_equal(asymmetric(BINARY, LOGITS, **flows), asymmetric(BINARY, LOGITS, **stops))
    found = gradient(asymmetric, [1.0, 0.0], [1.0, 1.0], clip=0.0, constant_weights=True)
    p = 1 / (1 + np.exp(-1))
    np.testing.assert_allclose(found, [-((1 - p) ** 2), p**5], rtol=1e-5)


@law
@given(ids=some_ids, x=some_logits, gamma=gammas)
def test_single_label_without_smoothing_is_categorical_focal(ids, x, gamma):
    found = asymmetric_single_label(
        ids, x, gamma_positive=gamma, label_smoothing=0.0, from_logits=True
    )
    assert_equal(found, categorical_focal(ids, x, gamma=gamma, from_logits=True))


@pytest.mark.parametrize("loss", [poly1_crossentropy, asymmetric_single_label])
def test_an_id_that_is_no_class_has_no_loss_and_no_gradient(loss):
    ids = np.array([-1, 3, 255])
    values = loss(ids, LOGITS[:3], label_smoothing=0.1, from_logits=True)
    assert (numbers(values) == 0).all()
    assert (gradient(loss, ids, LOGITS[:3], label_smoothing=0.1) == 0).all()


# --- Gradient harmonizing -------------------------------------------------------------------------


@law
@given(y=some_soft, x=some_logits)
def test_with_one_bin_ghm_is_crossentropy(y, x):
    assert_equal(ghm(y, x, bins=1, from_logits=True), focal(y, x, gamma=0.0, from_logits=True))


@law
@given(y=some_binary, x=some_logits, bins=st.integers(1, 12))
def test_a_batch_that_is_there_twice_weighs_as_once(y, x, bins):
    once = numbers(ghm(y, x, bins=bins, from_logits=True))
    twice = ghm(np.tile(y, (2, 1)), np.tile(x, (2, 1)), bins=bins, from_logits=True)
    assert_equal(twice, np.tile(once, 2))


def test_weights_that_are_divided_by_the_occupied_bins_average_to_one():
    # Seven easy ones, two that are undecided, and an outlier: three bins of ten.
    p = np.array([0.02] * 7 + [0.5] * 2 + [0.98])
    crossentropy = -np.log1p(-p)
    expected = 10 / 3 / np.array([7] * 7 + [2] * 2 + [1])
    assert expected.mean() == pytest.approx(1)
    found = numbers(ghm(np.zeros(10), p, bins=10, divisor="occupied_bins"))
    np.testing.assert_allclose(found, expected * crossentropy, rtol=1e-5)
    found = numbers(ghm(np.zeros(10), p, bins=10))
    np.testing.assert_allclose(found, 0.3 * expected * crossentropy, rtol=1e-5)


@pytest.mark.parametrize("bins", [2, 3, 10, 30])
def test_examples_of_an_untrained_model_are_equally_hard_but_for_rounding(bins):
    almost_half = np.array([-1e-6, 0.0, 1e-6, -1e-6, 0.0, 1e-6])
    values = numbers(ghm([0, 0, 0, 1, 1, 1], almost_half, bins=bins, from_logits=True))
    np.testing.assert_allclose(values, np.log(2) / bins, rtol=1e-5)


def test_no_gradient_flows_through_the_weights():
    p = 1 / (1 + np.exp([-1.0, -1.2, 3.0]))
    found = gradient(ghm, np.zeros(3), [1.0, 1.2, -3.0], bins=2)
    np.testing.assert_allclose(found, p * np.array([3 / 4, 3 / 4, 3 / 2]), rtol=1e-5)


def states_after(batches, momentum):
    """The values of each batch, and the frequencies of the bins after the last."""
    found, weights = [], {"frequencies": tensor(np.zeros(4))}
    for y_true, y_pred in batches:
        values, weights = ghm(y_true, y_pred, weights=weights, bins=4, momentum=momentum)
        found.append(numbers(values))
    return found, numbers(weights["frequencies"])


def test_the_first_batch_weighs_as_without_momentum():
    batch = (BINARY, PROBABILITIES)
    (found,), _ = states_after([batch], 0.9)
    assert_equal(found, ghm(*batch, bins=4))


def test_momentum_averages_the_frequencies_of_batches_of_any_size():
    easy, hard = (np.zeros(6), np.full(6, 0.1)), (np.zeros(2), np.array([0.1, 0.9]))
    (_, found), frequencies = states_after([easy, hard], 0.75)
    # 1/4 of each batch, that of the first 3/4 of what it was: 3 parts of (1, 0), 4 of (1/2, 1/2).
    np.testing.assert_allclose(frequencies, np.array([5, 0, 0, 2]) / 16, rtol=1e-6)
    expected = np.array([7 / 5 * -np.log(0.9), 7 / 2 * -np.log(0.1)]) / 4
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_only_momentum_needs_a_state_and_training_keeps_it():
    assert get_loss("ghm").variables == []
    x, y = rng.normal(0, 1, (12, 2)).astype("float32"), rng.integers(0, 2, (12, 1))
    model = TrainingModel(keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]))
    model.compile("sgd", loss=get_loss("ghm", bins=5, momentum=0.5, from_logits=True))
    model.fit(x, y, batch_size=4, epochs=1, verbose=0)
    before = model.loss.values()["frequencies"]
    assert before.sum() == pytest.approx(1 - 0.5**3)
    model.evaluate(x, y, verbose=0)
    np.testing.assert_array_equal(model.loss.values()["frequencies"], before)
