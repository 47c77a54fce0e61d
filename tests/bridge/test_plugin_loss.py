"""What the bridge does for every loss alike: reduction, weights, masks, dtype, targets, shapes."""

import keras
import numpy as np
import pytest
from keras import ops

from lossplug_core import DataError, PluginLoss, get_loss, loss


@loss(y_true="values", y_pred="values")
def squared(y_true, y_pred):
    """Squared error, one value per sample."""
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


@loss(y_true="labels", y_pred="embeddings")
def same_label(y_true, y_pred):
    """How many samples of the batch have the label of each."""
    same = ops.equal(y_true[:, None], y_true[None, :])
    return ops.sum(ops.cast(same, y_pred.dtype), axis=1) + 0 * ops.sum(y_pred, axis=-1)


@loss(y_true="class_ids|one_hot", y_pred="probabilities")
def target_rank(y_true, y_pred):
    """The number of axes that the target arrives with, 10 more for integers."""
    integer = "int" in keras.backend.standardize_dtype(y_true.dtype)
    return ops.zeros_like(y_pred[..., 0]) + len(y_true.shape) + 10 * integer


@loss(y_true="labels|multi_hot", y_pred="embeddings")
def labels_or_rows(y_true, y_pred):
    """How many labels each sample has, of rows; the label itself, less a million, of integers."""
    if len(y_true.shape) == 2:
        assert y_true.dtype == y_pred.dtype
        return ops.sum(y_true, axis=-1) + 0 * ops.sum(y_pred, axis=-1)
    assert "int" in keras.backend.standardize_dtype(y_true.dtype)
    return ops.cast(y_true - 10**6, "float32") + 0 * ops.sum(y_pred, axis=-1)


@loss(y_true="multi_hot", y_pred="embeddings")
def rows_only(y_true, y_pred):
    """How many labels each sample has."""
    return ops.sum(y_true, axis=-1)


def number(value) -> float:
    return float(ops.convert_to_numpy(value))


RNG = np.random.default_rng(0)
Y_TRUE = RNG.normal(size=(6, 3)).astype("float32")
Y_PRED = RNG.normal(size=(6, 3)).astype("float32")
WEIGHT = np.array([1, 0, 2, 1, 0.5, 1], "float32")


@pytest.mark.parametrize(
    "reduction", ["sum_over_batch_size", "mean", "mean_with_sample_weight", "sum", "none", None]
)
@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_reduction_and_weights_are_those_of_keras(reduction, weight) -> None:
    ours = get_loss(squared, reduction=reduction)(Y_TRUE, Y_PRED, weight)
    keras_own = keras.losses.MeanSquaredError(reduction=reduction)(Y_TRUE, Y_PRED, weight)
    np.testing.assert_allclose(
        ops.convert_to_numpy(ours), ops.convert_to_numpy(keras_own), rtol=1e-6
    )


