"""From `fit` to another process: the other model is used, kept, and never changed."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from lossplug_core import ConfigError, DataError, TrainingModel, combine, get_loss

rng = np.random.default_rng(0)
X = rng.normal(size=(24, 4)).astype("float32")
IDS = rng.integers(0, 3, 24)
IMAGES = rng.uniform(size=(12, 4, 4, 1)).astype("float32")


@keras.saving.register_keras_serializable(package="lossplug_distillation_tests")
def differences(images):
    """An extractor without weights."""
    return [images[:, 1:] - images[:, :-1], images[:, :, 1:] - images[:, :, :-1]]


def student():
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])


def teacher():
    """With statistics that training would change, and noise that inference has not."""
    return keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(8, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(3),
        ]
    )


def autoencoder():
    return keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Conv2D(1, 3, padding="same")])


def extractor():
    """Of two layers."""
    inputs = keras.Input((4, 4, 1))
    first = keras.layers.BatchNormalization()(keras.layers.Conv2D(4, 3)(inputs))
    return keras.Model(inputs, [first, keras.layers.Conv2D(2, 2)(keras.ops.relu(first))])


def compiled(model, loss, **options):
    training = TrainingModel(model)
    training.compile(keras.optimizers.Adam(0.05), loss=loss, **options)
    return training


def distilling():
    network = teacher()
    return network, compiled(student(), get_loss("distillation", teacher=network)), X, IDS


def perceiving():
    network = extractor()
    loss = get_loss("perceptual", extractor=network, layer_weights=(1.0, 0.5))
    return network, compiled(autoencoder(), loss), IMAGES, IMAGES


either = pytest.mark.parametrize("made", [distilling, perceiving])


@either
def test_the_model_learns_and_the_network_stays_as_it_is(made):
    network, model, x, y = made()
    before = [weight.copy() for weight in network.get_weights()]
    losses = model.fit(x, y, epochs=8, batch_size=12, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    assert len(before) >= 6
    for old, new in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@either
def test_the_network_is_held_but_not_trained(made):
    network, model, _, _ = made()
    own = {id(variable) for variable in network.variables}
    assert own <= {id(variable) for variable in model.non_trainable_variables}
    assert own.isdisjoint(id(variable) for variable in model.trainable_variables)
    assert own.isdisjoint(id(variable) for variable in model.inference_model.variables)
    assert [v.shape for v in model.trainable_variables] == [
        v.shape for v in model.inference_model.trainable_variables
    ]


def test_the_teacher_is_called_as_in_inference():
    _, model, x, y = distilling()
    first, second = (model.evaluate(x, y, verbose=0) for _ in range(2))
    assert first == second  # its dropout is off
    model.optimizer.learning_rate = 0.0
    trained = model.fit(x, y, batch_size=len(x), verbose=0).history["loss"][0]
    assert trained == pytest.approx(first, rel=1e-5)


def test_logits_as_targets_are_the_teacher_itself():
    network = teacher()
    model, logits = student(), network.predict(X, verbose=0)
    initial = model.get_weights()
    targets = {"y_true": IDS, "teacher_logits": logits}

    def trained(loss, y):
        model.set_weights(initial)
        training = compiled(model, loss, metrics=["accuracy"])
        history = training.fit(X, y, epochs=3, shuffle=False, verbose=0).history
        return [*history["loss"], *history["accuracy"], training.evaluate(X, y, verbose=0)[0]]

    with_teacher = trained(get_loss("distillation", teacher=network, temperature=3.0), IDS)
    with_logits = trained(get_loss("precomputed_distillation", temperature=3.0), targets)
    np.testing.assert_allclose(with_logits, with_teacher, rtol=1e-4)


def test_in_a_loop_of_your_own_the_inputs_are_a_target():
    network, model, x, y = distilling()
    logits = model.predict(x, verbose=0)
    loss = get_loss("distillation", teacher=network)
    by_hand = float(loss({"y_true": y, "inputs": x}, logits))
    assert by_hand == pytest.approx(model.evaluate(x, y, batch_size=len(x), verbose=0), rel=1e-5)
    with pytest.raises(DataError, match="needs the target 'inputs'"):
        loss(y, logits)


def test_a_student_can_have_two_teachers():
    losses = [get_loss("distillation", teacher=teacher()) for _ in range(2)]
    model, apart = student(), []
    for loss in losses:
        apart.append(compiled(model, loss).evaluate(X, IDS, verbose=0))
    both = compiled(model, combine([(losses[0], 0.5), (losses[1], 2.0)]))
    found = both.evaluate(X, IDS, verbose=0, return_dict=True)["loss"]
    assert found == pytest.approx(0.5 * apart[0] + 2.0 * apart[1], rel=1e-5)


def test_targets_by_the_wrong_names_are_refused():
    model = compiled(student(), get_loss("precomputed_distillation"))
    with pytest.raises(DataError, match="Did you mean 'teacher_logits'"):
        model.fit(X, {"y_true": IDS, "teachers_logits": X[:, :3]}, verbose=0)


def test_a_teacher_that_shares_layers_with_the_student_is_refused():
    inputs = keras.Input((4,))
    shared = keras.layers.Dense(3)
    network = keras.Model(inputs, shared(inputs))
    model = keras.Model(inputs, keras.layers.Dense(3)(shared(inputs)))
    with pytest.raises(ConfigError, match="shares weights"):
        compiled(model, get_loss("distillation", teacher=network))


def test_a_function_that_is_registered_will_do(tmp_path):
    model = compiled(autoencoder(), get_loss("perceptual", extractor=differences))
    model.fit(IMAGES, IMAGES, verbose=0)
    model.save(tmp_path / "training.keras")
    again = keras.models.load_model(tmp_path / "training.keras")
    expected = model.evaluate(IMAGES, IMAGES, verbose=0)
    assert again.evaluate(IMAGES, IMAGES, verbose=0) == pytest.approx(expected, rel=1e-5)


def test_a_lambda_is_refused_when_it_is_saved(tmp_path):
    model = compiled(student(), get_loss("distillation", teacher=lambda x: x[:, :3]))
    model.fit(X, IDS, verbose=0)
    with pytest.raises(ConfigError, match="lambda"):
        model.save(tmp_path / "training.keras")


def test_what_a_file_needs_is_told_without_keras(tmp_path):
    model = compiled(student(), get_loss("distillation", teacher=teacher()))
    model.fit(X, IDS, verbose=0)
    model.save(tmp_path / "student.keras")
    done = subprocess.run(
        [sys.executable, "-m", "lossplug_core", "inspect", tmp_path / "student.keras"],
        env={**os.environ, "KERAS_BACKEND": "no_such_backend"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "distillation/distillation  here" in done.stdout


LOAD = """
import sys, keras, lossplug_core, numpy as np
for name in sys.argv[1:]:
    data = np.load(f"{name}.npz")
    model = keras.models.load_model(f"{name}.keras")
    print(float(model.evaluate(data["x"], data["y"], verbose=0)))
    model.fit(data["x"], data["y"], verbose=0)
    print(len(keras.models.load_model(f"{name}-shipped.keras").variables))
"""


def test_another_process_restores_the_networks_from_the_file(tmp_path):
    expected = []
    for name, made in (("student", distilling), ("images", perceiving)):
        _, model, x, y = made()
        model.fit(x, y, verbose=0)
        model.save(tmp_path / f"{name}.keras")
        model.inference_model.save(tmp_path / f"{name}-shipped.keras")
        np.savez(tmp_path / f"{name}.npz", x=x, y=y)
        expected += [model.evaluate(x, y, verbose=0), len(model.inference_model.variables)]
    done = subprocess.run(
        [sys.executable, "-c", LOAD, "student", "images"],
        cwd=tmp_path,
        env={**os.environ, "KERAS_BACKEND": keras.backend.backend()},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert [float(word) for word in done.stdout.split()] == pytest.approx(expected, rel=1e-5)
