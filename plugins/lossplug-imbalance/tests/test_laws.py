"""What must hold of the losses whatever the data."""

from decimal import Decimal, localcontext

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lossplug_core.bridge.autodiff import value_and_gradient
from lossplug_imbalance import (
    categorical_focal,
    class_balanced,
    focal,
    margin_hinge,
    running_class_balanced,
    weighted_binary_crossentropy,
    weighted_categorical_crossentropy,
)
from lossplug_imbalance._balance import class_weights
from numerics import tensor

BATCH, CLASSES = 4, 3

law = settings(max_examples=25, deadline=None)

logits = arrays(
    "float32", (BATCH, CLASSES), elements=st.floats(-30, 30, width=32, allow_subnormal=False)
)
binary = arrays("float32", (BATCH, CLASSES), elements=st.sampled_from([0.0, 1.0]))
soft = arrays("float32", (BATCH, CLASSES), elements=st.floats(0, 1, width=32))
class_ids = arrays("int32", BATCH, elements=st.integers(0, CLASSES - 1))
weights = st.tuples(*[st.floats(0, 100)] * CLASSES)
counts = st.tuples(*[st.integers(1, 10**6)] * CLASSES)
gammas = st.floats(0, 10)
alphas = st.floats(0, 1)
betas = st.floats(0, 1)
orders = st.permutations(range(CLASSES))


def running(y_true, y_pred, **parameters):
    """The values alone, in the middle of training."""
    states = {"frequencies": tensor([0.7, 0.25, 0.05]), "samples": tensor(300.0)}
    parameters = {"num_classes": CLASSES, **parameters}
    return running_class_balanced(y_true, y_pred, weights=states, **parameters)[0]


# Each loss of classes with what it needs to be called on logits.
OF_CLASSES = {
    "categorical_focal": (categorical_focal, {"from_logits": True}),
    "weighted_categorical_crossentropy": (
        weighted_categorical_crossentropy,
        {"class_weights": (1, 2, 3), "from_logits": True},
    ),
    "class_balanced": (class_balanced, {"samples_per_class": (9, 5, 1), "from_logits": True}),
    "class_balanced, focal": (
        class_balanced,
        {"samples_per_class": (9, 5, 1), "crossentropy": "focal", "from_logits": True},
    ),
    "running_class_balanced": (running, {"from_logits": True}),
}
every_loss_of_classes = pytest.mark.parametrize(
    ("loss", "parameters"), OF_CLASSES.values(), ids=OF_CLASSES
)


def one_hot(ids):
    return np.eye(CLASSES, dtype="float32")[ids]


def numbers(values):
    return keras.ops.convert_to_numpy(values)


def assert_equal(left, right):
    np.testing.assert_allclose(numbers(left), numbers(right), rtol=1e-4, atol=1e-5)


# --- Losses of classes ----------------------------------------------------------------------------


@every_loss_of_classes
@law
@given(ids=class_ids, x=logits)
def test_class_ids_mean_their_one_hot_rows(loss, parameters, ids, x):
    assert_equal(loss(ids, x, **parameters), loss(one_hot(ids), x, **parameters))


# --- focal ----------------------------------------------------------------------------------------


@law
@given(y=soft, x=logits)
def test_focal_without_focus_is_binary_crossentropy(y, x):
    peer = keras.losses.binary_crossentropy(y, x, from_logits=True)
    assert_equal(focal(y, x, gamma=0.0, from_logits=True), peer)


@law
@given(y=soft, x=logits, gamma=gammas, alpha=alphas)
def test_focal_is_the_same_with_classes_swapped(y, x, gamma, alpha):
    swapped = focal(1 - y, -x, gamma=gamma, alpha=1 - alpha, from_logits=True)
    assert_equal(focal(y, x, gamma=gamma, alpha=alpha, from_logits=True), swapped)


@law
@given(y=binary, x=logits, gamma=gammas, more=st.floats(0, 5))
def test_more_focus_never_costs_more(y, x, gamma, more):
    less_focused = numbers(focal(y, x, gamma=gamma, from_logits=True))
    more_focused = numbers(focal(y, x, gamma=gamma + more, from_logits=True))
    assert (more_focused <= less_focused * (1 + 1e-5) + 1e-6).all()


