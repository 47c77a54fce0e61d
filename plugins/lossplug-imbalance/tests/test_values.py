"""Every loss agrees with its paper, computed in NumPy and float64."""

import numpy as np
import pytest

from lossplug_core.testing import parametrize_with_checks
from lossplug_imbalance import (
    categorical_focal,
    class_balanced,
    focal,
    margin_hinge,
    running_class_balanced,
    weighted_binary_crossentropy,
    weighted_categorical_crossentropy,
)
from numerics import Case, check_finite, check_gradient, check_jit, check_values
from probabilities import (
    BINARY,
    BINARY_POSITIONS,
    DISTRIBUTIONS,
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
    one_hot,
    sigmoid_logs,
    softmax_logs,
    with_outputs,
)

# --- The papers, in NumPy -------------------------------------------------------------------------


def focal_oracle(y_true, y_pred, gamma, alpha, average, from_logits):
    y_true, y_pred = with_outputs(y_true, y_pred)
    log_p, log_not_p = sigmoid_logs(y_pred, from_logits)
    positive, negative = (1, 1) if alpha is None else (alpha, 1 - alpha)
    values = -positive * y_true * np.exp(log_not_p) ** gamma * log_p
    values -= negative * (1 - y_true) * np.exp(log_p) ** gamma * log_not_p
    if average == "outputs":
        return values.mean(-1)
    positions = y_true[..., 0].size
    return values.sum(-1) * (1 if average == "sum" else positions / max(y_true.sum(), 1))


def categorical_focal_oracle(y_true, y_pred, gamma, alpha, from_logits):
    log_p, log_not_p = softmax_logs(y_pred, from_logits)
    alpha = 1.0 if alpha is None else np.asarray(alpha)
    return np.sum(-alpha * one_hot(y_true, y_pred) * np.exp(log_not_p) ** gamma * log_p, axis=-1)


def weighted_binary_oracle(y_true, y_pred, positive_weight, negative_weight, from_logits):
    y_true, y_pred = with_outputs(y_true, y_pred)
    log_p, log_not_p = sigmoid_logs(y_pred, from_logits)
    positive, negative = np.asarray(positive_weight), np.asarray(negative_weight)
    return np.mean(-positive * y_true * log_p - negative * (1 - y_true) * log_not_p, axis=-1)


def weighted_categorical_oracle(y_true, y_pred, class_weights, from_logits):
    log_p, _ = softmax_logs(y_pred, from_logits)
    return np.sum(-np.asarray(class_weights) * one_hot(y_true, y_pred) * log_p, axis=-1)


def class_balanced_oracle(
    y_true,
    y_pred,
    samples_per_class,
    beta,
    crossentropy,
    gamma,
    from_logits,
    average_sigmoid=False,
):
    weights = (1 - beta) / (1 - beta ** np.asarray(samples_per_class))
    weights *= len(weights) / weights.sum()
    if crossentropy == "softmax":
        return weighted_categorical_oracle(y_true, y_pred, weights, from_logits)
    targets = one_hot(y_true, y_pred)
    log_p, log_not_p = sigmoid_logs(y_pred, from_logits)
    gamma = gamma if crossentropy == "focal" else 0
    terms = targets * np.exp(log_not_p) ** gamma * log_p
    terms += (1 - targets) * np.exp(log_p) ** gamma * log_not_p
    averages = average_sigmoid and crossentropy == "sigmoid"
    return -(weights * targets).sum(-1) * (terms.mean(-1) if averages else terms.sum(-1))


def running_oracle(y_true, y_pred, weights, num_classes, decay, **parameters):
    counts = weights["samples"] * weights["frequencies"]
    assert (counts >= 1).all()
    return class_balanced_oracle(y_true, y_pred, counts, **parameters)


def margin_hinge_oracle(y_true, y_pred, margin, squared):
    y_true, y_pred = with_outputs(y_true, y_pred)
    margin = np.asarray(margin)
    if y_pred.shape[-1] == 1 and margin.shape == (2,):
        margin = np.where(y_true > 0, margin[1], margin[0])
    missing = np.maximum(0, margin - np.where(y_true > 0, 1, -1) * y_pred)
    return np.mean(missing**2 if squared else missing, axis=-1)


# --- The data -------------------------------------------------------------------------------------

rng = np.random.default_rng(0)

COLUMN = rng.normal(0, 3, (5, 1))
WEIGHTS = (0.0, 1.5, 4.0)
COUNTS = (1000, 40, 3)
SEEN = {"frequencies": np.array([0.7, 0.25, 0.05]), "samples": 300.0}


