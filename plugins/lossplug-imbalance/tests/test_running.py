"""Class-balanced loss that counts its classes: what it counts, and how it weighs by it."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lossplug_core import DataError, TrainingModel, get_loss
from lossplug_imbalance import class_balanced, running_class_balanced
from numerics import tensor

CLASSES = 4
rng = np.random.default_rng(0)
BEGINNING = {"frequencies": np.full(CLASSES, 1 / CLASSES), "samples": 0.0}

IDS = [np.array([0, 0, 1, 0, 0]), np.array([2, 0, 1, 0]), np.array([0, 0, 0, 1, 0, 3])]
POSITIONS = [np.array([[0, 0, 2], [0, 1, 0]]), np.array([[3, 0, 0], [0, 0, 0]])]
SOFT = [rng.dirichlet((2.0, 1.0, 0.5, 0.1), 5) for _ in range(4)]
ABSENT = [np.array([0, 0, 1]), np.array([0, 1, 0, 0])]
BATCHES = {"class ids": IDS, "positions": POSITIONS, "soft labels": SOFT, "absent": ABSENT}
FORMS = ("softmax", "sigmoid", "focal")


def one_hot(y_true):
    return y_true if y_true.dtype.kind == "f" else np.eye(CLASSES)[y_true]


def predictions(y_true):
    return rng.normal(0, 2, one_hot(y_true).shape).astype("float32")


def run(batches, weights=BEGINNING, **parameters):
    """The values of each batch, and the states after the last."""
    parameters = {"num_classes": CLASSES, "from_logits": True, **parameters}
    found = []
    for y_true, y_pred in batches:
        weights = {name: tensor(value) for name, value in weights.items()}
        values, weights = running_class_balanced(
            tensor(y_true), tensor(y_pred), weights=weights, **parameters
        )
        found.append(keras.ops.convert_to_numpy(values))
    return found, {name: keras.ops.convert_to_numpy(value) for name, value in weights.items()}


def counts_after(batches, decay=1.0):
    """The counts after some batches, in float64."""
    counts = np.zeros(CLASSES)
    for y_true in batches:
        counts = decay * counts + one_hot(y_true).reshape(-1, CLASSES).sum(0)
    return counts


def balanced(y_true, y_pred, counts, **parameters):
    """`class_balanced` with these counts, where no class is absent or below one sample."""
    counts = np.where(counts > 0, counts, min(counts[counts > 0], default=1))
    values = class_balanced(
        tensor(y_true),
        tensor(y_pred),
        samples_per_class=tuple(np.maximum(counts, 1)),
        from_logits=True,
        **parameters,
    )
    return keras.ops.convert_to_numpy(values)


# --- Counting -------------------------------------------------------------------------------------


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.999, 1.0])
@pytest.mark.parametrize("targets", BATCHES.values(), ids=BATCHES)
def test_each_batch_is_added_to_what_the_decay_leaves(targets, decay):
    _, states = run([(y, predictions(y)) for y in targets], decay=decay)
    expected = counts_after(targets, decay)
    np.testing.assert_allclose(states["samples"], expected.sum(), rtol=1e-6)
    np.testing.assert_allclose(
        states["frequencies"], expected / expected.sum(), rtol=1e-5, atol=1e-7
    )


@pytest.mark.parametrize("decay", [0.0, 1.0])
def test_ids_that_are_no_class_are_not_counted(decay):
    _, states = run([(np.array([-1, 255]), predictions(np.array([0, 0])))], decay=decay)
    assert states["samples"] == 0
    np.testing.assert_array_equal(states["frequencies"], np.float32(1 / CLASSES))


def test_a_decay_of_an_epoch_settles_at_the_counts_of_the_data():
    batches = [(y, predictions(y)) for y in (np.array([0, 0, 0, 1]), np.array([0, 0, 2, 3]))]
    _, states = run(batches * 30, decay=1 - 1 / len(batches))
    np.testing.assert_allclose(states["samples"], 8, rtol=1e-5)


# --- Weighing -------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_the_first_batch_is_not_weighted(form):
    y_pred = predictions(IDS[0])
    (values,), _ = run([(IDS[0], y_pred)], crossentropy=form)
    expected = balanced(IDS[0], y_pred, np.ones(CLASSES), crossentropy=form)
    np.testing.assert_allclose(values, expected, rtol=1e-6)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("decay", [0.9, 1.0])
@pytest.mark.parametrize("beta", [0.0, 0.9, 0.9999, 1.0])
@pytest.mark.parametrize("targets", BATCHES.values(), ids=BATCHES)
def test_a_batch_is_class_balanced_with_the_counts_before_it(targets, beta, decay, form):
    batches = [(y, predictions(y)) for y in targets]
    found, _ = run(batches, decay=decay, beta=beta, crossentropy=form)
    for step, (y_true, y_pred) in enumerate(batches):
        counts = counts_after(targets[:step], decay)
        expected = balanced(y_true, y_pred, counts, beta=beta, crossentropy=form)
        np.testing.assert_allclose(found[step], expected, rtol=1e-5, atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(
    counts=st.lists(st.integers(1, 10**5), min_size=CLASSES, max_size=CLASSES),
    beta=st.floats(0, 1),
)
def test_with_all_counted_it_is_class_balanced(counts, beta):
    total = sum(counts)
    seen = {"frequencies": np.array(counts) / total, "samples": total}
    y_true = np.arange(CLASSES)
    y_pred = predictions(y_true)
    (values,), _ = run([(y_true, y_pred)], seen, beta=beta)
    expected = balanced(y_true, y_pred, np.array(counts), beta=beta)
    np.testing.assert_allclose(values, expected, rtol=2e-5, atol=1e-6)


def weights_with(counts, **parameters):
    """What a sample of each class weighs: its crossentropy is log K if all logits are 0."""
    counts = np.asarray(counts, "float64")
    seen = {"frequencies": counts / counts.sum(), "samples": counts.sum()}
    logits = np.zeros((CLASSES, CLASSES))
    (values,), _ = run([(np.arange(CLASSES), logits)], seen, **parameters)
    return values / np.log(CLASSES)


def test_a_class_that_never_occurred_weighs_as_the_rarest_that_did():
    found = weights_with([80, 8, 0, 4], beta=1.0)
    np.testing.assert_allclose(found / found[0], [1, 10, 20, 20], rtol=1e-5)
    assert found.sum() == pytest.approx(CLASSES)


def test_no_class_counts_as_less_than_one_sample():
    found = weights_with([100, 10, 1e-3, 1e-20], beta=1.0)
    np.testing.assert_allclose(found / found[0], [1, 10, 100, 100], rtol=1e-5)


def test_a_sample_costs_the_same_in_any_batch():
    y_true, y_pred = IDS[2], predictions(IDS[2])
    seen = {"frequencies": np.array([0.7, 0.2, 0.06, 0.04]), "samples": 500.0}
    (together,), _ = run([(y_true, y_pred)], seen)
    alone = [run([(y_true[i : i + 1], y_pred[i : i + 1])], seen)[0][0] for i in range(len(y_true))]
    np.testing.assert_allclose(together, np.concatenate(alone), rtol=1e-6)


def test_another_number_of_classes_is_refused():
    with pytest.raises(DataError, match=r"(?s)Expected .*4\].*Received \(5, 3\)"):
        run([(IDS[0], np.zeros((5, 3)))])


# --- In training ----------------------------------------------------------------------------------


def training_model(**parameters):
    keras.utils.set_random_seed(0)
    model = TrainingModel(keras.Sequential([keras.Input((2,)), keras.layers.Dense(CLASSES)]))
    loss = get_loss("running_class_balanced", num_classes=CLASSES, from_logits=True, **parameters)
    model.compile("sgd", loss=loss)
    return model


def test_training_counts_and_evaluation_does_not():
    x, y = rng.normal(0, 1, (12, 2)).astype("float32"), np.array([0] * 6 + [1] * 3 + [2, 2, 3])
    model = training_model(decay=1.0)
    model.fit(x, y, batch_size=4, epochs=2, verbose=0)
    states = model.loss.values()
    assert states["samples"] == 24
    np.testing.assert_allclose(states["frequencies"], [1 / 2, 1 / 4, 1 / 6, 1 / 12], rtol=1e-5)
    cost = model.evaluate(x, y, batch_size=12, verbose=0)
    assert model.evaluate(x, y, batch_size=4, verbose=0) == pytest.approx(cost, rel=1e-5)
    assert model.loss.values()["samples"] == 24
    expected = balanced(y, np.asarray(model.predict(x, verbose=0)), np.array([12, 6, 4, 2]))
    assert cost == pytest.approx(float(expected.mean()), rel=1e-5)


def test_counts_are_saved_with_the_model(tmp_path):
    x, y = rng.normal(0, 1, (12, 2)).astype("float32"), rng.integers(0, CLASSES, 12)
    model = training_model()
    model.fit(x, y, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for name, value in model.loss.values().items():
        np.testing.assert_array_equal(loaded.loss.values()[name], value)
    loaded.fit(x, y, verbose=0)
    assert loaded.loss.values()["samples"] > 12
