"""Losses of certainty and of three views agree with their papers, and train a model."""

import functools
from dataclasses import replace

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lossplug_core import DataError, TrainingModel, get_loss
from lossplug_core.spec import ATTRIBUTE, spec_of
from lossplug_core.testing import parametrize_with_checks
from lossplug_imbalance import confidence_penalty, jsd
from numerics import Case, check_finite, check_gradient, check_jit, check_values
from probabilities import (
    ID_POSITIONS,
    IDS,
    LOGITS,
    POSITIONS,
    PROBABILITIES,
    log_softmax,
)

VIEWS = ("clean", "augmented_1", "augmented_2")

# --- The papers, in NumPy -------------------------------------------------------------------------


def one_hot(y_true, log_p):
    if y_true.shape == log_p.shape:
        return y_true.astype("float64")
    return np.eye(log_p.shape[-1])[y_true.reshape(log_p.shape[:-1])]


def confidence_oracle(y_true, y_pred, beta, threshold, from_logits):
    log_p = log_softmax(y_pred, from_logits)
    entropy = -np.sum(np.exp(log_p) * log_p, axis=-1)
    penalty = -entropy if threshold is None else np.maximum(0, threshold - entropy)
    return -np.sum(one_hot(y_true, log_p) * log_p, axis=-1) + beta * penalty


def jsd_oracle(y_true, y_pred, alpha, smoothing, from_logits):
    """Of one array, the views of a sample along its second axis."""
    logs = log_softmax(np.moveaxis(y_pred, 1, 0), from_logits)
    log_mixture = np.logaddexp.reduce(logs, axis=0) - np.log(len(logs))
    divergence = np.sum(np.exp(logs) * (logs - log_mixture), axis=-1).mean(0)
    y = (1 - smoothing) * one_hot(y_true, logs[0]) + smoothing / logs.shape[-1]
    return -np.sum(y * logs[0], axis=-1) + alpha * divergence


@functools.wraps(jsd)
def jsd_of_rows(y_true, y_pred, **parameters):
    """The loss of one array, as `jsd_oracle`."""
    return jsd(y_true, {name: y_pred[:, i] for i, name in enumerate(VIEWS)}, **parameters)


setattr(jsd_of_rows, ATTRIBUTE, replace(spec_of(jsd), function=jsd_of_rows))


# --- The data -------------------------------------------------------------------------------------

rng = np.random.default_rng(0)

SOFT = rng.dirichlet((0.5, 0.5, 0.5), 5)

THREE = rng.normal(0, 2, (5, 3, 4))
THREE_ALIKE = THREE[:, :1] + rng.normal(0, 1e-2, (5, 3, 4))
THREE_POSITIONS = rng.normal(0, 2, (2, 3, 4, 3))
THREE_PROBABILITIES = rng.uniform(0.05, 0.95, (5, 3, 4))
ONE_OF_FOUR = np.array([0, 3, 1, 2, 0])
SOFT_OF_FOUR = rng.dirichlet(np.ones(4), 5)

HUGE = np.array([[1e4, -1e4, 1e4], [-1e4, 1e4, -1e4], [100, 0, -100], [30, -30, 2], [0, 0, 0]])
HUGE_IDS = np.array([0, 0, 1, 0, 2])
SATURATED = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1], [0, 0, 0]])
HUGE_THREE = np.stack([HUGE, np.roll(HUGE, 1, axis=1), -HUGE], axis=1)
SATURATED_THREE = np.stack([SATURATED, np.roll(SATURATED, 1, axis=1), SATURATED], axis=1)

logits = {"from_logits": True}


def penalised(name, y_true, y_pred, **parameters):
    return Case(name, confidence_penalty, y_true, y_pred, confidence_oracle, parameters)


def views(name, y_true, y_pred, **parameters):
    return Case(name, jsd_of_rows, y_true, y_pred, jsd_oracle, parameters)


CASES = [
    penalised("probabilities", IDS, PROBABILITIES),
    penalised("logits", IDS, LOGITS, beta=2, **logits),
    penalised("soft", SOFT, LOGITS, **logits),
    penalised("threshold", IDS, LOGITS, threshold=0.5, beta=2, **logits),
    penalised("positions", ID_POSITIONS, POSITIONS, **logits),
    penalised("huge logits", HUGE_IDS, HUGE, **logits),
    penalised("threshold, huge logits", HUGE_IDS, HUGE, threshold=0.5, **logits),
    views("probabilities", ONE_OF_FOUR, THREE_PROBABILITIES),
    views("logits", ONE_OF_FOUR, THREE, **logits),
    views("smoothing", ONE_OF_FOUR, THREE, smoothing=0.2, alpha=3, **logits),
    views("soft", SOFT_OF_FOUR, THREE, **logits),
    views("alike", ONE_OF_FOUR, THREE_ALIKE, **logits),
    views("positions", ID_POSITIONS, THREE_POSITIONS, **logits),
    views("huge logits", HUGE_IDS, HUGE_THREE, **logits),
]

