"""Losses on two outputs: values, gradients, degenerate batches, hard negatives, training."""

from __future__ import annotations

import functools
from dataclasses import replace

import keras
import numpy as np
import pytest

from lossplug_core import TrainingModel, get_loss
from lossplug_core.errors import DataError
from lossplug_core.spec import ATTRIBUTE, spec_of
from lossplug_core.testing import parametrize_with_checks
from lossplug_metric_learning import info_nce, n_pairs, siglip
from numerics import Case, check_finite, check_gradient, check_jit, check_values
from views_oracles import oracle_info_nce, oracle_n_pairs, oracle_siglip

ORACLES = {info_nce: oracle_info_nce, siglip: oracle_siglip, n_pairs: oracle_n_pairs}


def of_rows(function):
    """The loss, or its oracle, of one array `[batch, 2 + further, features]`."""

    @functools.wraps(function)
    def of_one(y_true, y_pred, **given):
        left, right = y_pred[:, 0], y_pred[:, 1:] if y_pred.shape[1] > 2 else y_pred[:, 1]
        if spec is None:
            return function(y_true, left, right, **given)
        return function(y_true, dict(zip(spec.outputs, (left, right), strict=True)), **given)

    spec = spec_of(function)
    if spec is not None:
        setattr(of_one, ATTRIBUTE, replace(spec, function=of_one))
    return of_one


RANDOM = np.random.default_rng(7)
NUMBERS = np.arange(7)
LABELS = np.array([0, 1, 0, 2, 1, 0, 3])
MULTI_HOT = (RANDOM.random((7, 4)) < 0.4).astype("int32") * (NUMBERS != 2)[:, None]
PAIRS = RANDOM.normal(size=(7, 2, 3))
WITH_HARD = RANDOM.normal(size=(7, 4, 3))
WEIGHTS = {"log_scale": np.array(1.2), "bias": np.array(-0.7)}


def case(name, loss, y_true, y_pred, **parameters):
    weights = WEIGHTS if loss is siglip else {}
    oracle = of_rows(ORACLES[loss])
    return Case(name, of_rows(loss), y_true, y_pred, oracle, parameters, weights)


CASES = [
    case("defaults", info_nce, NUMBERS, PAIRS),
    case("labels", info_nce, LABELS, PAIRS),
    case("column", info_nce, LABELS[:, None], PAIRS),
    case("temperature", info_nce, LABELS, PAIRS, temperature=0.1),
    case("cosine", info_nce, LABELS, PAIRS, temperature=0.05, normalize=True),
    case("symmetric", info_nce, LABELS, PAIRS, symmetric=True),
    case("hard", info_nce, LABELS, WITH_HARD),
    case("one-hard", info_nce, LABELS, WITH_HARD[:, :3]),
    case("hard-cosine", info_nce, NUMBERS, WITH_HARD, normalize=True, temperature=0.2),
    case("hard-symmetric", info_nce, LABELS, WITH_HARD, symmetric=True),
    case("numbers", siglip, NUMBERS, PAIRS),
    case("labels", siglip, LABELS, PAIRS),
    case("column", siglip, LABELS[:, None], PAIRS),
    case("numbers", n_pairs, NUMBERS, PAIRS),
    case("labels", n_pairs, LABELS, PAIRS),
    case("column", n_pairs, LABELS[:, None], PAIRS),
    case("several-labels", n_pairs, MULTI_HOT, PAIRS),
    case("one-hot", n_pairs, np.eye(4, dtype="int32")[LABELS], PAIRS),
    case("length", n_pairs, LABELS, PAIRS, regularizer="length"),
    case("square", n_pairs, LABELS, PAIRS, regularizer={"name": "length", "power": 2}),
]


@pytest.mark.parametrize("check", [check_values, check_gradient])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(case, check):
    check(case)


@pytest.mark.parametrize("weight", WEIGHTS)
def test_gradient_in_the_weights(weight):
    check_gradient(case("weights", siglip, LABELS, PAIRS), argument=weight)


