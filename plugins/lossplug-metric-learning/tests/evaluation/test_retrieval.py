"""`retrieval_metrics` against its definition, in NumPy float64, and what it says of odd data."""

from __future__ import annotations

import math
import sys

import keras
import numpy as np
import pytest

from lossplug_core.errors import BackendError, DataError, ParameterError
from lossplug_metric_learning.evaluation import retrieval_metrics

METRICS = ("recall_at_1", "recall_at_2", "recall_at_10", "r_precision", "map_at_r")
DISTANCES = ("euclidean", "cosine", "inner_product")
SIZES = [  # samples, features, classes; how many at once
    pytest.param((9, 2, 3), 1024, id="few"),
    pytest.param((40, 8, 4), 20, id="in parts"),
    pytest.param((65, 3, 30), 64, id="many classes, one left over"),
]


def distance_between(a, b, distance):
    if distance == "inner_product":
        return -float(a @ b)
    if distance == "cosine":
        a, b = (v / (np.linalg.norm(v) or 1.0) for v in (a, b))
    return float(np.linalg.norm(a - b))


def share(a, b):
    return bool(np.any(np.logical_and(a, b))) if np.ndim(a) else bool(a == b)


def expected(embeddings, labels, references=None, reference_labels=None, distance="euclidean"):
    """A function of the name of a metric."""
    alone = references is None
    if alone:
        references, reference_labels = embeddings, labels
    ordered = []
    for i, (query, label) in enumerate(zip(np.float64(embeddings), labels, strict=True)):
        others = [j for j in range(len(references)) if not (alone and i == j)]
        far = [distance_between(query, np.float64(references[j]), distance) for j in others]
        hits = [share(label, reference_labels[j]) for j in others]
        # Of those equally far, other classes come first.
        ordered.append([hit for _, hit in sorted(zip(far, hits, strict=True))])

    def metric(name):
        return float(np.mean([score(name, hits) for hits in ordered if any(hits)] or [np.nan]))

    return metric


def score(name, hits):
    if name.startswith("recall_at_"):
        return float(any(hits[: int(name.removeprefix("recall_at_"))]))
    relevant = sum(hits)
    if name == "r_precision":
        return sum(hits[:relevant]) / relevant
    return sum(sum(hits[: i + 1]) / (i + 1) for i in range(relevant) if hits[i]) / relevant


def batch(samples, features, classes, seed=0):
    random = np.random.default_rng((samples, seed))
    labels = random.integers(0, classes, samples)
    return random.normal(size=(samples, features)).astype("float32"), labels


def agree(received, metric):
    assert list(received) == list(METRICS)
    expected = {name: metric(name) for name in received}
    assert received == pytest.approx(expected, abs=1e-6, nan_ok=True)


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize(("sizes", "chunk"), SIZES)
def test_among_themselves(sizes, distance, chunk):
    x, y = batch(*sizes)
    received = retrieval_metrics(x, y, metrics=METRICS, distance=distance, chunk=chunk)
    agree(received, expected(x, y, distance=distance))


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize(("sizes", "chunk"), SIZES)
def test_among_references(sizes, distance, chunk):
    x, y = batch(*sizes)
    references, labels = batch(2 * sizes[0], sizes[1], sizes[2] + 2, seed=1)
    received = retrieval_metrics(
        x,
        y,
        reference_embeddings=references,
        reference_labels=labels,
        metrics=METRICS,
        distance=distance,
        chunk=chunk,
    )
    agree(received, expected(x, y, references, labels, distance=distance))


def test_several_labels_a_sample():
    x, _ = batch(30, 4, 2)
    y = (np.random.default_rng(0).random((30, 6)) < 0.2).astype("int32")
    assert not y.any(axis=1).all(), "a sample without labels is of no class"
    agree(retrieval_metrics(x, y, metrics=METRICS, chunk=15), expected(x, y))
    several = {"reference_embeddings": x[:9], "reference_labels": y[:9]}
    agree(retrieval_metrics(x, y, metrics=METRICS, **several), expected(x, y, x[:9], y[:9]))


