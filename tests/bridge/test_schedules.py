"""Numbers that change during training: what they are at each step, and what is refused."""

from __future__ import annotations

import json
import math

import keras
import numpy as np
import pytest

from lossplug_core import (
    ParameterError,
    SetParameter,
    TrainingModel,
    Weight,
    get_loss,
    loss,
    ops,
)
from lossplug_core.schedules import (
    Adjustable,
    Cosine,
    KerasSchedule,
    Linear,
    Piecewise,
    as_schedule,
    deferred,
    warmup,
)

pytestmark = pytest.mark.backend

CosineDecay = keras.optimizers.schedules.CosineDecay

VALUES = [
    (Linear(1.0, 3.0, steps=4), {0: 1.0, 1: 1.5, 4: 3.0, 9: 3.0}),
    (Linear(1.0, 0.0, steps=2, begin=3), {0: 1.0, 3: 1.0, 4: 0.5, 5: 0.0}),
    (Cosine(2.0, 0.0, steps=4), {0: 2.0, 1: 1.0 + math.cos(math.pi / 4), 2: 1.0, 4: 0.0, 7: 0.0}),
    (warmup(0.5, steps=2), {0: 0.0, 1: 0.25, 2: 0.5, 3: 0.5}),
    (deferred(0.9, until=2), {0: 0.0, 1: 0.0, 2: 0.9, 50: 0.9}),
    (deferred(0.9, until=2, before=0.1), {1: 0.1, 2: 0.9}),
    (Piecewise({0: 1.0, 2: 5.0, 4: 0.25}), {0: 1.0, 1: 1.0, 2: 5.0, 3: 5.0, 4: 0.25}),
    (Piecewise({0: Linear(0, 1, 2), 2: Cosine(1, 0, 2)}), {1: 0.5, 2: 1.0, 3: 0.5, 4: 0.0}),
    (Adjustable(0.75), {0: 0.75, 100: 0.75}),
    (KerasSchedule(CosineDecay(1.0, 4)), {0: 1.0, 2: 0.5, 4: 0.0, 9: 0.0}),
]


@pytest.mark.parametrize(("schedule", "values"), VALUES, ids=lambda value: str(value)[:40])
def test_the_number_at_a_step(schedule, values) -> None:
    for step, expected in values.items():
        for given in (step, keras.ops.convert_to_tensor(step, "int32")):
            assert float(schedule(given)) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("schedule", "values"), VALUES, ids=lambda value: str(value)[:40])
def test_a_schedule_stays_between_its_extremes(schedule, values) -> None:
    least, most = min(schedule.extremes()), max(schedule.extremes())
    numbers = [float(schedule(step)) for step in range(12)]
    assert least - 1e-6 <= min(numbers)
    assert max(numbers) <= most + 1e-6


@pytest.mark.parametrize(("schedule", "values"), VALUES, ids=lambda value: str(value)[:40])
def test_a_schedule_is_data_and_back(schedule, values) -> None:
    data = json.loads(json.dumps(schedule.as_data()))
    assert as_schedule(data) == schedule


@pytest.mark.parametrize(
    "make",
    [
        lambda: Linear(0.0, 1.0, steps=0),
        lambda: Linear(0.0, 1.0, steps=2.5),
        lambda: Linear(0.0, 1.0, steps=True),
        lambda: Linear(0.0, float("nan"), steps=5),
        lambda: Linear("0", 1.0, steps=5),
        lambda: Cosine(0.0, 1.0, steps=5, begin=-1),
        lambda: Adjustable(float("inf")),
        lambda: Adjustable(True),
        lambda: Piecewise({}),
        lambda: Piecewise([1.0, 2.0]),
        lambda: Piecewise({1: 1.0}),
        lambda: Piecewise({0: 1.0, -3: 1.0}),
        lambda: Piecewise({0: 1.0, "many": 1.0}),
        lambda: Piecewise({0: 1.0, 5: None}),
        lambda: Piecewise({0: Adjustable(1.0)}),
        lambda: as_schedule({"schedule": "linaer", "start": 0, "end": 1, "steps": 2}),
        lambda: as_schedule({"schedule": "linear", "start": 0}),
        lambda: as_schedule({"schedule": "linear", "start": 0, "end": 1, "steps": 2, "speed": 3}),
        lambda: as_schedule({"schedule": ["linear"]}),
        lambda: as_schedule({"schedule": "keras/Nothing"}),
        lambda: as_schedule({"schedule": "keras/LearningRateSchedule"}),
        lambda: as_schedule({"schedule": "keras/os.system"}),
    ],
)
def test_what_no_schedule_can_be_is_refused(make) -> None:
    with pytest.raises(ParameterError):
        make()


