"""What must not change a loss, and what must change it by a known factor."""

from __future__ import annotations

from functools import partial

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lossplug_metric_learning import contrastive, pair_contrastive, supcon, triplet_semi_hard

BATCH, FEATURES = 8, 3  # one shape: nothing is compiled twice

labels = arrays("int32", BATCH, elements=st.integers(0, 3))
seeds = st.integers(0, 2**32 - 1)
factors = st.floats(0.125, 8.0)
law = settings(max_examples=15, deadline=None, derandomize=True)

RAW = {
    "contrastive": contrastive,
    "triplet": partial(triplet_semi_hard, normalize=False),
    "triplet-euclidean": partial(triplet_semi_hard, normalize=False, distance="euclidean"),
    "supcon": partial(supcon, normalize=False),
}
NORMALIZED = {
    "contrastive": partial(contrastive, normalize=True),
    "triplet": triplet_semi_hard,
    "triplet-pairs": partial(triplet_semi_hard, average="terms"),
    "supcon": supcon,
    "supcon-with-positives": partial(supcon, average="terms"),
}
DISTANCES_ONLY = {name: loss for name, loss in RAW.items() if name != "supcon"}


def normal(seed):
    return np.random.default_rng(seed).normal(size=(BATCH, FEATURES)).astype("float32")


def values(loss, y_true, y_pred, **parameters):
    y_true, y_pred = keras.ops.convert_to_tensor(y_true), np.asarray(y_pred, "float32")
    return keras.ops.convert_to_numpy(loss(y_true, y_pred, **parameters))


def equal(received, expected):
    np.testing.assert_allclose(received, expected, rtol=2e-4, atol=2e-5)


def every(losses):
    return pytest.mark.parametrize("loss", losses.values(), ids=losses.keys())


@every(
    {
        f"{kind}-{name}": loss
        for kind, losses in (("raw", RAW), ("normalized", NORMALIZED))
        for name, loss in losses.items()
    }
)
class TestAll:
    @law
    @given(labels, seeds, st.permutations([-7, 0, 5, 2**31 - 1]))
    def test_names_of_classes_do_not_matter(self, loss, y_true, seed, names):
        y_pred = normal(seed)
        equal(values(loss, np.array(names, "int32")[y_true], y_pred), values(loss, y_true, y_pred))

    @law
    @given(labels, seeds, seeds)
    def test_rotation_does_not_matter(self, loss, y_true, seed, other):
        y_pred = normal(seed)
        rotation, _ = np.linalg.qr(np.random.default_rng(other).normal(size=(FEATURES, FEATURES)))
        equal(values(loss, y_true, y_pred @ rotation), values(loss, y_true, y_pred))

    @law
    @given(labels, seeds)
    def test_features_that_are_always_zero_do_not_matter(self, loss, y_true, seed):
        y_pred = normal(seed)
        wider = np.pad(y_pred, ((0, 0), (1, 1)))
        equal(values(loss, y_true, wider), values(loss, y_true, y_pred))


@every(NORMALIZED)
@law
@given(labels, seeds, arrays("float64", (BATCH, 1), elements=st.floats(-25, 25)))
def test_lengths_do_not_matter_when_normalized(loss, y_true, seed, exponents):
    y_pred = normal(seed)
    equal(values(loss, y_true, y_pred * 10.0**exponents), values(loss, y_true, y_pred))


@every(NORMALIZED)
@law
@given(labels, seeds)
def test_normalizing_twice_is_normalizing_once(loss, y_true, seed):
    y_pred = normal(seed)
    unit = y_pred / np.linalg.norm(y_pred, axis=1, keepdims=True)
    equal(values(loss, y_true, unit, normalize=False), values(loss, y_true, y_pred))


@every(DISTANCES_ONLY)
@law
@given(labels, seeds, arrays("int32", FEATURES, elements=st.integers(-1000, 1000)))
def test_place_does_not_matter_to_distances(loss, y_true, seed, shift):
    y_pred = np.round(normal(seed) * 1024) / 1024  # exact after the shift as well
    equal(values(loss, y_true, y_pred + shift), values(loss, y_true, y_pred))


@pytest.mark.parametrize(
    ("loss", "power_of_margin", "power"),
    [(RAW["contrastive"], 1, 2), (RAW["triplet"], 2, 2), (RAW["triplet-euclidean"], 1, 1)],
    ids=DISTANCES_ONLY.keys(),
)
@law
@given(labels, seeds, factors, factors)
def test_embeddings_and_margin_scale_together(
    loss, power_of_margin, power, y_true, seed, margin, scale
):
    y_pred = normal(seed)
    scaled = values(loss, y_true, scale * y_pred, margin=margin * scale**power_of_margin)
    equal(scaled / scale**power, values(loss, y_true, y_pred, margin=margin))


@every(DISTANCES_ONLY)
@law
@given(labels, seeds, factors, factors)
def test_a_larger_margin_costs_no_less(loss, y_true, seed, margin, more):
    y_pred = normal(seed)
    smaller = values(loss, y_true, y_pred, margin=margin)
    assert (values(loss, y_true, y_pred, margin=margin + more) >= smaller - 1e-5).all()


@law
@given(labels, seeds, factors)
def test_contrastive_is_pair_contrastive_of_all_pairs(y_true, seed, margin):
    y_pred = normal(seed)
    first, second = np.nonzero(~np.eye(BATCH, dtype=bool))
    distances = np.linalg.norm(y_pred[first] - y_pred[second], axis=1)
    of_pairs = values(pair_contrastive, y_true[first] == y_true[second], distances, margin=margin)
    equal(values(contrastive, y_true, y_pred, margin=margin).mean(), of_pairs.mean())


@law
@given(labels, seeds)
def test_triplet_is_zero_when_classes_are_far_apart(y_true, seed):
    y_pred = normal(seed) * 0.01 + 10.0 * y_true[:, None]
    assert (values(triplet_semi_hard, y_true, y_pred, normalize=False) == 0).all()


@law
@given(labels, seeds, factors)
def test_supcon_temperature_divides_similarities(y_true, seed, temperature):
    y_pred = normal(seed)
    raw = RAW["supcon"]
    equal(
        values(raw, y_true, y_pred, temperature=temperature),
        values(raw, y_true, y_pred / np.sqrt(temperature), temperature=1.0),
    )


@law
@given(labels, arrays("int32", (BATCH, FEATURES), elements=st.integers(-3, 3)))
def test_supcon_keeps_its_digits_when_similarities_are_large(y_true, y_pred):
    similar = np.pad(y_pred, ((0, 0), (0, 1)), constant_values=64)  # adds 4096 to all of them
    raw = partial(RAW["supcon"], temperature=1.0)
    np.testing.assert_allclose(
        values(raw, y_true, similar), values(raw, y_true, y_pred), rtol=1e-5, atol=2e-6
    )


@law
@given(labels, seeds, factors, factors)
def test_supcon_base_temperature_scales(y_true, seed, temperature, base):
    y_pred = normal(seed)
    plain = values(supcon, y_true, y_pred, temperature=temperature)
    based = values(supcon, y_true, y_pred, temperature=temperature, base_temperature=base)
    equal(based, plain * temperature / base)


@law
@given(labels, seeds)
def test_supcon_cannot_tell_positives_apart(y_true, seed):
    """Among k positives the probability is 1/k each at best: at least log k is left."""
    positives = (y_true[:, None] == y_true).sum(axis=1) - 1
    least = np.log(np.maximum(positives, 1))
    assert (values(supcon, y_true, normal(seed)) >= least - 1e-5).all()
