"""Losses that compare embeddings with a trained vector of each class."""

from __future__ import annotations

import inspect
from functools import partial

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lossplug_core import TrainingModel, get_loss
from lossplug_core.errors import DataError
from lossplug_metric_learning import (
    arcface,
    center,
    cosface,
    norm_softmax,
    proxy_anchor,
    proxy_nca,
    soft_triple,
    sphereface,
    subcenter_arcface,
)
from numerics import Case, check_finite, check_gradient, check_jit, check_values

BATCH, FEATURES, CLASSES = 8, 3, 5
NAMES = {
    arcface: "prototypes",
    center: "centers",
    cosface: "prototypes",
    norm_softmax: "prototypes",
    proxy_anchor: "proxies",
    proxy_nca: "proxies",
    soft_triple: "centers",
    sphereface: "prototypes",
    subcenter_arcface: "prototypes",
}
SEVERAL = {soft_triple: "centers_per_class", subcenter_arcface: "sub_centers"}
"""The parameter that says how many vectors each class has."""


def unit(vectors):
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(length > 0, length, 1)


def softmax_loss(logits, label, own):
    """Cross-entropy of one sample, its own logit replaced."""
    logits = np.array(logits)
    logits[label] = own
    return np.logaddexp.reduce(logits) - own


def log_one_plus_sum(exponents):
    return np.logaddexp.reduce([0.0, *exponents])


def cosine_with_margin(angle, margin, monotonic):
    if monotonic and angle + margin > np.pi:
        return np.cos(angle) - margin * np.sin(margin)
    return np.cos(angle + margin)


def oracle_arcface(y_true, y_pred, *, weights, margin, scale, monotonic, **sizes):
    prototypes = unit(weights["prototypes"])
    values = []
    for label, z in zip(y_true.reshape(-1), unit(y_pred), strict=True):
        cosines = prototypes @ z
        if cosines.ndim == 2:  # several prototypes per class
            cosines = cosines.max(axis=1)
        angle = np.arccos(np.clip(cosines[label], -1, 1))
        right = cosine_with_margin(angle, margin, monotonic) if np.any(z) else 0.0
        values.append(softmax_loss(scale * cosines, label, scale * right))
    return np.array(values)


def oracle_cosface(y_true, y_pred, *, weights, num_classes, embedding_size, margin, scale):
    cosines = unit(y_pred) @ unit(weights["prototypes"]).T
    return np.array(
        [
            softmax_loss(scale * cosine, label, scale * (cosine[label] - margin))
            for label, cosine in zip(y_true.reshape(-1), cosines, strict=True)
        ]
    )


def oracle_norm_softmax(y_true, y_pred, *, weights, num_classes, embedding_size, temperature):
    logits = unit(y_pred) @ unit(weights["prototypes"]).T / temperature
    pairs = zip(y_true.reshape(-1), logits, strict=True)
    return np.array([softmax_loss(row, label, row[label]) for label, row in pairs])


def oracle_sphereface(
    y_true, y_pred, *, weights, num_classes, embedding_size, margin, scale, annealing
):
    prototypes = unit(weights["prototypes"])
    values = []
    for label, x in zip(y_true.reshape(-1), y_pred, strict=True):
        length = np.linalg.norm(x)
        cosine = np.clip(prototypes[label] @ x / (length or 1.0), -1, 1)
        angle = np.arccos(cosine)
        k = min(int(margin * angle / np.pi), margin - 1)
        falling = (-1) ** k * np.cos(margin * angle) - 2 * k
        own = scale * length * (annealing * cosine + falling) / (1 + annealing)
        values.append(softmax_loss(scale * (prototypes @ x), label, own))
    return np.array(values)


