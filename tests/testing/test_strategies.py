"""What is drawn is what was declared: parameters within their bounds, data of their forms."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
import pytest
from annotated_types import Ge, Gt, Le, Lt
from hypothesis import find, given, settings
from hypothesis import strategies as st

from lossplug_core import (
    PREDICTIONS,
    TARGETS,
    ClassCounts,
    ClassWeights,
    CostMatrix,
    EmbeddingSize,
    Fraction,
    NonNegative,
    NonNegativeInt,
    NumClasses,
    NumOutputs,
    OpenFraction,
    Positive,
    PositiveInt,
    Real,
    TransitionMatrix,
    loss,
    one_of,
)
from lossplug_core.params import dump, parameters_of, validate
from lossplug_core.spec import spec_of
from lossplug_core.testing.parameters import Sizes, follows_classes, parameters
from lossplug_core.testing.strategies import samples

pytestmark = pytest.mark.backend
law = settings(max_examples=25, deadline=None, derandomize=True)
wideness = pytest.mark.parametrize("wide", [False, True])


@loss(y_true="values", y_pred="values")
def everything(
    y_true,
    y_pred,
    *,
    real: Real = 0.0,
    positive: Positive = 0.07,
    non_negative: NonNegative = 64.0,
    fraction: Fraction = 1.0,
    open_fraction: OpenFraction = 0.99,
    below: Annotated[float, Lt(-2)] = -3.0,
    between: Annotated[float, Ge(-1), Le(0)] = 0.0,
    narrow: Annotated[float, Gt(0), Lt(1e-6)] = 1e-7,
    count: PositiveInt = 3,
    at_least_0: NonNegativeInt = 0,
    whether: bool = False,
    which: Literal["one", "two"] = "one",
    perhaps: Positive | None = None,
    one_or_each: NonNegative | ClassWeights = 1.0,
    classes: NumClasses,
    features: EmbeddingSize,
    outputs: NumOutputs | None = None,
    weights: ClassWeights,
    counts: ClassCounts | None = None,
    costs: CostMatrix,
    transitions: TransitionMatrix | None = None,
    free: tuple[Positive, ...] = (1.0,),
): ...


@wideness
@law
@given(data=st.data())
def test_parameters_are_accepted_by_the_loss(wide, data):
    spec = spec_of(everything)
    drawn = data.draw(parameters(spec, Sizes(2, (), 4, 5), wide=wide))
    assert validate(spec, drawn) == drawn
    assert (drawn["classes"], drawn["features"], len(drawn["weights"])) == (5, 4, 5)
    assert drawn["outputs"] in (None, 4)
    assert drawn["counts"] is None or len(drawn["counts"]) == 5
    assert isinstance(drawn["one_or_each"], float) or len(drawn["one_or_each"]) == 5
    assert np.shape(drawn["costs"]) == (5, 5)
    assert not np.diag(drawn["costs"]).any()
    transitions = drawn["transitions"]
    assert transitions is None or np.allclose(np.sum(transitions, axis=1), np.ones(5))


@wideness
def test_both_sides_of_a_choice_and_closed_ends_are_drawn(wide):
    spec, seen = spec_of(everything), []

    @settings(max_examples=200, deadline=None, derandomize=True)
    @given(parameters(spec, Sizes(2, (), 4, 5), wide=wide))
    def collect(drawn):
        seen.append(drawn)

    collect()
    assert {drawn["whether"] for drawn in seen} == {False, True}
    assert {drawn["which"] for drawn in seen} == {"one", "two"}
    assert {drawn["perhaps"] is None for drawn in seen} == {False, True}
    assert wide or {0.0, 1.0} <= {drawn["fraction"] for drawn in seen}


def hard(rows): ...


def soft(rows, *, epsilon: Positive = 0.1, weights: ClassWeights | None = None): ...


Part: Any = one_of(hard, soft)


@wideness
def test_alternatives_are_drawn_with_their_parameters(wide):
    @loss(y_true="values", y_pred="values")
    def of_parts(y_true, y_pred, *, part: Annotated[Part, "any"] | None = None): ...

    spec, seen = spec_of(of_parts), []

    @settings(max_examples=100, deadline=None, derandomize=True)
    @given(parameters(spec, Sizes(2, (), 4, 5), wide=wide))
    def collect(drawn):
        seen.append(drawn["part"])
        assert dump(spec, validate(spec, drawn))["part"] == as_data(drawn["part"])

    collect()
    soft_ones = [part for part in seen if isinstance(part, dict)]
    assert None in seen
    assert "hard" in seen
    assert len({part["epsilon"] for part in soft_ones}) > 5
    assert {len(part["weights"] or "") for part in soft_ones} == {0, 5}
    assert (max(part["epsilon"] for part in soft_ones) > 1e3) == wide
    assert follows_classes(parameters_of(spec)["part"].annotation)


def as_data(part):
    if isinstance(part, dict):
        return part | {"weights": part["weights"] and list(part["weights"])}
    return part


def test_some_rows_have_no_label():
    @loss(y_true="multi_hot", y_pred="embeddings")
    def any_loss(y_true, y_pred): ...

    empty = find(samples(spec_of(any_loss)), lambda sample: not sample.y_true.any(axis=-1).all())
    assert empty.y_true.dtype == "float32"


def is_distribution(x):
    return (x >= 0).all() and np.allclose(x.sum(-1), 1)


IS_TARGET = {
    "binary": lambda y, shape: y.shape == shape and ((y >= 0) & (y <= 1)).all(),
    "class_ids": lambda y, shape: y.shape == shape[:-1] and ((y >= 0) & (y < shape[-1])).all(),
    "labels": lambda y, shape: y.shape == shape[:1] and y.dtype.kind == "i",
    "multi_hot": lambda y, shape: (
        y.shape[0] == shape[0] and y.shape[1] >= 2 and y.shape != shape and set(y.flat) <= {0, 1}
    ),
    "one_hot": lambda y, shape: y.shape == shape and is_distribution(y),
    "probabilities": lambda y, shape: y.shape == shape and is_distribution(y),
    "signs": lambda y, shape: y.shape == shape and (np.abs(y) == 1).all(),
    "values": lambda y, shape: y.shape == shape,
}
IS_PREDICTION = {
    "distances": lambda y, sizes: y.shape == (sizes.batch,) and (y >= 0).all(),
    "embeddings": lambda y, sizes: y.shape == (sizes.batch, sizes.last),
    "logits": lambda y, sizes: y.shape == (sizes.batch, *sizes.positions, sizes.last),
    "probabilities": lambda y, sizes: ((y >= 0) & (y <= 1)).all(),
    "scales": lambda y, sizes: (y > 0).all(),
    "scores": lambda y, sizes: np.isfinite(y).all(),
    "values": lambda y, sizes: np.isfinite(y).all(),
}
PAIRS = [
    *((form, "logits") for form in IS_TARGET if form not in ("labels", "multi_hot")),
    *(("values", form) for form in IS_PREDICTION if form not in ("distances", "embeddings")),
    ("labels", "embeddings"),
    ("multi_hot", "embeddings"),
    ("binary", "distances"),
    ("class_ids", "probabilities"),
]


@pytest.mark.parametrize("kind", ["typical", "hard", "extreme"])
@pytest.mark.parametrize("few_shapes", [False, True])
@pytest.mark.parametrize(("y_true", "y_pred"), PAIRS)
@law
@given(data=st.data())
def test_data_are_of_their_form(y_true, y_pred, kind, few_shapes, data):
    @loss(y_true=y_true, y_pred=y_pred)
    def any_loss(y_true, y_pred): ...

    strategy = samples(spec_of(any_loss), batch=(2, 4), kind=kind, few_shapes=few_shapes)
    sample = data.draw(strategy)
    assert 2 <= sample.sizes.batch <= 4
    assert IS_TARGET[y_true](sample.y_true, sample.y_pred.shape)
    assert IS_PREDICTION[y_pred](sample.y_pred, sample.sizes)
    if (y_true, y_pred) == ("class_ids", "probabilities"):
        assert is_distribution(sample.y_pred)


def test_every_form_is_looked_at():
    without_data = {"any", "sequences"}  # the one has no form, the other is Keras's CTC only
    assert set(IS_TARGET) == set(TARGETS) - without_data
    assert set(IS_PREDICTION) == set(PREDICTIONS) - without_data


@law
@given(data=st.data())
def test_outputs_and_further_targets_have_their_own_forms(data):
    @loss(
        y_true="values",
        y_pred="values",
        outputs={"mean": "values", "variance": "scales"},
        targets={"mask": "binary", "other": "values"},
    )
    def any_loss(y_true, y_pred, *, mask, other): ...

    sample = data.draw(samples(spec_of(any_loss)))
    assert sample.y_pred.shape == (2, *sample.y_true.shape)
    assert (sample.y_pred[1] > 0).all()
    assert sample.further["mask"].shape == sample.further["other"].shape == sample.y_true.shape
    assert ((sample.further["mask"] >= 0) & (sample.further["mask"] <= 1)).all()