def test_the_mask_of_the_prediction_is_honoured_in_training() -> None:
    tokens = np.array([[1, 2, 0, 0], [3, 0, 0, 0], [4, 5, 6, 0]])
    target = RNG.normal(size=(3, 4, 2)).astype("float32")
    values = {}
    for name, chosen in {
        "ours": get_loss(squared),
        "keras": keras.losses.MeanSquaredError(),
    }.items():
        keras.utils.set_random_seed(0)
        model = keras.Sequential(
            [keras.layers.Embedding(7, 3, mask_zero=True), keras.layers.Dense(2)]
        )
        model.compile("sgd", loss=chosen)
        values[name] = model.evaluate(tokens, target, verbose=0)
    np.testing.assert_allclose(values["ours"], values["keras"], rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_the_dtype_is_that_of_the_computation(dtype) -> None:
    value = get_loss(squared, dtype=dtype)(Y_TRUE, Y_PRED)
    assert keras.backend.standardize_dtype(value.dtype) == dtype


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8", "bool", "float32"])
def test_targets_that_are_not_labels_are_cast(dtype) -> None:
    target = np.array([[1], [0]], dtype)
    np.testing.assert_allclose(number(get_loss(squared)(target, np.zeros((2, 1)))), 0.5)


@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_integer_labels_stay_integers(dtype) -> None:
    labels = np.array([16777216, 16777217, 16777217], dtype)
    counts = get_loss(same_label, reduction=None)(labels, np.ones((3, 2)))
    assert ops.convert_to_numpy(counts).tolist() == [1, 2, 2]


def test_labels_that_the_backend_would_merge_are_refused() -> None:
    labels = np.array([1, 1 + 2**32], "int64")
    if keras.backend.backend() == "jax":  # which keeps 32 bits
        with pytest.raises(DataError, match="cannot hold"):
            get_loss(same_label)(labels, np.ones((2, 2)))
    else:
        counts = get_loss(same_label, reduction=None)(labels, np.ones((2, 2)))
        assert ops.convert_to_numpy(counts).tolist() == [1, 1]


def test_integer_labels_stay_integers_in_fit() -> None:
    labels = np.array([16777216, 16777217])
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    model.compile("sgd", loss=get_loss(same_label))
    history = model.fit(np.ones((2, 2)), labels, batch_size=2, verbose=0)
    assert history.history["loss"] == [1.0]


@pytest.mark.parametrize(
    ("target", "code"),
    [
        (np.array([0, 2]), 11),
        (np.array([[0], [2]]), 11),
        (np.array([0.0, 2.0], "float32"), 11),
        (np.array([True, False]), 11),
        (np.eye(3)[:2], 2),
        (np.eye(3, dtype="int32")[:2], 2),
    ],
)
def test_class_ids_and_one_hot_are_told_apart_by_shape(target, code) -> None:
    values = get_loss(target_rank, reduction=None)(target, np.ones((2, 3)) / 3)
    assert ops.convert_to_numpy(values).tolist() == [code, code]


ROWS = [[0, 0, 0, 0], [1, 0, 1, 1]]


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8", "bool", "float32", "float16"])
@pytest.mark.parametrize(
    ("function", "target", "values"),
    [
        (labels_or_rows, ROWS, [0, 3]),
        (labels_or_rows, [[1, 1], [0, 1]], [2, 1]),  # as many labels as the prediction is wide
        (rows_only, ROWS, [0, 3]),
        (rows_only, [[1], [0]], [1, 0]),
    ],
)
def test_rows_of_labels_are_of_any_width_and_dtype(function, target, values, dtype) -> None:
    found = get_loss(function, reduction=None)(np.array(target, dtype), np.ones((2, 2)))
    assert ops.convert_to_numpy(found).tolist() == values


@pytest.mark.parametrize("shape", [(2,), (2, 1)])
def test_labels_beside_rows_stay_exact_integers(shape) -> None:
    labels = np.array([16777216, 16777217]).reshape(shape)
    found = get_loss(labels_or_rows, reduction=None)(labels, np.ones((2, 2)))
    assert ops.convert_to_numpy(found).tolist() == [15777216, 15777217]


def test_rows_of_labels_are_trained_with() -> None:
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile("sgd", loss=get_loss(labels_or_rows))
    history = model.fit(np.ones((2, 3)), np.array(ROWS), batch_size=2, verbose=0)
    assert history.history["loss"] == [1.5]


@pytest.mark.parametrize("rows", [[[0, 2], [1, 0]], [[0.5, 1], [1, 0]], [[-1, 1], [0, 0]]])
def test_rows_of_other_numbers_than_0_and_1_are_refused(rows) -> None:
    with pytest.raises(DataError, match="not of 0 and 1"):
        get_loss(labels_or_rows)(np.array(rows), np.ones((2, 2)))


def test_class_ids_have_positions() -> None:
    y_pred = np.ones((2, 4, 5, 3)) / 3
    for target in (np.ones((2, 4, 5), int), np.ones((2, 4, 5, 1), int)):
        values = get_loss(target_rank, reduction=None)(target, y_pred)
        assert ops.convert_to_numpy(values).tolist() == np.full((2, 4, 5), 13).tolist()


@pytest.mark.parametrize(("target", "prediction"), [((4,), (4, 1)), ((4, 1), (4,)), ((4,), (4,))])
def test_one_output_never_broadcasts(target, prediction) -> None:
    @loss(y_true="values", y_pred="values")
    def shape(y_true, y_pred):
        assert y_true.shape == y_pred.shape
        return y_pred

    get_loss(shape)(np.ones(target), np.ones(prediction))


@pytest.mark.parametrize(
    ("function", "target", "prediction"),
    [
        (squared, (4, 3), (5, 3)),
        (squared, (4, 3), (4, 2)),
        (squared, (4,), (4, 2)),
        (squared, (4, 1), (4, 2)),
        (squared, (), (4, 2)),
        (same_label, (4,), (5, 2)),
        (same_label, (4, 2), (4, 2)),
        (labels_or_rows, (5, 3), (4, 2)),
        (labels_or_rows, (4, 3, 2), (4, 2)),
        (labels_or_rows, (), (4, 2)),
        (rows_only, (4,), (4, 2)),
        (target_rank, (4, 2), (4, 3)),
        (target_rank, (5,), (4, 3)),
    ],
)
def test_shapes_that_do_not_fit_are_refused(function, target, prediction) -> None:
    with pytest.raises(DataError, match=r"(?s)Expected.*Received") as caught:
        get_loss(function)(np.ones(target), np.ones(prediction))
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("ids", [[0, 3], [-1, 0], [7, 7]])
def test_class_ids_that_are_no_class_are_refused(ids) -> None:
    with pytest.raises(DataError, match="integers from 0 to 2"):
        get_loss(target_rank)(np.array(ids), np.ones((2, 3)))


def test_class_ids_that_are_no_class_are_loud_in_training_too() -> None:
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3, "softmax")])
    model.compile("sgd", loss=get_loss(target_rank))
    x, ids = np.ones((2, 3), "float32"), np.array([0, 3])
    if keras.backend.backend() == "torch":  # eager: there are values to look at
        with pytest.raises(DataError):
            model.evaluate(x, ids, verbose=0)
    else:
        assert np.isnan(model.evaluate(x, ids, verbose=0))
        assert np.isfinite(model.evaluate(x, ids - 1 + 1 * (ids == 0), verbose=0))


