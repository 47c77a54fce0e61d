"""The losses in `fit`: what changes, changes in training only, and is kept in the file."""

import keras
import numpy as np
import pytest

from lossplug_core import PluginLoss, TrainingModel, UntrainedLossError, get_loss
from lossplug_core.schedules import Adjustable, Linear

rng = np.random.default_rng(0)
X = rng.normal(size=(32, 3)).astype("float32")
Y = 1e3 * X[:, :2] + rng.normal(0, 10, (32, 2)).astype("float32")


def compiled(loss, model=None, learning_rate=0.0):
    model = TrainingModel(model or keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]))
    model.compile(keras.optimizers.SGD(learning_rate), loss=loss)
    return model


def fit(model, x=X, y=Y, **options):
    return model.fit(x, y, shuffle=False, verbose=0, **options).history


def mean_squared_error(model, x=X, y=Y):
    return np.mean((model.predict(x, verbose=0) - y) ** 2)


# --- scaled_squared_error -------------------------------------------------------------------------


def test_the_scale_follows_its_schedule_and_resumes(tmp_path):
    model = compiled(get_loss("scaled_squared_error", scale=Linear(0.0, 4.0, steps=4)))
    plain = mean_squared_error(model)
    history = fit(model, epochs=2, batch_size=32)
    np.testing.assert_allclose(history["loss"], [0.0, plain], rtol=1e-5, atol=1e-6)
    assert history["scaled_squared_error_scale"] == [0.0, 1.0]

    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.evaluate(X, Y, verbose=0)[0] == pytest.approx(2 * plain, rel=1e-5)
    np.testing.assert_allclose(
        fit(again, epochs=3, batch_size=32)["loss"], [2 * plain, 3 * plain, 4 * plain], rtol=1e-5
    )


def test_the_scale_adapts_when_it_is_set():
    loss = get_loss("scaled_squared_error", scale=Adjustable(1.0))
    model = compiled(loss)
    plain = mean_squared_error(model)

    class Halve(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            loss.assign(scale=loss.current()["scale"] / 2)

    history = fit(model, epochs=3, callbacks=[Halve()])
    np.testing.assert_allclose(history["loss"], [plain, plain / 2, plain / 4], rtol=1e-5)


# --- normalized_squared_error ---------------------------------------------------------------------


@pytest.mark.parametrize("outputs", [None, 2])
def test_the_estimate_grows_in_training_only(outputs):
    loss = get_loss("normalized_squared_error", decay=0.5, outputs=outputs)
    model = compiled(loss)
    model.evaluate(X, Y, verbose=0)
    assert not any(np.any(value) for value in loss.values().values())

    fit(model, batch_size=8)
    batches = Y.reshape(4, 8, 2).astype("float64")
    weights = 0.5 ** np.arange(4)[::-1]
    axes = (1, 2) if outputs is None else 1
    mean, square = (
        np.average(power.mean(axes), axis=0, weights=weights) for power in (batches, batches**2)
    )
    kept = loss.values()
    np.testing.assert_allclose(kept["mean"], mean, rtol=1e-4)
    np.testing.assert_allclose(kept["variance"], square - mean**2, rtol=1e-4)
    assert kept["seen"] == pytest.approx(1 - 0.5**4)

    model.evaluate(10 * X, 10 * Y, verbose=0)
    for name, value in loss.values().items():
        np.testing.assert_array_equal(value, kept[name])


def test_targets_of_any_unit_train_alike():
    initial = [rng.normal(0, 0.1, (3, 2)), np.zeros(2)]
    histories = []
    for unit in (1e-3, 1.0, 1e3):
        inner = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        inner.set_weights([unit * weight for weight in initial])
        # The gradient of a weight is in 1 / unit, and the weight itself in unit.
        model = compiled(get_loss("normalized_squared_error"), inner, 0.1 * unit**2)
        histories.append(fit(model, y=unit * Y / 1e3, epochs=4, batch_size=8)["loss"])
    assert histories[1][-1] < histories[1][0] < 2
    np.testing.assert_allclose(histories[0], histories[1], rtol=1e-3)
    np.testing.assert_allclose(histories[2], histories[1], rtol=1e-3)


def test_the_estimate_is_in_the_file(tmp_path):
    model = compiled(get_loss("normalized_squared_error"))
    fit(model, batch_size=8)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert isinstance(again.loss, PluginLoss)
    for name, value in model.loss.values().items():
        np.testing.assert_array_equal(again.loss.values()[name], value)
    expected = model.evaluate(X, Y, verbose=0)
    assert again.evaluate(X, Y, verbose=0) == pytest.approx(expected, rel=1e-6)


def test_without_a_training_model_it_is_refused():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile("sgd", loss=get_loss("normalized_squared_error"))
    with pytest.raises(UntrainedLossError, match="TrainingModel"):
        model.fit(X, Y, verbose=0)


# --- gaussian_nll ---------------------------------------------------------------------------------


def test_a_model_learns_how_much_it_errs(tmp_path):
    """For each of two groups, as maximum likelihood has it: the mean and the variance in it."""
    loud = rng.integers(0, 2, (512, 1)).astype("float32")
    y = rng.normal(0.5, np.where(loud, 3.0, 1.0)).astype("float32")
    inputs = keras.Input((1,))
    mean, log_variance = (keras.layers.Dense(1, kernel_initializer="zeros") for _ in range(2))
    outputs = {"mean": mean(inputs), "variance": keras.ops.exp(log_variance(inputs))}
    model = TrainingModel(keras.Model(inputs, outputs))
    model.compile(keras.optimizers.Adam(0.2), loss=get_loss("gaussian_nll"))
    fit(model, loud, y, epochs=150, batch_size=512)
    groups = [y[loud == is_loud] for is_loud in (0, 1)]
    found = model.inference_model.predict(np.array([[0.0], [1.0]]), verbose=0)
    np.testing.assert_allclose(found["mean"][:, 0], [g.mean() for g in groups], atol=0.05)
    np.testing.assert_allclose(found["variance"][:, 0], [g.var() for g in groups], rtol=0.05)

    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    expected = model.evaluate(loud, y, verbose=0)
    assert again.evaluate(loud, y, verbose=0) == pytest.approx(expected, rel=1e-5)
