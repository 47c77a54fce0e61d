"""No tensor of a loss, forward or backward, is larger than O(anchors × what they meet)."""

from __future__ import annotations

from functools import partial

import keras
import numpy as np
import pytest

from lossplug_core.testing.calculate import largest_tensor
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


def largest(function):
    y_pred = np.random.default_rng(0).normal(size=(BATCH, FEATURES)).astype("float32")
    return largest_tensor(function, y_pred)


@pytest.mark.parametrize(
    "loss",
    [
        contrastive,
        supcon,
        triplet_semi_hard,
        partial(triplet_semi_hard, distance="euclidean", average="terms"),
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