logits = {"from_logits": True}
balanced = {"samples_per_class": COUNTS}


def focal_case(name, y_true, y_pred, **parameters):
    return Case(name, focal, y_true, y_pred, focal_oracle, parameters)


def categorical_focal_case(name, y_true, y_pred, **parameters):
    return Case(name, categorical_focal, y_true, y_pred, categorical_focal_oracle, parameters)


def weighted_binary_case(name, y_true, y_pred, **parameters):
    oracle = weighted_binary_oracle
    return Case(name, weighted_binary_crossentropy, y_true, y_pred, oracle, parameters)


def weighted_categorical_case(name, y_true, y_pred, **parameters):
    oracle = weighted_categorical_oracle
    parameters = {"class_weights": WEIGHTS, **parameters}
    return Case(name, weighted_categorical_crossentropy, y_true, y_pred, oracle, parameters)


def class_balanced_case(name, y_true, y_pred, **parameters):
    oracle = class_balanced_oracle
    parameters = {"samples_per_class": COUNTS, **parameters}
    return Case(name, class_balanced, y_true, y_pred, oracle, parameters)


def running_case(name, y_true, y_pred, **parameters):
    parameters = {"num_classes": 3, **parameters}
    return Case(name, running_class_balanced, y_true, y_pred, running_oracle, parameters, SEEN)


def margin_hinge_case(name, y_true, y_pred, **parameters):
    return Case(name, margin_hinge, y_true, y_pred, margin_hinge_oracle, parameters)


CASES = [
    focal_case("probabilities", BINARY, PROBABILITIES),
    focal_case("logits", BINARY, LOGITS, **logits),
    focal_case("alpha", BINARY, LOGITS, alpha=0.25, **logits),
    focal_case("gamma=0", BINARY, PROBABILITIES, gamma=0),
    focal_case("gamma=0.5", BINARY, LOGITS, gamma=0.5, **logits),
    focal_case("gamma=10", BINARY, PROBABILITIES, gamma=10),
    focal_case("soft", SOFT, LOGITS, alpha=0.7, **logits),
    focal_case("positions", BINARY_POSITIONS, POSITIONS, **logits),
    focal_case("no outputs axis", BINARY[:, 0], LOGITS[:, 0], **logits),
    focal_case("sum", BINARY, LOGITS, average="sum", **logits),
    focal_case("for each positive", BINARY_POSITIONS, POSITIONS, average="positives", **logits),
    focal_case("no positive", BINARY * 0, LOGITS, average="positives", **logits),
    focal_case("one sample", BINARY[:1], LOGITS[:1], **logits),
    focal_case("huge logits", HUGE_BINARY, HUGE_LOGITS, **logits),
    focal_case("huge logits, gamma=0.5", HUGE_BINARY, HUGE_LOGITS, gamma=0.5, **logits),
    categorical_focal_case("probabilities", IDS, DISTRIBUTIONS),
    categorical_focal_case("not a distribution", IDS, PROBABILITIES),
    categorical_focal_case("logits", IDS, LOGITS, **logits),
    categorical_focal_case("one-hot", ONE_HOT, LOGITS, **logits),
    categorical_focal_case("soft", SOFT_LABELS, DISTRIBUTIONS),
    categorical_focal_case("alpha", IDS, LOGITS, alpha=0.25, **logits),
    categorical_focal_case("alpha per class", IDS, DISTRIBUTIONS, alpha=WEIGHTS),
    categorical_focal_case("gamma=0", IDS, LOGITS, gamma=0, **logits),
    categorical_focal_case("gamma=0.5", IDS, LOGITS, gamma=0.5, **logits),
    categorical_focal_case("gamma=10", IDS, DISTRIBUTIONS, gamma=10),
    categorical_focal_case("positions", ID_POSITIONS, POSITIONS, **logits),
    categorical_focal_case("huge logits", HUGE_IDS, HUGE_LOGITS, **logits),
    categorical_focal_case("one class in the batch", IDS * 0, LOGITS, **logits),
    weighted_binary_case("probabilities", BINARY, PROBABILITIES, positive_weight=5),
    weighted_binary_case("logits", BINARY, LOGITS, negative_weight=0.1, **logits),
    weighted_binary_case("per output", SOFT, LOGITS, positive_weight=WEIGHTS, **logits),
    weighted_binary_case("no outputs axis", BINARY[:, 0], PROBABILITIES[:, 0], positive_weight=5),
    weighted_binary_case("huge logits", HUGE_BINARY, HUGE_LOGITS, positive_weight=5, **logits),
    weighted_categorical_case("probabilities", IDS, DISTRIBUTIONS),
    weighted_categorical_case("logits", IDS, LOGITS, **logits),
    weighted_categorical_case("soft", SOFT_LABELS, LOGITS, **logits),
    weighted_categorical_case("positions", ID_POSITIONS, POSITIONS, **logits),
    weighted_categorical_case("huge logits", HUGE_IDS, HUGE_LOGITS, **logits),
    class_balanced_case("softmax", IDS, DISTRIBUTIONS),
    class_balanced_case("softmax of logits", IDS, LOGITS, **logits),
    class_balanced_case("beta=0", IDS, DISTRIBUTIONS, beta=0),
    class_balanced_case("sigmoid", IDS, PROBABILITIES, crossentropy="sigmoid"),
    class_balanced_case(
        "sigmoid, averaged", IDS, LOGITS, crossentropy="sigmoid", average_sigmoid=True, **logits
    ),
    class_balanced_case("sigmoid, soft", SOFT_LABELS, PROBABILITIES, crossentropy="sigmoid"),
    class_balanced_case("focal", IDS, LOGITS, crossentropy="focal", gamma=0.5, **logits),
    class_balanced_case("positions", ID_POSITIONS, POSITIONS, crossentropy="focal", **logits),
    class_balanced_case("huge logits", HUGE_IDS, HUGE_LOGITS, crossentropy="focal", **logits),
    class_balanced_case("beta near 1", IDS, LOGITS, beta=1 - 1e-5, **logits),
    running_case("softmax", IDS, DISTRIBUTIONS),
    running_case("softmax of logits", IDS, LOGITS, beta=0.99, **logits),
    running_case("sigmoid, soft", SOFT_LABELS, PROBABILITIES, crossentropy="sigmoid"),
    running_case("focal", IDS, LOGITS, crossentropy="focal", gamma=0.5, **logits),
    running_case("positions", ID_POSITIONS, POSITIONS, **logits),
    running_case("huge logits", HUGE_IDS, HUGE_LOGITS, crossentropy="focal", **logits),
    margin_hinge_case("0 and 1", BINARY, LOGITS),
    margin_hinge_case("-1 and 1", 2 * BINARY - 1, LOGITS, margin=3),
    margin_hinge_case("squared", BINARY, LOGITS, squared=True),
    margin_hinge_case("per output", BINARY, LOGITS, margin=(0.5, 2, 4)),
    margin_hinge_case("negative and positive", BINARY[:, :1], COLUMN, margin=(0.5, 4)),
    margin_hinge_case("no outputs axis", BINARY[:, 0], COLUMN[:, 0], margin=(0.5, 4)),
    margin_hinge_case("positions", BINARY_POSITIONS, POSITIONS, margin=(0.5, 2, 4)),
    margin_hinge_case("huge scores", HUGE_BINARY, HUGE_LOGITS),
]

