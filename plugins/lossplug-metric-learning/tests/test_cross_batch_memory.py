"""A loss that remembers: what it computes, what it keeps, and that nothing else counts."""

from __future__ import annotations

import inspect
from functools import partial

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import lossplug_metric_learning
from lossplug_core import TrainingModel, get_loss
from lossplug_core._alternatives import alternatives_of
from lossplug_core.errors import DataError
from lossplug_core.params import validate
from lossplug_core.spec import spec_of
from lossplug_metric_learning import cross_batch_memory
from lossplug_metric_learning.memory import Inner
from numerics import Case, check_finite, check_gradient, check_jit, check_values

BATCH, FEATURES = 6, 3
LOSSES = ("contrastive", "supcon", "triplet_semi_hard")
every = pytest.mark.parametrize("loss", LOSSES)
of_any_loss = pytest.mark.parametrize("loss", dict(alternatives_of(Inner).functions))


# The oracle: a list of samples, and loops over it


def unit(vectors):
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(length > 0, length, 1)


def of_anchor(z, label, references, loss):
    """The value of one anchor, compared with `(embedding, label)`s."""
    margin, temperature = (loss.parameters.get(name) for name in ("margin", "temperature"))
    positives = [r for r, other in references if other == label]
    negatives = [r for r, other in references if other != label]
    if loss.name == "contrastive":
        costs = [np.sum((z - r) ** 2) for r in positives]
        costs += [max(margin - np.linalg.norm(z - r), 0) ** 2 for r in negatives]
    elif loss.name == "supcon":
        logits = [z @ r / temperature for r, _ in references]
        costs = [np.logaddexp.reduce(logits) - z @ r / temperature for r in positives]
    else:
        costs = []
        for to_positive in (np.sum((z - r) ** 2) for r in positives if negatives):
            to = [np.sum((z - r) ** 2) for r in negatives]
            chosen = min([d for d in to if d > to_positive], default=max(to))
            costs.append(max(to_positive - chosen + margin, 0))
    return np.mean(costs) if costs else 0.0


def oracle(constants, y_true, y_pred, *, weights, memory_size, normalize, embedding_size, **chosen):
    """The values for embeddings that move, while what enters the memory stays at `constants`."""
    entering, moving = (unit(z) if normalize else z for z in (constants, y_pred))
    labels = y_true.reshape(-1)
    slots = [
        (weights["embeddings"][slot], int(weights["labels"][slot]), None)
        for slot in range(int(weights["filled"]))
    ] + [None] * (memory_size - int(weights["filled"]))
    for i, label in enumerate(labels):
        slots[(int(weights["position"]) + i) % memory_size] = (entering[i], int(label), i)
    held = [slot for slot in slots if slot is not None]
    return np.array(
        [
            of_anchor(z, label, [(r, other) for r, other, owner in held if owner != i], **chosen)
            for i, (z, label) in enumerate(zip(moving, labels, strict=True))
        ]
    )


RANDOM = np.random.default_rng(5)
EMBEDDINGS = unit(RANDOM.normal(size=(BATCH, FEATURES))).astype("float32")
LABELS = np.array([0, 1, 0, 2, 1, 3])


def memory(size, filled, position):
    return {
        "embeddings": unit(RANDOM.normal(size=(size, FEATURES))).astype("float32"),
        "labels": np.arange(size) * 7 % 4,
        "position": np.array(position),
        "filled": np.array(filled),
    }


def case(name, weights, y_true=LABELS, y_pred=EMBEDDINGS, **parameters):
    y_pred = np.asarray(y_pred, "float32")
    sizes = {"memory_size": len(weights["labels"]), "embedding_size": y_pred.shape[1]}
    moving = partial(oracle, y_pred.astype("float64"))
    return Case(name, cross_batch_memory, y_true, y_pred, moving, {**sizes, **parameters}, weights)