def test_a_typo_is_told() -> None:
    with pytest.raises(ParameterError, match="Did you mean 'linear'"):
        as_schedule({"schedule": "linaer", "start": 0, "end": 1, "steps": 2})


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("focal", {"gamma": Linear(2.0, -1.0, steps=10)}),
        ("focal", {"alpha": Cosine(0.5, 1.5, steps=10)}),
        ("supcon", {"temperature": warmup(0.1, steps=10)}),
        ("focal", {"gamma": Piecewise({0: 1.0, 5: Linear(1.0, -2.0, steps=3)})}),
        ("supcon", {"temperature": keras.optimizers.schedules.CosineDecay(0.1, 100)}),
        ("focal", {"gamma": Adjustable(-1.0)}),
    ],
)
def test_a_schedule_that_leaves_the_bounds_is_refused(name, parameters) -> None:
    with pytest.raises(ParameterError, match="leaves the bounds") as caught:
        get_loss(name, **parameters)
    assert caught.value.parameter == next(iter(parameters))


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("focal", {"from_logits": Linear(0.0, 1.0, steps=2)}),
        ("class_balanced", {"samples_per_class": [3, 4], "crossentropy": warmup(1.0, 2)}),
    ],
)
def test_only_floats_can_change(name, parameters) -> None:
    with pytest.raises(ParameterError, match="cannot be a schedule"):
        get_loss(name, **parameters)


SCHEDULED = [
    Linear(0.0, 2.0, steps=4),
    Piecewise({0: 0.5, 2: Linear(1.0, 2.0, steps=2)}),
    Adjustable(1.5),
    keras.optimizers.schedules.PolynomialDecay(3.0, 4, 1.0),
    {"schedule": "cosine", "start": 0.0, "end": 2.0, "steps": 4},
]


@pytest.mark.parametrize("gamma", SCHEDULED, ids=str)
def test_a_loss_is_what_its_schedule_says_at_each_step(gamma) -> None:
    y_true, y_pred = np.array([[1.0], [0.0]]), np.array([[0.3], [0.6]])
    changing, schedule = get_loss("focal", gamma=gamma), as_schedule(gamma)
    for step in range(6):
        fixed = get_loss("focal", gamma=float(schedule(step)))
        assert float(changing(y_true, y_pred)) == pytest.approx(float(fixed(y_true, y_pred)), 1e-5)


@pytest.mark.parametrize("gamma", SCHEDULED, ids=str)
def test_a_scheduled_loss_comes_back_from_its_config(gamma) -> None:
    loss = get_loss("focal", gamma=gamma)
    config = json.loads(json.dumps(loss.get_config()))
    assert type(loss).from_config(config).parameters == loss.parameters


def test_without_training_no_step_is_counted() -> None:
    loss = get_loss("focal", gamma=Linear(0.0, 2.0, steps=4))
    loss([[1.0]], [[0.3]], training=False)
    assert loss.current() == {"gamma": 0.0}
    loss([[1.0]], [[0.3]])
    assert loss.current() == {"gamma": 0.5}


