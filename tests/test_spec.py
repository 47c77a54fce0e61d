"""What `@loss` accepts and what it makes of a function."""

import dataclasses
import functools

import pytest

from lossplug_core import SpecError, loss
from lossplug_core.spec import spec_of


def example(y_true, y_pred, *, scale: float = 1.0):
    """Absolute error,
    scaled.

    More words.
    """
    return scale * abs(y_true - y_pred)


def test_the_function_stays_the_function() -> None:
    marked = loss(y_true="values", y_pred="values")(example)
    assert marked is example
    assert marked(1.0, 3.0, scale=2.0) == 4.0


def test_the_spec_describes_the_function() -> None:
    spec = spec_of(loss(y_true="binary | one_hot", y_pred="logits", paper="arXiv:1")(example))
    assert spec is not None
    assert (spec.id, spec.y_true, spec.y_pred) == ("example", ("binary", "one_hot"), ("logits",))
    assert spec.summary == "Absolute error, scaled."
    assert spec.provider is None
    with pytest.raises(dataclasses.FrozenInstanceError):
        spec.name = "other"  # type: ignore[misc]


def test_a_function_that_is_not_marked_has_no_spec() -> None:
    assert spec_of(len) is None


def test_a_wrapper_is_another_function() -> None:
    marked = loss(y_true="values", y_pred="values")(example)
    assert spec_of(functools.wraps(marked)(lambda *args, **kwargs: 0)) is None


def positional(y_true, y_pred, scale=1.0): ...
def swapped(y_pred, y_true): ...
def open_ended(y_true, y_pred, **parameters): ...
def reserved(y_true, y_pred, *, reduction: str = "sum"): ...


@pytest.mark.parametrize("function", [positional, swapped, open_ended, reserved])
def test_a_signature_that_hides_its_parameters_is_refused(function) -> None:
    with pytest.raises(SpecError, match=r"Expected .*\n.*Received"):
        loss(y_true="values", y_pred="values")(function)


@pytest.mark.parametrize(
    "declaration",
    [
        {"y_true": "labls", "y_pred": "values"},
        {"y_true": "values", "y_pred": ""},
        {"y_true": "values", "y_pred": "values", "conventions": {"peer": {"scal": 1.0}}},
    ],
)
def test_a_declaration_that_cannot_be_true_is_refused(declaration) -> None:
    with pytest.raises(SpecError):
        loss(**declaration)(example)
