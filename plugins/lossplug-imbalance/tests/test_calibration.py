"""What losses do to probabilities is undone."""

import subprocess
import sys

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit, logit, softmax

from lossplug_core import DataError, combine, get_loss
from lossplug_core.bridge.autodiff import value_and_gradient
from lossplug_core.schedules import deferred
from lossplug_imbalance.calibration import (
    calibrated,
    categorical_focal_probabilities,
    correct_prior,
    estimate_prior,
    expected_calibration_error,
    focal_probabilities,
    undo_binary_weights,
    undo_class_weights,
)

law = settings(max_examples=50, deadline=None)
fractions = st.floats(0.001, 0.999)
weights = st.floats(0.01, 100)
close = {"rtol": 0, "atol": 1e-9}

# Written out as in the papers: what a positive costs, and a negative.
BINARY = {
    "focal": {"gamma": 2.0},
    "focal, fractional": {"gamma": 0.5, "alpha": 0.25},
    "focal, strong": {"gamma": 5.0, "alpha": 0.9},
    "focal, none": {"gamma": 0.0},
    "weighted_binary_crossentropy": {"positive_weight": 9.0, "negative_weight": 0.5},
    "binary_logit_adjusted": {"positive_prior": 0.05, "tau": 1.5},
    "poly1_focal": {"gamma": 2.0, "epsilon": 1.5, "alpha": 0.25},
    "poly1_focal, without the first term": {"gamma": 2.0, "epsilon": -1.0},
    "asymmetric": {},
    "asymmetric, without a clip": {"gamma_negative": 2.0, "clip": 0.0},
    "smoothed_binary_crossentropy": {"smoothing": 0.02},
}
EXCLUSIVE = {
    "categorical_focal": {"gamma": 2.0},
    "categorical_focal, weighted": {"gamma": 1.5, "alpha": (1.0, 4.0, 0.5)},
    "weighted_categorical_crossentropy": {"class_weights": (1.0, 5.0, 20.0)},
    "class_balanced": {"samples_per_class": (900, 90, 10), "beta": 0.999},
    "class_balanced, sigmoid": {
        "samples_per_class": (900, 90, 10),
        "crossentropy": "sigmoid",
        "beta": 0.99,
    },
    "class_balanced, focal": {"samples_per_class": (900, 90, 10), "crossentropy": "focal"},
    "ldam": {"samples_per_class": (900, 90, 10), "scale": 4.0, "beta": 0.99},
    "logit_adjusted": {"class_priors": (0.7, 0.2, 0.1), "tau": 1.5},
    "balanced_softmax": {"samples_per_class": (900, 90, 10)},
    "vector_scaling": {"samples_per_class": (90, 50, 30), "class_weights": (1.0, 2.0, 3.0)},
    "poly1_crossentropy": {"epsilon": 2.0, "class_weights": (1.0, 2.0, 3.0)},
    "poly1_crossentropy, less": {"epsilon": -0.9, "label_smoothing": 0.1},
    "generalized_crossentropy": {"q": 0.5},
    "symmetric_crossentropy": {"alpha": 1.0},
    "smoothed_crossentropy": {"smoothing": 0.1},
    "confidence_penalty": {"beta": 0.3},
}


SIMPLEX = np.vstack([np.zeros(3), 2 * np.eye(3)])


def built(name, parameters, **options):
    return get_loss(name.partition(",")[0], **parameters, **options)


def logits_of(name):
    """The option, of losses that take probabilities as well."""
    return {} if name in ("ldam", "vector_scaling") else {"from_logits": True}


def costs(loss, targets, y_pred):
    """What each target costs at this prediction."""
    y_pred = np.broadcast_to(y_pred, (len(targets), np.size(y_pred)))
    values = loss.call(keras.ops.convert_to_tensor(targets), keras.ops.convert_to_tensor(y_pred))
    return keras.ops.convert_to_numpy(values)


