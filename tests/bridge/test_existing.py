"""Losses that were there before: functions and classes, as they are, found by name."""

from __future__ import annotations

import copy
import functools
import json
import os
import pickle
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import ops

from lossplug_core import (
    BrokenPluginError,
    DataError,
    Fraction,
    ParameterError,
    SpecError,
    from_callable,
    from_keras_loss,
    get_loss,
    loss,
)
from lossplug_core._app import registry
from lossplug_core.params import parameters_of
from lossplug_core.schedules import Linear

pytestmark = pytest.mark.backend

OLDER = '''
"""The losses of an organisation, written before it knew of lossplug."""

import keras
from keras import ops

from lossplug_core import from_callable, from_keras_loss


def powered(labels, outputs, exponent=2, scale: float = 1.0, average=True):
    """Power of the error."""
    error = ops.abs(ops.cast(labels, outputs.dtype) - outputs) ** exponent
    return scale * (ops.mean(error, axis=-1) if average else ops.sum(error, axis=-1))


def picked(y_true, y_pred):
    assert "int" in keras.backend.standardize_dtype(y_true.dtype)
    return -ops.sum(ops.one_hot(y_true, ops.shape(y_pred)[-1]) * y_pred, axis=-1)


def whole(y_true, y_pred):
    return ops.mean((y_true - y_pred) ** 2)


@keras.saving.register_keras_serializable("acme")
class QuantileLoss(keras.losses.Loss):
    """Pinball loss."""

    def __init__(self, quantile=0.5, *, reduction="sum_over_batch_size", name="quantile", **kwargs):
        super().__init__(reduction=reduction, name=name, **kwargs)
        self.quantile = quantile

    def call(self, y_true, y_pred):
        error = y_true - y_pred
        return ops.mean(ops.maximum(self.quantile * error, (self.quantile - 1) * error), axis=-1)


described = from_callable(powered, y_true="values", y_pred="values", name="described")
pinball = from_keras_loss(QuantileLoss, y_true="values", y_pred="values")
'''
ENTRY_POINTS = """
    [lossplug.losses]
    powered = older_losses:powered
    picked = older_losses:picked
    whole = older_losses:whole
    quantile = older_losses:QuantileLoss
    described = older_losses:described
    pinball = older_losses:pinball
"""
rng = np.random.default_rng(0)
Y, PRED = rng.normal(size=(4, 3)).astype("float32"), rng.normal(size=(4, 3)).astype("float32")


@pytest.fixture
def older(site):
    site.install("acme-losses", modules={"older_losses": OLDER}, entry_points=ENTRY_POINTS)
    return site


def numbers(value) -> np.ndarray:
    return ops.convert_to_numpy(value)


def pinball(quantile: float) -> np.ndarray:
    error = Y - PRED
    return np.mean(np.maximum(quantile * error, (quantile - 1) * error), axis=-1)


VALUES = {
    "powered": ({}, np.mean((Y - PRED) ** 2, axis=-1)),
    "acme-losses/Powered": (
        {"exponent": 3, "scale": 2.0, "average": False},
        2 * np.sum(np.abs(Y - PRED) ** 3, axis=-1),
    ),
    "described": ({"exponent": 1.5}, np.mean(np.abs(Y - PRED) ** 1.5, axis=-1)),
    "quantile": ({"quantile": 0.9}, pinball(0.9)),
    "QuantileLoss": ({}, pinball(0.5)),
    "pinball": ({"quantile": 0.1}, pinball(0.1)),
}


@pytest.mark.parametrize("name", VALUES)
def test_an_entry_point_alone_makes_older_code_a_loss(older, name) -> None:
    parameters, expected = VALUES[name]
    built = get_loss(name, reduction="none", **parameters)
    np.testing.assert_allclose(numbers(built(Y, PRED)), expected, rtol=1e-5)
    weighed = get_loss(name, reduction="sum", **parameters)(Y, PRED, np.array([0, 2, 0, 0]))
    np.testing.assert_allclose(numbers(weighed), 2 * expected[1], rtol=1e-5)


def test_where_nothing_is_said_of_the_target_it_is_given_as_it_is(older) -> None:
    ids = np.array([2, 0, 1, 2])
    values = get_loss("picked", reduction="none")(ids, PRED)
    np.testing.assert_allclose(numbers(values), -PRED[np.arange(4), ids], rtol=1e-6)
    assert get_loss("powered")(Y.astype("float64"), PRED).dtype == get_loss("mse")(Y, PRED).dtype
    # No shape is checked: what fits is known to the loss alone.
    assert numbers(get_loss("powered", reduction="none")(Y[:1], PRED)).shape == (4,)


