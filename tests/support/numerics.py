"""What the tests of every loss need: cases in a table, and the comparisons made on each row.

A plugin's tests list `Case`s and call these checks. The oracle is NumPy in float64, written from
the paper and not from the implementation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from lossplug_core.bridge.autodiff import value_and_gradient
from lossplug_core.params import validate
from lossplug_core.spec import spec_of

RELATIVE = 1e-5
GRADIENT = 1e-3


@dataclass(frozen=True)
class Case:
    """One row: a loss on some data, and what it must give.

    Attributes:
        name: What the row shows; the test's id.
        loss: The function marked `@loss`.
        y_true: The targets.
        y_pred: The predictions, where value and gradient are compared.
        oracle: `(y_true, y_pred in float64, **all parameters) -> values`. It is given weights and
            further targets as the loss is.
        parameters: Those that differ from the defaults.
        weights: The weights of the loss, if it owns any.
        further: Its further targets by name, if it takes any.
    """

    name: str
    loss: Callable[..., Any]
    y_true: Any
    y_pred: Any
    oracle: Callable[..., np.ndarray]
    parameters: dict[str, Any] = field(default_factory=dict)
    weights: dict[str, Any] = field(default_factory=dict)
    further: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.loss.__name__}-{self.name}"

    @property
    def complete(self) -> dict[str, Any]:
        """All parameters, as `get_loss` would pass them."""
        spec = spec_of(self.loss)
        assert spec is not None
        return validate(spec, self.parameters)

    def at(self, argument: str = "y_pred") -> np.ndarray:
        """Where the gradient in an argument is taken: the prediction, or a weight by its name."""
        return np.asarray(self.y_pred if argument == "y_pred" else self.weights[argument])

    def expected(self, at: Any = None, argument: str = "y_pred") -> np.ndarray:
        """The oracle's values, with an argument replaced."""
        float64 = {name: np.asarray(value, "float64") for name, value in self.weights.items()}
        float64["y_pred"] = np.asarray(self.y_pred, "float64")
        if at is not None:
            float64[argument] = np.asarray(at, "float64")
        y_pred = float64.pop("y_pred")
        given = {"weights": float64} if self.weights else {}
        further = {name: np.asarray(value) for name, value in self.further.items()}
        values = self.oracle(np.asarray(self.y_true), y_pred, **given, **further, **self.complete)
        return np.asarray(values, "float64")

    def computed(
        self, *, jit: bool = False, argument: str = "y_pred"
    ) -> tuple[np.ndarray, np.ndarray]:
        """The loss's values, and the gradient in an argument, in float32 on this backend."""
        y_true, parameters = tensor(self.y_true), self.complete
        further = {name: tensor(value) for name, value in self.further.items()}

        def values(at: Any) -> Any:
            float32 = {name: tensor(value) for name, value in self.weights.items()}
            float32 = {"y_pred": tensor(self.y_pred), **float32, argument: at}
            y_pred = float32.pop("y_pred")
            given = {"weights": float32} if self.weights else {}
            result = self.loss(y_true, y_pred, **given, **further, **parameters)
            return result[0] if isinstance(result, tuple) else result

        return value_and_gradient(values, np.asarray(self.at(argument), "float32"), jit=jit)


def tensor(value: Any) -> Any:
    """Integers as int32, everything else as float32."""
    array = np.asarray(value)
    return keras.ops.convert_to_tensor(
        array, dtype="int32" if array.dtype.kind in "iu" else "float32"
    )


def check_values(case: Case) -> None:
    """`float32` agrees with float64 to 1e-5 relative."""
    expected = case.expected(np.asarray(case.y_pred, "float32"))
    np.testing.assert_allclose(case.computed()[0], expected, rtol=RELATIVE, atol=1e-6)


def check_gradient(case: Case, step: float = 1e-5, argument: str = "y_pred") -> None:
    """The gradient, in the prediction or a weight, agrees with central differences to 1e-3."""
    at = np.asarray(np.asarray(case.at(argument), "float32"), "float64")
    expected = np.empty_like(at)
    for index in np.ndindex(at.shape):
        shift = np.zeros_like(at)
        shift[index] = step
        upper = case.expected(at + shift, argument).sum()
        lower = case.expected(at - shift, argument).sum()
        expected[index] = (upper - lower) / (2 * step)
    computed = case.computed(argument=argument)[1]
    np.testing.assert_allclose(computed, expected, rtol=GRADIENT, atol=1e-4)


def check_finite(case: Case) -> None:
    """No NaN or infinity, in value or gradient."""
    values, gradient = case.computed()
    assert np.isfinite(values).all(), values
    assert np.isfinite(gradient).all(), gradient


def check_jit(case: Case) -> None:
    """Compiled and not, it gives the same."""
    for eager, compiled in zip(case.computed(), case.computed(jit=True), strict=True):
        size = max(1.0, np.abs(eager).max(initial=0.0))
        np.testing.assert_allclose(compiled, eager, rtol=1e-4, atol=1e-5 * size)
