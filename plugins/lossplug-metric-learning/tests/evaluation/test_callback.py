"""What a callback computes is what `retrieval_metrics` says of the model's embeddings."""

from __future__ import annotations

import csv
import math

import keras
import numpy as np
import pytest

from lossplug_core import TrainingModel, get_loss
from lossplug_core.errors import DataError, ParameterError
from lossplug_metric_learning.evaluation import RetrievalEvaluation, retrieval_metrics

RANDOM = np.random.default_rng(0)
LABELS = np.arange(30, dtype="int32") % 3
X = (np.eye(3)[LABELS] + RANDOM.normal(scale=0.7, size=(30, 3))).astype("float32")
OTHERS, THEIR_LABELS = X[::-1] + 1, LABELS[::-1]
NAMES = ["recall_at_1", "r_precision", "map_at_r"]


def embedder(features=2):
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(features)])


def trained(model, *callbacks, epochs=2, rate=0.1, verbose=0, **options):
    model.compile(keras.optimizers.Adam(rate), get_loss("contrastive"))
    data = {"batch_size": 10, "epochs": epochs, "verbose": verbose, "shuffle": False}
    return model.fit(X, LABELS, callbacks=list(callbacks), **data, **options).history


def of(model, **options):
    return retrieval_metrics(np.asarray(model.predict(X, verbose=0)), LABELS, **options)


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        some = slice(8 * index, 8 * index + 8)
        return X[some], LABELS[some]


def dataset():
    tensorflow = pytest.importorskip("tensorflow")
    return tensorflow.data.Dataset.from_tensor_slices((X, LABELS)).batch(8)


def loader():
    torch = pytest.importorskip("torch")
    data = torch.utils.data.TensorDataset(torch.tensor(X), torch.tensor(LABELS))
    return torch.utils.data.DataLoader(data, batch_size=8)


SOURCES = {
    "arrays": lambda: (X, LABELS),
    "lists of labels": lambda: (X, LABELS.tolist()),
    "tensors": lambda: tuple(map(keras.ops.convert_to_tensor, (X, LABELS))),
    "PyDataset": Batches,
    "tf.data": dataset,
    "DataLoader": loader,
    "list of batches": lambda: [Batches()[i] for i in range(4)],
    "with weights": lambda: [(*Batches()[i], np.ones(8)) for i in range(4)],
}


@pytest.mark.parametrize("source", SOURCES)
def test_data_in_any_form(source):
    evaluation, model = RetrievalEvaluation(SOURCES[source](), batch_size=8), embedder()
    history = trained(model, evaluation)
    assert all(len(history[f"val_{name}"]) == 2 for name in NAMES)
    assert {n: history[f"val_{n}"][-1] for n in NAMES} == pytest.approx(of(model), abs=1e-6)


def test_inputs_in_a_structure():
    a, b = keras.Input((3,), name="a"), keras.Input((3,), name="b")
    model = keras.Model({"a": a, "b": b}, keras.layers.Dense(2)(a + b))
    model.compile("sgd", get_loss("contrastive"))
    x = {"a": X, "b": X}
    evaluation = RetrievalEvaluation((x, LABELS), batch_size=7)
    history = model.fit(x, LABELS, callbacks=[evaluation], verbose=0).history
    expected = retrieval_metrics(np.asarray(model.predict(x, verbose=0)), LABELS)
    assert history["val_map_at_r"][-1] == pytest.approx(expected["map_at_r"], abs=1e-6)


@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
def test_options_and_references(distance):
    model, options = embedder(), {"metrics": ["recall_at_2"], "distance": distance, "chunk": 7}
    evaluation = RetrievalEvaluation(
        (X, LABELS), reference_data=(OTHERS, THEIR_LABELS), prefix="search_", **options
    )
    history = trained(model, evaluation)
    references = np.asarray(model.predict(OTHERS, verbose=0))
    expected = of(model, reference_embeddings=references, reference_labels=THEIR_LABELS, **options)
    assert history["search_recall_at_2"][-1] == pytest.approx(expected["recall_at_2"], abs=1e-6)


def test_a_model_with_a_loss_that_has_weights():
    model = TrainingModel(embedder())
    model.compile("adam", get_loss("arcface", num_classes=3, embedding_size=2))
    evaluation = RetrievalEvaluation((X, LABELS))
    history = model.fit(X, LABELS, epochs=2, callbacks=[evaluation], verbose=0).history
    expected = of(model.inference_model)
    assert history["val_map_at_r"][-1] == pytest.approx(expected["map_at_r"], abs=1e-6)


