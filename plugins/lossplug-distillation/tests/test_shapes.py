"""Which shapes and dtypes the losses take, what they give, and what they refuse."""

import keras
import numpy as np
import pytest
from keras import ops

from lossplug_core import DataError, ParameterError, get_loss
from lossplug_core.bridge.autodiff import value_and_gradient
from lossplug_core.schedules import Linear
from lossplug_distillation import distillation, perceptual, precomputed_distillation

rng = np.random.default_rng(0)


def numbers(values):
    return ops.convert_to_numpy(values)


def logits(*shape):
    return rng.normal(0, 2, shape).astype("float32")


def same(x):
    return x


# --- Shapes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("positions", [(4,), (2, 5), (2, 5, 6), (1,), (0,)])
def test_class_ids_come_with_or_without_a_last_axis_and_mean_one_hot(positions):
    ids, student, teacher = rng.integers(0, 3, positions), *logits(2, *positions, 3)
    values = [
        numbers(precomputed_distillation(y_true, student, teacher_logits=teacher))
        for y_true in (ids, ids[..., None], np.eye(3)[ids])
    ]
    for found in values:
        assert found.shape == positions
        np.testing.assert_array_equal(found, values[0])


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 4), (2, 3, 4, 5), (2, 3, 4, 5, 6), (1, 3)])
def test_perceptual_gives_one_value_per_sample_whatever_the_features(shape):
    assert numbers(perceptual(logits(*shape), logits(*shape), extractor=same)).shape == shape[:1]


def tuple_of_two(x):
    return x, x


def by_name(x):
    return {"logits": x}


def of_the_batch(x):
    return ops.sum(x, axis=(1, 2, 3))


IDS = np.array([0, 1])
IMAGES = logits(2, 4, 4, 1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: precomputed_distillation(IDS, logits(2, 3), teacher_logits=logits(2, 4)),
            "teacher_logits does not fit",
        ),
        (
            lambda: precomputed_distillation(IDS, logits(2, 3), teacher_logits=logits(3, 3)),
            "teacher_logits does not fit",
        ),
        (
            lambda: precomputed_distillation(IDS, logits(2, 3), teacher_logits=logits(3)),
            "teacher_logits does not fit",
        ),
        (
            lambda: precomputed_distillation(IDS, logits(3, 3), teacher_logits=logits(3, 3)),
            "The target does not fit",
        ),
        (
            lambda: precomputed_distillation(IDS, logits(2, 1), teacher_logits=logits(2, 1)),
            "fewer than two classes",
        ),
        (
            lambda: distillation(IDS, logits(2, 3), inputs=logits(2, 4), teacher=same),
            "The teacher's output does not fit",
        ),
        (
            lambda: distillation(IDS, logits(2, 3), inputs=logits(2, 3), teacher=tuple_of_two),
            "several outputs",
        ),
        (
            lambda: distillation(IDS, logits(2, 3), inputs=logits(2, 3), teacher=by_name),
            "outputs by name",
        ),
        (
            lambda: perceptual(IMAGES, IMAGES[:, :, :3], extractor=same),
            "The target does not fit",
        ),
        (lambda: perceptual(IMAGES, IMAGES, extractor=by_name), "outputs by name"),
        (lambda: perceptual(IMAGES, IMAGES, extractor=of_the_batch), "no features of each sample"),
        (
            lambda: perceptual(IMAGES, IMAGES, extractor=same, layer_weights=(1.0, 2.0)),
            "one weight for each layer",
        ),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(DataError, match=message):
        call()


@pytest.mark.parametrize(
    ("loss", "parameters", "message"),
    [
        ("distillation", {}, "needs the parameter 'teacher'"),
        ("distillation", {"teacher": "resnet"}, "not a network"),
        ("distillation", {"teacher": keras.layers.Dense}, "not a network"),
        ("distillation", {"teacher": same, "temperature": 0}, "'temperature'"),
        ("distillation", {"teacher": same, "alpha": 1.5}, "'alpha'"),
        ("distillation", {"teacher": same, "divergence": "js"}, "'divergence'"),
        ("precomputed_distillation", {"teacher": same}, "no parameter 'teacher'"),
        ("perceptual", {}, "needs the parameter 'extractor'"),
        ("perceptual", {"extractor": 3}, "not a network"),
        ("perceptual", {"extractor": same, "layer_weights": (1.0, -1.0)}, "'layer_weights'"),
    ],
)
def test_parameters_that_are_refused(loss, parameters, message):
    with pytest.raises(ParameterError, match=message):
        get_loss(loss, **parameters)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (IDS, "needs the target 'teacher_logits'"),
        ({"y_true": IDS}, "needs the target 'teacher_logits'"),
        ({"teacher_logits": logits(2, 3)}, "needs the target 'y_true'"),
        ({"y_true": IDS, "teacher_logit": logits(2, 3)}, "Did you mean 'teacher_logits'"),
        ({"y_true": IDS, "teacher_logits": logits(2, 3), "inputs": IDS}, "no target 'inputs'"),
    ],
)
def test_targets_by_the_wrong_names_are_refused(y, message):
    with pytest.raises(DataError, match=message):
        get_loss("precomputed_distillation")(y, logits(2, 3))


# --- Numbers --------------------------------------------------------------------------------------

IN_HALF = {
    "precomputed_distillation": lambda y_pred: precomputed_distillation(
        IDS, y_pred, teacher_logits=ops.cast([[9.0, 0, -9], [1, 2, 3]], y_pred.dtype)
    ),
    "distillation": lambda y_pred: distillation(IDS, y_pred, inputs=y_pred, teacher=ops.negative),
    "perceptual": lambda y_pred: perceptual(2 * y_pred, y_pred, extractor=ops.sin),
}


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("loss", IN_HALF.values(), ids=IN_HALF)
def test_half_precision_is_computed_in_float32(loss, dtype):
    half = ops.cast(np.array([[300.0, -300.0, 0.1], [0.2, 0.3, 0.4]]), dtype)
    values, gradient = value_and_gradient(lambda y_pred: ops.cast(loss(y_pred), "float32"), half)
    assert ops.dtype(loss(half)) == "float32"
    assert np.isfinite(values).all()
    assert np.isfinite(np.asarray(gradient, "float32")).all()


def test_no_gradient_reaches_the_teacher():
    x = logits(2, 3)
    _, gradient = value_and_gradient(
        lambda inputs: distillation(IDS, x, inputs=inputs, teacher=ops.tanh), x
    )
    np.testing.assert_array_equal(gradient, np.zeros_like(x))


def test_temperature_and_alpha_can_be_schedules():
    x, teacher = logits(2, 3), logits(2, 3)
    y = {"y_true": IDS, "teacher_logits": teacher}
    loss = get_loss(
        "precomputed_distillation",
        temperature=Linear(4.0, 1.0, steps=3),
        alpha=Linear(1.0, 0.0, steps=3),
    )
    for temperature, alpha in ((4.0, 1.0), (3.0, 2 / 3), (2.0, 1 / 3), (1.0, 0.0)):
        fixed = get_loss("precomputed_distillation", temperature=temperature, alpha=alpha)
        assert float(loss(y, x)) == pytest.approx(float(fixed(y, x)), rel=1e-5)