MEMORIES = {  # of few sizes: each is compiled anew
    "empty": memory(12, 0, 0),
    "half-full": memory(12, 5, 5),
    "full-at-the-end": memory(12, 12, 0),
    "wraps": memory(12, 12, 9),
    "wraps-first-time": memory(12, 9, 9),
    "as-large-as-the-batch": memory(6, 6, 2),
    "smaller": memory(4, 4, 3),
    "empty-and-smaller": memory(4, 0, 0),
    "of-one": memory(1, 1, 0),
}
CASES = [
    case(f"{loss}-{name}", weights, loss=loss)
    for loss in LOSSES
    for name, weights in MEMORIES.items()
    if loss == "contrastive" or len(weights["labels"]) == 12
] + [
    case("contrastive-margin", MEMORIES["wraps"], loss={"name": "contrastive", "margin": 0.5}),
    case("contrastive-raw", MEMORIES["wraps"], y_pred=2 * EMBEDDINGS, normalize=False),
    case("supcon-warm", MEMORIES["wraps"], loss={"name": "supcon", "temperature": 1.5}),
    case("triplet-margin", MEMORIES["wraps"], loss={"name": "triplet_semi_hard", "margin": 1.5}),
    case("column", MEMORIES["wraps"], LABELS[:, None]),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_values(case):
    check_values(case)


@pytest.mark.parametrize("check", [check_gradient, check_jit])
@pytest.mark.parametrize("name", ["half-full", "wraps", "smaller"])
@every
def test_gradient_and_compiled(loss, name, check):
    check(case("", MEMORIES[name], loss=loss))


@pytest.mark.parametrize(
    "case",
    [
        case(f"{loss}-{name}", MEMORIES[held], *batch, loss=loss)
        for loss in LOSSES
        for held in ("empty", "wraps")
        for name, batch in {
            "one-sample": (LABELS[:1], EMBEDDINGS[:1]),
            "one-class": (np.zeros(BATCH, "int32"), EMBEDDINGS),
            "no-positives": (np.arange(10, 10 + BATCH), EMBEDDINGS),
            "all-equal": (LABELS, np.full((BATCH, FEATURES), 0.7)),
            "in-memory": (LABELS, MEMORIES["wraps"]["embeddings"][:BATCH]),
            "all-zero": (LABELS, np.zeros((BATCH, FEATURES))),
            "huge": (LABELS, EMBEDDINGS * 1e30),
            "tiny": (LABELS, EMBEDDINGS * 1e-25),
        }.items()
    ],
    ids=str,
)
def test_degenerate_batch(case):
    check_finite(case)


# What it keeps


def tensors(weights):
    return {name: keras.ops.convert_to_tensor(value) for name, value in weights.items()}


def step(weights, y_true, y_pred, **parameters):
    """Values and the next memory, as NumPy arrays."""
    sizes = {"memory_size": len(weights["labels"]), "embedding_size": y_pred.shape[1]}
    complete = validate(spec_of(cross_batch_memory), {**sizes, **parameters})
    y_true = keras.ops.convert_to_tensor(np.asarray(y_true))
    y_pred = np.asarray(y_pred, "float32")
    values, new = cross_batch_memory(y_true, y_pred, weights=tensors(weights), **complete)
    array = keras.ops.convert_to_numpy
    return array(values), {name: array(value) for name, value in new.items()}


def empty(size, features=FEATURES):
    declared = spec_of(cross_batch_memory).weights(size, features)
    return {name: np.zeros(w.shape, w.dtype) for name, w in declared.items()}


batches = st.lists(st.sampled_from([2, 5]), min_size=1, max_size=6)
law = settings(max_examples=10, deadline=None, derandomize=True)


@law
@given(batches, st.sampled_from([1, 4, 12]))
def test_the_memory_is_the_last_samples(sizes, memory_size):
    weights, seen = empty(memory_size, 1), 0
    for size in sizes:
        samples = np.arange(seen, seen + size)
        _, weights = step(weights, samples, samples[:, None], normalize=False)
        seen += size
    kept = min(seen, memory_size)
    expected = list(range(seen - kept, seen))
    assert sorted(weights["labels"][:kept]) == expected
    np.testing.assert_array_equal(weights["embeddings"][:kept, 0], weights["labels"][:kept])
    assert weights["filled"] == kept
    assert weights["position"] == seen % memory_size
    assert {n: w.dtype for n, w in weights.items()} == {n: w.dtype for n, w in empty(1).items()}


@of_any_loss
def test_unfilled_slots_never_count(loss):
    """Whatever is in them, and however many they are."""
    expected, _ = step(memory_of(9, filled=3), LABELS, EMBEDDINGS, loss=loss)
    for size in (9, 12):
        received, _ = step(memory_of(size, filled=3), LABELS, EMBEDDINGS, loss=loss)
        np.testing.assert_allclose(received, expected, rtol=3e-4, atol=1e-5)


def memory_of(size, filled):
    known = memory(size, filled, filled)
    known["embeddings"][:filled] = EMBEDDINGS[:filled]
    known["labels"][:filled] = LABELS[:filled]
    return known


@of_any_loss
@law
@given(
    arrays("int32", BATCH, elements=st.integers(0, 3)),
    st.integers(0, 2**32 - 1),
    st.sampled_from([6, 12]),
)
def test_on_an_empty_memory_it_is_the_loss_of_the_batch(loss, y_true, seed, memory_size):
    y_pred = np.random.default_rng(seed).normal(size=(BATCH, FEATURES)).astype("float32")
    received, _ = step(empty(memory_size), y_true, y_pred, loss=loss)
    of_batch = getattr(lossplug_metric_learning, loss)
    scaled = {"normalize": True} if "normalize" in inspect.signature(of_batch).parameters else {}
    expected = of_batch(keras.ops.convert_to_tensor(y_true), y_pred, **scaled)
    expected = keras.ops.convert_to_numpy(expected)
    np.testing.assert_allclose(received, expected, rtol=1e-4, atol=2e-5)


ROOM = memory(12, 6, 6)  # nothing is overwritten


@of_any_loss
@law
@given(st.permutations(range(BATCH)))
def test_order_does_not_matter(loss, order):
    expected, _ = step(ROOM, LABELS, EMBEDDINGS, loss=loss)
    permuted, _ = step(ROOM, LABELS[order], EMBEDDINGS[order], loss=loss)
    np.testing.assert_allclose(permuted, expected[order], rtol=1e-4, atol=1e-5)


@of_any_loss
def test_two_steps_are_one_step_after_the_other(loss):
    """Anchors of the second batch see the first batch, and the first does not see the second."""
    loss = {"name": loss, "average": "anchors"}
    _, after = step(empty(12), LABELS[:3], EMBEDDINGS[:3], loss=loss)
    second, _ = step(after, LABELS[3:], EMBEDDINGS[3:], loss=loss)
    together, _ = step(empty(12), LABELS, EMBEDDINGS, loss=loss)
    np.testing.assert_allclose(second, together[3:], rtol=1e-4, atol=1e-5)


@every
def test_neighbouring_large_labels_are_two_classes(loss):
    first = np.int32(2**24)
    values, kept = step(MEMORIES["empty"], LABELS + first, EMBEDDINGS, loss=loss)
    np.testing.assert_array_equal(values, step(MEMORIES["empty"], LABELS, EMBEDDINGS, loss=loss)[0])
    np.testing.assert_array_equal(kept["labels"][:BATCH], LABELS + first)


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="JAX keeps 32 bits, and says so")
def test_a_label_that_int32_cannot_hold_is_nan():
    wide = LABELS.astype("int64")
    wide[2] += 2**32
    values, _ = step(MEMORIES["wraps"], wide, EMBEDDINGS)
    np.testing.assert_array_equal(np.isnan(values), wide > 2**31)