@pytest.mark.backend
@pytest.mark.parametrize("from_logits", [True, False])
@pytest.mark.parametrize(("name", "parameters"), BINARY.items(), ids=BINARY)
def test_the_least_expected_loss_of_yes_or_no_means_its_probability(name, parameters, from_logits):
    loss = built(name, parameters, from_logits=from_logits)
    targets = np.array([[1.0], [0.0]])
    for eta in (0.02, 0.3, 0.5, 0.9):
        expected = np.array([eta, 1 - eta])
        least = minimize_scalar(
            lambda z, w=expected: w @ costs(loss, targets, z if from_logits else expit(z)),
            bounds=(-15, 15),
            method="bounded",
            options={"xatol": 1e-9},
        ).x
        found = calibrated(loss, [least if from_logits else expit(least)])
        assert found == pytest.approx(eta, abs=2e-3), (eta, least)


@pytest.mark.backend
@pytest.mark.parametrize(("name", "parameters"), EXCLUSIVE.items(), ids=EXCLUSIVE)
def test_the_least_expected_loss_of_classes_means_their_probabilities(name, parameters):
    loss = built(name, parameters, **logits_of(name))
    targets = np.arange(3)
    for eta in ([0.7, 0.2, 0.1], [0.05, 0.05, 0.9], [0.4, 0.3, 0.3]):
        least = minimize(
            lambda z, eta=eta: np.dot(eta, costs(loss, targets, z)),
            np.zeros(3),
            method="Nelder-Mead",
            options={"xatol": 1e-3, "fatol": 1e-9, "initial_simplex": SIMPLEX},
        ).x
        np.testing.assert_allclose(calibrated(loss, least), eta, atol=5e-3)


@law
@given(eta=fractions, gamma=st.floats(0, 10), alpha=fractions)
def test_the_derivative_of_the_expected_focal_loss_is_zero_there(eta, gamma, alpha):
    p = expit(np.linspace(-12, 12, 20001))
    mapped = focal_probabilities(p, gamma=gamma, alpha=alpha)
    nearest = p[np.abs(logit(mapped) - logit(eta)).argmin()]
    assert (np.diff(mapped) >= 0).all()
    if not p[0] < nearest < p[-1]:
        return
    p_focal = [nearest * (1 - 1e-3), nearest, nearest + (1 - nearest) * 1e-3]
    risk = [
        -eta * alpha * (1 - p) ** gamma * np.log(p)
        - (1 - eta) * (1 - alpha) * p**gamma * np.log1p(-p)
        for p in p_focal
    ]
    assert min(risk) >= risk[1] * (1 - 1e-5)


@law
@given(p=st.lists(fractions, min_size=2, max_size=5), gamma=st.floats(0, 10))
def test_softmax_focal_is_undone_as_the_paper_says(p, gamma):
    p = np.array(p) / sum(p)
    psi = p / ((1 - p) ** gamma - gamma * p * (1 - p) ** (gamma - 1) * np.log(p))
    found = categorical_focal_probabilities(p, gamma=gamma)
    np.testing.assert_allclose(found, psi / psi.sum(), rtol=1e-8)


@law
@given(z=st.floats(-20, 20), gamma=st.floats(0, 10))
def test_two_classes_are_one_question(z, gamma):
    """Softmax focal of two classes is sigmoid focal."""
    found = categorical_focal_probabilities([0.0, z], gamma=gamma, from_logits=True)
    question = focal_probabilities(z, gamma=gamma, from_logits=True)
    np.testing.assert_allclose(found[1], question, rtol=1e-9)


@law
@given(eta=fractions, positive=weights, negative=weights)
def test_binary_weights_come_and_go(eta, positive, negative):
    weighted = positive * eta / (positive * eta + negative * (1 - eta))
    found = undo_binary_weights(weighted, positive_weight=positive, negative_weight=negative)
    np.testing.assert_allclose(found, eta, **close)