@law
@given(y=binary, x=logits, gamma=gammas)
def test_equal_balance_halves_focal(y, x, gamma):
    halved = focal(y, x, gamma=gamma, alpha=0.5, from_logits=True)
    assert_equal(2 * halved, focal(y, x, gamma=gamma, from_logits=True))


# --- categorical_focal ----------------------------------------------------------------------------


@law
@given(ids=class_ids, x=logits)
def test_categorical_focal_without_focus_is_categorical_crossentropy(ids, x):
    peer = keras.losses.sparse_categorical_crossentropy(ids, x, from_logits=True)
    assert_equal(categorical_focal(ids, x, gamma=0.0, from_logits=True), peer)


@law
@given(ids=class_ids, x=logits, gamma=gammas)
def test_two_classes_are_one_sigmoid(ids, x, gamma):
    positive = (ids > 0).astype("int32")
    of_two = categorical_focal(positive, x[:, :2], gamma=gamma, from_logits=True)
    assert_equal(of_two, focal(positive, x[:, 1] - x[:, 0], gamma=gamma, from_logits=True))


@law
@given(ids=class_ids, x=logits, shift=st.floats(-100, 100, width=32))
def test_softmax_ignores_a_common_shift(ids, x, shift):
    shifted = categorical_focal(ids, x + np.float32(shift), from_logits=True)
    np.testing.assert_allclose(
        numbers(shifted), numbers(categorical_focal(ids, x, from_logits=True)), rtol=1e-3, atol=1e-3
    )


@law
@given(ids=class_ids, x=logits, alpha=weights, order=orders)
def test_the_order_of_the_classes_does_not_matter(ids, x, alpha, order):
    order = list(order)
    reordered = categorical_focal(
        one_hot(ids)[:, order], x[:, order], alpha=[alpha[k] for k in order], from_logits=True
    )
    assert_equal(categorical_focal(ids, x, alpha=alpha, from_logits=True), reordered)


# --- weighted crossentropies ----------------------------------------------------------------------


@law
@given(y=soft, x=logits, positive=st.floats(0, 100), negative=st.floats(0, 100))
def test_the_parts_of_binary_crossentropy_are_weighted_apart(y, x, positive, negative):
    def loss(positive, negative):
        return weighted_binary_crossentropy(
            y, x, positive_weight=positive, negative_weight=negative, from_logits=True
        )

    assert_equal(loss(positive, negative), positive * loss(1, 0) + negative * loss(0, 1))


@law
@given(ids=class_ids, x=logits, class_weights=weights)
def test_a_class_weight_multiplies_its_samples(ids, x, class_weights):
    weighted = weighted_categorical_crossentropy(
        ids, x, class_weights=class_weights, from_logits=True
    )
    plain = keras.losses.sparse_categorical_crossentropy(ids, x, from_logits=True)
    assert_equal(weighted, np.asarray(class_weights, "float32")[ids] * numbers(plain))


# --- class_balanced -------------------------------------------------------------------------------


def exact_weights(samples, beta):
    """The weights from the definition, in 60 digits."""
    with localcontext() as context:
        context.prec = 60
        beta = Decimal(beta)
        counts = [Decimal(float(count)) for count in samples]
        inverse = [1 / n if beta == 1 else (1 - beta) / (1 - beta**n) for n in counts]
        return np.array([float(weight * len(counts) / sum(inverse)) for weight in inverse])


def weights_of(samples, beta):
    return numbers(class_weights(tensor(np.array(samples, "float32")), beta))


@law
@given(samples=counts, beta=betas)
def test_class_weights_average_to_one_and_favour_rare_classes(samples, beta):
    found = weights_of(samples, beta)
    assert found.sum() == pytest.approx(CLASSES)
    rare_first = np.argsort(samples, kind="stable")
    assert (np.diff(found[rare_first]) <= 1e-6).all()


@law
@given(samples=counts)
def test_the_ends_of_beta_are_no_weights_and_inverse_frequencies(samples):
    np.testing.assert_array_equal(weights_of(samples, 0.0), 1.0)
    inverse = 1 / np.array(samples)
    expected = CLASSES * inverse / inverse.sum()
    np.testing.assert_allclose(weights_of(samples, 1.0), expected, rtol=1e-6)