def test_embeddings_of_another_size():
    with pytest.raises(DataError, match="of the size for which the loss was built"):
        step(empty(8), LABELS, EMBEDDINGS[:, :2], embedding_size=FEATURES)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow graphs only")
@pytest.mark.parametrize("jit_compile", [False, True])
@every
def test_a_batch_of_unknown_size(loss, jit_compile):
    import tensorflow as tf

    known = {name: tf.constant(value) for name, value in tensors(MEMORIES["smaller"]).items()}
    complete = validate(
        spec_of(cross_batch_memory),
        {"memory_size": 4, "embedding_size": FEATURES, "loss": loss},
    )

    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.int32), tf.TensorSpec([None, FEATURES])],
        jit_compile=jit_compile,
    )
    def run(y_true, y_pred):
        return cross_batch_memory(y_true, y_pred, weights=known, **complete)

    for size in (1, 3, 4, 6):
        expected = step(MEMORIES["smaller"], LABELS[:size], EMBEDDINGS[:size], loss=loss)
        received = run(tf.constant(LABELS[:size], tf.int32), tf.constant(EMBEDDINGS[:size]))
        np.testing.assert_allclose(received[0], expected[0], rtol=1e-4, atol=1e-5)
        for name, value in expected[1].items():
            np.testing.assert_allclose(received[1][name], value, rtol=1e-6)
    assert run.experimental_get_tracing_count() == 1