def oracle_proxy_nca(y_true, y_pred, *, weights, num_classes, embedding_size, scale, denominator):
    values = []
    for label, cosine in zip(
        y_true.reshape(-1), unit(y_pred) @ unit(weights["proxies"]).T, strict=True
    ):
        distances = 2 - 2 * cosine
        counted = [j for j in range(num_classes) if denominator == "all" or j != label]
        others = np.logaddexp.reduce(-scale * distances[counted])
        values.append(scale * distances[label] + others if counted else 0.0)
    return np.array(values)


def oracle_soft_triple(
    y_true,
    y_pred,
    *,
    weights,
    num_classes,
    embedding_size,
    centers_per_class,
    scale,
    gamma,
    margin,
    tau,
):
    centers = unit(weights["centers"])
    spread = 0.0
    for of_class in centers:
        for k, one in enumerate(of_class):
            for other in of_class[k + 1 :]:
                spread += np.sqrt(max(2 - 2 * one @ other, 0))
    pairs = num_classes * centers_per_class * (centers_per_class - 1)
    values = []
    for label, x in zip(y_true.reshape(-1), unit(y_pred), strict=True):
        similarities = []
        for of_class in centers:
            share = np.exp((of_class @ x) / gamma)
            similarities.append(share / share.sum() @ (of_class @ x))
        similarities = np.array(similarities)
        of_sample = softmax_loss(
            scale * similarities, label, scale * (similarities[label] - margin)
        )
        values.append(of_sample + tau * spread / max(pairs, 1))
    return np.array(values)


def oracle_center(y_true, y_pred, *, weights, num_classes, embedding_size):
    return np.array(
        [
            0.5 * np.sum((x - weights["centers"][label]) ** 2)
            for label, x in zip(y_true.reshape(-1), y_pred, strict=True)
        ]
    )


def paper_proxy_anchor(labels, similarities, margin, alpha):
    """The two terms of each proxy."""
    drawn, pushed = [], []
    for p, of_proxy in enumerate(similarities.T):
        drawn.append(log_one_plus_sum(-alpha * (of_proxy[labels == p] - margin)))
        pushed.append(log_one_plus_sum(alpha * (of_proxy[labels != p] + margin)))
    return np.array(drawn), np.array(pushed)


def oracle_proxy_anchor(y_true, y_pred, *, weights, num_classes, embedding_size, margin, alpha):
    labels = y_true.reshape(-1)
    similarities = unit(y_pred) @ unit(weights["proxies"]).T
    drawn, pushed = paper_proxy_anchor(labels, similarities, margin, alpha)
    present = len(set(labels))
    values = []
    for label in labels:
        shares = drawn[label] / present / np.sum(labels == label)
        for p in range(num_classes):
            if p != label:
                shares += pushed[p] / num_classes / np.sum(labels != p)
        values.append(len(labels) * shares)
    return np.array(values)


RANDOM = np.random.default_rng(11)
EMBEDDINGS = RANDOM.normal(size=(BATCH, FEATURES)).astype("float32")
VECTORS = RANDOM.normal(size=(CLASSES, FEATURES)).astype("float32")
LABELS = np.array([0, 1, 0, 2, 1, 0, 4, 1])  # class 3 is not in the batch
MANY = RANDOM.normal(size=(CLASSES, 3, FEATURES)).astype("float32")
ORACLES = {
    arcface: oracle_arcface,
    center: oracle_center,
    cosface: oracle_cosface,
    norm_softmax: oracle_norm_softmax,
    proxy_anchor: oracle_proxy_anchor,
    proxy_nca: oracle_proxy_nca,
    soft_triple: oracle_soft_triple,
    sphereface: oracle_sphereface,
    subcenter_arcface: oracle_arcface,
}


def sizes_of(loss, vectors):
    """The parameters that say how many vectors of what size a loss has."""
    several = {SEVERAL[loss]: vectors.shape[1]} if loss in SEVERAL else {}
    return {"num_classes": len(vectors), "embedding_size": vectors.shape[-1], **several}


