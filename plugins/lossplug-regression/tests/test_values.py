"""Every loss agrees with its paper, computed in NumPy and float64."""

import numpy as np
import pytest

from lossplug_core import Positive, loss
from lossplug_core.bridge.autodiff import value_and_gradient
from lossplug_regression import gaussian_nll, normalized_squared_error, scaled_squared_error
from numerics import Case, check_finite, check_gradient, check_values, tensor

# --- The papers, in NumPy -------------------------------------------------------------------------


def with_outputs(*arrays):
    return [array if array.ndim > 1 else array[:, None] for array in arrays]


def scaled_oracle(y_true, y_pred, scale):
    y_true, y_pred = with_outputs(y_true, y_pred)
    return scale * np.mean((y_true - y_pred) ** 2, axis=-1)


def normalized_oracle(y_true, y_pred, weights, decay, outputs, epsilon):
    """As the docstring has it: moments with Adam's correction."""
    y_true, y_pred = with_outputs(y_true.astype("float64"), y_pred)
    axes = tuple(range(y_true.ndim - (outputs is not None)))
    seen = decay * weights["seen"] + 1 - decay
    mean, square = weights["mean"], weights["variance"] + weights["mean"] ** 2
    mean = (decay * weights["seen"] * mean + (1 - decay) * y_true.mean(axes)) / seen
    square = (decay * weights["seen"] * square + (1 - decay) * (y_true**2).mean(axes)) / seen
    variance = square - mean**2
    variance = np.where(variance > epsilon**2 * square, variance, 1.0)
    return np.mean((y_true - y_pred) ** 2 / variance, axis=-1)


def gaussian_oracle(y_true, y_pred, epsilon, full):
    """`y_pred` has mean and variance one after the other."""
    mean, variance = np.split(y_pred, 2, axis=-1)
    values = 0.5 * (np.log(variance) + (y_true - mean) ** 2 / variance)
    return values.mean(-1) + 0.5 * np.log(2 * np.pi) * full


@loss(y_true="values", y_pred="values")
def gaussian(y_true, y_pred, *, epsilon: Positive = 1e-6, full: bool = False):
    """`gaussian_nll` of one array, in which the table can take gradients."""
    outputs = y_pred.shape[-1] // 2
    mean, variance = y_pred[..., :outputs], y_pred[..., outputs:]
    return gaussian_nll(y_true, {"mean": mean, "variance": variance}, epsilon=epsilon, full=full)


# --- The data -------------------------------------------------------------------------------------

rng = np.random.default_rng(0)

VALUES = rng.normal(3, 2, (5, 3)).astype("float32")
PREDICTIONS = rng.normal(3, 2, (5, 3))
POSITIONS = rng.normal(0, 2, (2, 4, 3)).astype("float32")
OTHER_POSITIONS = rng.normal(0, 2, (2, 4, 3))
UNITS = np.array([1e-3, 1.0, 1e4], "float32")
OFFSET = np.float32(1000.0)

NEW = {"mean": np.zeros(()), "variance": np.zeros(()), "seen": np.zeros(())}
USED = {"mean": np.array(2.0), "variance": np.array(5.0), "seen": np.array(0.5)}
NEW_EACH = {"mean": np.zeros(3), "variance": np.zeros(3), "seen": np.zeros(())}
USED_EACH = {"mean": 2 * UNITS, "variance": 5 * UNITS**2, "seen": np.array(0.5)}


def scaled_case(name, y_true, y_pred, **parameters):
    return Case(name, scaled_squared_error, y_true, y_pred, scaled_oracle, parameters)


def normalized_case(name, y_true, y_pred, weights, **parameters):
    loss, oracle = normalized_squared_error, normalized_oracle
    return Case(name, loss, y_true, y_pred, oracle, parameters, weights)


def gaussian_case(name, y_true, mean, variance, **parameters):
    y_pred = np.concatenate([mean, variance], axis=-1)
    return Case(name, gaussian, y_true, y_pred, gaussian_oracle, parameters)


