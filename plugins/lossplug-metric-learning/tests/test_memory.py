"""No tensor of a loss, forward or backward, is larger than O(anchors × what they meet)."""

from __future__ import annotations

import math
import re
from functools import partial

import keras
import numpy as np
import pytest

from lossplug_metric_learning import (
    arcface,
    contrastive,
    cross_batch_memory,
    proxy_anchor,
    supcon,
    triplet_semi_hard,
)

BATCH, FEATURES = 48, 4
OTHERS = 80  # classes, or samples in memory
LARGEST = 4  # an index of two or three numbers per pair is still as many as there are pairs


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
    assert BATCH**2 <= largest(lambda y_pred: loss(y_true, y_pred)) <= LARGEST * BATCH**2


def normal(size):
    return np.random.default_rng(size).normal(size=(size, FEATURES)).astype("float32")


MEMORY = {
    "embeddings": normal(OTHERS),
    "labels": np.arange(OTHERS, dtype="int32") % 5,
    "position": np.int32(70),
    "filled": np.int32(OTHERS),
}
remembering = partial(cross_batch_memory, weights=MEMORY, memory_size=OTHERS)


@pytest.mark.parametrize(
    "loss",
    [
        partial(arcface, weights={"prototypes": normal(OTHERS)}, num_classes=OTHERS),
        partial(proxy_anchor, weights={"proxies": normal(OTHERS)}, num_classes=OTHERS),
        remembering,
        partial(remembering, loss="supcon"),
        partial(remembering, loss="triplet_semi_hard"),
    ],
    ids=["arcface", "proxy-anchor", "memory-contrastive", "memory-supcon", "memory-triplet"],
)
def test_as_large_as_batch_times_classes_or_memory(loss):
    def values(y_pred):
        y_true = keras.ops.convert_to_tensor(np.arange(BATCH, dtype="int32") % 5)
        result = loss(y_true, y_pred, embedding_size=FEATURES)
        return result[0] if isinstance(result, tuple) else result

    assert BATCH * OTHERS <= largest(values) <= LARGEST * BATCH * OTHERS


def test_a_cube_would_be_seen():
    def cubic(x):
        return keras.ops.tanh(x[:, None, None, 0] * x[None, :, None, 0] * x[None, None, :, 0])

    assert largest(cubic) == BATCH**3