def test_rows_of_one_1_are_classes():
    x, y = batch(40, 8, 4)
    assert retrieval_metrics(x, np.eye(4)[y]) == retrieval_metrics(x, y)


@pytest.mark.parametrize(
    "labels",
    [
        np.array(list("abcd"))[batch(40, 8, 4)[1]],
        batch(40, 8, 4)[1] + 2**40,
        batch(40, 8, 4)[1].tolist(),
        batch(40, 8, 4)[1][:, None],
        batch(40, 8, 4)[1].astype("float32"),
    ],
    ids=["strings", "large", "list", "column", "floats"],
)
def test_labels_of_any_type(labels):
    x, y = batch(40, 8, 4)
    assert retrieval_metrics(x, labels) == retrieval_metrics(x, y)


def test_tensors():
    x, y = batch(40, 8, 4)
    tensors = keras.ops.convert_to_tensor(x), keras.ops.convert_to_tensor(y.astype("int32"))
    assert retrieval_metrics(*tensors) == retrieval_metrics(x, y)


ONE = dict.fromkeys(METRICS, 1.0)
ZERO = dict.fromkeys(METRICS, 0.0)
NONE = dict.fromkeys(METRICS, math.nan)
X = batch(12, 3, 2)[0]


@pytest.mark.parametrize(
    ("embeddings", "labels", "value"),
    [
        pytest.param(X, [0] * 12, ONE, id="one class"),
        pytest.param(X, range(12), NONE, id="each its own class"),
        pytest.param(X[:1], [0], NONE, id="one sample"),
        pytest.param(X[:0], [], NONE, id="no sample"),
        pytest.param(X[:2], [0, 0], ONE, id="one pair"),
        pytest.param(X * np.nan, [0, 1] * 6, NONE, id="NaN"),
        pytest.param(X * np.inf, [0, 1] * 6, NONE, id="infinite"),
        pytest.param(np.eye(3)[[0, 0, 1, 1, 2]], [0, 0, 1, 1, 2], ONE, id="lone sample left out"),
    ],
)
def test_degenerate(embeddings, labels, value):
    received = retrieval_metrics(embeddings, np.array(labels, int), metrics=METRICS)
    assert received == pytest.approx(value, nan_ok=True)


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("point", [0.0, -1234.567])
def test_a_point_retrieves_nothing(point, distance):
    """All equally far: others first. Rounding must not tell them apart."""
    x = np.full((40, 7), point, "float32")
    y = np.arange(40) % 20
    received = retrieval_metrics(x, y, metrics=METRICS, distance=distance, chunk=20)
    assert received == ZERO


@pytest.mark.parametrize("first", [0, 1])
def test_equally_far_are_not_cut_apart(first):
    """More than are looked at, and all of one class at the front."""
    y = np.repeat([first, 1 - first], 40)
    received = retrieval_metrics(np.ones((80, 2)), y, metrics=METRICS)
    agree(received, expected(np.ones((80, 2)), y))


def test_one_direction_retrieves_nothing():
    """Lengths differ, and with them the last digits of what cosine sees."""
    x = np.outer(np.arange(1, 41), np.linspace(1, 2, 7)).astype("float32")
    y = np.arange(40) % 20
    assert retrieval_metrics(x, y, metrics=METRICS, distance="cosine") == ZERO


def test_the_order_of_data_does_not_matter():
    x, y = batch(40, 1, 4)
    x = np.round(x)  # many are equally far
    order = np.random.default_rng(1).permutation(40)
    there, back = (retrieval_metrics(x[i], y[i], metrics=METRICS) for i in (range(40), order))
    assert there == pytest.approx(back)
    agree(there, expected(x, y))


@pytest.mark.parametrize("scale", [1e-30, 1e-4, 1e4, 1e37])
@pytest.mark.parametrize("distance", DISTANCES)
def test_scale_changes_nothing(scale, distance):
    x, y = batch(40, 8, 4)
    received = retrieval_metrics(x * np.float32(scale), y, metrics=METRICS, distance=distance)
    agree(received, expected(x, y, distance=distance))


