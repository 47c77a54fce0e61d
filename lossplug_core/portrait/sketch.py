"""A loss that is built, over a view: its values and its gradient along the axis."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from lossplug_core.bridge.autodiff import value_and_gradient
from lossplug_core.bridge.phase import in_phase
from lossplug_core.bridge.tracing import Traced
from lossplug_core.portrait.cases import Array, Case, View

__all__ = ["Sketch"]


class Sketch:
    """A loss over a view.

    Args:
        loss: The loss.
        view: What it is drawn over.
        traced: Whether it is traced, once for all cases and for all that its numbers are set to.
    """

    def __init__(self, loss: keras.losses.Loss, view: View, *, traced: bool = False) -> None:
        self._loss = loss
        self._view = view
        self._variables = list(getattr(loss, "variables", ())) if traced else []
        self._traced = Traced(self._values) if traced else None

    def curve(self, case: Case, at: Array) -> tuple[Array, Array]:
        """The loss at each number of the axis, and its derivative there."""
        if self._traced is not None:
            numbers = [variable.value for variable in self._variables]
            return self._traced(at, case.y_true, case.start, case.slope, *numbers)
        line = case.y_true, case.start, case.slope
        try:
            return value_and_gradient(lambda x: self._values(x, *line), at)
        except Exception:
            # Not every loss can be vectorised by every backend; this is slow, but sure.
            pairs = [value_and_gradient(lambda x: self._of_one(x, *line), x) for x in at]
            return np.array([value for value, _ in pairs]), np.array([slope for _, slope in pairs])

    def _values(self, x: Any, y_true: Any, start: Any, slope: Any, *numbers: Any) -> Any:
        state = list(zip(self._variables, numbers, strict=True))
        if not state:
            return self._along(x, y_true, start, slope)
        with keras.StatelessScope(state_mapping=state):
            return self._along(x, y_true, start, slope)

    def _along(self, x: Any, y_true: Any, start: Any, slope: Any) -> Any:
        if not self._view.alone:
            whole = ops.expand_dims(x, axis=tuple(range(1, len(start.shape))))
            many = ops.repeat(y_true, x.shape[0], axis=0)
            values = self._call(many, ops.add(start, ops.multiply(slope, whole)))
            # Some losses give one value for the whole batch, Keras's Dice for example.
            if tuple(values.shape) == tuple(x.shape):
                return values
        return ops.vectorized_map(lambda one: self._of_one(one, y_true, start, slope), x)

    def _of_one(self, x: Any, y_true: Any, start: Any, slope: Any) -> Any:
        """A batch of its own, of whose values the first counts, or their mean."""
        values = self._call(y_true, ops.add(start, ops.multiply(slope, x)))
        return ops.mean(values) if self._view.mean else values[0]

    def _call(self, y_true: Any, y_pred: Any) -> Any:
        if self._view.through is not None:
            y_pred = self._view.through(y_pred)
        with in_phase(training=False):
            return ops.reshape(self._loss(y_true, y_pred), (-1,))
