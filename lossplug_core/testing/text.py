"""Samples as Python that can be run."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any

from lossplug_core.params import differs, parameters_of
from lossplug_core.spec import MAIN_TARGET, LossSpec
from lossplug_core.testing.parameters import NETWORK

if TYPE_CHECKING:
    from lossplug_core.testing.strategies import Sample

__all__ = ["loss_of", "python_of"]


def python_of(spec: LossSpec, sample: Sample, options: Mapping[str, Any]) -> str:
    """A line that calculates a loss on a sample."""
    loss = loss_of(spec, {**sample.parameters, **options})
    return f"{loss}({_target(sample)}, {_prediction(spec, sample)})"


def loss_of(spec: LossSpec, options: Mapping[str, Any]) -> str:
    """What makes a loss with these parameters and options: no default is written."""
    declared = parameters_of(spec)
    given = [
        f"{name}={_value(value)}"
        for name, value in options.items()
        if name not in declared or differs(spec, name, value)
    ]
    return f"get_loss({', '.join([repr(spec.id), *given])})"


def _target(sample: Sample) -> str:
    if not sample.further:
        return _value(sample.y_true)
    targets = {MAIN_TARGET: sample.y_true, **sample.further}
    return "{" + ", ".join(f"{name!r}: {_value(value)}" for name, value in targets.items()) + "}"


def _prediction(spec: LossSpec, sample: Sample) -> str:
    if not spec.outputs:
        return _value(sample.y_pred)
    outputs = zip(spec.outputs, sample.y_pred, strict=True)
    return "{" + ", ".join(f"{name!r}: {_value(value)}" for name, value in outputs) + "}"


def _value(value: Any) -> str:
    if callable(value):
        return NETWORK
    if isinstance(value, Enum):
        value = value.value
    return repr(value.tolist() if hasattr(value, "tolist") else value)
