"""Losses that know class priors or costs agree with their papers, and with each other."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lossplug_core import DataError, ParameterError, get_loss
from lossplug_core.testing import parametrize_with_checks
from lossplug_imbalance import (
    balanced_softmax,
    binary_logit_adjusted,
    class_balanced,
    cost_sensitive_crossentropy,
    ldam,
    logit_adjusted,
    margin_hinge,
    multiclass_margin_hinge,
    vector_scaling,
    weighted_categorical_crossentropy,
)
from numerics import Case, check_finite, check_gradient, check_jit, check_values, tensor
from probabilities import (
    BINARY,
    HUGE_BINARY,
    HUGE_IDS,
    HUGE_LOGITS,
    ID_POSITIONS,
    IDS,
    LOGITS,
    ONE_HOT,
    POSITIONS,
    PROBABILITIES,
    SATURATED,
    SOFT,
    SOFT_LABELS,
    UNDECIDED,
)

# --- The papers, in NumPy -------------------------------------------------------------------------


def log_sum_exp(x):
    return np.logaddexp.reduce(x, axis=-1)


def logits_of(y_pred, from_logits):
    if from_logits:
        return y_pred
    return np.log(np.clip(y_pred / y_pred.sum(-1, keepdims=True), 1e-7, 1 - 1e-7))


def labels(y_true, y_pred):
    if y_true.shape == y_pred.shape:
        return y_true.astype("float64")
    return np.eye(y_pred.shape[-1])[y_true.reshape(y_pred.shape[:-1])]


def over_right_classes(y_true, y_pred, value):
    """The values for each class that may be right, weighted by the labels."""
    classes = range(y_pred.shape[-1])
    return sum(labels(y_true, y_pred)[..., right] * value(right) for right in classes)


def pairwise(y_true, x, shift):
    """log(1 + sum over the wrong classes of exp(shift + how much further up they are))."""
    return over_right_classes(
        y_true, x, lambda right: log_sum_exp(shift - shift[right] + x - x[..., right, None])
    )


def logit_adjusted_oracle(y_true, y_pred, class_priors, tau, from_logits):
    shift = tau * np.log(np.asarray(class_priors) / np.sum(class_priors))
    return pairwise(y_true, logits_of(y_pred, from_logits), shift)


def balanced_softmax_oracle(y_true, y_pred, samples_per_class, from_logits):
    x, log_n = logits_of(y_pred, from_logits), np.log(samples_per_class)
    log_p = log_n + x - log_sum_exp(log_n + x)[..., None]
    return -np.sum(labels(y_true, y_pred) * log_p, axis=-1)


def vector_scaling_oracle(y_true, y_pred, samples_per_class, gamma, tau, class_weights):
    n = np.asarray(samples_per_class)
    weights = np.ones(len(n)) if class_weights is None else np.asarray(class_weights)
    delta, iota = (n / n.max()) ** gamma, tau * np.log(n / n.sum())
    return pairwise(labels(y_true, y_pred) * weights, delta * y_pred, iota)


def ldam_oracle(y_true, y_pred, samples_per_class, max_margin, scale, beta):
    n = np.asarray(samples_per_class)
    margins = n**-0.25 / np.max(n**-0.25) * max_margin
    weights = 1 / n if beta == 1 else (1 - beta) / (1 - beta**n)
    weights = weights / weights.sum() * len(n)
    targets = labels(y_true, y_pred)
    z = scale * (y_pred - targets * margins)
    return -np.sum(weights * targets * (z - log_sum_exp(z)[..., None]), axis=-1)


def cost_oracle(y_true, y_pred, costs, alpha, form, from_logits):
    x = logits_of(y_pred, from_logits)
    log_p = x - log_sum_exp(x)[..., None] if from_logits else x
    log_not_p = np.stack([log_sum_exp(np.delete(log_p, j, -1)) for j in range(x.shape[-1])], -1)
    charged = np.exp(log_p) if form == "bilinear" else -log_not_p

    def value(right):
        expected = np.sum(np.asarray(costs)[right] * charged, axis=-1)
        return alpha * expected - (1 - alpha) * log_p[..., right]

    return over_right_classes(y_true, y_pred, value)


def binary_logit_adjusted_oracle(y_true, y_pred, positive_prior, tau, from_logits):
    shape = y_pred.shape if y_pred.ndim > 1 else (len(y_pred), 1)
    y_true, x = y_true.reshape(shape), y_pred.reshape(shape)
    if not from_logits:
        p = np.clip(x, 1e-7, 1 - 1e-7)
        x = np.log(p) - np.log(1 - p)
    prior = np.broadcast_to(positive_prior, shape[-1:])
    of_both = np.stack([np.zeros(x.shape), x], axis=-1)
    priors = np.stack([1 - prior, prior], axis=-1)
    z = of_both + tau * np.log(priors)
    log_p = z - log_sum_exp(z)[..., None]
    return -np.mean((1 - y_true) * log_p[..., 0] + y_true * log_p[..., 1], axis=-1)


def hinge_oracle(y_true, y_pred, margin, squared, violations):
    classes = y_pred.shape[-1]
    targets, margin = labels(y_true, y_pred), np.broadcast_to(margin, classes)
    required = np.sum(targets * (margin - y_pred), axis=-1)
    missing = np.maximum(0, required[..., None] + y_pred) ** (2 if squared else 1)
    missing = (1 - targets) * missing
    return {"max": missing.max(-1), "sum": missing.sum(-1), "mean": missing.mean(-1)}[violations]


# --- The data -------------------------------------------------------------------------------------

rng = np.random.default_rng(0)

COSINES = rng.uniform(-1, 1, (5, 3))
PRIORS = (0.9, 0.08, 0.02)
COUNTS = (1000, 40, 3)
COSTS = ((0, 1, 5), (2, 0, 0), (10, 0.5, 0))


logits = {"from_logits": True}


def adjusted_case(name, y_true, y_pred, **parameters):
    parameters = {"class_priors": PRIORS, **parameters}
    return Case(name, logit_adjusted, y_true, y_pred, logit_adjusted_oracle, parameters)


def balanced_case(name, y_true, y_pred, **parameters):
    parameters = {"samples_per_class": COUNTS, **parameters}
    return Case(name, balanced_softmax, y_true, y_pred, balanced_softmax_oracle, parameters)


def scaling_case(name, y_true, y_pred, **parameters):
    parameters = {"samples_per_class": COUNTS, **parameters}
    return Case(name, vector_scaling, y_true, y_pred, vector_scaling_oracle, parameters)


def ldam_case(name, y_true, y_pred, **parameters):
    parameters = {"samples_per_class": COUNTS, **parameters}
    return Case(name, ldam, y_true, y_pred, ldam_oracle, parameters)


def cost_case(name, y_true, y_pred, **parameters):
    parameters = {"costs": COSTS, **parameters}
    return Case(name, cost_sensitive_crossentropy, y_true, y_pred, cost_oracle, parameters)


def binary_case(name, y_true, y_pred, **parameters):
    parameters = {"positive_prior": 0.02, **parameters}
    oracle = binary_logit_adjusted_oracle
    return Case(name, binary_logit_adjusted, y_true, y_pred, oracle, parameters)


def hinge_case(name, y_true, y_pred, **parameters):
    return Case(name, multiclass_margin_hinge, y_true, y_pred, hinge_oracle, parameters)


CASES = [
    adjusted_case("probabilities", IDS, PROBABILITIES),
    adjusted_case("logits", IDS, LOGITS, tau=1.7, **logits),
    adjusted_case("soft", SOFT_LABELS, LOGITS, **logits),
    adjusted_case("positions", ID_POSITIONS, POSITIONS, **logits),
    adjusted_case("huge logits", HUGE_IDS, HUGE_LOGITS, **logits),
    balanced_case("probabilities", IDS, PROBABILITIES),
    balanced_case("logits", ONE_HOT, LOGITS, **logits),
    balanced_case("huge logits", HUGE_IDS, HUGE_LOGITS, **logits),
    scaling_case("logits", IDS, LOGITS),
    scaling_case("weights", SOFT_LABELS, LOGITS, class_weights=(0, 1, 7), gamma=0.15, tau=1.25),
    scaling_case("positions", ID_POSITIONS, POSITIONS, gamma=1, tau=0),
    scaling_case("huge logits", HUGE_IDS, HUGE_LOGITS),
    ldam_case("cosines", IDS, COSINES),
    ldam_case("one class in the batch", IDS * 0 + 2, COSINES, max_margin=1.5, scale=4),
    ldam_case("re-weighted", ONE_HOT, COSINES, beta=0.9999, scale=10),
    ldam_case("soft", SOFT_LABELS, COSINES, scale=10),
    ldam_case("positions", ID_POSITIONS, POSITIONS, scale=1),
    ldam_case("huge logits", HUGE_IDS, HUGE_LOGITS, scale=1),
    cost_case("probabilities", IDS, PROBABILITIES),
    cost_case("logits", IDS, LOGITS, **logits),
    cost_case("costs alone", SOFT_LABELS, LOGITS, alpha=1, **logits),
    cost_case("positions", ID_POSITIONS, POSITIONS, **logits),
    cost_case("bilinear", IDS, PROBABILITIES, form="bilinear"),
    cost_case("bilinear, costs alone", SOFT_LABELS, LOGITS, form="bilinear", alpha=1, **logits),
    cost_case("huge logits", HUGE_IDS, HUGE_LOGITS, **logits),
    cost_case("huge logits, bilinear", HUGE_IDS, HUGE_LOGITS, form="bilinear", **logits),
    binary_case("probabilities", BINARY, PROBABILITIES),
    binary_case("logits", SOFT, LOGITS, tau=1.7, **logits),
    binary_case("per output", BINARY, LOGITS, positive_prior=(0.5, 0.02, 0.9), **logits),
    binary_case("no outputs axis", BINARY[:, 0], LOGITS[:, 0], **logits),
    binary_case("huge logits", HUGE_BINARY, HUGE_LOGITS, **logits),
    hinge_case("worst", IDS, LOGITS),
    hinge_case("worst, soft, squared", SOFT_LABELS, LOGITS, squared=True),
    hinge_case("margins", ONE_HOT, LOGITS, margin=(0.5, 1, 8)),
    hinge_case("sum", IDS, LOGITS, violations="sum", margin=3),
    hinge_case("sum, squared", IDS, COSINES, violations="sum", squared=True),
    hinge_case("mean", ID_POSITIONS, POSITIONS, violations="mean", margin=(0.5, 1, 8)),
    hinge_case("huge scores", HUGE_IDS[:3], HUGE_LOGITS[:3]),
]

EXTREMES = [
    *[adjusted_case("saturated", HUGE_IDS, y_pred, tau=5) for y_pred in (SATURATED, UNDECIDED)],
    balanced_case("saturated", HUGE_IDS, SATURATED),
    scaling_case("huge gamma", HUGE_IDS, HUGE_LOGITS, gamma=10, tau=10),
    ldam_case("huge scale", HUGE_IDS, HUGE_LOGITS, scale=1000, beta=1),
    *[
        cost_case(f"saturated, {form}", HUGE_IDS, y_pred, form=form)
        for form in ("log_bilinear", "bilinear")
        for y_pred in (SATURATED, UNDECIDED)
    ],
    binary_case("saturated", HUGE_BINARY, SATURATED, positive_prior=1e-6, tau=5),
    hinge_case("huge scores, squared", HUGE_IDS, HUGE_LOGITS, squared=True, violations="sum"),
    hinge_case("all scores alike", HUGE_IDS, UNDECIDED),
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
    "logit_adjusted": {None: logit_adjusted_oracle},
    "balanced_softmax": {None: balanced_softmax_oracle},
    "vector_scaling": {None: vector_scaling_oracle},
    "ldam": {None: ldam_oracle},
    "cost_sensitive_crossentropy": {None: cost_oracle},
    "binary_logit_adjusted": {None: binary_logit_adjusted_oracle},
    "multiclass_margin_hinge": {None: hinge_oracle, "torch": hinge_oracle},
}


@parametrize_with_checks(list(ORACLES), only=["oracle"], oracles=ORACLES)
def test_agrees_on_drawn_data(loss, check):
    check(loss)


# --- By hand --------------------------------------------------------------------------------------


def test_ldam_by_hand():
    """Of 160 and 10 samples, the margins are 1/4 and 1/2; the logits 2.5 and 4, 5 and 1."""
    case = ldam_case(
        "by hand", np.array([0, 1]), [[0.5, 0.4], [0.5, 0.6]], samples_per_class=(160, 10), scale=10
    )
    expected = [np.log(1 + np.exp(1.5)), np.log(1 + np.exp(4))]
    np.testing.assert_allclose(case.computed()[0], expected, rtol=1e-6)


def test_vector_scaling_by_hand():
    """Of 160 and 10 samples, the factors are 1 and 1/2 if gamma is 1/4, and the odds 16 to 1."""
    case = scaling_case(
        "by hand", np.array([0, 1]), [[1, 0], [0, 1]], samples_per_class=(160, 10), gamma=0.25
    )
    expected = [np.log(1 + np.exp(-1) / 16), np.log(1 + 16 * np.exp(-0.5))]
    np.testing.assert_allclose(case.computed()[0], expected, rtol=1e-5)


def test_costs_by_hand():
    """Of p = 0.5, 0.3 and 0.2, a mistake that costs 1 for class 1 and 5 for class 2."""
    p, right = [[0.5, 0.3, 0.2]], np.array([0])
    log_bilinear = cost_case("by hand", right, p, alpha=1)
    expected = -(np.log(0.7) + 5 * np.log(0.8))
    np.testing.assert_allclose(log_bilinear.computed()[0], [expected], rtol=1e-6)
    bilinear = cost_case("by hand", right, p, alpha=1, form="bilinear")
    np.testing.assert_allclose(bilinear.computed()[0], [0.3 + 5 * 0.2], rtol=1e-6)


# --- Laws -----------------------------------------------------------------------------------------

law = settings(max_examples=20, deadline=None)
drawn_logits = arrays("float32", (4, 3), elements=st.floats(-30, 30, width=32))
drawn_ids = arrays("int32", 4, elements=st.integers(0, 2))
drawn_binary = arrays("float32", (4, 3), elements=st.sampled_from([0.0, 1.0]))
drawn_counts = st.tuples(*[st.integers(1, 10**6)] * 3)
drawn_costs = st.tuples(*[st.floats(0, 100)] * 2)
drawn_priors = st.floats(0.001, 0.999)
fractions = st.floats(0, 1)
taus = st.floats(0, 3)


def assert_equal(left, right):
    left, right = map(keras.ops.convert_to_numpy, (left, right))
    np.testing.assert_allclose(left, right, rtol=1e-4, atol=1e-4)


def crossentropy(ids, x):
    return keras.losses.sparse_categorical_crossentropy(ids, x, from_logits=True)


@law
@given(ids=drawn_ids, x=drawn_logits, counts=drawn_counts)
def test_balanced_softmax_is_logit_adjusted(ids, x, counts):
    priors = np.array(counts) / sum(counts)
    balanced = balanced_softmax(ids, x, samples_per_class=counts, from_logits=True)
    assert_equal(balanced, logit_adjusted(ids, x, class_priors=priors, from_logits=True))


@law
@given(ids=drawn_ids, x=drawn_logits, counts=drawn_counts, tau=taus)
def test_vector_scaling_without_factors_is_logit_adjusted(ids, x, counts, tau):
    scaled = vector_scaling(ids, x, samples_per_class=counts, gamma=0, tau=tau)
    assert_equal(scaled, logit_adjusted(ids, x, class_priors=counts, tau=tau, from_logits=True))


@law
@given(ids=drawn_ids, x=drawn_logits, count=st.integers(1, 10**6), tau=taus)
def test_equally_frequent_classes_need_no_adjustment(ids, x, count, tau):
    alike = {"class_priors": (count,) * 3, "tau": tau}
    assert_equal(logit_adjusted(ids, x, **alike, from_logits=True), crossentropy(ids, x))


def test_logit_adjustment_is_least_at_what_would_be_true_of_equal_priors():
    """Where class k is right with probability y_k, its logit is log(y_k / prior_k)."""
    y_true = np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]])
    best = np.log(y_true / PRIORS)
    case = adjusted_case("least", y_true, best, **logits)
    np.testing.assert_allclose(case.computed()[1], np.zeros_like(best), atol=1e-6)


@law
@given(y=drawn_binary, x=drawn_logits, prior=drawn_priors, tau=taus)
def test_a_yes_or_no_question_has_two_classes(y, x, prior, tau):
    binary = binary_logit_adjusted(y, x, positive_prior=prior, tau=tau, from_logits=True)
    two = logit_adjusted(
        y.astype("int32"),
        np.stack([np.zeros_like(x), x], axis=-1),
        class_priors=(1 - prior, prior),
        tau=tau,
        from_logits=True,
    )
    assert_equal(binary, keras.ops.mean(two, axis=-1))


@law
@given(ids=drawn_ids, x=drawn_logits, counts=drawn_counts, beta=fractions)
def test_ldam_without_margin_is_class_balanced(ids, x, counts, beta):
    parameters = {"samples_per_class": counts, "beta": beta}
    without = ldam(ids, x, max_margin=0, scale=1, **parameters)
    assert_equal(without, class_balanced(ids, x, **parameters, from_logits=True))


@law
@given(ids=drawn_ids, x=drawn_logits, counts=drawn_counts, margin=st.floats(0, 2))
def test_a_margin_never_costs_less(ids, x, counts, margin):
    values = [
        keras.ops.convert_to_numpy(ldam(ids, x, samples_per_class=counts, max_margin=m, scale=1))
        for m in (0, margin)
    ]
    assert (values[1] >= values[0] - 1e-5).all()


@law
@given(ids=drawn_ids, x=drawn_logits, costs=drawn_costs)
def test_costs_of_two_classes_are_weights(ids, x, costs):
    ids, x = np.minimum(ids, 1), x[:, :2]
    matrix = ((0, costs[0]), (costs[1], 0))
    alone = cost_sensitive_crossentropy(ids, x, costs=matrix, alpha=1, from_logits=True)
    weighted = weighted_categorical_crossentropy(ids, x, class_weights=costs, from_logits=True)
    assert_equal(alone, weighted)


@law
@given(ids=drawn_ids, x=drawn_logits, alpha=fractions)
def test_two_classes_that_cost_alike_are_crossentropy(ids, x, alpha):
    ids, x = np.minimum(ids, 1), x[:, :2]
    of_one = {"costs": ((0, 1), (1, 0)), "alpha": alpha}
    assert_equal(
        cost_sensitive_crossentropy(ids, x, **of_one, from_logits=True), crossentropy(ids, x)
    )


@law
@given(y=drawn_binary, x=drawn_logits, margins=st.tuples(st.floats(0.1, 9), st.floats(0.1, 9)))
def test_the_hinge_of_two_classes_is_that_of_a_sign(y, x, margins):
    y, x = y[:, 0], x[:, 0]
    of_two = np.stack([np.zeros_like(x), x], axis=-1)
    ids = y.astype("int32")
    for violations in ("max", "sum"):
        two = multiclass_margin_hinge(ids, of_two, margin=margins, violations=violations)
        assert_equal(two, margin_hinge(y, x, margin=margins))


def test_probabilities_are_logits_once_more():
    p = rng.dirichlet((1, 1, 1), 5).astype("float32")
    for loss, parameters in (
        (logit_adjusted, {"class_priors": PRIORS}),
        (balanced_softmax, {"samples_per_class": COUNTS}),
        (cost_sensitive_crossentropy, {"costs": COSTS}),
    ):
        assert_equal(loss(IDS, p, **parameters), loss(IDS, np.log(p), **parameters, **logits))


# --- What the losses are given --------------------------------------------------------------------

OF_CLASSES = {
    logit_adjusted: {"class_priors": PRIORS, **logits},
    balanced_softmax: {"samples_per_class": COUNTS, **logits},
    vector_scaling: {"samples_per_class": COUNTS},
    ldam: {"samples_per_class": COUNTS},
    cost_sensitive_crossentropy: {"costs": COSTS, **logits},
    multiclass_margin_hinge: {"margin": (1, 2, 3)},
}
of_classes = pytest.mark.parametrize(
    ("loss", "parameters"), OF_CLASSES.items(), ids=lambda item: getattr(item, "__name__", "")
)


@of_classes
def test_an_id_that_is_no_class_costs_nothing(loss, parameters):
    case = Case("no class", loss, np.array([-1, 3, 1]), LOGITS[:3], hinge_oracle, parameters)
    values, gradient = case.computed()
    assert (values[:2] == 0).all()
    assert (gradient[:2] == 0).all()
    assert values[2] > 0


@of_classes
def test_parameters_of_other_classes_are_refused(loss, parameters):
    with pytest.raises(DataError):
        loss(IDS, tensor(rng.normal(size=(5, 4))), **parameters)


def test_what_is_learned_from_the_targets():
    ids = np.array([0, 0, 0, 1])
    assert get_loss("logit_adjusted").adapt(ids).parameters["class_priors"] == (0.75, 0.25)
    assert get_loss("ldam").adapt(ids).parameters["samples_per_class"] == (3.0, 1.0)
    binary = get_loss("binary_logit_adjusted")
    assert binary.adapt(ids).parameters["positive_prior"] == 0.25
    per_output = np.array([[1, 0], [0, 0], [0, 1], [0, 1]])
    assert binary.adapt(per_output).parameters["positive_prior"] == (0.25, 0.5)
    with pytest.raises(DataError, match="Output 0 has no positive"):
        binary.adapt(ids * 0)


def test_being_right_costs_nothing():
    with pytest.raises(ParameterError, match="diagonal"):
        get_loss("cost_sensitive_crossentropy", costs=((1, 1), (1, 0)))


def test_the_last_layer_of_ldam_gives_cosines():
    """As its docstring says, from the first update on."""
    inputs = keras.Input((4,))
    cosines = keras.layers.Dense(
        3, use_bias=False, kernel_constraint=keras.constraints.UnitNorm(axis=0)
    )(keras.layers.UnitNormalization()(inputs))
    model = keras.Model(inputs, cosines)
    model.compile(optimizer="sgd", loss=get_loss("ldam", samples_per_class=COUNTS))
    x = 100 * rng.normal(size=(8, 4)).astype("float32")
    model.fit(x, np.arange(8) % 3, verbose=0)
    assert np.abs(model.predict(x, verbose=0)).max() <= 1 + 1e-5
