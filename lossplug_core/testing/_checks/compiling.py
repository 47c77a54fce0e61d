"""Whether a loss can be compiled, for any batch, once, and in how much memory."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from lossplug_core.bridge.autodiff import value_and_gradient
from lossplug_core.errors import ParameterError
from lossplug_core.params import admits_float, coerce, parameters_of
from lossplug_core.spec import LossSpec
from lossplug_core.testing.calculate import compiled, largest_tensor, raw, unknown_batch
from lossplug_core.testing.check import ConformanceError, SkippedError, check
from lossplug_core.testing.strategies import Sample
from lossplug_core.testing.subject import Subject, agree

__all__ = ["dynamic_batch", "jit", "memory", "retracing", "tensor_parameters"]

_CLOSE = 1e-4
_FEW, _MANY = 16, 64


@check(
    "jit",
    "Keras compiles the training step: what cannot be compiled cannot be trained by default.",
    needs=("reductions",),
)
def jit(subject: Subject) -> None:
    """Compiled, by XLA or `torch.compile`, it has the same value and gradient."""
    if keras.backend.backend() == "torch" and subject.profile == "quick":
        raise SkippedError("torch.compile takes seconds: only the thorough profile tries it")

    def test(sample: Sample) -> None:
        values, slopes = subject.gradient(sample)
        if keras.backend.backend() == "torch":
            function = compiled(subject.function(sample))
            found = keras.ops.convert_to_numpy(function(raw(sample.y_pred)))
        else:
            found, compiled_slopes = subject.gradient(sample, jit=True)
            agree(compiled_slopes, slopes, "Compiled, its gradient differs.", rtol=_CLOSE)
        agree(found, values, "Compiled, its value differs.", rtol=_CLOSE)

    subject.each(test, batch=(4, 4), positions=False, most=2)


@check(
    "dynamic-batch",
    "The last batch of an epoch is smaller, and a graph is traced for batches of any size.",
    needs=("jit",),
)
def dynamic_batch(subject: Subject) -> None:
    """Traced once, it takes batches of any size."""

    def test(sample: Sample) -> None:
        loss = subject.loss(sample, reduction=None)
        y_true = {key: raw(value) for key, value in _targets(subject, sample).items()}

        def function(y_pred: Any) -> Any:
            rows = keras.ops.shape(y_pred)[0]
            cut = {key: value[:rows] for key, value in y_true.items()}
            target = cut if sample.further else cut["y_true"]
            return loss(target, y_pred, training=False)

        run = unknown_batch(function, raw(sample.y_pred)) or function
        for size in (4, 1) if subject.profile == "quick" else (4, 1, 2, 3):
            part = subject.part(sample, np.arange(size))
            found = keras.ops.convert_to_numpy(run(raw(part.y_pred)))
            agree(found, subject.values(part), f"It fails for a batch of {size}.", rtol=_CLOSE)

    if subject.spec.outputs:
        raise SkippedError("it compares several outputs, which are traced as any other")
    subject.each(test, batch=(4, 4), most=3)


def _targets(subject: Subject, sample: Sample) -> Mapping[str, Any]:
    target = subject.target(sample)
    return target if isinstance(target, dict) else {"y_true": target}


def _no_state(spec: LossSpec) -> str | None:
    return "it keeps no state" if spec.weights is None else None


@check(
    "retracing",
    "A loss that is traced anew in every step trains a hundred times slower.",
    skip=_no_state,
    needs=("jit",),
)
def retracing(subject: Subject) -> None:
    """Steps that hand its state on are traced once: the state keeps its shape and dtype."""

    def test(sample: Sample) -> None:
        loss, count = subject.loss(sample, reduction=None), 0
        y_true = raw(sample.y_true)
        further = {key: raw(value) for key, value in sample.further.items()}

        def step(weights: Any, y_pred: Any) -> Any:
            nonlocal count
            count += 1
            y_pred = subject.prediction(y_pred)
            given = {"weights": weights, **further, **loss.parameters}
            result = subject.spec.function(y_true, y_pred, **given)
            values, new = result if isinstance(result, tuple) else (result, {})
            return values, {**weights, **new}

        if keras.backend.backend() == "torch":
            run, most = step, 3
        else:
            run, most = compiled(step), 1
        weights = {name: raw(value) for name, value in loss.values().items()}
        before = _described(weights)
        for _ in range(3):
            _, weights = run(weights, raw(sample.y_pred))
            if _described(weights) != before:
                raise ConformanceError(
                    "A state changes its shape or its dtype.",
                    expected=str(before),
                    received=_described(weights),
                )
        if count > most:
            raise ConformanceError("It is traced again in a later step.", received=count)

    subject.each(test, batch=(4, 4), positions=False, most=2)


def _described(weights: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: f"{keras.ops.dtype(value)}{list(value.shape)}"
        for name, value in sorted(weights.items())
    }


def _floats(spec: LossSpec) -> list[str]:
    return [name for name, p in parameters_of(spec).items() if admits_float(p.annotation)]


def _no_floats(spec: LossSpec) -> str | None:
    return None if _floats(spec) else "it has no parameter that is a float"


@check(
    "tensor-parameters",
    "A user may let any float change during training: then it is a tensor.",
    skip=_no_floats,
    needs=("jit",),
)
def tensor_parameters(subject: Subject) -> None:
    """With tensors in place of its float parameters it compiles, and has the same values."""

    def test(sample: Sample) -> None:
        sample = replace(sample, parameters=_no_defaults(subject.spec, sample.parameters))
        loss = subject.loss(sample, reduction=None)
        numbers = {
            name: loss.parameters[name]
            for name in _floats(subject.spec)
            if isinstance(loss.parameters[name], float)
        }
        if not numbers:
            return
        owned = {name: raw(value) for name, value in loss.values().items()}
        given = {
            **loss.parameters,
            **{key: raw(value) for key, value in sample.further.items()},
            **({"weights": owned} if subject.spec.weights is not None else {}),
        }
        y_true, y_pred = raw(sample.y_true), subject.prediction(raw(sample.y_pred))

        def function(tensors: Any) -> Any:
            changing = {name: tensors[i] for i, name in enumerate(numbers)}
            result = subject.spec.function(y_true, y_pred, **{**given, **changing})
            return result[0] if isinstance(result, tuple) else result

        at = np.array(list(numbers.values()), "float32")
        found, _ = value_and_gradient(function, at, jit=True)
        agree(found, subject.values(sample), "With tensors its values differ.", rtol=_CLOSE)

    subject.each(test, batch=(4, 4), positions=False, most=3)


def _no_defaults(spec: LossSpec, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Other floats in place of defaults: with those a loss that ignores them is right as well."""
    chosen = dict(parameters)
    for name in _floats(spec):
        parameter = parameters_of(spec)[name]
        if isinstance(chosen[name], float) and chosen[name] == parameter.default:
            for other in (0.75 * chosen[name], chosen[name] + 0.25):
                with suppress(ParameterError):
                    chosen[name] = coerce(spec, parameter, other)
    return chosen


@check(
    "memory",
    "What allocates the cube of the batch works in the example and fails in the training.",
    needs=("jit",),
)
def memory(subject: Subject) -> None:
    """Its largest tensor, forward and backward, grows with the batch as it declares, or slower."""
    most = {"batch": 1, "batch**2": 2}[subject.spec.memory]

    def test(sample: Sample) -> None:
        sizes = []
        for size in (_FEW, _MANY):
            many = subject.part(sample, np.arange(size) % sample.sizes.batch)
            sizes.append(largest_tensor(subject.function(many), raw(many.y_pred)))
        growth = math.log(sizes[1] / sizes[0]) / math.log(_MANY / _FEW)
        if growth > most + 0.3:
            raise ConformanceError(
                "Its largest tensor grows faster than it declares.",
                expected=f"at most as {subject.spec.memory}",
                received=f"{sizes[0]} elements for {_FEW} samples, {sizes[1]} for {_MANY}",
                fix="@loss(memory=…) declares it.",
            )

    subject.each(test, batch=(4, 4), positions=False, most=2)