EXTREMES = [
    penalised("saturated", HUGE_IDS, SATURATED),
    penalised("threshold of equal ones", HUGE_IDS, 0 * HUGE, threshold=np.log(3.0), **logits),
    views("saturated", HUGE_IDS, SATURATED_THREE, smoothing=0.1),
    views("nothing alike", HUGE_IDS, 1e3 * HUGE_THREE, **logits),
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
    [confidence_penalty],
    only=["oracle"],
    oracles={"confidence_penalty": {None: confidence_oracle}},
)
def test_agrees_on_drawn_data(loss, check):
    check(loss)


# --- What they are for ----------------------------------------------------------------------------


def values(loss, y_true, y_pred, **parameters):
    return keras.ops.convert_to_numpy(loss(y_true, y_pred, **parameters))


@given(st.lists(st.floats(-8, 8, width=32), min_size=3, max_size=3), st.integers(0, 2))
@settings(max_examples=20, deadline=None)
def test_of_equal_predictions_the_certain_one_is_penalised_at_most_by_log_k(drawn, label):
    plain, penalised = (
        values(confidence_penalty, [label], [drawn], beta=beta, from_logits=True)[0]
        for beta in (0.0, 1.0)
    )
    assert -np.log(3) - 1e-5 <= penalised - plain <= 1e-5


def test_above_the_threshold_nothing_is_penalised():
    case = penalised("", IDS, 0.1 * LOGITS, threshold=0.2, **logits)
    plain = penalised("", IDS, 0.1 * LOGITS, beta=0, **logits)
    for found, expected in zip(case.computed(), plain.computed(), strict=True):
        np.testing.assert_array_equal(found, expected)


@given(st.permutations([0, 1, 2]))
@settings(max_examples=6, deadline=None)
def test_the_divergence_is_of_the_views_in_any_order(order):
    """Without its crossentropy, which is that of the clean view."""
    found, expected = (
        values(jsd_of_rows, ONE_OF_FOUR, THREE[:, places], **logits)
        - values(jsd_of_rows, ONE_OF_FOUR, THREE[:, places], alpha=0.0, **logits)
        for places in (order, [0, 1, 2])
    )
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_views_that_are_opposite_diverge_by_the_most():
    """Three certain predictions of three classes: log 3, by hand."""
    opposite = 1e4 * np.eye(3)[None]
    found = values(jsd_of_rows, np.array([0]), opposite, alpha=1.0, **logits)
    np.testing.assert_allclose(found, [np.log(3)], rtol=1e-6)


@pytest.mark.parametrize(
    ("loss", "y_pred"), [(confidence_penalty, LOGITS[:2]), (jsd_of_rows, THREE[:2])]
)
def test_no_label_no_loss(loss, y_pred):
    case = Case("", loss, np.array([-1, 7]), y_pred, None, logits)
    found, gradient = case.computed()
    assert not found.any()
    assert not gradient.any()


def test_the_views_have_the_same_classes():
    outputs = {name: np.zeros((2, 3 + (name == VIEWS[1]))) for name in VIEWS}
    with pytest.raises(DataError, match="augmented_1"):
        jsd(np.array([0, 1]), outputs)


def test_one_network_is_trained_on_three_views():
    clean = rng.normal(0, 1, (30, 4)).astype("float32")
    labels = (clean[:, 0] > 0).astype("int32")
    inputs = [clean, *(clean + rng.normal(0, 0.2, (2, 30, 4)).astype("float32"))]
    network = keras.layers.Dense(2, kernel_initializer="zeros")
    given = [keras.Input((4,), name=name) for name in VIEWS]
    outputs = dict(zip(VIEWS, map(network, given), strict=True))
    model = TrainingModel(keras.Model(given, outputs))
    model.compile(optimizer=keras.optimizers.Adam(0.1), loss=get_loss("jsd", from_logits=True))
    # 30 samples in batches of 8: the last one has 6.
    history = model.fit(inputs, labels, epochs=8, batch_size=8, shuffle=False, verbose=0).history
    losses = history["loss"]
    assert losses[-1] < 0.7 * losses[0]