@law
@given(eta=st.tuples(fractions, fractions, fractions), w=st.tuples(weights, weights, weights))
def test_class_weights_come_and_go(eta, w):
    eta = np.array(eta) / sum(eta)
    weighted = eta * w / (eta * w).sum()
    np.testing.assert_allclose(undo_class_weights(weighted, w), eta, **close)
    np.testing.assert_allclose(
        undo_class_weights(np.log(eta * w), w, from_logits=True), eta, **close
    )


@law
@given(p=fractions, train=fractions, target=fractions)
def test_priors_come_and_go(p, train, target):
    there = correct_prior(p, train, target)
    np.testing.assert_allclose(correct_prior(there, target, train), p, **close)
    of_two = correct_prior([1 - p, p], (1 - train, train), (1 - target, target))
    np.testing.assert_allclose(of_two, [1 - there, there], **close)
    # What is no more than the prior stays that.
    np.testing.assert_allclose(correct_prior(train, train, target), target, **close)


def test_a_prior_is_found_in_data_without_labels():
    random = np.random.default_rng(0)
    positive = random.random(20_000) < 0.4
    x = random.normal(size=20_000) + 1.5 * positive
    z = 1.5 * x - 1.5**2 / 2 + logit(0.1)  # right where 1 in 10 is positive
    assert estimate_prior(z, 0.1, from_logits=True) == pytest.approx(0.4, abs=0.015)
    both = np.stack([np.zeros_like(z), z], axis=1)
    of_two = estimate_prior(both, (0.9, 0.1), from_logits=True)
    np.testing.assert_allclose(of_two[1], estimate_prior(z, 0.1, from_logits=True), atol=1e-6)


EXTREMES = {
    "focal": lambda z, logits: focal_probabilities(z, gamma=2.5, alpha=0.25, from_logits=logits),
    "weights": lambda z, logits: undo_binary_weights(z, positive_weight=99, from_logits=logits),
    "prior": lambda z, logits: correct_prior(z, 0.5, 1e-9, from_logits=logits),
}


@pytest.mark.parametrize("undo", EXTREMES.values(), ids=EXTREMES)
def test_certainty_stays_certainty(undo):
    np.testing.assert_allclose(undo([0.0, 1.0], False), [0, 1], atol=1e-6)
    np.testing.assert_array_equal(undo([-1e4, 1e4], True), [0, 1])


@pytest.mark.parametrize("gamma", [0.0, 0.3, 2.0, 10.0])
def test_certain_classes_stay_certain(gamma):
    found = categorical_focal_probabilities([[1.0, 0.0, 0.0]], gamma=gamma)
    np.testing.assert_allclose(found, [[1, 0, 0]], atol=1e-12)
    found = categorical_focal_probabilities([[1e4, -1e4, 0]], gamma=gamma, from_logits=True)
    np.testing.assert_array_equal(found, [[1, 0, 0]])


def test_small_probabilities_are_exact():
    """Far from 1/2 the map is a power: odds**(1 + gamma) (1 + gamma)."""
    z = np.array([-30.0, -100.0])
    found = np.log(focal_probabilities(z, gamma=2.0, from_logits=True))
    np.testing.assert_allclose(found, 3 * z + np.log(3), rtol=1e-12)


@pytest.mark.backend
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_tensors_are_taken(dtype):
    y_pred = keras.ops.convert_to_tensor([0.25, 0.5], dtype=dtype)
    np.testing.assert_allclose(undo_binary_weights(y_pred), [0.25, 0.5], atol=1e-7)