def repeated(loss, vectors):
    """One vector per class; the same twice for a loss that has several of each."""
    return np.repeat(vectors[:, None], 2, axis=1) if loss in SEVERAL else vectors


def case(name, loss, y_true=LABELS, y_pred=EMBEDDINGS, vectors=VECTORS, **parameters):
    sizes, weights = sizes_of(loss, vectors), {NAMES[loss]: vectors}
    return Case(name, loss, y_true, y_pred, ORACLES[loss], {**sizes, **parameters}, weights)


CASES = [
    case("defaults", arcface),
    case("warm", arcface, scale=4.0),
    case("no-margin", arcface, scale=4.0, margin=0.0),
    case("beyond-pi", arcface, scale=4.0, margin=2.0),
    case("monotonic", arcface, scale=4.0, margin=2.0, monotonic=True),
    case("always-beyond", arcface, scale=4.0, margin=4.0, monotonic=True),
    case("column", arcface, LABELS[:, None], scale=4.0),
    case("long", arcface, y_pred=EMBEDDINGS * 1e4, scale=4.0),
    case("defaults", center),
    case("column", center, LABELS[:, None]),
    case("defaults", cosface),
    case("warm", cosface, scale=4.0),
    case("no-margin", cosface, scale=4.0, margin=0.0),
    case("wide", cosface, scale=4.0, margin=2.5),
    case("column", cosface, LABELS[:, None], scale=4.0),
    case("long", cosface, y_pred=EMBEDDINGS * 1e4, scale=4.0),
    case("defaults", norm_softmax),
    case("warm", norm_softmax, temperature=0.7),
    case("column", norm_softmax, LABELS[:, None]),
    case("long", norm_softmax, y_pred=EMBEDDINGS * 1e4, temperature=0.7),
    case("defaults", sphereface),
    *(case(f"margin-{m}", sphereface, margin=m) for m in (1, 2, 3, 5, 8)),
    case("scale", sphereface, scale=5.0),
    case("annealing", sphereface, margin=3, annealing=4.0),
    case("column", sphereface, LABELS[:, None]),
    case("defaults", subcenter_arcface, vectors=MANY),
    case("warm", subcenter_arcface, vectors=MANY, scale=4.0),
    case("one-each", subcenter_arcface, vectors=VECTORS[:, None], scale=4.0),
    case("beyond-pi", subcenter_arcface, vectors=MANY, scale=4.0, margin=2.5),
    case("monotonic", subcenter_arcface, vectors=MANY, scale=4.0, margin=2.5, monotonic=True),
    case("column", subcenter_arcface, LABELS[:, None], vectors=MANY, scale=4.0),
    case("defaults", proxy_anchor),
    case("warm", proxy_anchor, alpha=4.0),
    case("no-margin", proxy_anchor, margin=0.0, alpha=4.0),
    case("margin", proxy_anchor, margin=0.7, alpha=4.0),
    case("column", proxy_anchor, LABELS[:, None]),
    case("defaults", proxy_nca),
    case("scale", proxy_nca, scale=9.0),
    case("all", proxy_nca, denominator="all"),
    case("all-scale", proxy_nca, denominator="all", scale=9.0),
    case("column", proxy_nca, LABELS[:, None]),
    case("long", proxy_nca, y_pred=EMBEDDINGS * 1e4),
    case("defaults", soft_triple, vectors=MANY),
    case("no-regulariser", soft_triple, vectors=MANY, tau=0.0),
    case("all-others", soft_triple, vectors=MANY, scale=4.0, gamma=0.7, margin=0.4, tau=3.0),
    case("one-each", soft_triple, vectors=VECTORS[:, None]),
    case("column", soft_triple, LABELS[:, None], vectors=MANY),
]


def check_gradient_in_the_weights(case):
    check_gradient(case, argument=NAMES[case.loss])


@pytest.mark.parametrize(
    "check", [check_values, check_gradient, check_gradient_in_the_weights, check_jit]
)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(case, check):
    check(case)