many = st.tuples(*[st.integers(1, 10**7)] * CLASSES)
near_one = st.integers(1, 15).map(lambda digits: 1 - 10.0**-digits)
near_zero = st.integers(1, 30).map(lambda digits: 10.0**-digits)
any_beta = st.one_of(betas, near_one, near_zero)


@law
@given(
    samples=st.tuples(*[st.integers(1, 10**7)] * CLASSES),
    beta=st.one_of(betas, near_one, near_zero),
)
def test_class_weights_are_exact_for_any_beta(samples, beta):
    np.testing.assert_allclose(weights_of(samples, beta), exact_weights(samples, beta), rtol=2e-6)


@law
@given(
    samples=st.tuples(*[st.integers(1, 10**7)] * CLASSES),
    beta=st.one_of(betas, near_one, near_zero),
)
def test_class_weights_are_exact_for_a_beta_that_is_a_tensor(samples, beta):
    beta = np.float32(beta)  # near 1, what is left of it in float32
    found = weights_of(samples, tensor(beta))
    np.testing.assert_allclose(found, exact_weights(samples, float(beta)), rtol=2e-6)


@pytest.mark.parametrize("beta", [0.0, 1e-7, 0.5, 0.9999, 1 - 1e-7, 1.0])
@pytest.mark.parametrize("jit", [False, True])
def test_class_weights_compile_and_have_a_gradient_in_beta(beta, jit):
    samples = (1.0, 40.0, 1e7)
    found, gradient = value_and_gradient(
        lambda beta: class_weights(tensor(samples), beta), np.float32(beta), jit=jit
    )
    np.testing.assert_allclose(found, exact_weights(samples, float(np.float32(beta))), rtol=2e-6)
    assert np.isfinite(gradient)


@law
@given(ids=class_ids, x=logits, beta=betas, count=st.integers(1, 10**6))
def test_equally_frequent_classes_need_no_balance(ids, x, beta, count):
    balanced = class_balanced(
        ids, x, samples_per_class=(count,) * CLASSES, beta=beta, from_logits=True
    )
    assert_equal(balanced, keras.losses.sparse_categorical_crossentropy(ids, x, from_logits=True))


@law
@given(ids=class_ids, x=logits, samples=counts)
def test_sigmoid_is_focal_without_focus_and_the_sum_over_classes(ids, x, samples):
    balance = {"samples_per_class": samples, "from_logits": True}
    sigmoid = class_balanced(ids, x, crossentropy="sigmoid", **balance)
    assert_equal(sigmoid, class_balanced(ids, x, crossentropy="focal", gamma=0.0, **balance))
    mean = numbers(keras.losses.binary_crossentropy(one_hot(ids), x, from_logits=True))
    assert_equal(sigmoid, weights_of(samples, 0.999)[ids] * CLASSES * mean)


# --- margin_hinge ---------------------------------------------------------------------------------


@law
@given(y=binary, x=logits, margin=st.floats(0.1, 10))
def test_zero_and_one_mean_minus_one_and_one(y, x, margin):
    assert_equal(margin_hinge(y, x, margin=margin), margin_hinge(2 * y - 1, x, margin=margin))


@law
@given(y=binary, x=logits, scale=st.floats(0.1, 10))
def test_scores_and_margins_scale_together(y, x, scale):
    margins = np.array([1.0, 2.0, 3.0])
    scaled = margin_hinge(y, np.float32(scale) * x, margin=scale * margins)
    assert_equal(scaled, np.float32(scale) * numbers(margin_hinge(y, x, margin=margins)))


@law
@given(y=binary, x=logits, margin=st.floats(0.1, 10))
def test_nothing_beyond_the_margin_costs(y, x, margin):
    confident = (2 * y - 1) * (np.abs(x) + np.float32(margin) * np.float32(1.001))
    assert (numbers(margin_hinge(y, confident, margin=margin)) == 0).all()


@law
@given(y=binary, x=logits, margins=st.tuples(st.floats(0.1, 10), st.floats(0.1, 10)))
def test_squared_squares_each_output(y, x, margins):
    plain = numbers(margin_hinge(y[:, 0], x[:, 0], margin=margins))
    assert_equal(margin_hinge(y[:, 0], x[:, 0], margin=margins, squared=True), plain**2)
