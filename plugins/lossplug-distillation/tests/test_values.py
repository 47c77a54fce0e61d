"""Every loss agrees with its paper, computed in NumPy and float64."""

import numpy as np
import pytest
from keras import ops

from lossplug_distillation import distillation, perceptual, precomputed_distillation
from numerics import Case, check_finite, check_gradient, check_values

rng = np.random.default_rng(0)

# --- Networks, small enough to be written in NumPy as well ----------------------------------------

KERNEL = rng.normal(0, 2, (4, 3)).astype("float32")


def linear(inputs):
    """A teacher."""
    return ops.matmul(inputs, KERNEL)


def one_layer(images):
    """An extractor: how each pixel differs from the next, squashed."""
    return ops.tanh(images[:, :, 1:] - images[:, :, :-1])


def two_layers(images):
    """An extractor that gives a list."""
    first = one_layer(images)
    return [first, ops.mean(ops.square(first), axis=1)]


# --- The papers, in NumPy -------------------------------------------------------------------------


def log_softmax(logits):
    return logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)


def one_hot(y_true, y_pred):
    if y_true.shape == y_pred.shape:
        return y_true.astype("float64")
    return np.eye(y_pred.shape[-1])[y_true.reshape(y_pred.shape[:-1])]


def precomputed_oracle(y_true, y_pred, teacher_logits, temperature, alpha, divergence):
    soft_targets = np.exp(log_softmax(teacher_logits.astype("float64") / temperature))
    soft = -np.sum(soft_targets * log_softmax(y_pred / temperature), axis=-1)
    if divergence == "kl":
        with np.errstate(divide="ignore"):
            log = np.where(soft_targets > 0, np.log(soft_targets), 0.0)
        soft += np.sum(soft_targets * log, axis=-1)
    hard = -np.sum(one_hot(y_true, y_pred) * log_softmax(y_pred), axis=-1)
    return alpha * temperature**2 * soft + (1 - alpha) * hard


def distillation_oracle(y_true, y_pred, inputs, teacher, **parameters):
    assert teacher is linear
    return precomputed_oracle(y_true, y_pred, inputs @ KERNEL.astype("float64"), **parameters)


def perceptual_oracle(y_true, y_pred, extractor, layer_weights):
    def features(images):
        first = np.tanh(np.diff(images, axis=2))
        return [first, (first**2).mean(1)] if extractor is two_layers else [first]

    weights = layer_weights or (1.0, 1.0)
    total = np.zeros(len(y_pred))
    for weight, wanted, found in zip(
        weights, features(y_true), features(y_pred), strict=extractor is two_layers
    ):
        total += weight * ((found - wanted) ** 2).reshape(len(y_pred), -1).mean(axis=1)
    return total


# --- The data -------------------------------------------------------------------------------------

LOGITS = rng.normal(0, 3, (5, 3))
TEACHER = rng.normal(0, 3, (5, 3)).astype("float32")
POSITIONS = rng.normal(0, 3, (2, 4, 3))
TEACHER_POSITIONS = rng.normal(0, 3, (2, 4, 3)).astype("float32")
INPUTS = rng.normal(0, 1, (5, 4)).astype("float32")
IDS = np.array([0, 2, 1, 1, 0])
ID_POSITIONS = rng.integers(0, 3, (2, 4))
SOFT_LABELS = rng.dirichlet((0.5, 0.5, 0.5), 5)

HUGE = np.array([[1e4, -1e4, 1e4], [-1e4, 1e4, -1e4], [100, 0, -100], [0, 0, 0], [1e4, 0, 0]])
OPPOSITE = -HUGE.astype("float32")
HUGE_INPUTS = 1e4 * INPUTS

IMAGES = rng.uniform(0, 1, (3, 4, 3, 2)).astype("float32")
OTHERS = rng.uniform(0, 1, (3, 4, 3, 2))


def distillation_case(name, y_true, y_pred, inputs=INPUTS, **parameters):
    parameters = {"teacher": linear, **parameters}
    further = {"inputs": inputs}
    return Case(
        name, distillation, y_true, y_pred, distillation_oracle, parameters, further=further
    )


def precomputed_case(name, y_true, y_pred, teacher_logits=TEACHER, **parameters):
    further = {"teacher_logits": teacher_logits}
    loss, oracle = precomputed_distillation, precomputed_oracle
    return Case(name, loss, y_true, y_pred, oracle, parameters, further=further)


def perceptual_case(name, y_true, y_pred, extractor=one_layer, **parameters):
    parameters = {"extractor": extractor, **parameters}
    return Case(name, perceptual, y_true, y_pred, perceptual_oracle, parameters)


CASES = [
    distillation_case("class ids", IDS, LOGITS),
    distillation_case("one hot", np.eye(3, dtype=int)[IDS], LOGITS),
    distillation_case("a convention", IDS, LOGITS, temperature=3.0, alpha=0.9, divergence="kl"),
    distillation_case("hot", IDS, LOGITS, temperature=20.0),
    precomputed_case("class ids", IDS, LOGITS),
    precomputed_case("class ids in a column", IDS[:, None], LOGITS),
    precomputed_case("soft labels", SOFT_LABELS, LOGITS),
    precomputed_case("positions", ID_POSITIONS, POSITIONS, TEACHER_POSITIONS),
    precomputed_case("cold", IDS, LOGITS, temperature=0.5),
    precomputed_case("the teacher alone", IDS, LOGITS, alpha=1.0, temperature=1.0),
    precomputed_case("the labels alone", IDS, LOGITS, alpha=0.0),
    precomputed_case("kl", IDS, LOGITS, divergence="kl", temperature=4.0, alpha=0.3),
    perceptual_case("one layer", IMAGES, OTHERS),
    perceptual_case("two layers", IMAGES, OTHERS, two_layers),
    perceptual_case("weighted layers", IMAGES, OTHERS, two_layers, layer_weights=(0.5, 3.0)),
    perceptual_case("a layer off", IMAGES, OTHERS, two_layers, layer_weights=(0.0, 1.0)),
    perceptual_case("one sample", IMAGES[:1], OTHERS[:1], two_layers),
]
EXTREMES = [
    distillation_case("huge inputs", IDS, HUGE, HUGE_INPUTS),
    precomputed_case("sure of the opposite", IDS, HUGE, OPPOSITE),
    precomputed_case("sure of the opposite, kl", IDS, HUGE, OPPOSITE, divergence="kl"),
    precomputed_case("sure and agreed", IDS, HUGE, HUGE.astype("float32"), divergence="kl"),
    precomputed_case("nearly frozen", IDS, HUGE, OPPOSITE, temperature=1e-3),
    perceptual_case("equal images", IMAGES, IMAGES, two_layers),
    perceptual_case("huge", 1e4 * IMAGES, -1e4 * OTHERS, two_layers),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_values(case):
    check_values(case)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_gradient(case):
    check_gradient(case)


@pytest.mark.parametrize("case", EXTREMES, ids=str)
def test_extremes_are_exact_and_finite(case):
    check_values(case)
    check_finite(case)