ON_VECTORS = VECTORS[LABELS]
BATCHES = {
    "one-sample": (LABELS[:1], EMBEDDINGS[:1], VECTORS),
    "one-class": (np.full(BATCH, 2), EMBEDDINGS, VECTORS),
    "one-class-in-all": (np.zeros(BATCH, "int32"), EMBEDDINGS, VECTORS[:1]),
    "on-their-vectors": (LABELS, ON_VECTORS, VECTORS),
    "opposite": (LABELS, -ON_VECTORS, VECTORS),
    "on-an-axis": (LABELS, np.eye(3)[[0, 0, 1, 1, 2, 2, 0, 1]], np.eye(3)[[0, 1, 2, 0, 1]]),
    "all-equal": (LABELS, np.full((BATCH, FEATURES), 0.7), np.full((CLASSES, FEATURES), 0.7)),
    "zero-embeddings": (LABELS, np.zeros((BATCH, FEATURES)), VECTORS),
    "zero-vectors": (LABELS, EMBEDDINGS, np.zeros((CLASSES, FEATURES))),
    "huge": (LABELS, EMBEDDINGS * 1e30, VECTORS * 1e30),
    "tiny": (LABELS, EMBEDDINGS * 1e-25, VECTORS * 1e-25),
}
DEGENERATE = [
    case(name, loss, y_true, y_pred, repeated(loss, vectors), **parameters)
    for loss in NAMES
    for parameters in ({}, {"monotonic": True}, {"denominator": "all"})
    if parameters.keys() <= inspect.signature(loss).parameters.keys()
    for name, (y_true, y_pred, vectors) in BATCHES.items()
    if not (loss is center and name == "huge")  # whose squares are no float32
]


@pytest.mark.parametrize("case", DEGENERATE, ids=str)
def test_degenerate_batch(case):
    check_finite(case)
    values, expected = case.computed()[0], case.expected()
    # A rounding of the cosine is one of the logit times the scale of 64.
    np.testing.assert_allclose(values, expected, rtol=1e-5, atol=2e-5)
    _, gradient = case.computed(argument=NAMES[case.loss])
    assert np.isfinite(gradient).all()


AXES = np.eye(FEATURES)[[0, 2, 2, 2, 2]]


def at_angles(angles, **parameters):
    """Values of arcface at angles to the prototype, at right angles to all others."""
    y_pred = np.stack([np.cos(angles), np.sin(angles), np.zeros(BATCH)], axis=1)
    y_true = np.zeros(BATCH, "int32")
    row = case("", arcface, y_true, y_pred.astype("float32"), AXES, scale=1.0, **parameters)
    return row.computed()[0], np.arctan2(*row.y_pred.T[1::-1].astype("float64"))


def test_arcface_keeps_its_digits_near_the_prototype_and_opposite_to_it():
    """Where the root of 1 - cos² has lost them."""
    values, angles = at_angles(
        [0, 1e-7, 1e-5, 1e-3, 1.5, np.pi - 1e-3, np.pi - 1e-5, np.pi], margin=1.0
    )
    np.testing.assert_allclose(values, np.log1p(4 * np.exp(-np.cos(angles + 1.0))), rtol=3e-7)


def test_arcface_turns_at_pi_unless_it_is_monotonic():
    angles = np.linspace(0, np.pi, BATCH)
    beyond = angles > np.pi - 1.5
    steps = np.diff(at_angles(angles, margin=1.5)[0])
    assert (steps[~beyond[1:]] > 0).all()
    assert (steps[beyond[:-1]] < 0).all()
    assert (np.diff(at_angles(angles, margin=1.5, monotonic=True)[0]) > 0).all()


