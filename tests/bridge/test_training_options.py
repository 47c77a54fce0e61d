"""Whatever `compile` and `fit` are told, whatever the data comes in: the loss is trained."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from lossplug_core import get_loss
from lossplug_core.schedules import Linear
from training import (
    X,
    Y,
    assert_same,
    centered,
    everything,
    fitted,
    functional,
    moved,
    sequential,
    training_model,
    values,
    weights,
)

pytestmark = pytest.mark.backend

BACKEND = keras.backend.backend()
COMPILES = [{"jit_compile": True}] if BACKEND != "torch" else []


def trained(loss=None, epochs=2, inner=sequential, fit=None, **options):
    loss = loss or moved(scale=Linear(0.5, 2.0, steps=6))
    model = training_model(loss, inner, **options)
    history = fitted(model, epochs=epochs, **(fit or {}))
    return model, history


@pytest.mark.parametrize(
    "options",
    [{"run_eagerly": True}, *({"jit_compile": jit} for jit in (False, *COMPILES))],
    ids=str,
)
def test_however_it_runs_it_gives_the_same(options) -> None:
    expected, losses = trained(run_eagerly=True)
    model, history = trained(**options)
    assert_same(history, losses)
    assert_same(weights(model), weights(expected))


@pytest.mark.skipif(BACKEND != "torch", reason="Torch alone writes in place.")
def test_compiled_by_torch_a_state_is_what_it_was_when_it_was_read() -> None:
    import torch

    def losses(compiled: bool) -> list[float]:
        keras.utils.set_random_seed(0)
        loss, model = moved(scale=Linear(0.5, 2.0, steps=6)), sequential()

        def step():
            value = loss(torch.from_numpy(Y), model(torch.from_numpy(X)))
            value.backward()
            return value.detach()

        step = torch.compile(step, backend="aot_eager") if compiled else step
        return [float(step()) for _ in range(3)]

    assert_same(losses(compiled=True), losses(compiled=False))


@pytest.mark.skipif(BACKEND == "torch", reason="Keras has no steps_per_execution on torch.")
def test_several_steps_at_once_are_these_steps() -> None:
    expected, losses = trained()
    model, history = trained(steps_per_execution=2)
    assert_same(history, losses)
    assert_same(weights(model), weights(expected))


POLICIES = ["mixed_float16", "mixed_bfloat16"]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("globally", [False, True])
def test_mixed_precision_leaves_the_loss_in_float32(policy, globally) -> None:
    def inner():
        dtype = None if globally else policy
        inputs = keras.Input((4,))
        hidden = keras.layers.Dense(8, dtype=dtype)(inputs)
        outputs = keras.layers.Dense(3, dtype=dtype)(hidden)
        model = keras.Model(inputs, outputs)
        model.dtype_policy = keras.DTypePolicy(policy)
        return model

    before = keras.config.dtype_policy()
    try:
        if globally:
            keras.config.set_dtype_policy(policy)
        loss = moved(scale=Linear(0.5, 2.0, steps=6))
        model, history = trained(loss, epochs=3, inner=inner)
        scaled = isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
        assert scaled is (policy == "mixed_float16")
    finally:
        keras.config.set_dtype_policy(before)
    assert all(v.dtype in ("float32", "int32") for v in loss.variables)
    assert np.isfinite(history["loss"]).all()
    assert all(np.isfinite(value).all() for value in weights(model))
    assert history["moving_scale"][-1] == pytest.approx(1.75, rel=1e-5)
    assert not np.allclose(values(loss)["center"], 0.1)


@pytest.mark.parametrize("policy", POLICIES)
def test_mixed_precision_is_near_to_full(policy) -> None:
    def inner():
        inputs = keras.Input((4,))
        model = keras.Model(inputs, keras.layers.Dense(3, dtype=policy)(inputs))
        model.dtype_policy = keras.DTypePolicy(policy)
        return model

    model, history = trained(inner=inner)
    expected, losses = trained(inner=functional)
    assert_same(history["loss"], losses["loss"], rtol=0.05)
    assert_same(values(model.loss), values(expected.loss), rtol=0.1, atol=0.02)


def test_accumulated_gradients_are_those_of_one_large_batch() -> None:
    def after(batch_size, steps):
        optimizer = keras.optimizers.SGD(0.1, gradient_accumulation_steps=steps)
        model, _ = trained(get_loss(centered), optimizer=optimizer, fit={"batch_size": batch_size})
        return weights(model)

    assert_same(after(4, 4), after(16, None))


OPTIMIZERS = {
    "ema": lambda: keras.optimizers.Adam(0.1, use_ema=True, ema_momentum=0.5),
    "decay": lambda: keras.optimizers.AdamW(0.1, weight_decay=0.5),
    "clipped": lambda: keras.optimizers.SGD(0.1, global_clipnorm=0.1, momentum=0.9),
    "schedule": lambda: keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.1, 8)),
}


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_optimizers_treat_the_loss_as_any_layer(make) -> None:
    """The same sum, once with the center in the loss and once with it in a layer."""

    class Centered(keras.layers.Layer):
        def build(self, shape):
            self.center = self.add_weight(shape=(3,), initializer=keras.initializers.Constant(0.1))

        def call(self, inputs):
            return inputs + self.center

    model, history = trained(get_loss(centered), optimizer=make())
    keras.utils.set_random_seed(0)
    layers = [keras.Input((4,)), keras.layers.Dense(3), Centered()]
    plain = keras.Sequential(layers)
    plain.compile(make(), loss="mse")
    assert_same(history["loss"], fitted(plain, epochs=2)["loss"], rtol=1e-4)
    assert_same(weights(model), weights(plain), rtol=1e-3, atol=1e-5)


# Whatever the data comes in.


class Batches(keras.utils.PyDataset):
    def __init__(self):
        super().__init__()

    def __len__(self):
        return 2

    def __getitem__(self, place):
        return X[8 * place : 8 * place + 8], Y[8 * place : 8 * place + 8]


def generator():
    for _ in range(2):
        for place in range(2):
            yield Batches()[place]


def of_tensorflow():
    tf = pytest.importorskip("tensorflow")
    return tf.data.Dataset.from_tensor_slices((X, Y)).batch(8)


def of_torch():
    torch = pytest.importorskip("torch")
    data = torch.utils.data.TensorDataset(torch.from_numpy(X), torch.from_numpy(Y))
    return torch.utils.data.DataLoader(data, batch_size=8)


DATA = {
    "PyDataset": Batches,
    "generator": generator,
    "tf.data": of_tensorflow,
    "DataLoader": of_torch,
}


@pytest.mark.parametrize("make", DATA.values(), ids=DATA)
def test_whatever_the_data_comes_in(make) -> None:
    expected, losses = trained()
    steps = {"steps_per_epoch": 2} if make is generator else {}
    model, history = trained(fit={"x": make(), "batch_size": None, **steps})
    assert_same(history, losses)
    assert_same(everything(model), everything(expected))


def test_single_batches_are_a_fit_by_hand() -> None:
    expected, _ = trained(epochs=1)
    model = training_model(moved(scale=Linear(0.5, 2.0, steps=6)))
    for place in range(2):
        x, y = Batches()[place]
        logs = model.train_on_batch(x, y, return_dict=True)
        assert set(logs) == {"loss", "moving_scale"}
    assert_same(everything(model), everything(expected))
