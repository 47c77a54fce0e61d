"""What must hold of the losses whatever the data."""

import keras
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from keras import ops

from lossplug_core.bridge.autodiff import value_and_gradient
from lossplug_distillation import distillation, perceptual, precomputed_distillation

BATCH, CLASSES = 4, 3

law = settings(max_examples=25, deadline=None)

logits = arrays(
    "float32", (BATCH, CLASSES), elements=st.floats(-30, 30, width=32, allow_subnormal=False)
)
class_ids = arrays("int32", BATCH, elements=st.integers(0, CLASSES - 1))
images = arrays("float32", (2, 3, 3, 1), elements=st.floats(0, 1, width=32))
temperatures = st.floats(0.5, 20)
alphas = st.floats(0, 1)


def numbers(values):
    return keras.ops.convert_to_numpy(values)


def assert_equal(left, right):
    np.testing.assert_allclose(numbers(left), numbers(right), rtol=1e-4, atol=1e-4)


@law
@given(ids=class_ids, x=logits, teacher=logits, temperature=temperatures, alpha=alphas)
def test_it_is_the_same_whoever_computes_the_logits(ids, x, teacher, temperature, alpha):
    parameters = {"temperature": temperature, "alpha": alpha}
    at_once = distillation(ids, x, inputs=teacher, teacher=ops.negative, **parameters)
    beforehand = precomputed_distillation(ids, x, teacher_logits=-teacher, **parameters)
    np.testing.assert_array_equal(numbers(at_once), numbers(beforehand))


@law
@given(ids=class_ids, x=logits, teacher=logits, alpha=alphas)
def test_alpha_weighs_the_teacher_against_the_labels(ids, x, teacher, alpha):
    def loss(alpha):
        return precomputed_distillation(ids, x, teacher_logits=teacher, alpha=alpha)

    assert_equal(loss(alpha), alpha * loss(1.0) + (1 - alpha) * loss(0.0))
    assert_equal(loss(0.0), keras.losses.sparse_categorical_crossentropy(ids, x, from_logits=True))


@law
@given(ids=class_ids, x=logits, temperature=temperatures)
def test_a_student_that_is_the_teacher_has_no_divergence(ids, x, temperature):
    parameters = {"temperature": temperature, "alpha": 1.0, "divergence": "kl"}
    values, gradient = value_and_gradient(
        lambda y_pred: precomputed_distillation(ids, y_pred, teacher_logits=x, **parameters), x
    )
    assert_equal(values, np.zeros(BATCH))
    assert_equal(gradient, np.zeros_like(x))


@law
@given(ids=class_ids, x=logits, teacher=logits, temperature=temperatures, alpha=alphas)
def test_divergence_and_crossentropy_have_one_gradient(ids, x, teacher, temperature, alpha):
    parameters = {"temperature": temperature, "alpha": alpha, "teacher_logits": teacher}

    def computed(divergence):
        return value_and_gradient(
            lambda y_pred: precomputed_distillation(
                ids, y_pred, divergence=divergence, **parameters
            ),
            x,
        )

    (crossentropy, one), (divergence, other) = computed("crossentropy"), computed("kl")
    assert_equal(one, other)
    assert (divergence <= crossentropy * (1 + 1e-5) + 1e-4).all()


@law
@given(ids=class_ids, x=logits, teacher=logits, shift=st.floats(-100, 100, width=32))
def test_a_common_shift_of_logits_changes_nothing(ids, x, teacher, shift):
    shift = np.float32(shift)
    plain = precomputed_distillation(ids, x, teacher_logits=teacher)
    shifted = precomputed_distillation(ids, x + shift, teacher_logits=teacher - shift)
    np.testing.assert_allclose(numbers(shifted), numbers(plain), rtol=1e-3, atol=1e-3)


def test_the_gradient_of_soft_targets_stays_when_it_gets_hot():
    """What the factor T² is for: between two high temperatures the gradient hardly changes."""
    x, teacher = np.array([[1.0, -0.5, 0.2]], "float32"), np.array([[0.3, 0.8, -1.0]], "float32")

    def gradient(temperature):
        parameters = {"temperature": temperature, "alpha": 1.0, "teacher_logits": teacher}
        return value_and_gradient(
            lambda y_pred: precomputed_distillation([0], y_pred, **parameters), x
        )[1]

    # Hinton 2015, equation 4: at high temperature it is that of matching logits, over K.
    matched = ((x - x.mean()) - (teacher - teacher.mean())) / 3
    np.testing.assert_allclose(gradient(50.0), matched, rtol=0.05)
    np.testing.assert_allclose(gradient(100.0), matched, rtol=0.03)


@law
@given(y_true=images, y_pred=images, weight=st.floats(0, 10))
def test_perceptual_is_symmetric_and_weighs_its_layers(y_true, y_pred, weight):
    def layers(x):
        return [x, ops.square(x)]

    def loss(y_true, y_pred, *layer_weights):
        return perceptual(y_true, y_pred, extractor=layers, layer_weights=layer_weights)

    assert_equal(loss(y_true, y_pred, 1.0, 1.0), loss(y_pred, y_true, 1.0, 1.0))
    first, second = loss(y_true, y_pred, 1.0, 0.0), loss(y_true, y_pred, 0.0, 1.0)
    assert_equal(loss(y_true, y_pred, 1.0, weight), first + weight * second)


@law
@given(y_true=images, y_pred=images)
def test_through_nothing_perceptual_is_the_squared_error(y_true, y_pred):
    squares = np.mean((y_true - y_pred) ** 2, axis=(1, 2, 3))
    assert_equal(perceptual(y_true, y_pred, extractor=lambda x: x), squares)