BATCHES = {
    "one-sample": (LABELS[:1], PAIRS[:1]),
    "one-class": (np.zeros(7, "int32"), PAIRS),
    "all-equal": (LABELS, np.full((7, 2, 3), 0.7)),
    "all-zero": (LABELS, np.zeros((7, 2, 3))),
    "one-zero": (LABELS, PAIRS * (NUMBERS != 2)[:, None, None]),
    "duplicates": (LABELS, PAIRS[NUMBERS // 2]),
}
DEGENERATE = [
    case(name, loss, *batch, **parameters)
    for name, batch in BATCHES.items()
    for loss, parameters in [
        (info_nce, {}),
        (info_nce, {"normalize": True, "symmetric": True}),
        (siglip, {}),
        (n_pairs, {}),
        (n_pairs, {"regularizer": "length"}),
    ]
]


@pytest.mark.parametrize("check", [check_values, check_finite])
@pytest.mark.parametrize("case", DEGENERATE, ids=str)
def test_degenerate_batch(case, check):
    check(case)


@pytest.mark.parametrize("loss", ORACLES)
def test_huge_embeddings_are_finite(loss):
    check_finite(case("huge", loss, LABELS, PAIRS * 1e4))


def test_no_label_at_all_is_a_pair_of_its_own():
    none, own = np.zeros((7, 4), "int32"), NUMBERS
    received = case("none", n_pairs, none, PAIRS).computed()
    for value, expected in zip(received, case("own", n_pairs, own, PAIRS).computed(), strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-6)


CHUNKED = [
    (info_nce, LABELS, WITH_HARD, {"symmetric": True}),
    (siglip, LABELS, PAIRS, {}),
    (n_pairs, LABELS, PAIRS, {}),
    (n_pairs, MULTI_HOT, PAIRS, {}),
]


@pytest.mark.parametrize("row", CHUNKED, ids=lambda row: row[0].__name__)
@pytest.mark.parametrize("chunk", [1, 3, 7])
def test_a_chunk_changes_nothing(row, chunk):
    loss, y_true, y_pred, parameters = row
    whole = case("whole", loss, y_true, y_pred, **parameters)
    parts = case("parts", loss, y_true, y_pred, chunk=chunk, **parameters)
    for received, expected in zip(parts.computed(), whole.computed(), strict=True):
        np.testing.assert_allclose(received, expected, rtol=2e-5, atol=1e-6)
    check_jit(parts)


def test_a_chunk_has_the_gradient_of_the_weights():
    for weight in WEIGHTS:
        check_gradient(case("parts", siglip, LABELS, PAIRS, chunk=3), argument=weight)


def test_outputs_are_told_apart_by_name():
    y_pred = {"queries": PAIRS[:, 0], "documents": PAIRS[:, 1]}
    turned = dict(reversed(y_pred.items()))
    values, same = info_nce(LABELS, y_pred), info_nce(LABELS, turned)
    np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, (values, same)))


@pytest.mark.parametrize(
    "shapes",
    [((4, 3), (4, 2)), ((4, 3), (5, 3)), ((4, 3), (4, 2, 2)), ((4, 3), (4, 2, 2, 3))],
    ids=str,
)
def test_other_shapes_are_refused(shapes):
    left, right = (np.zeros(shape, "float32") for shape in shapes)
    with pytest.raises(DataError, match="documents"):
        info_nce(np.arange(4), {"queries": left, "documents": right})


def test_only_documents_may_be_several():
    y_pred = {"images": np.zeros((4, 3), "float32"), "texts": np.zeros((4, 2, 3), "float32")}
    with pytest.raises(DataError, match="texts"):
        siglip(np.arange(4), y_pred, weights=WEIGHTS)


def two_outputs(first, second, further=0):
    """A model whose second output must learn to be the first."""
    inputs = keras.Input((8,))
    left = keras.layers.Dense(4)(inputs)
    right = keras.layers.Dense(4 * (1 + further))(inputs)
    if further:
        right = keras.layers.Reshape((1 + further, 4))(right)
    return keras.Model(inputs, {first: left, second: right})


def trains(model):
    x = np.random.default_rng(0).normal(size=(32, 8)).astype("float32")
    losses = model.fit(x, np.arange(32), epochs=8, batch_size=16, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("further", [0, 2])
def test_info_nce_trains(further):
    keras.utils.set_random_seed(0)
    model = TrainingModel(two_outputs("queries", "documents", further))
    loss = get_loss("info_nce", convention="sentence-transformers")
    model.compile(keras.optimizers.Adam(0.05), loss=loss)
    trains(model)


def test_siglip_trains_its_weights():
    keras.utils.set_random_seed(0)
    model = TrainingModel(two_outputs("images", "texts"))
    loss = get_loss("siglip")
    before = [float(weight) for weight in loss.trainable_variables]
    np.testing.assert_allclose(sorted(before), [-10.0, np.log(10)], rtol=1e-6)
    model.compile(keras.optimizers.Adam(0.05), loss=loss)
    trains(model)
    after = [float(weight) for weight in loss.trainable_variables]
    assert np.abs(np.subtract(after, before)).min() > 1e-3


def by_name(oracle):
    """The oracle of outputs by name; the weights are new."""

    def of_outputs(y_true, y_pred, **given):
        if oracle is oracle_siglip:
            scale, bias = np.log(given["initial_scale"]), given["initial_bias"]
            given["weights"] = {"log_scale": scale, "bias": bias}
        return oracle(y_true, *y_pred.values(), **given)

    return of_outputs


@parametrize_with_checks(
    [f"metric-learning/{loss.__name__}" for loss in ORACLES],
    only=["oracle"],
    oracles={
        loss.__name__: dict.fromkeys([None, *spec_of(loss).conventions], by_name(oracle))
        for loss, oracle in ORACLES.items()
    },
)
def test_agrees_on_drawn_data(loss, check):
    check(loss)
