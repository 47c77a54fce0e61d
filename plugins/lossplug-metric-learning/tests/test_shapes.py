"""Which shapes and dtypes go in, and what comes out."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from lossplug_core.errors import DataError
from lossplug_metric_learning import (
    arcface,
    center,
    contrastive,
    cosface,
    cross_batch_memory,
    norm_softmax,
    pair_contrastive,
    proxy_anchor,
    proxy_nca,
    soft_triple,
    sphereface,
    subcenter_arcface,
    supcon,
    triplet_semi_hard,
)

LABELS = np.array([0, 1, 0, 1, 2], "int32")
EMBEDDINGS = np.random.default_rng(3).normal(size=(5, 4)).astype("float32")
VECTORS = np.random.default_rng(4).normal(size=(3, 4)).astype("float32")
MEMORY = {
    "embeddings": np.pad(VECTORS, ((0, 4), (0, 0))),
    "labels": np.array([70, 71, 72, 0, 0, 0, 0], "int32"),
    "position": np.int32(3),
    "filled": np.int32(3),
}


def with_weights(loss, weights, **parameters):
    """A loss of a target and a prediction, with given weights."""

    def values(y_true, y_pred):
        tensors = {name: keras.ops.convert_to_tensor(value) for name, value in weights.items()}
        result = loss(y_true, y_pred, weights=tensors, embedding_size=4, **parameters)
        return result[0] if isinstance(result, tuple) else result

    values.__name__ = loss.__name__
    return values


OF_PAIRS = [
    contrastive,
    supcon,
    triplet_semi_hard,
    with_weights(cross_batch_memory, MEMORY, memory_size=7),
]
OF_CLASSES = [
    with_weights(arcface, {"prototypes": VECTORS}, num_classes=3),
    with_weights(cosface, {"prototypes": VECTORS}, num_classes=3),
    with_weights(proxy_anchor, {"proxies": VECTORS}, num_classes=3),
    with_weights(norm_softmax, {"prototypes": VECTORS}, num_classes=3),
    with_weights(sphereface, {"prototypes": VECTORS}, num_classes=3),
    with_weights(subcenter_arcface, {"prototypes": VECTORS[:, None]}, num_classes=3, sub_centers=1),
    with_weights(proxy_nca, {"proxies": VECTORS}, num_classes=3),
    with_weights(soft_triple, {"centers": VECTORS[:, None]}, num_classes=3, centers_per_class=1),
    with_weights(center, {"centers": VECTORS}, num_classes=3),
]
SEVERAL_LABELS = (contrastive, supcon, triplet_semi_hard)
ON_EMBEDDINGS = [*OF_PAIRS, *OF_CLASSES]


def tensor(x, dtype=None):
    return keras.ops.convert_to_tensor(np.asarray(x), dtype=dtype)


def numbers(x):
    return keras.ops.convert_to_numpy(x)


@pytest.mark.parametrize("loss", ON_EMBEDDINGS)
class TestEmbeddings:
    @pytest.mark.parametrize("shape", [(5,), (5, 2, 2), ()])
    def test_embeddings_that_are_no_vectors(self, loss, shape):
        with pytest.raises(DataError, match="one vector per sample"):
            loss(tensor(LABELS), tensor(np.ones(shape, "float32")))

    @pytest.mark.parametrize("shape", [(5, 3), (5, 1, 1), ()])
    def test_labels_that_are_not_one_per_sample(self, loss, shape):
        if shape == (5, 3) and loss in SEVERAL_LABELS:
            pytest.skip("rows of several labels")
        with pytest.raises(DataError, match="one integer per sample"):
            loss(tensor(np.ones(shape, "int32")), tensor(EMBEDDINGS))

    @pytest.mark.parametrize("shape", [(4,), (1,), (4, 1)])
    def test_as_many_labels_as_embeddings(self, loss, shape):
        with pytest.raises(DataError, match="as many labels as embeddings"):
            loss(tensor(np.ones(shape, "int32")), tensor(EMBEDDINGS))

    @pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
    def test_half_precision_is_computed_in_single(self, loss, dtype):
        half = keras.ops.cast(tensor(EMBEDDINGS * 300), dtype)  # squares overflow float16
        single = keras.ops.cast(half, "float32")
        values = loss(tensor(LABELS), half)
        assert keras.backend.standardize_dtype(values.dtype) == "float32"
        np.testing.assert_array_equal(numbers(values), numbers(loss(tensor(LABELS), single)))
        assert np.isfinite(numbers(values)).all()

    def test_plain_lists(self, loss):
        values = loss(LABELS.tolist(), EMBEDDINGS.tolist())
        np.testing.assert_allclose(
            numbers(values), numbers(loss(tensor(LABELS), tensor(EMBEDDINGS))), rtol=1e-6
        )


@pytest.mark.parametrize("loss", OF_PAIRS)
@pytest.mark.parametrize("first", [2**24, -(2**24) - 1, 2**31 - 2])
def test_neighbouring_large_labels_are_two_classes(loss, first):
    small = np.array([0, 1, 0, 1, 0], "int32")
    np.testing.assert_array_equal(
        numbers(loss(tensor(small + np.int32(first)), tensor(EMBEDDINGS))),
        numbers(loss(tensor(small), tensor(EMBEDDINGS))),
    )


class TestPairs:
    @pytest.mark.parametrize("of_target", [(3,), (3, 1)])
    @pytest.mark.parametrize("of_distance", [(3,), (3, 1)])
    def test_rows_and_columns_never_broadcast(self, of_target, of_distance):
        target, distance = np.array([1.0, 0.0, 0.0]), np.array([0.5, 0.25, 3.0])
        values = pair_contrastive(
            tensor(target.reshape(of_target), "float32"),
            tensor(distance.reshape(of_distance), "float32"),
        )
        np.testing.assert_allclose(numbers(values), [0.25, 0.5625, 0.0])

    @pytest.mark.parametrize("shape", [(3, 2), (3, 1, 1), ()])
    def test_one_distance_and_target_per_pair(self, shape):
        odd, even = tensor(np.ones(shape, "float32")), tensor(np.ones(3, "float32"))
        with pytest.raises(DataError, match="y_pred of shape"):
            pair_contrastive(even, odd)
        with pytest.raises(DataError, match="y_true of shape"):
            pair_contrastive(odd, even)

    def test_as_many_targets_as_distances(self):
        with pytest.raises(DataError, match="as many targets as distances"):
            pair_contrastive(tensor([1.0]), tensor([0.5, 0.25]))

    def test_half_precision_is_computed_in_single(self):
        distances = keras.ops.cast(tensor([300.0, 1e4]), "float16")
        values = numbers(pair_contrastive(tensor([1.0, 0.0]), distances))
        np.testing.assert_allclose(values, [9e4, 0.0])
