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
        oracle: `(y_true, y_pred in float64, **all parameters) -> values`.
        parameters: Those that differ from the defaults.
    """

    name: str
    loss: Callable[..., Any]
    y_true: Any
    y_pred: Any
    oracle: Callable[..., np.ndarray]
    parameters: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.loss.__name__}-{self.name}"

    @property
    def complete(self) -> dict[str, Any]:
        """All parameters, as `get_loss` would pass them."""
        spec = spec_of(self.loss)
        assert spec is not None
        return validate(spec, self.parameters)

    def expected(self, y_pred: Any = None) -> np.ndarray:
        """The oracle's values."""
        at = np.asarray(self.y_pred if y_pred is None else y_pred, "float64")
        return np.asarray(self.oracle(np.asarray(self.y_true), at, **self.complete), "float64")

    def computed(self, *, jit: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """The loss's values and gradient, in float32 on this backend."""
        y_true = self.y_true
        target = np.asarray(y_true)
        y_true = keras.ops.convert_to_tensor(
            target, dtype="int32" if target.dtype.kind in "iu" else "float32"
        )
        parameters = self.complete
        return value_and_gradient(
            lambda y_pred: self.loss(y_true, y_pred, **parameters),
            np.asarray(self.y_pred, "float32"),
            jit=jit,
        )


def check_values(case: Case) -> None:
    """`float32` agrees with float64 to 1e-5 relative."""
    expected = case.expected(np.asarray(case.y_pred, "float32"))
    np.testing.assert_allclose(case.computed()[0], expected, rtol=RELATIVE, atol=1e-6)


def check_gradient(case: Case, step: float = 1e-5) -> None:
    """The gradient agrees with central differences of the oracle to 1e-3."""
    at = np.asarray(np.asarray(case.y_pred, "float32"), "float64")
    expected = np.empty_like(at)
    for index in np.ndindex(at.shape):
        shift = np.zeros_like(at)
        shift[index] = step
        upper, lower = case.expected(at + shift).sum(), case.expected(at - shift).sum()
        expected[index] = (upper - lower) / (2 * step)
    np.testing.assert_allclose(case.computed()[1], expected, rtol=GRADIENT, atol=1e-4)


def check_finite(case: Case) -> None:
    """No NaN or infinity, in value or gradient."""
    values, gradient = case.computed()
    assert np.isfinite(values).all(), values
    assert np.isfinite(gradient).all(), gradient


def check_jit(case: Case) -> None:
    """Compiled and not, it gives the same."""
    for eager, compiled in zip(case.computed(), case.computed(jit=True), strict=True):
        np.testing.assert_allclose(compiled, eager, rtol=1e-4, atol=1e-5)