@loss(y_true="values", y_pred="values", weights={"shift": Weight((), 0.5)})
def shifted(y_true, y_pred, *, weights, scale: float = 1.0):
    """A number and a weight beside the prediction."""
    return ops.mean(scale * ops.abs(y_true - y_pred + weights["shift"]), axis=-1)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_numbers_and_weights_fit_a_loss_of_any_dtype(dtype) -> None:
    changing = get_loss(shifted, scale=Adjustable(2.0), dtype=dtype)
    assert float(changing([[1.0]], [[1.0]])) == 1.0


def test_losses_of_keras_can_be_scheduled() -> None:
    loss = get_loss("huber", delta=Piecewise({0: 1.0, 1: 2.0}))
    for delta in (1.0, 2.0, 2.0):
        expected = keras.losses.Huber(delta=delta)([[3.0]], [[0.0]])
        assert float(loss([[3.0]], [[0.0]])) == pytest.approx(float(expected))


def test_an_adjustable_number_is_set_and_checked() -> None:
    loss = get_loss("focal", gamma=Adjustable(2.0))
    loss.assign(gamma=0.5)
    assert loss.current() == {"gamma": 0.5}
    with pytest.raises(ParameterError, match="gamma"):
        loss.assign(gamma=-1.0)
    with pytest.raises(ParameterError, match="cannot be set"):
        loss.assign(alpha=0.5)
    with pytest.raises(ParameterError, match="Adjustable"):
        get_loss("focal").assign(gamma=1.0)
    assert loss.current() == {"gamma": 0.5}


def test_the_users_own_schedule_comes_back_if_it_is_registered() -> None:
    @keras.saving.register_keras_serializable(package="acme")
    class Halving(keras.optimizers.schedules.LearningRateSchedule):
        def __call__(self, step):
            return 0.5 ** keras.ops.cast(step, "float32")

        def get_config(self):
            return {}

    try:
        data = as_schedule(Halving()).as_data()
        assert float(as_schedule(data)(2)) == 0.25
    finally:
        keras.saving.get_custom_objects().pop("acme>Halving")
    with pytest.raises(ParameterError, match="register"):
        as_schedule(data)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_callback_sets_a_number_between_epochs(jit_compile) -> None:
    if jit_compile and keras.backend.backend() == "torch":
        pytest.skip("torch compiles with a C++ compiler, not with XLA")
    x, y = np.ones((4, 1), "float32"), np.zeros((4, 1), "float32")
    loss = get_loss("scaled_squared_error", scale=Adjustable(1.0))
    seen = []

    def next_scale(epoch, logs):
        seen.append(dict(logs))
        return 10.0**epoch

    layer = keras.layers.Dense(1, kernel_initializer="ones", use_bias=False)
    training = TrainingModel(keras.Sequential([keras.Input((1,)), layer]))
    training.compile(keras.optimizers.SGD(0.0), loss=loss, jit_compile=jit_compile)
    callback = SetParameter(loss, "scale", next_scale)
    history = training.fit(x, y, epochs=3, callbacks=[callback], verbose=0).history
    assert history["loss"] == pytest.approx([1.0, 10.0, 100.0])  # the compiled step sees it
    assert history["scaled_squared_error_scale"] == pytest.approx([1.0, 10.0, 100.0])
    assert seen[0] == {}
    assert [logs["loss"] for logs in seen[1:]] == pytest.approx([1.0, 10.0])


def test_a_callback_that_leaves_the_bounds_ends_the_training() -> None:
    loss = get_loss("focal", gamma=Adjustable(2.0))
    training = TrainingModel(keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]))
    training.compile("sgd", loss=loss)
    callback = SetParameter(loss, "gamma", lambda epoch, logs: -1.0)
    with pytest.raises(ParameterError, match="gamma"):
        training.fit(np.ones((4, 1)), np.ones((4, 1)), callbacks=[callback], verbose=0)