@pytest.mark.parametrize(
    ("given", "received"),
    [("float64", "float32"), ("float16", "float32"), ("int32", "int32"), ("bool", "bool")],
)
def test_of_such_a_target_only_floats_change_their_dtype(given, received) -> None:
    seen = []

    def spying(target, output):
        seen.append(keras.backend.standardize_dtype(target.dtype))
        return ops.mean(output, axis=-1)

    get_loss(from_callable(spying))(np.ones((4, 3), given), PRED)
    assert seen == [received]


def test_where_the_forms_are_said_the_target_is_checked(older) -> None:
    with pytest.raises(DataError, match="not shaped like y_pred"):
        get_loss("described")(Y[:, :2], PRED)


def test_a_function_that_reduces_is_refused_when_it_is_called(older) -> None:
    with pytest.raises(DataError, match="one number for the whole batch") as caught:
        get_loss("whole")(Y, PRED)
    assert "axis=-1" in caught.value.fix


@pytest.mark.parametrize("name", ["powered", "quantile", "described", "pinball"])
def test_it_trains_and_is_loaded_in_a_new_process(older, tmp_path, name) -> None:
    parameters = {"quantile": 0.9} if name in ("quantile", "pinball") else {"exponent": 3}
    built = get_loss(name, reduction="sum", **parameters)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3)])
    model.compile("sgd", loss=built)
    model.fit(PRED, Y, verbose=0)
    model.save(tmp_path / "model.keras")
    code = (
        "import json, keras, lossplug_core;"
        f"print(json.dumps(keras.models.load_model({str(tmp_path / 'model.keras')!r})"
        ".loss.get_config()))"
    )
    environment = {**os.environ, "PYTHONPATH": str(older.folder)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == built.get_config()


@pytest.mark.parametrize("name", ["powered", "quantile", "described", "pinball"])
def test_it_is_copied_with_its_parameters_and_its_provider(older, name) -> None:
    parameters = {"quantile": 0.9} if name in ("quantile", "pinball") else {"exponent": 3}
    built = get_loss(name, **parameters)
    for copied in (copy.deepcopy(built), pickle.loads(pickle.dumps(built))):
        assert copied.get_config() == built.get_config()
        np.testing.assert_allclose(numbers(copied(Y, PRED)), numbers(built(Y, PRED)))


def test_the_function_or_class_itself_is_known_where_it_is_installed(older) -> None:
    import older_losses

    assert get_loss(older_losses.powered).spec.id == "acme-losses/powered"
    assert get_loss(older_losses.QuantileLoss).spec.id == "acme-losses/quantile"
    assert get_loss(older_losses.described).spec.name == "described"
    assert registry.identify(lambda y_true, y_pred: y_pred) is None
    # A wrapper says that it is the function, and is not.
    wrapper = functools.wraps(older_losses.powered)(lambda *data: older_losses.powered(*data))
    assert registry.identify(wrapper) is None


def test_a_number_of_a_function_may_be_a_schedule(older) -> None:
    scaled = get_loss("powered", scale=Linear(0.0, 1.0, steps=2), reduction="sum")
    values = [float(scaled(Y, PRED)) for _ in range(3)]
    np.testing.assert_allclose(values, np.array([0, 0.5, 1]) * np.sum(VALUES["powered"][1]), 1e-5)


# Parameters


def plain(target, output, a, b=1, c=2.0, d=True, e="x", f=None, g: Fraction = 0.5, *, name=None):
    return output


class Configured(keras.losses.Loss):
    def __init__(self, a, b=1, reduction="sum", name="configured", dtype=None, **kwargs):
        super().__init__(reduction=reduction, name=name, dtype=dtype, **kwargs)

    def call(self, y_true, y_pred):
        return y_pred


class Inherited(Configured):
    pass


def types_of(spec) -> dict[str, str]:
    return {name: parameter.type_text for name, parameter in parameters_of(spec).items()}


def test_the_parameters_of_a_function_are_those_of_its_signature() -> None:
    assert types_of(from_callable(plain)) == {
        "a": "object",
        "b": "int, or float",
        "c": "float",
        "d": "bool",
        "e": "str",
        "f": "object",
        "g": "float ≥ 0 and ≤ 1",
    }
    assert types_of(from_callable(plain, types={"a": int, "f": Fraction | None})) == {
        **types_of(from_callable(plain)),
        "a": "int",
        "f": "float ≥ 0 and ≤ 1, or None",
    }


@pytest.mark.parametrize("loss_class", [Configured, Inherited])
def test_the_parameters_of_a_class_are_those_of_its_init(loss_class) -> None:
    assert types_of(from_keras_loss(loss_class)) == {"a": "object", "b": "int, or float"}
    with pytest.raises(ParameterError, match="needs the parameter 'a'"):
        get_loss(from_keras_loss(loss_class))


def test_a_class_of_keras_is_a_class_as_well() -> None:
    spec = from_keras_loss(keras.losses.Huber, y_true="values", y_pred="values")
    expected = keras.losses.Huber(delta=0.3)(Y, PRED)
    np.testing.assert_allclose(
        numbers(get_loss(spec, delta=0.3)(Y, PRED)), numbers(expected), rtol=1e-6
    )


def test_an_annotation_that_cannot_be_read_is_answered_with_types() -> None:
    def annotated(y_true: Nowhere, y_pred: Nowhere, a: Nowhere = 1.0):  # noqa: F821
        return y_pred

    with pytest.raises(SpecError, match="cannot be read"):
        parameters_of(from_callable(annotated))
    assert types_of(from_callable(annotated, types={"a": float})) == {"a": "float"}


def test_what_loss_takes_can_be_declared_of_older_code() -> None:
    spec = from_callable(plain, y_true="values", paper="arXiv:1", version=2, migrate={"z": "c"})
    assert (spec.y_true, spec.y_pred, spec.paper, spec.version) == (
        ("values",),
        ("any",),
        "arXiv:1",
        2,
    )
    with pytest.raises(SpecError, match="unknown form"):
        from_callable(plain, y_true="vectors")


def test_documentation_is_what_there_is_and_not_that_of_keras() -> None:
    assert from_keras_loss(Configured).doc == ""
    assert from_callable(plain).doc == ""
    assert get_loss(from_callable(plain), a=1).spec.summary == ""


# What cannot be a loss as it is


@loss(y_true="values", y_pred="values")
def marked(y_true, y_pred):
    return y_pred


def no_prediction(y_true):
    return y_true


def open_ended(y_true, y_pred, **anything):
    return y_pred


def nameless(y_true, y_pred, *numbers):
    return y_pred


def reserved(y_true, y_pred, convention=None):
    return y_pred


def needs_a_name(y_true, y_pred, name):
    return y_pred


class Overrides(keras.losses.Loss):
    def __call__(self, y_true, y_pred, sample_weight=None):
        return ops.mean(y_pred)

    def call(self, y_true, y_pred):
        return y_pred


class Abstract(keras.losses.Loss):
    pass


@pytest.mark.parametrize(
    ("describe", "given", "problem"),
    [
        (from_callable, marked, "not a plain function"),
        (from_callable, Configured, "not a plain function"),
        (from_callable, 3, "not a plain function"),
        (from_callable, no_prediction, "a target and a prediction"),
        (from_callable, open_ended, "what its parameters are"),
        (from_callable, nameless, "what its parameters are"),
        (from_callable, reserved, "every loss has already"),
        (from_callable, needs_a_name, "every loss has already"),
        (from_keras_loss, Overrides, "in `call` alone"),
        (from_keras_loss, Abstract, "in `call` alone"),
        (from_keras_loss, keras.losses.Loss, "in `call` alone"),
        (from_keras_loss, plain, "not a class"),
        (from_keras_loss, int, "not a class"),
        (from_keras_loss, keras.losses.Huber(), "not a class"),
        (lambda f: from_callable(f, types={"z": int}), plain, "no such parameter"),
    ],
)
def test_what_cannot_be_a_loss_as_it_is_says_why(describe, given, problem) -> None:
    with pytest.raises(SpecError, match=problem):
        describe(given)


@pytest.mark.parametrize(
    "source",
    ["one = 3", "one = 'text'", "class one: ...", "import keras; one = keras.losses.Huber()"],
)
def test_an_entry_point_that_leads_to_nothing_of_the_kind_says_what_it_may_lead_to(
    site, source
) -> None:
    site.install(
        "lossplug-bad",
        modules={"bad_module": source},
        entry_points="[lossplug.losses]\none = bad_module:one\n",
    )
    with pytest.raises(BrokenPluginError, match=r"neither a function.*nor a subclass"):
        get_loss("one")
