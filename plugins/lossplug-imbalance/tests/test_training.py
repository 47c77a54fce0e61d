"""The losses in `fit`: deferred re-weighting, half precision, and what they learn beforehand."""

import keras
import numpy as np
import pytest

from lossplug_core import DataError, TrainingModel, get_loss
from lossplug_core.schedules import deferred
from lossplug_imbalance import balanced

rng = np.random.default_rng(0)
X = rng.normal(0, 1, (16, 4)).astype("float32")
IDS = np.array([0] * 10 + [1] * 4 + [2] * 2)
ONE_HOT = np.eye(3, dtype="float32")[IDS]
COUNTS = (5000, 300, 20)


def classifier():
    keras.utils.set_random_seed(0)
    return TrainingModel(keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]))


# --- Deferred re-weighting ------------------------------------------------------------------------


@pytest.fixture
def calls(monkeypatch):
    """How often the Python function of `class_balanced` has been called."""
    made = []

    def counted(y_true, y_pred, given=balanced.exclusive):
        made.append(1)
        return given(y_true, y_pred)

    monkeypatch.setattr(balanced, "exclusive", counted)
    return made


def test_deferred_reweighting(calls):
    model = classifier()
    beta = deferred(0.9999, until=3)
    loss = get_loss("class_balanced", samples_per_class=COUNTS, beta=beta, from_logits=True)
    model.compile(keras.optimizers.SGD(0.0), loss=loss)

    def expected(beta):
        fixed = get_loss("class_balanced", samples_per_class=COUNTS, beta=beta, from_logits=True)
        return float(fixed(IDS, model.predict(X, verbose=0)))

    before, after = expected(0.0), expected(float(np.float32(0.9999)))
    plain = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    assert before == pytest.approx(float(plain(IDS, model.predict(X, verbose=0))), rel=1e-5)
    assert abs(after - before) > 0.01
    calls_after_step = []
    counting = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: calls_after_step.append(len(calls))
    )
    calls.clear()
    history = model.fit(
        X, IDS, batch_size=16, epochs=6, shuffle=False, verbose=0, callbacks=[counting]
    ).history
    np.testing.assert_allclose(history["class_balanced_beta"], [0] * 3 + [0.9999] * 3, rtol=1e-6)
    np.testing.assert_allclose(history["loss"], [before] * 3 + [after] * 3, rtol=1e-5)
    if keras.backend.backend() != "torch":  # which compiles nothing
        assert calls_after_step[1:] == [calls_after_step[1]] * 5


# --- Half precision -------------------------------------------------------------------------------

LOSSES = {
    "focal": ("focal", {"alpha": 0.25, "gamma": 0.5, "from_logits": True}, ONE_HOT),
    "categorical_focal": ("categorical_focal", {"gamma": 0.5, "from_logits": True}, IDS),
    "weighted_binary_crossentropy": (
        "weighted_binary_crossentropy",
        {"positive_weight": 9.0, "from_logits": True},
        ONE_HOT,
    ),
    "weighted_categorical_crossentropy": (
        "weighted_categorical_crossentropy",
        {"class_weights": (0.5, 1.0, 8.0), "from_logits": True},
        IDS,
    ),
    **{
        f"class_balanced, {form}": (
            "class_balanced",
            {"samples_per_class": COUNTS, "crossentropy": form, "from_logits": True},
            IDS,
        )
        for form in ("softmax", "focal")
    },
    **{
        f"running_class_balanced, {form}": (
            "running_class_balanced",
            {"num_classes": 3, "crossentropy": form, "from_logits": True},
            IDS,
        )
        for form in ("softmax", "focal")
    },
    "margin_hinge": ("margin_hinge", {"margin": (1.0, 2.0, 4.0), "squared": True}, 2 * ONE_HOT - 1),
}


@pytest.fixture
def _mixed_float16():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    yield
    keras.config.set_dtype_policy(before)


