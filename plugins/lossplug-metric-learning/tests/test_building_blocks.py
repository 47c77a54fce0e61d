"""The two private parts that carry the numbers: distances, and the search among them."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from lossplug_metric_learning._triplets import count_up_to
from lossplug_metric_learning.distances import squared_distances

SHAPES = [(2, 1), (33, 7), (200, 67), (128, 512)]


def normal(shape):
    return np.random.default_rng(shape[0]).normal(size=shape).astype("float32")


def computed(embeddings):
    embeddings = keras.ops.convert_to_tensor(embeddings.astype("float32"))
    return keras.ops.convert_to_numpy(squared_distances(embeddings, embeddings))


def exact(embeddings):
    z = embeddings.astype("float32").astype("float64")
    return np.stack([((z - one) ** 2).sum(axis=1) for one in z])


def rectangular(anchors, references):
    tensors = (keras.ops.convert_to_tensor(x.astype("float32")) for x in (anchors, references))
    return keras.ops.convert_to_numpy(squared_distances(*tensors))


def squared_spread(embeddings):
    return np.square(embeddings - embeddings.mean(axis=0)).sum(axis=1).max()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("place", [0, 1, 1000])
def test_distances_are_exact_to_roundings_of_the_spread(shape, place):
    embeddings = normal(shape) + np.float32(place)
    error = np.abs(computed(embeddings) - exact(embeddings))
    assert error.max() <= 2e-6 * squared_spread(embeddings)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("place", [0, 1, 1000])
def test_distances_to_references_are_as_exact(shape, place):
    embeddings = normal(shape) + np.float32(place)
    half = shape[0] // 2
    distances = rectangular(embeddings[:half], embeddings[half:])
    error = np.abs(distances - exact(embeddings)[:half, half:])
    assert error.max() <= 4e-6 * squared_spread(embeddings)
    assert distances.min() >= 0


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_equal_embeddings_are_zero_apart(shape):
    twice = np.concatenate([normal(shape), normal(shape)])
    distances = computed(twice)
    np.testing.assert_array_equal(np.diagonal(distances), 0)
    np.testing.assert_array_equal(np.diagonal(distances, offset=len(twice) // 2), 0)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_no_squared_distance_is_negative(shape):
    nearly_twice = np.concatenate([normal(shape), normal(shape) * np.float32(1 + 1e-5)])
    assert computed(nearly_twice).min() >= 0


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 9, 33])
def test_the_search_counts_as_numpy_does(size):
    random = np.random.default_rng(size)
    ascending = np.sort(random.integers(0, size, (size, size)), axis=1).astype("float32")
    limits = random.integers(-1, size + 1, (size, size)).astype("float32")
    expected = [
        np.searchsorted(row, limit, side="right")
        for row, limit in zip(ascending, limits, strict=True)
    ]
    received = count_up_to(*map(keras.ops.convert_to_tensor, (limits, ascending)))
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(received), expected)
