"""Samples as Python that can be run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lossplug_core.params import parameters_of
from lossplug_core.spec import MAIN_TARGET, LossSpec

if TYPE_CHECKING:
    from lossplug_core.testing.strategies import Sample

__all__ = ["python_of"]


def python_of(spec: LossSpec, sample: Sample, options: Mapping[str, Any]) -> str:
    """A line that calculates a loss on a sample: no default is written."""
    declared = parameters_of(spec)
    given = [
        f"{name}={_value(value)}"
        for name, value in [*sample.parameters.items(), *options.items()]
        if name not in declared or declared[name].required or declared[name].default != value
    ]
    arguments = ", ".join([repr(spec.id), *given])
    return f"get_loss({arguments})({_target(sample)}, {_prediction(spec, sample)})"


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
        return getattr(value, "__name__", "network")
    return repr(value.tolist() if hasattr(value, "tolist") else value)