EXTREMES = [
    *[
        focal_case(f"saturated, {gamma=}", HUGE_BINARY, SATURATED, gamma=gamma)
        for gamma in (0, 0.5)
    ],
    *[
        categorical_focal_case(f"{name}, {gamma=}", HUGE_IDS, y_pred, gamma=gamma)
        for name, y_pred in {"saturated": SATURATED, "nothing is likely": UNDECIDED}.items()
        for gamma in (0, 0.1, 2)
    ],
    weighted_binary_case("saturated", HUGE_BINARY, SATURATED),
    weighted_categorical_case("saturated", HUGE_IDS, SATURATED),
    class_balanced_case("saturated", HUGE_IDS, SATURATED, crossentropy="focal", gamma=0.5),
    margin_hinge_case("squared", HUGE_BINARY, HUGE_LOGITS, squared=True),
    margin_hinge_case("at the margin", np.ones((4, 3)), np.ones((4, 3))),
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
    "focal": {None: focal_oracle, "torchvision": focal_oracle},
    "categorical_focal": {None: categorical_focal_oracle},
    "weighted_binary_crossentropy": {None: weighted_binary_oracle},
    "weighted_categorical_crossentropy": {None: weighted_categorical_oracle},
    "margin_hinge": {None: margin_hinge_oracle},
}


@parametrize_with_checks(list(ORACLES), only=["oracle"], oracles=ORACLES)
def test_agrees_on_drawn_data(loss, check):
    check(loss)


def test_certainty_is_clipped_as_in_keras():
    case = focal_case("certain and wrong", np.array([1.0]), np.array([0.0]), gamma=0)
    np.testing.assert_allclose(case.computed()[0], [-np.log(1e-7)], rtol=1e-6)
