"""Parameters: completed, coerced, or refused with the nearest valid thing."""

from typing import Annotated, Literal

import numpy as np
import pytest
from annotated_types import Interval
from hypothesis import given
from hypothesis import strategies as st

from lossplug_core import (
    ClassWeights,
    CostMatrix,
    Fraction,
    NonNegative,
    ParameterError,
    Positive,
    PositiveInt,
    SpecError,
    TransitionMatrix,
    UnknownConventionError,
    UnknownParameterError,
    loss,
)
from lossplug_core.params import dump, parameters_of, validate
from lossplug_core.spec import spec_of


@loss(
    y_true="values",
    y_pred="values",
    conventions={"peer": {"gamma": 1.5, "alpha": 0.25}},
)
def example(
    y_true,
    y_pred,
    *,
    weights: ClassWeights,
    gamma: NonNegative = 2.0,
    alpha: Fraction | None = None,
    kind: Literal["soft", "hard"] = "soft",
    count: PositiveInt = 1,
    flag: bool = False,
):
    """A loss with a parameter of each type."""


SPEC = spec_of(example)


def test_defaults_complete_what_was_given() -> None:
    assert validate(SPEC, {"weights": [1, 2]}) == {
        "weights": (1.0, 2.0),
        "gamma": 2.0,
        "alpha": None,
        "kind": "soft",
        "count": 1,
        "flag": False,
    }


@pytest.mark.parametrize(
    ("name", "value", "coerced"),
    [
        ("gamma", 3, 3.0),
        ("gamma", "3", 3.0),
        ("gamma", np.float32(3), 3.0),
        ("gamma", np.array(3.0), 3.0),
        ("weights", np.array([1, 2]), (1.0, 2.0)),
        ("weights", (1, np.float32(2)), (1.0, 2.0)),
        ("count", np.int64(2), 2),
        ("alpha", None, None),
        ("flag", 1, True),
    ],
)
def test_values_are_coerced_to_the_type_of_the_signature(name, value, coerced) -> None:
    result = validate(SPEC, {"weights": [1], name: value})[name]
    assert result == coerced
    assert type(result) is type(coerced)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("gamma", -1),
        ("gamma", float("nan")),
        ("gamma", float("inf")),
        ("gamma", "two"),
        ("gamma", None),
        ("gamma", [1.0]),
        ("gamma", float),
        ("alpha", 1.5),
        ("weights", []),
        ("weights", [1, -1]),
        ("weights", [1, float("nan")]),
        ("weights", 1.0),
        ("kind", "medium"),
        ("count", 0),
        ("count", 1.5),
    ],
)
def test_values_of_the_wrong_type_or_out_of_bounds_are_refused(name, value) -> None:
    with pytest.raises(ParameterError) as caught:
        validate(SPEC, {"weights": [1], name: value})
    assert caught.value.parameter == name
    assert "Expected" in str(caught.value)
    assert "Received" in str(caught.value)


def test_an_unknown_parameter_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownParameterError, match="Did you mean 'gamma'") as caught:
        validate(SPEC, {"weights": [1], "gama": 1})
    assert caught.value.nearest == ("gamma",)


def test_a_parameter_without_default_has_to_be_given() -> None:
    with pytest.raises(ParameterError, match="needs the parameter 'weights'"):
        validate(SPEC, {})


def test_a_convention_replaces_defaults_and_gives_way_to_what_is_given() -> None:
    values = validate(SPEC, {"weights": [1], "gamma": 3}, convention="peer")
    assert (values["gamma"], values["alpha"]) == (3.0, 0.25)


def test_an_unknown_convention_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownConventionError, match="Did you mean 'peer'"):
        validate(SPEC, {"weights": [1]}, convention="pear")


@given(
    gamma=st.floats(0, allow_nan=False, allow_infinity=False),
    alpha=st.none() | st.floats(0, 1),
    weights=st.lists(st.floats(0, allow_nan=False, allow_infinity=False), min_size=1),
    kind=st.sampled_from(["soft", "hard"]),
)
def test_plain_data_comes_back_the_same(**values) -> None:
    complete = validate(SPEC, values)
    assert validate(SPEC, dump(SPEC, complete)) == complete


class Opaque:
    """A type of somebody's own."""


@pytest.mark.parametrize("annotation", ["NowhereToBeFound", Opaque])
def test_a_type_that_cannot_be_checked_is_the_authors_mistake(annotation) -> None:
    def function(y_true, y_pred, *, parameter: annotation = 1): ...

    spec = spec_of(loss(y_true="values", y_pred="values")(function))
    with pytest.raises(SpecError):
        validate(spec, {})


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (float, "float"),
        (NonNegative, "float ≥ 0"),
        (Positive, "float > 0"),
        (Fraction | None, "float ≥ 0 and ≤ 1, or None"),
        (Annotated[float, Interval(ge=0, lt=1)], "float ≥ 0 and < 1"),
        (ClassWeights, "sequence of float ≥ 0"),
        (CostMatrix, "square matrix of float ≥ 0, with 0 on the diagonal"),
        (TransitionMatrix, "square matrix of float ≥ 0 and ≤ 1, whose rows sum to 1"),
        (Literal["a", "b"], "'a' or 'b'"),
        (float | tuple[float, ...], "float, or sequence of float"),
    ],
)
def test_types_are_told_in_words(annotation, text) -> None:
    def function(y_true, y_pred, *, parameter: annotation): ...

    spec = spec_of(loss(y_true="values", y_pred="values")(function))
    assert parameters_of(spec)["parameter"].type_text == text


@loss(y_true="values", y_pred="values")
def with_matrices(
    y_true,
    y_pred,
    *,
    costs: CostMatrix = ((0, 1), (1, 0)),
    transitions: TransitionMatrix | None = None,
):
    """A loss with matrices."""


def test_a_matrix_is_read_from_arrays_and_written_as_lists() -> None:
    spec = spec_of(with_matrices)
    complete = validate(spec, {"costs": np.array([[0, 1], [5, 0]])})
    assert complete == {"costs": ((0.0, 1.0), (5.0, 0.0)), "transitions": None}
    assert dump(spec, complete)["costs"] == [[0.0, 1.0], [5.0, 0.0]]
    rounded = ((0.333, 0.333, 0.333), (0, 1, 0), (0, 0, 1))
    assert validate(spec, {"transitions": rounded})["transitions"] == rounded


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"costs": [[0, 1, 2], [1, 0, 2]]}, "row 0 has 3 numbers, and there are 2 rows"),
        ({"costs": [[0, 1], [1]]}, "row 1 has 1 numbers, and there are 2 rows"),
        ({"costs": [[0, -1], [1, 0]]}, "[0][1] is not valid"),
        ({"costs": [[0, 1], [1, 2]]}, "row 1 has 2 on the diagonal"),
        ({"costs": []}, "at least 1 item"),
        ({"costs": [0, 1]}, "[0] is not valid"),
        ({"transitions": [[1, 0], [0.5, 0.4]]}, "row 1 sums to 0.9"),
        ({"transitions": [[1, 0], [2, -1]]}, "[1][0] is not valid"),
    ],
)
def test_a_matrix_that_is_none_is_refused(values, reason) -> None:
    with pytest.raises(ParameterError) as caught:
        validate(spec_of(with_matrices), values)
    assert reason in str(caught.value)
