"""What a loss has that changes: weights, a step that it counts, numbers that depend on it."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Iterable, Mapping
from typing import Any

import keras
from keras import ops

from lossplug_core.bridge.latest import Latest
from lossplug_core.bridge.phase import Phase
from lossplug_core.bridge.weights import LossWeights
from lossplug_core.errors import ParameterError, UntrainedLossError
from lossplug_core.schedules import Adjustable, Schedule
from lossplug_core.spec import Weight

__all__ = ["StatefulLoss"]

_STEP = "step"


class StatefulLoss(keras.losses.Loss):  # type: ignore[misc]
    """A loss of which something may change, and which then has to be trained with a model.

    A custom loop takes its `trainable_variables`; `TrainingModel` does the same in `fit`.
    """

    layer: LossWeights | None = None

    def own(
        self,
        weights: Mapping[str, Weight],
        changing: Mapping[str, Schedule],
        networks: Iterable[Any] = (),
    ) -> None:
        """Make the weights that the loss needs.

        Args:
            weights: Those that it declares.
            changing: Its numbers that are schedules, by name.
            networks: Models, layers and functions that it uses.
        """
        self._changing = dict(changing)
        self._latest: dict[str, keras.metrics.Metric] = {}
        self._trained_by: weakref.ref[Any] | None = None
        needed = dict(weights)
        for name, schedule in changing.items():
            if isinstance(schedule, Adjustable):
                needed[_stored(name)] = Weight((), schedule.value, trainable=False)
            else:
                needed[_STEP] = Weight((), 0, trainable=False, dtype="int32")
        layers = [n for n in networks if isinstance(n, keras.layers.Layer)]
        self.layer = LossWeights(self.name, needed, layers) if needed or layers else None

    @property
    def layers(self) -> tuple[LossWeights, ...]:
        """The layers that hold its weights: at most one, but one for each part of a combination."""
        return () if self.layer is None else (self.layer,)

    @property
    def variables(self) -> list[keras.Variable]:
        """All weights that it owns."""
        return [v for layer in self.layers for v in layer.own]

    @property
    def trainable_variables(self) -> list[keras.Variable]:
        """The weights that an optimizer should train."""
        return [v for v in self.variables if v.trainable]

    @property
    def non_trainable_variables(self) -> list[keras.Variable]:
        """The states that it keeps across batches."""
        return [v for v in self.variables if not v.trainable]

    def values(self) -> dict[str, Any]:
        """Its weights by name, as NumPy arrays."""
        if self.layer is None:
            return {}
        return {n: ops.convert_to_numpy(v) for n, v in self.layer.variable_of.items()}

    def numbers(self) -> dict[str, Any]:
        """What its changing numbers are in this step, as tensors."""
        return {name: self._now(name, schedule) for name, schedule in self._changing.items()}

    def current(self) -> dict[str, float]:
        """What its changing numbers are now.

        Example:
            >>> from lossplug_core import get_loss
            >>> from lossplug_core.schedules import Linear
            >>> get_loss("focal", gamma=Linear(0.0, 2.0, steps=100)).current()
            {'gamma': 0.0}
        """
        return {name: float(ops.convert_to_numpy(v)) for name, v in self.numbers().items()}

    def assign(self, **numbers: float) -> None:
        """Set numbers that are `Adjustable`.

        Raises:
            ParameterError: There is no such number, or it is out of bounds.
        """
        adjustable = [n for n, s in self._changing.items() if isinstance(s, Adjustable)]
        for name, number in numbers.items():
            if name not in adjustable:
                raise ParameterError(
                    f"The number {name!r} of the loss {self.name!r} cannot be set.",
                    expected=f"some of {', '.join(adjustable)}"
                    if adjustable
                    else "none: no number of it is adjustable",
                    received={name: number},
                    fix=f"Build the loss with {name}=Adjustable(…) from lossplug_core.schedules.",
                    parameter=name,
                )
            number = self._checked(name, number)
            if self.layer is not None:
                self.layer.variable_of[_stored(name)].assign(number)

    def advance(self) -> None:
        """Count one step of training. A call of the loss does so itself."""
        step = None if self.layer is None else self.layer.variable_of.get(_STEP)
        if step is not None:
            step.assign(ops.convert_to_tensor(step) + 1)

    @property
    def log_prefix(self) -> str:
        """What the names of its numbers begin with in the logs of `fit`."""
        return f"{self.name}_"

    def track(self, prefix: str) -> list[keras.metrics.Metric]:
        """Metrics, for the logs of `fit`, that each call brings up to date."""
        self._latest = {name: Latest(name=f"{prefix}{name}") for name in self._changing}
        return list(self._latest.values())

    def _checked(self, name: str, number: float) -> float:
        """A number that the loss can have under this name."""
        del name
        return Adjustable(number).value

    def _now(self, name: str, schedule: Schedule) -> Any:
        assert self.layer is not None
        if isinstance(schedule, Adjustable):
            return self.layer.read(_stored(name))
        return ops.cast(schedule(self.layer.read(_STEP)), "float32")

    def _begin(self, phase: Phase) -> None:
        """What every call begins with."""
        phase.called[id(self)] = self
        for name, latest in self._latest.items():
            latest.update_state(self._now(name, self._changing[name]))
        if not self.variables:
            return
        model, step = _compiled_model()
        if step == "test_step":
            phase.training = False
        if model is None or (self._trained_by is not None and self._trained_by() is model):
            return
        held = {id(variable) for variable in model.variables}
        if any(id(variable) not in held for variable in self.variables):
            raise UntrainedLossError(
                f"The loss {self.name!r} owns weights, which {type(model).__name__} "
                f"{model.name!r} does not know: they would never change.",
                expected="a lossplug_core.TrainingModel around the model",
                fix="model.compile(…) again, or model.adapt(…): the loss was adapted after compile."
                if hasattr(model, "loss_layers")
                else "model = TrainingModel(model); model.compile(…); model.fit(…); then "
                "model.inference_model is what you ship. In a loop of your own, train "
                "loss.trainable_variables as well.",
            )
        self._trained_by = weakref.ref(model)


def _stored(name: str) -> str:
    return f"parameter_{name}"


def _compiled_model() -> tuple[keras.Model | None, str | None]:
    """The model whose `compute_loss` is running, if that is why the loss is called, and its step.

    Keras does not tell a loss who calls it, so the frames of the stack are asked: for the names of
    public methods only.
    """
    model = None
    frame = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_name
        if name in ("compute_loss", "train_step", "test_step"):
            caller = frame.f_locals.get("self")
            if model is None and name == "compute_loss" and isinstance(caller, keras.Model):
                model = caller
            elif model is not None and caller is model and name != "compute_loss":
                return model, name
        frame = frame.f_back  # type: ignore[assignment]
    return model, None