CASES = [
    scaled_case("plain", VALUES, PREDICTIONS),
    scaled_case("scaled", VALUES, PREDICTIONS, scale=7.0),
    scaled_case("off", VALUES, PREDICTIONS, scale=0.0),
    scaled_case("positions", POSITIONS, OTHER_POSITIONS, scale=0.1),
    scaled_case("one output", VALUES[:, 0], PREDICTIONS[:, 0]),
    normalized_case("first batch", VALUES, PREDICTIONS, NEW),
    normalized_case("later batch", VALUES, PREDICTIONS, USED),
    normalized_case("short memory", VALUES, PREDICTIONS, USED, decay=0.1),
    normalized_case("positions", POSITIONS, OTHER_POSITIONS, USED),
    normalized_case("one output", VALUES[:, 0], PREDICTIONS[:, 0], USED),
    normalized_case("each output", VALUES * UNITS, PREDICTIONS * UNITS, NEW_EACH, outputs=3),
    normalized_case("later, each", VALUES * UNITS, PREDICTIONS * UNITS, USED_EACH, outputs=3),
    normalized_case("positions, each", POSITIONS, OTHER_POSITIONS, USED_EACH, outputs=3),
    normalized_case("far from 0", VALUES + OFFSET, PREDICTIONS + OFFSET, NEW),
    normalized_case("constant", np.full((5, 1), 3.0), PREDICTIONS[:, :1], NEW),
    normalized_case("one sample", VALUES[:1, :1], PREDICTIONS[:1, :1], NEW),
    normalized_case("one sample, later", VALUES[:1, :1], PREDICTIONS[:1, :1], USED),
    gaussian_case("plain", VALUES, PREDICTIONS, rng.uniform(0.5, 4, (5, 3))),
    gaussian_case("full", VALUES, PREDICTIONS, rng.uniform(0.5, 4, (5, 3)), full=True),
    gaussian_case("positions", POSITIONS, OTHER_POSITIONS, rng.uniform(0.5, 4, (2, 4, 3))),
    gaussian_case("at ease", VALUES, VALUES + 0.01, rng.uniform(1e-3, 1e-2, (5, 3))),
]
EXTREMES = [
    scaled_case("huge", 1e4 * VALUES, -1e4 * PREDICTIONS),
    normalized_case("huge", 1e8 * VALUES, -1e8 * PREDICTIONS, NEW),
    normalized_case("tiny", 1e-8 * VALUES, -1e-8 * PREDICTIONS, NEW),
    normalized_case("huge, constant", np.full((5, 1), 1e8 / 3), 1e8 * PREDICTIONS[:, :1], NEW),
    normalized_case("all 0", np.zeros((5, 1)), 1e4 * PREDICTIONS[:, :1], NEW),
    gaussian_case("sure and wrong", 1e4 * VALUES, -1e4 * PREDICTIONS, np.full((5, 3), 1e-6)),
    gaussian_case("huge variance", VALUES, PREDICTIONS, np.full((5, 3), 1e4)),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_values(case):
    check_values(case)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_gradient(case):
    check_gradient(case)


@pytest.mark.parametrize("case", EXTREMES, ids=str)
def test_extremes_are_finite(case):
    check_finite(case)


@pytest.mark.parametrize("variance", [0.0, -1e-7, -1.0, -1e4])
def test_a_variance_below_the_floor_costs_what_the_floor_costs_and_comes_back(variance):
    """Its gradient is that at the floor: downhill is up where the error is large."""
    y_true, mean = np.zeros((2, 1), "float32"), np.array([[1e-4], [1e4]], "float32")
    values, gradient = value_and_gradient(
        lambda v: gaussian_nll(y_true, {"mean": tensor(mean), "variance": v}, epsilon=1e-6),
        np.full((2, 1), variance, "float32"),
    )
    squares = mean[:, 0].astype("float64") ** 2
    np.testing.assert_allclose(values, 0.5 * (np.log(1e-6) + squares / 1e-6), rtol=1e-5)
    np.testing.assert_allclose(gradient[:, 0], 0.5 * (1e6 - squares * 1e12), rtol=1e-4)


# --- The state of normalized_squared_error --------------------------------------------------------


def adam_moments(batches, decay):
    """The paper's averages and their correction, over all batches."""
    first = second = 0.0
    for step, batch in enumerate(batches, 1):
        batch = batch.astype("float64")
        first = decay * first + (1 - decay) * batch.mean()
        second = decay * second + (1 - decay) * (batch**2).mean()
        correction = 1 - decay**step
    return first / correction, second / correction - (first / correction) ** 2, correction


@pytest.mark.parametrize("decay", [0.5, 0.9, 0.99])
def test_the_state_is_that_of_adam(decay):
    batches = [rng.normal(2, 3, (size, 1)).astype("float32") for size in (1, 7, 2, 5, 9)]
    state = NEW
    for batch in batches:
        weights = {name: tensor(value) for name, value in state.items()}
        _, state = normalized_squared_error(batch, batch, weights=weights, decay=decay)
    found = [float(state[name]) for name in ("mean", "variance", "seen")]
    np.testing.assert_allclose(found, adam_moments(batches, decay), rtol=1e-5)


def test_targets_far_from_0_keep_their_digits():
    """Where the square of the mean, in float32, has no digit left of the variance."""
    batches = [(1e4 + rng.normal(0, 1, (50, 1))).astype("float32") for _ in range(3)]
    state = NEW
    for batch in batches:
        weights = {name: tensor(value) for name, value in state.items()}
        _, state = normalized_squared_error(batch, batch, weights=weights)
    assert float(state["variance"]) == pytest.approx(adam_moments(batches, 0.99)[1], rel=1e-3)


def test_the_scale_is_a_constant_of_the_gradient():
    def values(y_true):
        weights = {name: tensor(value) for name, value in USED.items()}
        return normalized_squared_error(y_true, tensor(PREDICTIONS), weights=weights)[0]

    case = normalized_case("", VALUES, PREDICTIONS, USED)
    gradient = value_and_gradient(values, VALUES)[1]
    np.testing.assert_allclose(gradient, -case.computed()[1], rtol=1e-5)