@pytest.mark.backend
@pytest.mark.parametrize(
    ("loss", "eta"),
    [
        (keras.losses.BinaryCrossentropy(), [0.6, 0.4]),
        (keras.losses.BinaryCrossentropy(label_smoothing=0.2), [0.625, 0.375]),
        (keras.losses.CategoricalCrossentropy(label_smoothing=0.2), [0.625, 0.375]),
        (keras.losses.SparseCategoricalCrossentropy(), [0.6, 0.4]),
        (keras.losses.BinaryFocalCrossentropy(gamma=0), [0.6, 0.4]),
        (keras.losses.CategoricalFocalCrossentropy(gamma=0), [0.6, 0.4]),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_losses_of_keras_are_known(loss, eta):
    np.testing.assert_allclose(calibrated(loss, [0.6, 0.4]), eta, **close)


@pytest.mark.backend
@pytest.mark.parametrize("balancing", [True, False])
def test_focal_losses_of_keras_mean_what_ours_do(balancing):
    theirs = keras.losses.BinaryFocalCrossentropy(apply_class_balancing=balancing, alpha=0.3)
    ours = get_loss("focal", alpha=0.3 if balancing else None)
    np.testing.assert_array_equal(calibrated(theirs, [0.2, 0.7]), calibrated(ours, [0.2, 0.7]))


@pytest.mark.backend
def test_a_schedule_counts_as_it_is_now():
    loss = get_loss("class_balanced", samples_per_class=(9, 1), beta=deferred(1.0, until=100))
    np.testing.assert_allclose(calibrated(loss, [0.5, 0.5]), [0.5, 0.5], atol=1e-6)
    last = get_loss("class_balanced", samples_per_class=(9, 1), beta=1.0)
    np.testing.assert_allclose(calibrated(last, [0.5, 0.5]), [0.9, 0.1], atol=1e-6)


@pytest.mark.backend
@pytest.mark.parametrize(
    "loss",
    [
        lambda: get_loss("margin_hinge"),
        lambda: get_loss("mse"),
        lambda: combine({"focal": 1.0, "binary_crossentropy": 1.0}),
        lambda: abs,
        lambda: keras.losses.BinaryFocalCrossentropy(label_smoothing=0.1),
        lambda: keras.losses.BinaryCrossentropy(label_smoothing=1.0),
        lambda: get_loss("symmetric_crossentropy", alpha=0.0),
        lambda: get_loss("generalized_crossentropy", truncation=0.5),
    ],
)
def test_a_loss_without_a_map_says_so(loss):
    with pytest.raises(DataError, match="No function is known"):
        calibrated(loss(), [0.5, 0.5])


@pytest.mark.parametrize(
    "call",
    [
        lambda: undo_binary_weights([0.5], positive_weight=0.0),
        lambda: undo_class_weights([0.5, 0.5], (1.0, 0.0)),
        lambda: undo_class_weights([0.5, 0.5], (1.0, 2.0, 3.0)),
        lambda: undo_class_weights([0.5], (1.0,)),
        lambda: correct_prior([0.5], 0.5, 1.0),
        lambda: correct_prior([0.5], 1.5, 0.5),
        lambda: focal_probabilities([0.5], alpha=1.0),
        lambda: focal_probabilities([3.0]),
        lambda: focal_probabilities([-0.1]),
        lambda: expected_calibration_error([], []),
        lambda: expected_calibration_error([0, 1, 2], [[0.5, 0.5]]),
        lambda: expected_calibration_error([0, 1], [0.5, 0.5], sample_weight=[0, 0]),
        lambda: expected_calibration_error([0, 1], [0.5, 0.5], sample_weight=[1, 2, 3]),
    ],
)
def test_what_does_not_fit_is_refused(call):
    with pytest.raises(DataError):
        call()


class TestCalibrationError:
    def test_by_hand(self):
        """Bins to 0.5 and to 1: |0.5 - 0.2| of two, |1 - 0.8| of two."""
        found = expected_calibration_error([0, 1, 1, 1], [0.1, 0.3, 0.7, 0.9], bins=2)
        assert found == pytest.approx(0.25)

    def test_the_most_probable_class(self):
        """Said 0.8 and 0.6, which came true half of the time."""
        prob = [[0.8, 0.1, 0.1], [0.2, 0.6, 0.2]]
        assert expected_calibration_error([0, 2], prob, bins=1) == pytest.approx(0.2)
        assert expected_calibration_error([[0], [2]], prob, bins=1) == pytest.approx(0.2)

    @pytest.mark.parametrize("binning", ["width", "mass"])
    def test_what_is_true_is_calibrated(self, binning):
        random = np.random.default_rng(0)
        prob = random.beta(0.5, 10, 100_000)
        y = random.random(100_000) < prob
        assert expected_calibration_error(y, prob, binning=binning) < 0.004
        assert expected_calibration_error(y, np.sqrt(prob), binning=binning) > 0.1

    @pytest.mark.parametrize("binning", ["width", "mass"])
    def test_a_weight_counts_a_sample_that_often(self, binning):
        random = np.random.default_rng(0)
        prob, often = random.random(50), random.integers(0, 4, 50)
        y = random.random(50) < prob**2
        weighted = expected_calibration_error(y, prob, sample_weight=often, binning=binning, bins=5)
        repeated = expected_calibration_error(
            np.repeat(y, often), np.repeat(prob, often), binning=binning, bins=5
        )
        assert weighted == pytest.approx(repeated, abs=1e-12)

    def test_equal_predictions_share_a_bin(self):
        """Else the order of the samples would count."""
        y, prob = np.repeat([0, 1], 50), np.full(100, 0.5)
        assert expected_calibration_error(y, prob, binning="mass") == 0


@pytest.mark.backend
def test_constant_weights_have_no_derivative():
    """The gradients of a positive and of a negative cancel at eta."""
    z = np.linspace(-2, 4, 13)
    loss = get_loss("asymmetric", constant_weights=True, from_logits=True)
    positive, negative = (
        value_and_gradient(lambda x, y=y: loss(np.full((13, 1), y), x), z[:, None])[1]
        for y in (1.0, 0.0)
    )
    slopes = [keras.ops.convert_to_numpy(slope)[:, 0] for slope in (positive, negative)]
    eta = calibrated(loss, z)
    np.testing.assert_allclose(eta * slopes[0], (eta - 1) * slopes[1], rtol=1e-3, atol=1e-9)


@pytest.mark.backend
def test_negatives_below_the_clip_are_certain():
    np.testing.assert_array_equal(calibrated(get_loss("asymmetric", clip=0.05), [0, 0.04]), 0)


@pytest.mark.backend
def test_forward_correction_predicts_what_is_true():
    loss = get_loss("forward_correction", transitions=((0.9, 0.1), (0.2, 0.8)))
    np.testing.assert_allclose(calibrated(loss, [0.3, 0.7]), [0.3, 0.7], **close)


@pytest.mark.backend
@pytest.mark.parametrize("name", ["weighted_binary_crossentropy", "focal, strong"])
def test_a_trained_model_is_calibrated(name):
    """As well as one that was trained with crossentropy, of a model that can be right."""
    random = np.random.default_rng(0)
    x = random.normal(size=(20_000, 3)).astype("float32")
    y = (random.random(20_000) < expit(x @ [1.0, -2.0, 0.5] - 3)).astype("float32")

    def scores(loss):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        model.compile(keras.optimizers.Adam(0.2), loss=loss)
        model.fit(x[:10_000], y[:10_000], batch_size=5_000, epochs=40, verbose=0)
        return model.predict(x[10_000:], batch_size=10_000, verbose=0)

    def error(prob):
        return expected_calibration_error(y[10_000:], prob, binning="mass")

    plain = error(expit(scores(get_loss("binary_crossentropy", from_logits=True))))
    loss = built(name, BINARY[name], from_logits=True)
    z = scores(loss)
    assert plain < 0.015
    assert error(expit(z)) > 0.1
    assert error(calibrated(loss, z)) < plain + 0.005


def test_without_keras():
    """To undo weights needs NumPy only."""
    code = (
        "import sys; from lossplug_imbalance.calibration import undo_binary_weights as undo;"
        "undo([0.5], positive_weight=2.0); assert 'keras' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_softmax_of_weights_is_the_definition():
    z = np.array([[0.3, -1.0, 2.0]])
    expected = softmax(z, axis=-1) / [1.0, 2.0, 4.0]
    found = undo_class_weights(z, (1.0, 2.0, 4.0), from_logits=True)
    np.testing.assert_allclose(found, expected / expected.sum(), **close)