@pytest.mark.parametrize(
    "loss", ["fast_ap", "tuplet_margin", {"name": "nca", "distance": "cosine"}]
)
def test_a_loss_of_directions_is_given_directions(loss):
    long, _ = step(MEMORIES["wraps"], LABELS, 5 * EMBEDDINGS, loss=loss, normalize=False)
    unit, _ = step(MEMORIES["wraps"], LABELS, EMBEDDINGS, loss=loss)
    np.testing.assert_allclose(long, unit, rtol=1e-5, atol=1e-6)


# Training


def trained(epochs, model=None):
    """A model after some more epochs over the same batches, and the losses of these."""
    x = np.random.default_rng(0).normal(size=(30, 4)).astype("float32")
    y = (np.arange(30) % 5).astype("int32")
    if model is None:
        keras.utils.set_random_seed(0)
        inner = keras.Sequential([keras.Input((4,)), keras.layers.Dense(FEATURES)])
        model = TrainingModel(inner)
        loss = get_loss("cross_batch_memory", memory_size=16, embedding_size=FEATURES)
        model.compile(keras.optimizers.Adam(0.01), loss)
    history = model.fit(x, y, batch_size=6, epochs=epochs, shuffle=False, verbose=0)
    return model, history.history["loss"]


def test_fit_fills_the_memory_and_evaluate_does_not():
    model, _ = trained(1)
    kept = model.loss.values()
    assert kept["filled"] == 16
    assert kept["position"] == 30 % 16
    assert np.linalg.norm(kept["embeddings"], axis=1) == pytest.approx(1, abs=1e-5)
    assert set(kept["labels"]) == set(range(5))
    model.evaluate(np.ones((6, 4), "float32"), np.zeros(6, "int32"), verbose=0)
    for name, value in model.loss.values().items():
        np.testing.assert_array_equal(value, kept[name])


def test_a_resumed_training_goes_on_exactly(tmp_path):
    _, straight = trained(4)
    half, first = trained(2)
    half.save(tmp_path / "half.keras")
    resumed = keras.models.load_model(tmp_path / "half.keras")
    _, second = trained(2, model=resumed)
    np.testing.assert_allclose(first + second, straight, rtol=1e-6)


# What it was


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"loss": "supcon", "margin": 1.5, "temperature": 0.2}, ("supcon", "temperature", 0.2)),
        ({"loss": "contrastive", "margin": 0.5}, ("contrastive", "margin", 0.5)),
        ({"loss": "contrastive", "margin": None}, ("contrastive", "margin", 1.0)),
        ({"temperature": 0.1}, ("contrastive", "margin", 1.0)),
    ],
    ids=str,
)
def test_parameters_of_the_first_version_are_understood(old, new):
    spec = spec_of(cross_batch_memory)
    migrated = validate(spec, spec.migrate(1, {"embedding_size": 3, **old}))
    name, parameter, value = new
    assert (migrated["loss"].name, migrated["loss"].parameters[parameter]) == (name, value)