@pytest.mark.parametrize("apart", [0.0, 1e-8, 1e-6, 1e-4, 1e-3, 1e-2])
def test_centres_that_merge_draw_each_other_with_a_bounded_force(apart):
    """The root of their squared distance has no derivative where they have merged."""
    near = unit(VECTORS)[:, None] + apart * MANY
    row = case("", soft_triple, vectors=near.astype("float32"), scale=1e-4, tau=1.0)
    force = np.linalg.norm(row.computed(argument="centers")[1], axis=-1)
    # Each centre has two others of its class; the whole counts in all of the values.
    largest = 2 * BATCH / (CLASSES * 3 * 2)
    assert (force < 1.1 * largest).all()
    assert (force > 0.1 * largest).any() == (apart >= 1e-3)


# Laws

labels = arrays("int32", BATCH, elements=st.integers(0, CLASSES - 1))
seeds = st.integers(0, 2**32 - 1)
law = settings(max_examples=15, deadline=None, derandomize=True)
LOSSES = {
    "arcface": partial(arcface, scale=4.0),
    "center": partial(center),
    "arcface-monotonic": partial(arcface, scale=4.0, margin=1.5, monotonic=True),
    "cosface": partial(cosface, scale=4.0),
    "norm_softmax": partial(norm_softmax, temperature=0.25),
    "proxy_anchor": partial(proxy_anchor, alpha=4.0),
    "proxy_nca": partial(proxy_nca),
    "proxy_nca-all": partial(proxy_nca, denominator="all"),
    "soft_triple": partial(soft_triple),
    "sphereface": partial(sphereface),
    "subcenter_arcface": partial(subcenter_arcface, scale=4.0),
}


def each(*left_out):
    """Every loss but some."""
    chosen = {name: loss for name, loss in LOSSES.items() if loss.func not in left_out}
    return pytest.mark.parametrize("loss", chosen.values(), ids=chosen.keys())


def normal(loss, seed):
    """Embeddings, and vectors of the classes."""
    random = np.random.default_rng(seed)
    several = (3,) if loss.func in SEVERAL else ()
    vectors = random.normal(size=(CLASSES, *several, FEATURES))
    return random.normal(size=(BATCH, FEATURES)), vectors


def values(loss, y_true, y_pred, vectors):
    y_pred, vectors = np.asarray(y_pred, "float32"), np.asarray(vectors, "float32")
    weights = {NAMES[loss.func]: keras.ops.convert_to_tensor(vectors)}
    y_true = keras.ops.convert_to_tensor(y_true)
    sizes = sizes_of(loss.func, vectors)
    return keras.ops.convert_to_numpy(loss(y_true, y_pred, weights=weights, **sizes))


def equal(received, expected):
    np.testing.assert_allclose(received, expected, rtol=1e-4, atol=2e-5)


class TestLaws:
    @each()
    @law
    @given(labels, seeds, st.permutations(range(BATCH)))
    def test_order_does_not_matter(self, loss, y_true, seed, order):
        y_pred, vectors = normal(loss, seed)
        permuted = values(loss, y_true[order], y_pred[order], vectors)
        equal(permuted, values(loss, y_true, y_pred, vectors)[order])

    @each()
    @law
    @given(labels, seeds, st.permutations(range(CLASSES)))
    def test_numbers_of_classes_do_not_matter(self, loss, y_true, seed, order):
        y_pred, vectors = normal(loss, seed)
        renumbered = values(loss, np.argsort(order).astype("int32")[y_true], y_pred, vectors[order])
        equal(renumbered, values(loss, y_true, y_pred, vectors))

    @each()
    @law
    @given(labels, seeds, seeds)
    def test_rotating_everything_does_not_matter(self, loss, y_true, seed, other):
        y_pred, vectors = normal(loss, seed)
        rotation, _ = np.linalg.qr(np.random.default_rng(other).normal(size=(FEATURES, FEATURES)))
        rotated = values(loss, y_true, y_pred @ rotation, vectors @ rotation)
        equal(rotated, values(loss, y_true, y_pred, vectors))

    @each(center, sphereface)
    @law
    @given(labels, seeds, arrays("float64", BATCH, elements=st.floats(-25, 25)))
    def test_lengths_of_embeddings_do_not_matter(self, loss, y_true, seed, exponents):
        y_pred, vectors = normal(loss, seed)
        scaled = values(loss, y_true, y_pred * 10.0 ** exponents[:, None], vectors)
        equal(scaled, values(loss, y_true, y_pred, vectors))

    @each(center)
    @law
    @given(labels, seeds, arrays("float64", CLASSES * 3, elements=st.floats(-25, 25)))
    def test_lengths_of_vectors_do_not_matter(self, loss, y_true, seed, exponents):
        y_pred, vectors = normal(loss, seed)
        lengths = 10.0 ** np.resize(exponents, vectors.shape[:-1])[..., None]
        scaled = values(loss, y_true, y_pred, vectors * lengths)
        equal(scaled, values(loss, y_true, y_pred, vectors))

    @each(proxy_nca)
    @law
    @given(labels, seeds)
    def test_it_is_never_negative(self, loss, y_true, seed):
        assert (values(loss, y_true, *normal(loss, seed)) >= 0).all()


