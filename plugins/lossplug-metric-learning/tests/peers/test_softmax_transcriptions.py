"""Agreement with tensorflow-similarity and optax, by definition, in NumPy; with Keras itself.

tensorflow-similarity does not install beside Keras 3: what it computes is written down here.
"""

from __future__ import annotations

import keras
import numpy as np
import pytest

from lossplug_core.bridge.autodiff import value_and_gradient
from lossplug_core.params import validate
from lossplug_core.spec import spec_of
from lossplug_metric_learning import circle, multi_similarity, nt_xent, pn, soft_nearest_neighbour

SIZES = [(8, 3, 2), (16, 2, 3), (33, 16, 5), (64, 32, 40)]  # samples, features, classes


def batch(samples, features, classes):
    random = np.random.default_rng(samples)
    labels = random.integers(0, classes, samples).astype("int32")
    embeddings = random.normal(size=(samples, features))
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    return labels, embeddings.astype("float32")


def with_convention(loss, name, y_true, y_pred, **parameters):
    complete = validate(spec_of(loss), parameters, convention=name)
    y_true = keras.ops.convert_to_tensor(y_true)
    return keras.ops.convert_to_numpy(loss(y_true, y_pred, **complete))


def masks(labels):
    same = labels[:, None] == labels
    return same & ~np.eye(len(labels), dtype=bool), ~same


def same(values, expected):
    np.testing.assert_allclose(values, expected, rtol=2e-5, atol=1e-6)


def similarity_simclr(a, b, temperature):
    """Two terms for each sample, each a softmax over its other view and all others of its own."""
    total = 0.0
    for one, other in ((a, b), (b, a)):
        to_other, to_own = one @ other.T / temperature, one @ one.T / temperature
        to_own -= 1e9 * np.eye(len(one))
        everything = np.concatenate([to_other, to_own], axis=1)
        total += np.log(np.exp(everything).sum(axis=1)) - np.diag(to_other)
    return total


def optax_ntxent(labels, z, temperature):
    """The mean over all pairs of one class."""
    logits = z @ z.T / temperature
    positive, negative = masks(labels)
    others = (np.exp(logits) * negative).sum(axis=1, keepdims=True)
    values = np.log(np.exp(logits) + others) - logits
    return (values * positive).sum() / positive.sum()


def similarity_multi_similarity(labels, z, alpha, beta, epsilon, center):
    distances = 1 - z @ z.T
    positive, negative = masks(labels)
    nearest = np.where(negative, distances, np.inf).min(axis=1, keepdims=True)
    farthest = np.where(positive, distances, -np.inf).max(axis=1, keepdims=True)
    positive &= distances > nearest - epsilon
    negative &= distances < farthest + epsilon
    shifted = distances + center - 1
    pull = np.log1p((np.exp(alpha * shifted) * positive).sum(axis=1)) / alpha
    push = np.log1p((np.exp(-beta * shifted) * negative).sum(axis=1)) / beta
    return (pull + push) * (positive.any(axis=1) & negative.any(axis=1))


def similarity_circle(labels, z, margin, gamma):
    distances = 1 - z @ z.T
    positive, negative = masks(labels)
    pull = -gamma * np.maximum(margin + distances, 0) * (margin - distances)
    push = gamma * np.maximum(1 + margin - distances, 0) * (1 - margin - distances)
    valid = positive.any(axis=1) & negative.any(axis=1)
    pull = np.log1p((np.exp(pull) * positive).sum(axis=1))
    return valid * (pull + np.log1p((np.exp(push) * negative).sum(axis=1)))


def similarity_soft_nearest_neighbour(labels, z, temperature):
    """Anchors without positives have value 0."""
    squared = ((z[:, None] - z) ** 2).sum(axis=2)
    positive, negative = masks(labels)
    weights = np.exp(-squared / temperature) * (positive | negative)
    share = (weights * positive).sum(axis=1) / weights.sum(axis=1)
    return -np.log(1e-9 + share) * positive.any(axis=1)