def test_far_from_the_origin():
    x, y = batch(40, 8, 4)
    x = np.round(1024 * x) / 1024  # exact also where it is moved to
    agree(retrieval_metrics(x + np.float32(1000), y, metrics=METRICS), expected(x, y))


def test_normalize_is_cosine():
    x, y = batch(40, 8, 4)
    received = retrieval_metrics(x, y, metrics=METRICS, normalize=True)
    agree(received, expected(x, y, distance="cosine"))


@pytest.mark.parametrize("dtype", ["float16", "float64", "int32"])
def test_dtypes(dtype):
    x, y = batch(40, 8, 4)
    x = np.round(20 * x)
    received = retrieval_metrics(x.astype(dtype), y, metrics=METRICS)
    agree(received, expected(x, y))


def test_precision_at_1_is_recall_at_1():
    x, y = batch(40, 8, 4)
    received = retrieval_metrics(x, y, metrics=("precision_at_1", "recall_at_1"))
    assert received["precision_at_1"] == received["recall_at_1"]


def test_clusters():
    pytest.importorskip("sklearn")
    y = np.repeat(np.arange(4), 10)
    x = 20 * np.eye(4)[y] + np.random.default_rng(0).normal(size=(40, 4))
    assert retrieval_metrics(x, y, metrics=("nmi", "ami")) == {"nmi": 1.0, "ami": 1.0}
    shuffled = np.random.default_rng(0).permutation(y)
    values = retrieval_metrics(x, shuffled, metrics=("nmi", "map_at_r", "ami"))
    assert list(values) == ["nmi", "map_at_r", "ami"]
    assert values["ami"] < values["nmi"] < 0.3
    assert values == retrieval_metrics(x, shuffled, metrics=("nmi", "map_at_r", "ami"))


@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
def test_clusters_of_directions(distance):
    """Two directions, two lengths: which of them the classes are, the distance decides."""
    pytest.importorskip("sklearn")
    angles = np.random.default_rng(0).normal(scale=0.01, size=40) + np.repeat([0.0, 0.5], 20)
    x = np.stack([np.cos(angles), np.sin(angles)], axis=1) * np.tile([[1.0], [9.0]], (20, 1))
    value = retrieval_metrics(x, np.repeat([0, 1], 20), metrics="nmi", distance=distance)["nmi"]
    assert value == (1.0 if distance == "cosine" else pytest.approx(0.0, abs=1e-6))


def test_without_scikit_learn(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    x, y = batch(9, 2, 3)
    with pytest.raises(BackendError, match=r'pip install "lossplug-metric-learning\[evaluation\]"'):
        retrieval_metrics(x, y, metrics=("nmi",))
    retrieval_metrics(x, y)


@pytest.mark.parametrize(
    ("error", "text", "change"),
    [
        (ParameterError, "recall_at_1", {"metrics": ("recal_at_1",)}),
        (ParameterError, "recall_at_K", {"metrics": ("recall_at_0",)}),
        (ParameterError, "map_at_r", {"metrics": "MAP_at_R"}),
        (ParameterError, "'cosine'", {"distance": "manhattan"}),
        (ParameterError, "above 0", {"chunk": 0}),
        (DataError, "9 labels", {"labels": [0, 1]}),
        (DataError, "0 and 1", {"labels": np.full((9, 2), 2)}),
        (DataError, "samples, features", {"embeddings": np.zeros(9)}),
        (DataError, "Give reference_labels", {"reference_embeddings": np.zeros((3, 2))}),
        (DataError, "Give reference_embeddings", {"reference_labels": [0, 1, 2]}),
        (
            DataError,
            r"\[references, 2\]",
            {"reference_embeddings": np.zeros((3, 5)), "reference_labels": [0, 1, 2]},
        ),
        (DataError, "of which each sample has one", {"labels": np.eye(9), "metrics": ("nmi",)}),
    ],
)
def test_errors(error, text, change):
    x, y = batch(9, 2, 3)
    arguments = {"embeddings": x, "labels": y, **change}
    with pytest.raises(error, match=text):
        retrieval_metrics(**arguments)