@pytest.mark.parametrize("data", [["a", "b"], [None, None], [[1.0], [1.0, 2.0]]])
def test_what_is_no_array_of_numbers_is_refused(data) -> None:
    with pytest.raises(DataError, match="not an array of numbers"):
        get_loss(squared)(data, np.ones((2, 1)))
    with pytest.raises(DataError, match="not an array of numbers"):
        get_loss(squared)(np.ones((2, 1)), data)


def test_a_batch_of_unknown_size_compiles_once() -> None:
    if keras.backend.backend() != "tensorflow":
        pytest.skip("only TensorFlow traces with a batch of unknown size")
    import tensorflow as tf

    built = get_loss(squared)
    traced = []

    @tf.function(input_signature=[tf.TensorSpec((None, 3)), tf.TensorSpec((None, 3))])
    def step(y_true, y_pred):
        traced.append(1)
        return built(y_true, y_pred)

    for size in (2, 5):
        np.testing.assert_allclose(
            number(step(Y_TRUE[:size], Y_PRED[:size])),
            np.mean((Y_TRUE[:size] - Y_PRED[:size]) ** 2),
            rtol=1e-5,
        )
    assert traced == [1]


@pytest.mark.parametrize("jit_compile", [True, False])
def test_training_gives_what_the_bare_function_gives(jit_compile) -> None:
    if jit_compile and keras.backend.backend() == "torch":
        pytest.skip("torch compiles with a C++ compiler, not with XLA")
    weights = []
    for chosen in (get_loss(squared), squared):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3)])
        model.compile("adam", loss=chosen, jit_compile=jit_compile)
        model.fit(Y_PRED, Y_TRUE, epochs=2, batch_size=3, shuffle=False, verbose=0)
        weights.append(model.get_weights())
    for ours, bare in zip(*weights, strict=True):
        np.testing.assert_allclose(ours, bare, rtol=1e-5, atol=1e-7)


def test_it_is_a_keras_loss() -> None:
    assert isinstance(get_loss(squared), keras.losses.Loss)
    assert issubclass(PluginLoss, keras.losses.Loss)