def similarity_pn(labels, z, margin, positives, negatives, smooth):
    """Farther negatives first, else the farthest; then the pair of positive and negative."""
    distances = 1 - z @ z.T
    positive, negative = masks(labels)
    farthest = np.where(positive, distances, -np.inf)
    p = farthest.argmax(1) if positives == "hard" else np.where(positive, distances, 9).argmin(1)
    if negatives == "semi_hard":
        greater = distances > farthest.max(1, keepdims=True)
        last = np.where(negative, distances, -1).argmax(1)
        fallback = np.eye(len(z), dtype=bool)[last]
        negative = np.where(greater, negative, fallback)
    to_negatives = np.where(negative, distances, -9 if negatives == "easy" else 9)
    n = to_negatives.argmax(1) if negatives == "easy" else to_negatives.argmin(1)
    rows = np.arange(len(z))
    gap = distances[rows, p] - np.minimum(distances[rows, n], distances[p, n]) + margin
    return np.log1p(np.exp(gap)) if smooth else np.maximum(gap, 0)


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("positives", ["hard", "easy"])
@pytest.mark.parametrize("negatives", ["hard", "semi_hard", "easy"])
@pytest.mark.parametrize("smooth", [False, True])
def test_tensorflow_similarity_pn(sizes, positives, negatives, smooth):
    """Anchors with both; a soft margin has no margin there."""
    labels, z = batch(*sizes)
    chosen = {"positives": positives, "negatives": negatives, "smooth": smooth}
    chosen["margin"] = 0.0 if smooth else 1.0
    values = with_convention(pn, "tensorflow-similarity", labels, z, **chosen)
    expected = similarity_pn(labels, z.astype("float64"), **chosen)
    positive, negative = masks(labels)
    both = positive.any(axis=1) & negative.any(axis=1)
    assert both.any()
    same(values[both], expected[both])
    np.testing.assert_array_equal(values[~both], 0)


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("temperature", [0.05, 0.5])
def test_tensorflow_similarity_nt_xent(sizes, temperature):
    (_, a), (_, b) = batch(*sizes), batch(sizes[0], sizes[1], 1)
    b = np.roll(b, 1, axis=0)
    views = np.concatenate([a, b])
    values = with_convention(
        nt_xent,
        "tensorflow-similarity",
        np.tile(np.arange(len(a)), 2),
        views,
        temperature=temperature,
    )
    expected = similarity_simclr(a.astype("float64"), b.astype("float64"), temperature)
    same((values[: len(a)] + values[len(a) :]) / 2, expected)
    same(values.mean(), expected.mean())


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_optax_ntxent(sizes):
    labels, z = batch(*sizes)
    values = with_convention(nt_xent, "optax", labels, z)
    same(values.mean(), optax_ntxent(labels, z.astype("float64"), 0.07))


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("epsilon", [0.1, 0.4])
def test_tensorflow_similarity_multi_similarity(sizes, epsilon):
    labels, z = batch(*sizes)
    given = {} if epsilon == 0.1 else {"mining": {"name": "multi_similarity", "epsilon": epsilon}}
    values = with_convention(multi_similarity, "tensorflow-similarity", labels, z, **given)
    same(
        values,
        similarity_multi_similarity(labels, z.astype("float64"), 2, 40, epsilon, center=0.5),
    )


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("gamma", [80.0, 8.0])
def test_tensorflow_similarity_circle(sizes, gamma):
    labels, z = batch(*sizes)
    values = with_convention(circle, "tensorflow-similarity", labels, z, gamma=gamma)
    same(values, similarity_circle(labels, z.astype("float64"), 0.4, gamma))


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("temperature", [0.5, 1.0])
def test_tensorflow_similarity_soft_nearest_neighbour(sizes, temperature):
    """At temperatures where its 1e-9 does not show."""
    labels, z = batch(*sizes)
    loss, name = soft_nearest_neighbour, "tensorflow-similarity"
    values = with_convention(loss, name, labels, z, temperature=temperature)
    same(values, similarity_soft_nearest_neighbour(labels, z.astype("float64"), temperature))


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_keras_circle(sizes):
    labels, z = batch(*sizes)
    complete = validate(spec_of(circle), {}, convention="keras")
    found = value_and_gradient(lambda x: circle(labels, x, **complete), z)

    def theirs(x):
        """Keras does not normalise, so the gradient is that on the sphere."""
        x = x / keras.ops.norm(x, axis=1, keepdims=True)
        return keras.losses.circle(labels, x)

    # Keras is NaN in the gradient of anchors without positives or negatives.
    positive, negative = masks(labels)
    if (positive.any(axis=1) & negative.any(axis=1)).all():
        for received, expected in zip(found, value_and_gradient(theirs, z), strict=True):
            np.testing.assert_allclose(received, expected, rtol=1e-4, atol=1e-4)
    else:
        same(found[0], keras.ops.convert_to_numpy(theirs(z)))
