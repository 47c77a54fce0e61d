"""Losses that remember agree with their papers, batch after batch, and in training."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lossplug_core import DataError, ParameterError, TrainingModel, get_loss
from lossplug_core.params import validate
from lossplug_core.spec import spec_of
from lossplug_core.testing import parametrize_with_checks
from lossplug_imbalance import early_learning_regularisation, equalization, seesaw
from numerics import Case, check_finite, check_gradient, check_jit, check_values, tensor
from probabilities import (
    DISTRIBUTIONS,
    HUGE_IDS,
    HUGE_LOGITS,
    ID_POSITIONS,
    IDS,
    LOGITS,
    POSITIONS,
    PROBABILITIES,
    SATURATED,
    SOFT_LABELS,
    log_softmax,
    one_hot,
)

# --- The papers, in NumPy: the values of a batch, and what is remembered after it -----------------


def seesaw_paper(
    y_true, y_pred, num_classes, p, q, min_score, from_logits, weights=None, constant=None
):
    """`constant` are the predictions of the factors, through which no gradient goes."""
    counts = np.zeros(num_classes) if weights is None else weights["counts"]
    targets = one_hot(y_true, y_pred)
    log_p = log_softmax(y_pred, from_logits)
    of_factors = log_p if constant is None else log_softmax(constant, from_logits)
    values = np.zeros(targets.shape[:-1])
    for place in np.ndindex(values.shape):
        right, z, scores = targets[place].argmax(), log_p[place], of_factors[place]
        ratio = np.maximum(counts, 1) / max(counts[right], 1)
        with np.errstate(divide="ignore"):
            likelier = scores - max(scores[right], np.log(min_score))
        log_factors = p * np.log(np.minimum(1, ratio)) + q * np.maximum(0, likelier)
        adjusted = z + np.where(np.arange(num_classes) == right, 0, log_factors)
        values[place] = -targets[place] @ (adjusted - np.logaddexp.reduce(adjusted))
    return values, {"counts": counts + targets.reshape(-1, num_classes).sum(0)}


def equalization_paper(y_true, y_pred, num_classes, gamma, mu, alpha, from_logits, weights=None):
    zeros = np.zeros(num_classes)
    weights = weights or {"positive_gradients": zeros, "negative_gradients": zeros}
    positive, negative = weights["positive_gradients"], weights["negative_gradients"]
    targets = one_hot(y_true, y_pred)
    if from_logits:
        log_p, log_not_p = -np.logaddexp(0, -y_pred), -np.logaddexp(0, y_pred)
    else:
        p = np.clip(y_pred, 1e-7, 1 - 1e-7)
        log_p, log_not_p = np.log(p), np.log(1 - p)
    ratio = np.where(positive + negative > 0, positive / (negative + 1e-10), 100)
    r = 1 / (1 + np.exp(-gamma * (ratio - mu)))
    q = 1 + alpha * (1 - r)
    values = -(q * targets * log_p + r * (1 - targets) * log_not_p).sum(-1)
    of_positives = q * targets * np.exp(log_not_p)
    of_negatives = r * (1 - targets) * np.exp(log_p)
    return values, {
        "positive_gradients": positive + of_positives.reshape(-1, num_classes).sum(0),
        "negative_gradients": negative + of_negatives.reshape(-1, num_classes).sum(0),
    }


def early_learning_paper(
    y_true,
    y_pred,
    index,
    num_samples,
    num_classes,
    strength,
    decay,
    clip,
    from_logits,
    weights=None,
    constant=None,
):
    memory = np.zeros((num_samples, num_classes)) if weights is None else weights["targets"]
    targets, index = one_hot(y_true, y_pred), index.reshape(y_pred.shape[:-1])
    log_p = log_softmax(y_pred, from_logits)
    p = np.clip(np.exp(log_p), clip, 1 - clip)
    held = p if constant is None else np.exp(log_softmax(constant, from_logits))
    held = np.clip(held, clip, 1 - clip)
    values, visits = -(targets * log_p).sum(-1), {}
    for place in np.ndindex(values.shape):
        if not 0 <= index[place] < num_samples:
            continue
        own = held[place] / held[place].sum()
        mean = decay * memory[index[place]] + (1 - decay) * own
        values[place] += strength * np.log(max(1 - mean @ p[place], 1e-6))
        visits.setdefault(index[place], []).append(mean)
    remembered = memory.copy()
    for sample, means in visits.items():
        remembered[sample] = np.mean(means, axis=0)
    return values, {"targets": remembered}


PAPERS = {
    seesaw: seesaw_paper,
    equalization: equalization_paper,
    early_learning_regularisation: early_learning_paper,
}


def values_of(loss, constant=None):
    """A paper as the oracle of a case: the values, with what stops gradients held."""
    held = {} if loss is equalization else {"constant": constant}
    return lambda *arguments, **more: PAPERS[loss](*arguments, **held, **more)[0]


# --- The data -------------------------------------------------------------------------------------

rng = np.random.default_rng(0)

LABELS = np.array([[1, 0, 0], [0, 0, 0], [1, 1, 1], [0, 1, 0], [0, 0, 1]])
INDEX = np.array([4, 0, 5, -1, 2])
PLACES = np.array([[0, 1, 1, 3], [4, 5, -1, 0]])

COUNTED = {"counts": np.array([700.0, 40.0, 0.0])}
GRADIENTS = {
    "positive_gradients": np.array([30.0, 5.0, 0.0]),
    "negative_gradients": np.array([25.0, 7.0, 9.0]),
}
MEANS = {"targets": rng.dirichlet((1.0, 1.0, 1.0), 6) * np.array([[0, 0.3, 1, 1, 0.5, 0.7]]).T}

logits = {"from_logits": True}


def of(loss, name, y_true, y_pred, weights, further=None, **parameters):
    constant = np.asarray(np.asarray(y_pred, "float32"), "float64")
    oracle = values_of(loss, constant)
    parameters = {"num_classes": 3, **parameters}
    return Case(name, loss, y_true, y_pred, oracle, parameters, weights, further or {})


def seesaw_case(name, y_true, y_pred, weights=COUNTED, **parameters):
    return of(seesaw, name, y_true, y_pred, weights, **parameters)


def equalization_case(name, y_true, y_pred, weights=GRADIENTS, **parameters):
    return of(equalization, name, y_true, y_pred, weights, **parameters)


def early_case(name, y_true, y_pred, index=INDEX, **parameters):
    parameters = {"num_samples": 6, **parameters}
    further, loss = {"index": index}, early_learning_regularisation
    return of(loss, name, y_true, y_pred, MEANS, further, **parameters)


CASES = [
    seesaw_case("logits", IDS, LOGITS, **logits),
    seesaw_case("probabilities", IDS, DISTRIBUTIONS),
    seesaw_case("limited", np.eye(3)[IDS], LOGITS, min_score=0.2, **logits),
    seesaw_case("soft", SOFT_LABELS, LOGITS, **logits),
    seesaw_case("fractional powers", IDS, LOGITS, p=0.3, q=0.5, **logits),
    seesaw_case("positions", ID_POSITIONS, POSITIONS, **logits),
    seesaw_case("huge logits", HUGE_IDS, HUGE_LOGITS, **logits),
    equalization_case("logits", IDS, LOGITS, **logits),
    equalization_case("probabilities", IDS, PROBABILITIES),
    equalization_case("several labels", LABELS, LOGITS, **logits),
    equalization_case("soft", SOFT_LABELS, LOGITS, gamma=2, mu=1.5, alpha=0.5, **logits),
    equalization_case("positions", ID_POSITIONS, POSITIONS, **logits),
    equalization_case("huge logits", HUGE_IDS, HUGE_LOGITS, **logits),
    early_case("logits", IDS, LOGITS, **logits),
    early_case("probabilities", IDS, DISTRIBUTIONS),
    early_case("not clipped", IDS, LOGITS, clip=0, strength=7, decay=0.9, **logits),
    early_case("soft", SOFT_LABELS, LOGITS, clip=0.01, **logits),
    early_case("positions", ID_POSITIONS, POSITIONS, PLACES, **logits),
    early_case("huge logits", HUGE_IDS, HUGE_LOGITS, INDEX[:4], **logits),
]

EXTREMES = [
    *[seesaw_case(f"saturated, {q=}", HUGE_IDS, SATURATED, q=q) for q in (0.5, 10)],
    seesaw_case("huge counts", IDS, LOGITS, {"counts": [1e30, 1, 0]}, p=10, q=10, **logits),
    equalization_case("saturated", HUGE_IDS, SATURATED, gamma=100),
    equalization_case("no negatives yet", IDS, LOGITS, GRADIENTS | {"negative_gradients": [0] * 3}),
    early_case("saturated", HUGE_IDS, SATURATED, INDEX[:4], clip=0),
    early_case("saturated, nothing kept", HUGE_IDS, HUGE_LOGITS, INDEX[:4], decay=0, clip=0),
]


@pytest.mark.parametrize("check", [check_values, check_gradient])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees_with_the_paper(case, check):
    check(case)


@pytest.mark.parametrize("check", [check_finite, check_jit])
@pytest.mark.parametrize("case", EXTREMES, ids=str)
def test_never_overflows(case, check):
    check(case)


@parametrize_with_checks(
    list(PAPERS),
    only=["oracle"],
    oracles={
        "seesaw": {None: values_of(seesaw), "mmdetection": values_of(seesaw)},
        "equalization": {None: values_of(equalization)},
        "early_learning_regularisation": {None: values_of(early_learning_regularisation)},
    },
)
def test_agrees_on_drawn_data(loss, check):
    check(loss)


# --- Several batches ------------------------------------------------------------------------------

NEEDED = {"num_classes": 3, "from_logits": True}
OF_EACH = {
    seesaw: NEEDED,
    equalization: NEEDED,
    early_learning_regularisation: {"num_samples": 6, **NEEDED},
}


def step(loss, y_true, y_pred, weights, index=None, **parameters):
    """The values and the states after one batch, in NumPy."""
    complete = validate(spec_of(loss), {**OF_EACH[loss], **parameters})
    further = {"index": tensor(index)} if loss is early_learning_regularisation else {}
    weights = {name: tensor(value) for name, value in weights.items()}
    found = loss(tensor(y_true), tensor(y_pred), weights=weights, **further, **complete)
    return keras.tree.map_structure(keras.ops.convert_to_numpy, found)


def beginning(loss):
    return get_loss(loss, **OF_EACH[loss]).values()


def batches(seed=0, count=4):
    """Targets, logits and numbers of samples; the last batch is smaller."""
    drawn = np.random.default_rng(seed)
    for size in [6] * (count - 1) + [2]:
        ids = np.minimum(drawn.geometric(0.6, size) - 1, 2)
        yield ids, drawn.normal(0, 3, (size, 3)).astype("float32"), drawn.permutation(6)[:size]


@pytest.mark.parametrize("loss", PAPERS)
def test_what_a_batch_leaves_is_what_the_next_is_weighted_by(loss):
    found = {name: np.asarray(value, "float64") for name, value in beginning(loss).items()}
    expected = found
    complete = validate(spec_of(loss), OF_EACH[loss])
    for y_true, y_pred, index in batches():
        further = {"index": index} if loss is early_learning_regularisation else {}
        wanted, expected = PAPERS[loss](
            y_true, y_pred.astype("float64"), weights=expected, **further, **complete
        )
        values, found = step(loss, y_true, y_pred, found, index)
        np.testing.assert_allclose(values, wanted, rtol=2e-5, atol=1e-5)
        for name, state in expected.items():
            np.testing.assert_allclose(found[name], state, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("loss", PAPERS)
def test_a_sample_costs_the_same_in_any_batch(loss):
    weights = {seesaw: COUNTED, equalization: GRADIENTS}.get(loss, MEANS)
    index = np.array([1, 1, 2, -3, 1])
    together, _ = step(loss, IDS, LOGITS, weights, index)
    for place in range(len(IDS)):
        one = slice(place, place + 1)
        alone, _ = step(loss, IDS[one], LOGITS[one], weights, index[one])
        np.testing.assert_allclose(alone, together[one], rtol=1e-6)


@pytest.mark.parametrize("loss", PAPERS)
def test_ids_that_are_no_class_cost_nothing(loss):
    y_true, weights = np.array([-1, 255]), beginning(loss)
    values, states = step(loss, y_true, LOGITS[:2], weights, np.array([-1, -1]))
    np.testing.assert_array_equal(values, 0)
    for name, state in states.items():
        np.testing.assert_array_equal(state, weights[name])


@pytest.mark.parametrize("loss", PAPERS)
def test_another_number_of_classes_is_refused(loss):
    with pytest.raises(DataError, match=r"(?s)Expected .*3\].*Received \(5, 4\)"):
        step(loss, IDS, np.zeros((5, 4)), beginning(loss), INDEX)


# --- Seesaw and equalization ----------------------------------------------------------------------

ROWS = st.lists(st.floats(-8, 8, width=32), min_size=3, max_size=3)


@settings(max_examples=20, deadline=None)
@given(row=ROWS, right=st.integers(0, 2), counts=st.lists(st.integers(0, 10**6), min_size=3))
def test_mitigation_lowers_the_cost_and_compensation_raises_it(row, right, counts):
    def cost(**factors):
        weights = {"counts": counts[:3]}
        return step(seesaw, np.array([right]), np.array([row]), weights, **factors)[0].item()

    crossentropy = -log_softmax(np.array(row), from_logits=True)[right]
    assert cost(p=0.0, q=0.0) == pytest.approx(crossentropy, rel=1e-5, abs=1e-6)
    assert cost(q=0.0) <= crossentropy + 1e-5
    assert cost(p=0.0) >= crossentropy - 1e-5


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), order=st.permutations(range(3)))
@pytest.mark.parametrize("loss", [seesaw, equalization])
def test_classes_have_no_order(loss, seed, order):
    y_true, y_pred, _ = next(batches(seed))
    weights = COUNTED if loss is seesaw else GRADIENTS
    values, states = step(loss, y_true, y_pred, weights)
    renamed = {name: value[order] for name, value in weights.items()}
    found, after = step(loss, np.argsort(order)[y_true], y_pred[:, order], renamed)
    np.testing.assert_allclose(found, values, rtol=1e-5, atol=1e-6)
    for name, state in states.items():
        np.testing.assert_allclose(after[name], state[order], rtol=1e-5, atol=1e-6)


def test_the_first_batch_is_not_weighted():
    values, _ = step(equalization, IDS, LOGITS, beginning(equalization))
    targets = np.eye(3)[IDS]
    expected = np.logaddexp(0, -LOGITS) * targets + np.logaddexp(0, LOGITS) * (1 - targets)
    np.testing.assert_allclose(values, expected.sum(-1), rtol=1e-5)


def test_what_is_added_up_is_the_gradient():
    """For 0 and 1, the sizes of the gradients in the logits, as autodiff gives them."""
    this = equalization_case("", LABELS, LOGITS, **logits)
    _, gradient = this.computed()
    _, after = step(equalization, LABELS, LOGITS, GRADIENTS)
    for name, of_these in {"positive_gradients": LABELS, "negative_gradients": 1 - LABELS}.items():
        found = after[name] - GRADIENTS[name]
        np.testing.assert_allclose(found, np.abs(gradient * of_these).sum(0), rtol=1e-4, atol=1e-5)


def test_one_hot_rows_are_class_ids_and_a_row_of_zeros_has_no_label():
    by_id, _ = step(equalization, IDS, LOGITS, GRADIENTS)
    by_row, _ = step(equalization, np.eye(3)[IDS], LOGITS, GRADIENTS)
    np.testing.assert_array_equal(by_row, by_id)
    values, _ = step(equalization, np.zeros((1, 3)), LOGITS[:1], beginning(equalization))
    np.testing.assert_allclose(values, np.logaddexp(0, LOGITS[:1]).sum(-1), rtol=1e-5)


# --- Early-learning regularisation ----------------------------------------------------------------


def remember(index, y_pred=LOGITS, **parameters):
    y_true = np.zeros(len(y_pred), int)
    return step(early_learning_regularisation, y_true, y_pred, MEANS, np.array(index), **parameters)


def test_samples_without_a_number_cost_their_crossentropy_and_are_not_remembered():
    values, states = remember([-1, -7, -1, -1, -(2**31)])
    np.testing.assert_allclose(values, -log_softmax(LOGITS, from_logits=True)[:, 0], rtol=1e-5)
    np.testing.assert_array_equal(states["targets"], MEANS["targets"].astype("float32"))


def test_a_sample_that_is_there_twice_is_remembered_by_its_mean():
    _, both = remember([3, 3], LOGITS[:2])
    apart = [remember([3], LOGITS[i : i + 1])[1]["targets"] for i in (0, 1)]
    np.testing.assert_allclose(both["targets"], np.mean(apart, axis=0), rtol=1e-5, atol=1e-7)
    _, swapped = remember([3, 3], LOGITS[1::-1])
    np.testing.assert_allclose(swapped["targets"], both["targets"], rtol=1e-6)


def test_only_the_samples_of_the_batch_are_remembered_anew():
    _, states = remember(INDEX)
    before = MEANS["targets"].astype("float32")
    changed = (states["targets"] != before).any(axis=-1)
    assert np.flatnonzero(changed).tolist() == sorted(INDEX[INDEX >= 0])


@settings(max_examples=20, deadline=None)
@given(row=ROWS, decay=st.floats(0, 1), visits=st.integers(1, 4))
def test_a_prediction_that_stays_is_what_will_be_remembered(row, decay, visits):
    weights = {"targets": np.zeros((6, 3))}
    for _ in range(visits):
        _, weights = step(
            early_learning_regularisation,
            np.array([0]),
            np.array([row]),
            weights,
            np.array([2]),
            decay=decay,
            clip=0.0,
        )
    expected = (1 - decay**visits) * np.exp(log_softmax(np.array(row), from_logits=True))
    np.testing.assert_allclose(weights["targets"][2], expected, rtol=1e-4, atol=1e-6)


def early_loss(**options):
    return get_loss(early_learning_regularisation, num_samples=6, **NEEDED, **options)


def test_a_number_that_is_too_large_is_refused():
    with pytest.raises(ParameterError, match=r"(?s)below num_samples=6.*Received 6"):
        early_loss()({"y_true": IDS, "index": np.arange(2, 7)}, LOGITS)


@pytest.mark.parametrize("index", [np.arange(5.0), np.arange(4), np.arange(10).reshape(5, 2)])
def test_an_index_is_one_integer_for_each_prediction(index):
    with pytest.raises(DataError, match="'index' does not say"):
        early_loss()({"y_true": IDS, "index": index}, LOGITS)


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="runs eagerly, and refuses it")
def test_compiled_a_number_that_is_too_large_is_nan_and_nothing_is_remembered():
    model = training_model(early_learning_regularisation)
    x, target = data(early_learning_regularisation)
    history = model.fit(x, {**target, "index": 6 + target["index"]}, verbose=0).history
    assert np.isnan(history["loss"][0])
    np.testing.assert_array_equal(model.loss.values()["targets"], 0)


# --- In training ----------------------------------------------------------------------------------


def training_model(loss):
    keras.utils.set_random_seed(0)
    model = TrainingModel(keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)]))
    model.compile(keras.optimizers.Adam(0.1), loss=get_loss(loss, **OF_EACH[loss]))
    return model


def data(loss):
    drawn = np.random.default_rng(1)
    x, y = drawn.normal(0, 1, (6, 2)).astype("float32"), np.array([0, 0, 0, 1, 0, 2])
    return x, {"y_true": y, "index": np.arange(6)} if "index" in spec_of(loss).targets else y


def fitted(model, loss, epochs):
    x, y = data(loss)
    return model.fit(x, y, batch_size=4, epochs=epochs, shuffle=False, verbose=0).history["loss"]


@pytest.mark.parametrize("loss", PAPERS)
def test_training_remembers_and_evaluation_does_not(loss):
    model = training_model(loss)
    fitted(model, loss, epochs=2)
    states, begun = model.loss.values(), beginning(loss)
    for name, value in states.items():
        assert not np.allclose(value, begun[name]), name
    costs = [model.evaluate(*data(loss), batch_size=size, verbose=0) for size in (6, 3, 6)]
    np.testing.assert_allclose(costs, costs[0], rtol=1e-5)
    for name, value in states.items():
        np.testing.assert_array_equal(model.loss.values()[name], value)
    if loss is seesaw:
        assert states["counts"].tolist() == [8, 2, 2]


@pytest.mark.parametrize("loss", PAPERS)
def test_a_resumed_training_goes_on_as_if_it_had_not_stopped(loss, tmp_path):
    whole, half = training_model(loss), training_model(loss)
    losses = fitted(whole, loss, epochs=4)
    np.testing.assert_allclose(fitted(half, loss, epochs=2), losses[:2], rtol=1e-5)
    half.save(tmp_path / "half.keras")
    resumed = keras.models.load_model(tmp_path / "half.keras")
    np.testing.assert_allclose(fitted(resumed, loss, epochs=2), losses[2:], rtol=1e-5)
    for name, value in whole.loss.values().items():
        np.testing.assert_allclose(resumed.loss.values()[name], value, rtol=1e-5, atol=1e-6)
