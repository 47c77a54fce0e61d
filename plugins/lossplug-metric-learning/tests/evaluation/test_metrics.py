"""The Keras metrics say what `retrieval_metrics` says, compiled, saved, epoch after epoch."""

from __future__ import annotations

import math
import warnings

import keras
import numpy as np
import pytest

from lossplug_core import get_loss
from lossplug_core.errors import DataError, ParameterError
from lossplug_metric_learning.evaluation import (
    MAPAtR,
    RecallAtK,
    RPrecision,
    retrieval_metrics,
)

SIZES = {"size": 40, "embedding_size": 3}


def metrics(**options):
    options = {**SIZES, **options}
    return [
        RecallAtK(1, **options),
        RecallAtK(4, **options),
        RPrecision(**options),
        MAPAtR(**options),
    ]


NAMES = tuple(metric.name for metric in metrics())


def batch(samples, seed=0):
    random = np.random.default_rng((samples, seed))
    x = random.normal(size=(samples, SIZES["embedding_size"])).astype("float32") + 5
    return x, random.integers(0, 6, samples).astype("int32")


def embedder():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3)])
    model.set_weights([np.eye(3), np.full(3, 2.0)])
    return model


def value(metric):
    return float(keras.ops.convert_to_numpy(metric.result()))


@pytest.mark.parametrize("distance", ["euclidean", "cosine", "inner_product"])
@pytest.mark.parametrize(
    ("samples", "chunk"), [(40, 20), (24, 1024)], ids=["full, in parts", "room left"]
)
def test_what_the_function_says(samples, distance, chunk):
    x, y = batch(samples)
    expected = retrieval_metrics(x, y, metrics=NAMES, distance=distance)
    for metric in metrics(distance=distance, chunk=chunk):
        for start in range(0, samples, 8):
            metric.update_state(y[start : start + 8], x[start : start + 8])
        assert value(metric) == pytest.approx(expected[metric.name], abs=1e-6)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_evaluate(jit_compile):
    if jit_compile and keras.backend.backend() == "torch":
        pytest.skip("torch compiles with a toolchain of its own")
    (x, y), model = batch(37), embedder()
    model.compile(metrics=metrics(), jit_compile=jit_compile, loss=lambda y, x: 0.0 * x[:, 0])
    expected = retrieval_metrics(x + 2, y, metrics=NAMES)
    for _ in range(2):  # each evaluation begins anew
        found = model.evaluate(x, y, batch_size=8, verbose=0, return_dict=True)
        assert {name: found[name] for name in NAMES} == pytest.approx(expected, abs=1e-6)


def test_each_epoch_begins_anew():
    (x, y), model = batch(24), embedder()
    model.compile(keras.optimizers.SGD(0.0), lambda y, x: 0.0 * x[:, 0], metrics=metrics())
    history = model.fit(x, y, validation_data=batch(40, 1), epochs=2, batch_size=8, verbose=0)
    for prefix, data in (("", (x, y)), ("val_", batch(40, 1))):
        expected = retrieval_metrics(data[0] + 2, data[1], metrics=NAMES)
        for name in NAMES:
            assert history.history[prefix + name] == pytest.approx([expected[name]] * 2, abs=1e-6)


def test_too_many_are_no_number():
    x, y = batch(41)
    for metric in metrics():
        metric.update_state(y, x)
        with pytest.warns(UserWarning, match="more than the 40 samples"):
            assert math.isnan(value(metric))
        metric.reset_state()
        metric.update_state(y[:40], x[:40])
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            assert not math.isnan(value(metric))


def test_too_many_in_evaluate_warn():
    (x, y), model = batch(50), embedder()
    model.compile(metrics=metrics(), loss=lambda y, x: 0.0 * x[:, 0])
    with pytest.warns(UserWarning, match="more than the 40 samples"):
        found = model.evaluate(x, y, batch_size=8, verbose=0, return_dict=True)
    assert all(math.isnan(found[name]) for name in NAMES)


