"""Agreement with implementations that cannot be installed, by definition, in NumPy float64."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from lossplug_core.params import validate
from lossplug_core.spec import spec_of
from lossplug_metric_learning import pair_contrastive, supcon, triplet_semi_hard

SIZES = [(8, 3, 2), (16, 2, 3), (33, 16, 5), (64, 32, 40)]  # samples, features, classes


def batch(samples, features, classes):
    random = np.random.default_rng(samples)
    labels = random.integers(0, classes, samples)
    return labels, random.normal(size=(samples, features)).astype("float32")


def with_convention(loss, name, y_true, y_pred, **parameters):
    complete = validate(spec_of(loss), parameters, convention=name)
    y_true = keras.ops.convert_to_tensor(y_true)
    return keras.ops.convert_to_numpy(loss(y_true, y_pred, **complete))


def addons_contrastive(y_true, distances, margin):
    return y_true * distances**2 + (1 - y_true) * np.maximum(margin - distances, 0) ** 2


def addons_triplet(labels, embeddings, margin):
    """TensorFlow Addons takes masked extremes of shifted numbers, with all triplets in one cube."""
    z = embeddings.astype("float64")
    distances = np.linalg.norm(z[:, None] - z, axis=2)
    negative = labels[:, None] != labels
    beyond = negative[:, None, :] & (distances[:, None, :] > distances[:, :, None])

    largest = distances.max(axis=1)[:, None]
    outside = ((distances - largest)[:, None, :] * beyond).min(axis=2) + largest
    smallest = distances.min(axis=1)[:, None]
    inside = ((distances - smallest) * negative).max(axis=1)[:, None] + smallest

    chosen = np.where(beyond.any(axis=2), outside, inside)
    positive = (labels[:, None] == labels) & ~np.eye(len(labels), dtype=bool)
    with np.errstate(invalid="ignore"):
        return (np.maximum(distances - chosen + margin, 0) * positive).sum() / positive.sum()


def supcontrast(labels, features, temperature, base_temperature):
    """The authors' PyTorch code with one view, for labels that all occur more than once."""
    logits = features.astype("float64") @ features.T.astype("float64") / temperature
    logits -= logits.max(axis=1, keepdims=True)
    others = ~np.eye(len(labels), dtype=bool)
    log_probability = logits - np.log((np.exp(logits) * others).sum(axis=1, keepdims=True))
    positive = (labels[:, None] == labels) & others
    mean = (positive * log_probability).sum(axis=1) / positive.sum(axis=1)
    return -(temperature / base_temperature) * mean


@pytest.mark.parametrize("margin", [0.5, 1.0, 2.0])
def test_addons_contrastive(margin):
    y_true, distances = np.array([0.0, 1.0, 0.0, 1.0, 0.0]), np.array([0.0, 0.0, 0.7, 1.7, 2.7])
    values = with_convention(
        pair_contrastive, "tensorflow-addons", y_true, distances, margin=margin
    )
    expected = addons_contrastive(y_true, distances, margin)
    np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("margin", [1.0, 5.0])
def test_addons_triplet(sizes, margin):
    y_true, y_pred = batch(*sizes)
    values = with_convention(triplet_semi_hard, "tensorflow-addons", y_true, y_pred, margin=margin)
    np.testing.assert_allclose(values.mean(), addons_triplet(y_true, y_pred, margin), rtol=1e-5)


def test_addons_triplet_at_ties():
    y_true = np.array([0, 0, 1, 2, 1, 2, 1, 2])
    y_pred = np.array([[0, 2, -2, 2, 3, -5, 9, -9]], "float32").T
    values = with_convention(triplet_semi_hard, "tensorflow-addons", y_true, y_pred, margin=8.0)
    np.testing.assert_allclose(values.mean(), addons_triplet(y_true, y_pred, 8.0), rtol=1e-5)


def test_where_addons_triplet_differs():
    """As the docstring says: batches without a positive, and batches of one class."""
    y_pred = np.array([[0.0], [2.0]], "float32")
    assert np.isnan(addons_triplet(np.array([0, 1]), y_pred, 1.0))
    assert addons_triplet(np.array([0, 0]), y_pred, 1.0) == 1.0 + 2.0
    for y_true in ([0, 1], [0, 0]):
        values = with_convention(triplet_semi_hard, "tensorflow-addons", y_true, y_pred)
        np.testing.assert_array_equal(values, [0, 0])


@pytest.mark.parametrize("temperature", [0.07, 0.5])
def test_supcontrast(temperature):
    _, features = batch(32, 8, 4)
    y_true = np.arange(32) % 5
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    values = with_convention(supcon, "supcontrast", y_true, features, temperature=temperature)
    expected = supcontrast(y_true, features, temperature, 0.07)
    np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-6)