@pytest.mark.usefixtures("_mixed_float16")
@pytest.mark.parametrize(("name", "parameters", "y_true"), LOSSES.values(), ids=LOSSES)
def test_trains_in_mixed_float16(name, parameters, y_true):
    model = classifier()
    model.compile(keras.optimizers.Adam(0.1), loss=get_loss(name, **parameters))
    assert model.inference_model.outputs[0].dtype == "float16"
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    history = model.fit(100 * X, y_true, batch_size=8, epochs=8, verbose=0).history["loss"]
    assert np.isfinite(history).all()
    assert all(np.isfinite(value).all() for value in model.get_weights())
    assert history[-1] < history[0]


# --- What is learned before training --------------------------------------------------------------

MULTILABEL = np.array([[1, 0, 0], [0, 1, 0], [1, 0, 1], [1, 0, 0]])

LEARNED = {
    "class_balanced": ("class_balanced", "samples_per_class", IDS, (10, 4, 2)),
    "class_balanced, one-hot": ("class_balanced", "samples_per_class", ONE_HOT, (10, 4, 2)),
    "weighted_categorical_crossentropy": (
        "weighted_categorical_crossentropy",
        "class_weights",
        IDS,
        (16 / 30, 16 / 12, 16 / 6),
    ),
    "weighted_binary_crossentropy": (
        "weighted_binary_crossentropy",
        "positive_weight",
        (IDS == 2).astype("int32"),
        14 / 2,
    ),
    "weighted_binary_crossentropy, a column": (
        "weighted_binary_crossentropy",
        "positive_weight",
        (IDS == 2)[:, None],
        14 / 2,
    ),
    "weighted_binary_crossentropy, outputs": (
        "weighted_binary_crossentropy",
        "positive_weight",
        MULTILABEL,
        (1 / 3, 3, 3),
    ),
    "weighted_binary_crossentropy, positions": (
        "weighted_binary_crossentropy",
        "positive_weight",
        MULTILABEL.reshape(2, 2, 3),
        (1 / 3, 3, 3),
    ),
    "weighted_binary_crossentropy, soft": (
        "weighted_binary_crossentropy",
        "positive_weight",
        np.array([0.1, 0.1, 0.4, 0.2], "float16"),
        4,
    ),
    "weighted_binary_crossentropy, more than float16 can count": (
        "weighted_binary_crossentropy",
        "positive_weight",
        np.repeat([[1, 0], [0, 1]], 5000, axis=0).astype("float16"),
        (1, 1),
    ),
}
everything_learned = pytest.mark.parametrize(
    ("name", "parameter", "targets", "expected"), LEARNED.values(), ids=LEARNED
)


@everything_learned
def test_adapt_learns(name, parameter, targets, expected):
    whole = get_loss(name).adapt(targets)
    np.testing.assert_allclose(whole.parameters[parameter], expected, rtol=1e-3)
    halves = np.array_split(targets, 2)
    in_batches = get_loss(name).adapt([(None, half) for half in halves])
    np.testing.assert_allclose(in_batches.parameters[parameter], expected, rtol=1e-3)


def test_a_training_model_adapts_its_losses():
    model = classifier()
    model.compile("adam", loss=get_loss("class_balanced", from_logits=True))
    model.adapt(IDS)
    assert model.loss.parameters["samples_per_class"] == (10, 4, 2)
    assert np.isfinite(model.fit(X, IDS, verbose=0).history["loss"]).all()


def test_what_adapt_learns_makes_positives_count_as_much_as_negatives():
    y_true = np.array([0.0, 0.0, 1.0, 0.0, 0.0])
    loss = get_loss("weighted_binary_crossentropy", reduction="none").adapt(y_true)
    values = np.asarray(keras.ops.convert_to_numpy(loss(y_true, np.full(5, 0.5))))
    assert values[y_true > 0].sum() == pytest.approx(values[y_true == 0].sum())


@pytest.mark.parametrize(
    ("targets", "problem"),
    [
        (np.array([-1, 1, -1]), "not binary"),
        (np.array([0.0, np.nan]), "not binary"),
        (np.array([0, 0]), "Output 0 has no positive"),
        (np.array([[0, 1], [1, 1]]), "Output 1 has no negative"),
        (np.zeros((0, 2)), "no targets"),
    ],
)
def test_adapt_refuses_targets_without_two_sides(targets, problem):
    with pytest.raises(DataError, match=problem):
        get_loss("weighted_binary_crossentropy").adapt(targets)