def test_an_embedder_that_shares_layers():
    inputs = keras.Input((3,))
    embedding = keras.layers.Dense(2)(inputs)
    model = keras.Model(inputs, keras.layers.Dense(3)(embedding))
    part = keras.Model(inputs, embedding)
    model.compile(
        keras.optimizers.Adam(0.1), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    evaluation = RetrievalEvaluation((X, LABELS), embedder=part)
    history = model.fit(X, LABELS, epochs=3, callbacks=[evaluation], verbose=0).history
    assert history["val_map_at_r"][-1] == pytest.approx(of(part)["map_at_r"], abs=1e-6)


def test_training_is_the_same_with_it():
    plain, watched = embedder(), embedder()
    expected = trained(plain, epochs=4)["loss"]
    assert trained(watched, RetrievalEvaluation((X, LABELS)), epochs=4)["loss"] == expected


@pytest.mark.parametrize(
    ("every", "evaluated"), [(1, [0, 1, 2, 3, 4]), (2, [0, 1, 3, 4]), (9, [0, 4])]
)
def test_every(every, evaluated, monkeypatch):
    epochs = []
    evaluation = RetrievalEvaluation((X, LABELS), every=every)

    def evaluate():
        epochs.append(evaluation.epoch)
        return {"map_at_r": float(evaluation.epoch)}

    monkeypatch.setattr(evaluation, "evaluate", evaluate)
    note = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: setattr(evaluation, "epoch", epoch)
    )
    values = trained(embedder(), note, evaluation, epochs=5)["val_map_at_r"]
    assert epochs == evaluated
    assert values == [max(e for e in evaluated if e <= epoch) for epoch in range(5)]


def test_others_monitor_it(tmp_path):
    """Its values are set: the best is after the second epoch."""
    evaluation, model = RetrievalEvaluation((X, LABELS)), embedder()
    values = iter([0.2, 0.5, 0.4, 0.3, 0.2])
    computed = evaluation.evaluate
    evaluation.evaluate = lambda: {**computed(), "map_at_r": next(values)}
    weights = {}
    history = trained(
        model,
        evaluation,
        keras.callbacks.LambdaCallback(
            on_epoch_end=lambda epoch, logs: weights.update({epoch: model.get_weights()})
        ),
        keras.callbacks.ModelCheckpoint(
            tmp_path / "best.keras", monitor="val_map_at_r", mode="max", save_best_only=True
        ),
        keras.callbacks.EarlyStopping(
            "val_map_at_r", mode="max", patience=2, restore_best_weights=True
        ),
        keras.callbacks.CSVLogger(tmp_path / "log.csv"),
        epochs=5,
    )
    assert history["val_map_at_r"] == [0.2, 0.5, 0.4, 0.3], "stopped after two without progress"
    best = keras.models.load_model(tmp_path / "best.keras")
    for received in (best.get_weights(), model.get_weights()):
        for one, expected in zip(received, weights[1], strict=True):
            np.testing.assert_array_equal(one, expected)
    with (tmp_path / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["val_map_at_r"]) for row in rows] == history["val_map_at_r"]


def test_beside_validation_data():
    history = trained(
        embedder(), RetrievalEvaluation((X, LABELS)), validation_data=(X, LABELS), epochs=2
    )
    assert {"loss", "val_loss", "val_map_at_r"} <= set(history)


def test_a_second_training_begins_anew():
    evaluation, model = RetrievalEvaluation((X, LABELS), every=9), embedder()
    trained(model, evaluation)
    history = trained(model, evaluation, epochs=1)
    assert history["val_map_at_r"] == [pytest.approx(of(model)["map_at_r"], abs=1e-6)]


@pytest.mark.parametrize(
    ("verbose", "of_fit", "shown"),
    [("auto", 0, False), ("auto", 1, True), ("auto", 2, False), (0, 1, False), (1, 0, True)],
)
def test_a_progress_bar(verbose, of_fit, shown, capsys):
    evaluation = RetrievalEvaluation((X, LABELS), verbose=verbose, batch_size=8)
    trained(embedder(), evaluation, epochs=1, verbose=of_fit)
    out = capsys.readouterr().out
    assert ("Embedding" in out and "4/4" in out) == shown
    assert ("val_map_at_r" in out) == (of_fit > 0)


def test_a_network_that_has_diverged():
    model = embedder()
    history = trained(model, RetrievalEvaluation((X, LABELS)), epochs=1, rate=math.nan)
    assert math.isnan(history["val_map_at_r"][0])


@pytest.mark.parametrize(
    ("error", "text", "arguments"),
    [
        (ParameterError, "recall_at_1", {"metrics": ["recall_at"]}),
        (ParameterError, "'cosine'", {"distance": "cos"}),
        (ParameterError, "every above 0", {"every": 0}),
        (ParameterError, "batch_size above 0", {"batch_size": -1}),
    ],
)
def test_options_are_checked_before_training(error, text, arguments):
    with pytest.raises(error, match=text):
        RetrievalEvaluation((X, LABELS), **arguments)


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("no data to evaluate", lambda: []),
        ("PyDataset or a list", lambda: iter([(X, LABELS)])),
        ("inputs with labels", lambda: [X, X]),
        ("as many labels as inputs", lambda: (X, LABELS[:9])),
    ],
)
def test_data_that_are_none(text, data):
    with pytest.raises(DataError, match=text):
        trained(embedder(), RetrievalEvaluation(data()))


def test_a_model_that_makes_no_embeddings():
    inputs = keras.Input((3,))
    model = keras.Model(inputs, [keras.layers.Dense(2)(inputs), keras.layers.Dense(1)(inputs)])
    model.compile("sgd", [get_loss("contrastive"), "mse"])
    with pytest.raises(DataError, match="embedder="):
        model.fit(X, [LABELS, X[:, :1]], callbacks=[RetrievalEvaluation((X, LABELS))], verbose=0)
