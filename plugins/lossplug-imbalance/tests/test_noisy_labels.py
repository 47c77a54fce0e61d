"""Losses for noisy labels agree with their papers, and say what their papers say."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lossplug_core import DataError, ParameterError, get_loss
from lossplug_core.bridge.autodiff import value_and_gradient
from lossplug_core.testing import parametrize_with_checks
from lossplug_imbalance import (
    active_passive,
    bootstrapped_crossentropy,
    forward_correction,
    generalized_crossentropy,
    smoothed_binary_crossentropy,
    smoothed_crossentropy,
    symmetric_crossentropy,
)
from numerics import Case, check_finite, check_gradient, check_jit, check_values
from probabilities import (
    BINARY,
    DISTRIBUTIONS,
    ID_POSITIONS,
    IDS,
    LOGITS,
    ONE_HOT,
    POSITIONS,
    log_softmax,
    one_hot,
)

# --- The papers, in NumPy -------------------------------------------------------------------------


def exclusive(y_true, y_pred, from_logits):
    """The target, and the logarithms of the predicted probabilities."""
    return one_hot(y_true, y_pred), log_softmax(y_pred, from_logits)


def generalized_oracle(y_true, y_pred, q, truncation, from_logits):
    y, log_p = exclusive(y_true, y_pred, from_logits)
    with np.errstate(divide="ignore"):
        log_p = np.maximum(log_p, np.log(np.float64(truncation)))
    return np.sum(y * (-log_p if q == 0 else -np.expm1(q * log_p) / q), axis=-1)


def reverse(y, log_p, log_zero):
    with np.errstate(divide="ignore"):
        return -np.sum(np.exp(log_p) * np.maximum(np.log(y), log_zero), axis=-1)


def symmetric_oracle(y_true, y_pred, alpha, beta, log_zero, from_logits):
    y, log_p = exclusive(y_true, y_pred, from_logits)
    return -alpha * np.sum(y * log_p, axis=-1) + beta * reverse(y, log_p, log_zero)


def active_passive_oracle(
    y_true, y_pred, active, passive, alpha, beta, gamma, log_zero, from_logits
):
    y, log_p = exclusive(y_true, y_pred, from_logits)
    of_label = -log_p * ((-np.expm1(log_p)) ** gamma if active == "focal" else 1)
    normalized = np.sum(y * of_label, axis=-1) / np.sum(of_label, axis=-1)
    if passive == "absolute_error":
        return alpha * normalized + beta * np.abs(np.exp(log_p) - y).sum(-1)
    return alpha * normalized + beta * reverse(y, log_p, log_zero)


def bootstrapped_oracle(y_true, y_pred, mode, beta, from_logits):
    y, log_p = exclusive(y_true, y_pred, from_logits)
    if beta is None:
        beta = {"soft": 0.95, "hard": 0.8}[mode]
    z = np.exp(log_p) if mode == "soft" else np.eye(y.shape[-1])[log_p.argmax(-1)]
    return -np.sum((beta * y + (1 - beta) * z) * log_p, axis=-1)


def smoothed_oracle(y_true, y_pred, smoothing, from_logits):
    y, log_p = exclusive(y_true, y_pred, from_logits)
    return -np.sum(((1 - smoothing) * y + smoothing / y.shape[-1]) * log_p, axis=-1)


def smoothed_binary_oracle(y_true, y_pred, smoothing, towards, from_logits):
    if y_pred.ndim == 1:
        y_true, y_pred = y_true.reshape(-1, 1), y_pred.reshape(-1, 1)
    y = (1 - smoothing) * y_true.reshape(y_pred.shape)
    y = y + smoothing * (0.5 if towards == "half" else 1 / y_pred.shape[-1])
    if from_logits:
        log_p, log_not_p = -np.logaddexp(0, -y_pred), -np.logaddexp(0, y_pred)
    else:
        p = np.clip(y_pred, 1e-7, 1 - 1e-7)
        log_p, log_not_p = np.log(p), np.log1p(-p)
    return -np.mean(y * log_p + (1 - y) * log_not_p, axis=-1)


def forward_oracle(y_true, y_pred, transitions, from_logits):
    y, log_p = exclusive(y_true, y_pred, from_logits)
    transitions = np.asarray(transitions)
    with np.errstate(divide="ignore"):
        log_t = np.log(transitions / transitions.sum(-1, keepdims=True))
    log_noisy = np.logaddexp.reduce(log_p[..., :, None] + log_t, axis=-2)
    with np.errstate(invalid="ignore"):
        return -np.nansum(y * log_noisy, axis=-1)


# --- The data -------------------------------------------------------------------------------------

rng = np.random.default_rng(0)

UNSCALED = rng.uniform(0.05, 0.95, (5, 3))
SOFT = rng.dirichlet((0.5, 0.5, 0.5), 5)

HUGE = np.array([[1e4, -1e4, 1e4], [-1e4, 1e4, -1e4], [100, 0, -100], [30, -30, 2], [0, 0, 0]])
HUGE_IDS = np.array([0, 0, 1, 0, 2])
HUGE_BINARY = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1], [0, 1, 0], [1, 0, 1]])
SATURATED = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1], [0, 0, 0]])

MATRIX = ((0.7, 0.2, 0.1), (0.05, 0.9, 0.05), (0.0, 0.4, 0.6))
NEIGHBOURS = ((0.5, 0.5, 0.0), (0.0, 0.5, 0.5), (0.5, 0.0, 0.5))
"""No class is given the label of the class before it."""

logits = {"from_logits": True}


def cases(loss, oracle, **common):
    def case(name, y_true, y_pred, **parameters):
        return Case(name, loss, y_true, y_pred, oracle, {**common, **parameters})

    return case


generalized = cases(generalized_crossentropy, generalized_oracle)
symmetric = cases(symmetric_crossentropy, symmetric_oracle)
robust = cases(active_passive, active_passive_oracle)
bootstrapped = cases(bootstrapped_crossentropy, bootstrapped_oracle)
smoothed = cases(smoothed_crossentropy, smoothed_oracle)
smoothed_binary = cases(smoothed_binary_crossentropy, smoothed_binary_oracle)
forward = cases(forward_correction, forward_oracle, transitions=MATRIX)

CASES = [
    generalized("probabilities", IDS, UNSCALED),
    generalized("soft", SOFT, LOGITS, **logits),
    generalized("q=0", IDS, LOGITS, q=0, **logits),
    generalized("q near 0", IDS, LOGITS, q=1e-6, **logits),
    generalized("q=1", ONE_HOT, LOGITS, q=1, **logits),
    generalized("truncation", IDS, DISTRIBUTIONS, truncation=0.3),
    generalized("positions", ID_POSITIONS, POSITIONS, **logits),
    generalized("huge logits", HUGE_IDS, HUGE, q=0.01, **logits),
    symmetric("probabilities", IDS, UNSCALED),
    symmetric("soft", SOFT, LOGITS, **logits),
    symmetric("weights", ONE_HOT, LOGITS, alpha=6, beta=0.1, log_zero=-9, **logits),
    symmetric("positions", ID_POSITIONS, POSITIONS, **logits),
    symmetric("huge logits", HUGE_IDS, HUGE, **logits),
    robust("NCE+RCE", IDS, UNSCALED),
    robust("NFL+RCE", IDS, LOGITS, active="focal", alpha=10, log_zero=-2, **logits),
    robust("NCE+MAE", IDS, LOGITS, passive="absolute_error", beta=0.3, **logits),
    robust("NFL+MAE, soft", SOFT, LOGITS, active="focal", passive="absolute_error", **logits),
    robust("NFL, gamma=10", IDS, LOGITS, active="focal", gamma=10, **logits),
    robust("positions", ID_POSITIONS, POSITIONS, **logits),
    robust("huge logits", HUGE_IDS, HUGE, **logits),
    robust("NFL, huge logits", HUGE_IDS, HUGE, active="focal", **logits),
    *[
        case
        for mode in ("soft", "hard")
        for case in (
            bootstrapped(f"{mode}, probabilities", IDS, UNSCALED, mode=mode),
            bootstrapped(f"{mode}, soft labels", SOFT, LOGITS, mode=mode, beta=0.3, **logits),
            bootstrapped(f"{mode}, positions", ID_POSITIONS, POSITIONS, mode=mode, **logits),
            bootstrapped(f"{mode}, huge logits", HUGE_IDS[1:4], HUGE[1:4], mode=mode, **logits),
        )
    ],
    smoothed("probabilities", IDS, UNSCALED),
    smoothed("soft", SOFT, LOGITS, smoothing=0.4, **logits),
    smoothed("below 0", ONE_HOT, LOGITS, smoothing=-0.5, **logits),
    smoothed("positions", ID_POSITIONS, POSITIONS, **logits),
    smoothed("huge logits", HUGE_IDS, HUGE, **logits),
    smoothed_binary("probabilities", BINARY, UNSCALED),
    smoothed_binary("towards uniform", BINARY, LOGITS, towards="uniform", **logits),
    smoothed_binary("no outputs axis", BINARY[:, 0], LOGITS[:, 0], smoothing=0.3, **logits),
    smoothed_binary("huge logits", HUGE_BINARY, HUGE, **logits),
    forward("probabilities", IDS, UNSCALED),
    forward("soft", SOFT, LOGITS, **logits),
    forward("one-hot", ONE_HOT, LOGITS, transitions=NEIGHBOURS, **logits),
    forward("positions", ID_POSITIONS, POSITIONS, **logits),
    forward("huge logits", HUGE_IDS, HUGE, **logits),
    forward("huge logits, zeros", HUGE_IDS, HUGE, transitions=NEIGHBOURS, **logits),
]

EXTREMES = [
    *[generalized(f"saturated, {q=}", HUGE_IDS, SATURATED, q=q) for q in (0, 0.7)],
    generalized("truncated", HUGE_IDS, HUGE, q=0, truncation=1, **logits),
    symmetric("saturated", HUGE_IDS, SATURATED),
    symmetric("log_zero=-1e4", HUGE_IDS, HUGE, log_zero=-1e4, **logits),
    robust("saturated", HUGE_IDS, SATURATED),
    robust("NFL+MAE, saturated", HUGE_IDS, SATURATED, active="focal", passive="absolute_error"),
    robust("NFL, gamma=0.1", HUGE_IDS, HUGE, active="focal", gamma=0.1, **logits),
    *[bootstrapped(f"saturated, {m}", HUGE_IDS, SATURATED, mode=m) for m in ("soft", "hard")],
    bootstrapped("hard, huge logits", HUGE_IDS, HUGE, mode="hard", **logits),
    smoothed("saturated", HUGE_IDS, SATURATED, smoothing=-1),
    smoothed_binary("saturated", HUGE_BINARY, SATURATED),
    forward("saturated", HUGE_IDS, SATURATED, transitions=NEIGHBOURS),
    forward("soft, huge logits", SOFT, HUGE, transitions=NEIGHBOURS, **logits),
    forward("impossible", HUGE_IDS, HUGE, transitions=((1, 0, 0),) * 3, **logits),
]


@pytest.mark.parametrize("check", [check_values, check_gradient])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees_with_the_paper(case, check):
    check(case)


@pytest.mark.parametrize("check", [check_finite, check_jit])
@pytest.mark.parametrize("case", EXTREMES, ids=str)
def test_never_overflows(case, check):
    check(case)


@parametrize_with_checks(
    [
        generalized_crossentropy,
        symmetric_crossentropy,
        active_passive,
        bootstrapped_crossentropy,
        smoothed_crossentropy,
        smoothed_binary_crossentropy,
        forward_correction,
    ],
    only=["oracle"],
    oracles={
        "generalized_crossentropy": {None: generalized_oracle, "keras": generalized_oracle},
        "symmetric_crossentropy": {None: symmetric_oracle},
        "active_passive": {None: active_passive_oracle},
        "bootstrapped_crossentropy": {None: bootstrapped_oracle},
        "smoothed_crossentropy": {None: smoothed_oracle},
        "smoothed_binary_crossentropy": {None: smoothed_binary_oracle},
        "forward_correction": {None: forward_oracle},
    },
)
def test_agrees_on_drawn_data(loss, check):
    check(loss)


# --- What they are for ----------------------------------------------------------------------------


def values(loss, y_true, y_pred, **parameters):
    return keras.ops.convert_to_numpy(loss(y_true, y_pred, **parameters))


CROSSENTROPY = smoothed("crossentropy", IDS, LOGITS, smoothing=0, **logits)

SAME = {
    "generalized, q=0": generalized("", IDS, LOGITS, q=0, **logits),
    "symmetric, beta=0": symmetric("", IDS, LOGITS, alpha=1, beta=0, **logits),
    "bootstrapped, beta=1": bootstrapped("", IDS, LOGITS, beta=1, **logits),
    "forward, no noise": forward("", IDS, LOGITS, transitions=np.eye(3), **logits),
}


@pytest.mark.parametrize("case", SAME.values(), ids=SAME)
def test_is_crossentropy_without_what_it_adds(case):
    for found, expected in zip(case.computed(), CROSSENTROPY.computed(), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("parameters", [{}, {"active": "focal"}, {"passive": "absolute_error"}])
@given(drawn=st.lists(st.floats(-8, 8, width=32), min_size=3, max_size=3))
@settings(max_examples=20, deadline=None)
def test_what_tolerates_noise_costs_the_same_for_all_labels_together(parameters, drawn):
    """The sum over the labels does not depend on the prediction: so even noise changes nothing."""
    costs = values(active_passive, [0, 1, 2], [drawn] * 3, from_logits=True, **parameters)
    passive = 2 if parameters.get("passive") else 4
    np.testing.assert_allclose(costs.sum(), 1 + 2 * passive, rtol=1e-5)


@given(st.floats(0, 1), st.floats(0.001, 0.999))
@settings(max_examples=20, deadline=None)
def test_generalized_is_between_the_absolute_error_and_crossentropy(q, p):
    found = values(generalized_crossentropy, [0], [[p, 1 - p]], q=q)[0]
    assert (1 - p) * (1 - 1e-4) - 1e-6 <= found <= -np.log(p) * (1 + 1e-4) + 1e-6


def test_truncation_leaves_out_what_is_unlikely():
    case = generalized("", IDS, DISTRIBUTIONS, truncation=0.15)
    unlikely = DISTRIBUTIONS[np.arange(5), IDS] < 0.15
    found, gradient = case.computed()
    np.testing.assert_allclose(found[unlikely], (1 - 0.15**0.7) / 0.7, rtol=1e-5)
    assert 0 < unlikely.sum() < len(unlikely)
    assert not gradient[unlikely].any()
    assert gradient[~unlikely].all()


def test_the_likeliest_class_of_equal_ones_is_all_of_them():
    """An untrained model, whose logits are 0, is not drawn to the first class."""
    case = bootstrapped("", np.array([2]), np.zeros((1, 3)), mode="hard", beta=0.8, **logits)
    found, gradient = case.computed()
    np.testing.assert_allclose(found, [np.log(3)], rtol=1e-5)
    np.testing.assert_allclose(gradient, [[0.8 / 3, 0.8 / 3, -1.6 / 3]], rtol=1e-5)


def test_the_noisy_label_that_is_sure_costs_nothing():
    """A class that is always given the label of the next: the prediction has to be that class."""
    shifted = np.roll(np.eye(3), 1, axis=1)
    y_pred = 1e4 * np.eye(3, dtype="float32")
    found = values(forward_correction, [1, 2, 0], y_pred, transitions=shifted, from_logits=True)
    np.testing.assert_allclose(found, 0, atol=1e-6)
    found = values(forward_correction, [0, 1, 2], y_pred, transitions=shifted, from_logits=True)
    np.testing.assert_allclose(found, 1e4, rtol=1e-6)


def test_a_label_that_no_class_is_given_costs_much():
    matrix = ((1, 0, 0), (0, 1, 0), (0, 1, 0))
    case = forward("", np.array([2]), LOGITS[:1], transitions=matrix, **logits)
    found, gradient = case.computed()
    np.testing.assert_allclose(found, 1e5, rtol=1e-6)
    np.testing.assert_allclose(gradient, 0, atol=1e-6)


LOSSES = {
    generalized_crossentropy: {},
    symmetric_crossentropy: {},
    active_passive: {"active": "focal", "passive": "absolute_error"},
    bootstrapped_crossentropy: {},
    smoothed_crossentropy: {},
    forward_correction: {"transitions": MATRIX},
}


@pytest.mark.parametrize(
    ("loss", "parameters"), LOSSES.items(), ids=lambda x: getattr(x, "__name__", "")
)
@pytest.mark.parametrize("from_logits", [True, False])
def test_no_label_no_loss(loss, parameters, from_logits):
    case = Case(
        "", loss, np.array([-1, 3]), UNSCALED[:2], None, {**parameters, "from_logits": from_logits}
    )
    found, gradient = case.computed()
    assert not found.any()
    assert not gradient.any()


# --- Keras's own ----------------------------------------------------------------------------------


def of_softmax(y_true, y_pred):
    return keras.losses.categorical_generalized_cross_entropy(
        y_true, keras.ops.softmax(y_pred, axis=-1), q=0.5
    )


def smoothing_peer(peer, **given):
    return lambda y_true, y_pred: peer(y_true, y_pred, label_smoothing=0.2, **given)


KERAS = {
    "generalized": (
        generalized_crossentropy,
        get_loss("generalized_crossentropy", convention="keras", **logits).parameters,
        of_softmax,
        IDS,
        LOGITS,
    ),
    "smoothed": (
        smoothed_crossentropy,
        {"smoothing": 0.2},
        smoothing_peer(keras.losses.categorical_crossentropy),
        ONE_HOT,
        UNSCALED,
    ),
    "smoothed, logits": (
        smoothed_crossentropy,
        {"smoothing": 0.2, **logits},
        smoothing_peer(keras.losses.categorical_crossentropy, **logits),
        ONE_HOT,
        LOGITS,
    ),
    "smoothed binary": (
        smoothed_binary_crossentropy,
        {"smoothing": 0.2, "towards": "half"},
        smoothing_peer(keras.losses.binary_crossentropy),
        BINARY,
        UNSCALED,
    ),
    "smoothed binary, logits": (
        smoothed_binary_crossentropy,
        {"smoothing": 0.2, "towards": "half", **logits},
        smoothing_peer(keras.losses.binary_crossentropy, **logits),
        BINARY,
        LOGITS,
    ),
}


@pytest.mark.parametrize(
    ("loss", "parameters", "peer", "y_true", "y_pred"), KERAS.values(), ids=KERAS
)
def test_gives_what_keras_gives(loss, parameters, peer, y_true, y_pred):
    at = y_pred.astype("float32")
    target = keras.ops.convert_to_tensor(y_true.astype("int32" if y_true.ndim == 1 else "float32"))
    ours = value_and_gradient(lambda y_pred: loss(target, y_pred, **parameters), at)
    theirs = value_and_gradient(lambda y_pred: peer(target, y_pred), at)
    for found, expected in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


# --- What is refused ------------------------------------------------------------------------------


def test_the_matrix_has_a_row_and_a_column_per_class():
    with pytest.raises(DataError, match="transitions"):
        forward_correction(IDS, LOGITS, transitions=np.eye(2))


@pytest.mark.parametrize("matrix", [[[0.5, 0.6], [0, 1]], [[1, 0]], [[1.5, -0.5], [0, 1]]])
def test_the_rows_of_the_matrix_are_distributions(matrix):
    with pytest.raises(ParameterError, match="transitions"):
        get_loss("forward_correction", transitions=matrix)


def test_log_zero_is_below_0():
    with pytest.raises(ParameterError, match="log_zero"):
        get_loss("symmetric_crossentropy", log_zero=0)