@pytest.mark.parametrize(
    "loss",
    [
        partial(arcface, margin=0.0, scale=8.0),
        partial(cosface, margin=0.0, scale=8.0),
        partial(norm_softmax, temperature=1 / 8),
    ],
    ids=["arcface", "cosface", "norm_softmax"],
)
@law
@given(y_true=labels, seed=seeds)
def test_without_margin_it_is_a_softmax_of_cosines(loss, y_true, seed):
    y_pred, vectors = normal(loss, seed)
    logits = 8.0 * unit(y_pred) @ unit(vectors).T
    expected = keras.ops.convert_to_numpy(
        keras.losses.sparse_categorical_crossentropy(y_true, logits, from_logits=True)
    )
    equal(values(loss, y_true, y_pred, vectors), expected)


@law
@given(labels, seeds)
def test_the_mean_of_proxy_anchor_is_the_papers_loss(y_true, seed):
    y_pred, vectors = normal(partial(proxy_anchor), seed)
    drawn, pushed = paper_proxy_anchor(y_true, unit(y_pred) @ unit(vectors).T, 0.1, 32.0)
    expected = drawn[np.unique(y_true)].mean() + pushed.mean()
    equal(values(partial(proxy_anchor), y_true, y_pred, vectors).mean(), expected)


# Class ids, sizes, training


@each()
@pytest.mark.parametrize("wrong", [-1, CLASSES, 2**31 - 1])
def test_a_label_that_is_no_class_is_nan(loss, wrong):
    y_true = LABELS.astype("int32")
    y_true[3] = wrong
    received = values(loss, y_true, *normal(loss, 0))
    np.testing.assert_array_equal(np.isnan(received), y_true == wrong)


@each()
def test_embeddings_of_another_size(loss):
    with pytest.raises(DataError, match="of the size for which the loss was built"):
        values(loss, LABELS, np.ones((BATCH, 2)), normal(loss, 0)[1])


@pytest.mark.parametrize("name", [loss.__name__ for loss in NAMES])
def test_fit_trains_the_vectors_too(name):
    keras.utils.set_random_seed(0)
    # Ids beyond the embedding size are classes.
    y = np.arange(40, dtype="int32") % 7
    x = np.eye(7, dtype="float32")[y]
    loss = get_loss(name, num_classes=7, embedding_size=3)
    (before,) = loss.values().values()
    model = TrainingModel(keras.Sequential([keras.Input((7,)), keras.layers.Dense(3)]))
    model.compile(keras.optimizers.Adam(0.05), loss)
    history = model.fit(x, y, batch_size=20, epochs=15, verbose=0).history["loss"]
    (after,) = loss.values().values()
    assert history[-1] < 0.6 * history[0]
    assert np.abs(after - before).min(axis=-1).max() > 1e-3
