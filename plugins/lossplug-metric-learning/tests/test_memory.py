"""No tensor of a pairwise loss, forward or backward, is larger than O(batch²)."""

from __future__ import annotations

import math
import re
from functools import partial

import keras
import numpy as np
import pytest

from lossplug_metric_learning import contrastive, supcon, triplet_semi_hard

BATCH, FEATURES = 48, 4
LARGEST = 4 * BATCH**2  # an index of two or three numbers per pair is still O(batch²)


def largest_in_hlo(text):
    """The most elements of an array in a program for XLA, where arrays read like `f32[48,4]`."""
    return max(math.prod(map(int, shape.split(","))) for shape in re.findall(r"\[([\d,]+)\]", text))


def largest_in_jax(function, y_pred):
    import jax

    program = jax.jit(jax.value_and_grad(lambda x: function(x).sum()))
    return largest_in_hlo(program.lower(y_pred).as_text(dialect="hlo"))


def largest_in_tensorflow(function, y_pred):
    import tensorflow as tf

    @tf.function(jit_compile=True)
    def program(y_pred):
        with tf.GradientTape() as tape:
            tape.watch(y_pred)
            values = function(y_pred)
        return tape.gradient(values, y_pred)

    return largest_in_hlo(program.experimental_get_compiler_ir(tf.constant(y_pred))(stage="hlo"))


def largest_in_torch(function, y_pred):
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    sizes = []

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
            result = operation(*args, **(kwargs or {}))
            outputs = result if isinstance(result, (tuple, list)) else [result]
            sizes.extend(out.numel() for out in outputs if isinstance(out, torch.Tensor))
            return result

    with Watch():
        x = torch.tensor(y_pred, requires_grad=True)
        function(x).sum().backward()
    return max(sizes)


LARGEST_IN = {
    "jax": largest_in_jax,
    "tensorflow": largest_in_tensorflow,
    "torch": largest_in_torch,
}


def largest(function):
    y_pred = np.random.default_rng(0).normal(size=(BATCH, FEATURES)).astype("float32")
    return LARGEST_IN[keras.backend.backend()](function, y_pred)


@pytest.mark.parametrize(
    "loss",
    [
        contrastive,
        supcon,
        triplet_semi_hard,
        partial(triplet_semi_hard, distance="euclidean", average="pairs"),
    ],
    ids=["contrastive", "supcon", "triplet", "triplet-euclidean-pairs"],
)
def test_quadratic(loss):
    y_true = keras.ops.convert_to_tensor(np.arange(BATCH) % 5)
    assert BATCH**2 <= largest(lambda y_pred: loss(y_true, y_pred)) <= LARGEST


def test_a_cube_would_be_seen():
    def cubic(x):
        return keras.ops.tanh(x[:, None, None, 0] * x[None, :, None, 0] * x[None, None, :, 0])

    assert largest(cubic) == BATCH**3