@pytest.mark.parametrize(
    ("embeddings", "labels", "expected"),
    [
        ([[0.1] * 3] * 8, [0, 0, 1, 1, 2, 2, 3, 3], 0.0),
        ([[7.7] * 3] * 4, [0, 0, 0, 0], 1.0),
        ([[1.0] * 3] * 4, [0, 1, 2, 3], math.nan),
        ([[math.nan] * 3, *[[1.0] * 3] * 3], [0, 0, 0, 0], math.nan),
        ([[1.0, 2.0, 3.0]], [0], math.nan),
    ],
    ids=["one point", "one class", "nothing to find", "NaN", "one sample"],
)
def test_degenerate(embeddings, labels, expected):
    for metric in metrics():
        metric.update_state(labels, embeddings)
        assert value(metric) == pytest.approx(expected, nan_ok=True)


def test_room_that_is_left_does_not_blur():
    """Rows that are not used must not be where the embeddings are placed around."""
    x, y = batch(12)
    x = np.round(1024 * x) / 1024 + np.float32(4000)
    metric = MAPAtR(**SIZES)
    metric.update_state(y % 2, x)
    expected = retrieval_metrics(x, y % 2)["map_at_r"]
    assert value(metric) == pytest.approx(expected, abs=1e-6)
    assert expected > 0.2


def test_nothing_seen():
    assert all(math.isnan(value(metric)) for metric in metrics())


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="JAX has 32 bits")
def test_large_ids_stay_apart():
    metric = RecallAtK(1, **SIZES)
    x = [[0.0] * 3, [0.1] * 3, [5.0] * 3]
    metric.update_state(keras.ops.convert_to_tensor([2**40, 2**40 + 2**32, 2**40], "int64"), x)
    assert value(metric) == 0.0


def test_a_column_of_labels_and_half_precision():
    x, y = batch(24)
    x = np.round(4 * x)
    metric = MAPAtR(**SIZES)
    metric.update_state(y[:, None], x.astype("float16"))
    assert value(metric) == pytest.approx(retrieval_metrics(x, y)["map_at_r"], abs=1e-6)


def test_saved_with_the_model(tmp_path):
    (x, y), model = batch(24), embedder()
    model.compile("sgd", loss=get_loss("contrastive"), metrics=metrics(distance="cosine"))
    expected = model.evaluate(x, y, verbose=0, return_dict=True)
    model.save(tmp_path / "model.keras")
    assert (tmp_path / "model.keras").stat().st_size < 40_000, "what was seen is not saved"
    again = keras.models.load_model(tmp_path / "model.keras")
    found = again.evaluate(x, y, verbose=0, return_dict=True)
    assert set(NAMES) <= set(found)
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("metric", metrics(distance="cosine", chunk=7), ids=NAMES)
def test_serialisation(metric):
    config = keras.saving.serialize_keras_object(metric)
    again = keras.saving.deserialize_keras_object(config)
    assert type(again) is type(metric)
    assert again.get_config() == metric.get_config()
    assert (again.distance, again.chunk, again.size) == ("cosine", 7, 40)


@pytest.mark.parametrize(
    ("error", "text", "make"),
    [
        (ParameterError, "k above 0", lambda: RecallAtK(0, **SIZES)),
        (ParameterError, "size above 0", lambda: MAPAtR(size=0, embedding_size=3)),
        (ParameterError, "embedding_size above 0", lambda: MAPAtR(size=9, embedding_size=2.5)),
        (ParameterError, "'cosine'", lambda: RPrecision(distance="cos", **SIZES)),
        (DataError, r"\[batch, 3\]", lambda: MAPAtR(**SIZES)([0, 1], np.zeros((2, 4)))),
        (DataError, "several labels", lambda: MAPAtR(**SIZES)(np.eye(2), np.zeros((2, 3)))),
        (DataError, "weights", lambda: MAPAtR(**SIZES)([0, 1], np.zeros((2, 3)), [1, 1])),
    ],
)
def test_errors(error, text, make):
    with pytest.raises(error, match=text):
        make()
