"""Whether the numbers are right: bounds, gradients, extremes, precision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from lossplug_core.bridge.autodiff import value_and_gradient
from lossplug_core.params import parameters_of
from lossplug_core.spec import LossSpec
from lossplug_core.testing.calculate import compiled, double_precision, has_double_precision, raw
from lossplug_core.testing.check import ConformanceError, SkippedError, check
from lossplug_core.testing.parameters import follows_classes
from lossplug_core.testing.strategies import Array, Sample
from lossplug_core.testing.subject import Subject, agree

__all__ = [
    "at_target",
    "double_precision_",
    "extremes",
    "gradient",
    "half_precision",
    "integer_labels",
    "range_",
]


def _no_range(spec: LossSpec) -> str | None:
    return "it declares no range" if spec.range == (None, None) else None


@check(
    "range",
    "A loss below its bound is a mistake in a formula, or in the data.",
    skip=_no_range,
    needs=("deterministic",),
)
def range_(subject: Subject) -> None:
    """Its values are within the range that it declares."""
    low, high = subject.spec.range

    def test(sample: Sample) -> None:
        values = subject.values(sample)
        slack = 1e-6 * max(1.0, np.abs(values).max())
        for bound, beyond in ((low, values.min()), (high, -values.max())):
            sign = 1 if bound is low else -1
            if bound is not None and beyond < sign * bound - slack:
                raise ConformanceError(
                    "A value is out of the declared range.",
                    expected=f"values from {low} to {high}",
                    received=float(sign * beyond),
                )

    subject.each(test, times=2)


def _no_target_value(spec: LossSpec) -> str | None:
    if spec.at_target is None:
        return "it declares nothing of its value at the target"
    unlike = {"embeddings", "distances"} & set(spec.y_pred) or spec.outputs
    return "no prediction equals its target" if unlike else None


@check(
    "at-target",
    "A loss that is not least where the prediction is right leads elsewhere.",
    skip=_no_target_value,
    needs=("deterministic",),
)
def at_target(subject: Subject) -> None:
    """Where the prediction is the target, it is zero, or least, as it declares."""

    def test(sample: Sample) -> None:
        right = subject.values(replace(sample, y_pred=_right(subject.spec, sample)))
        if subject.spec.at_target == "zero":
            agree(right, np.zeros_like(right), "It is not 0 at the target.", rtol=1e-4)
        elif (right > subject.values(sample) + 1e-5 * (1 + np.abs(right))).any():
            raise ConformanceError("It is less for another prediction than at the target.")

    subject.each(test, kind="hard", times=2)


def _right(spec: LossSpec, sample: Sample) -> Array:
    """The prediction that is the target."""
    y_true = sample.y_true
    if y_true.dtype.kind in "iu":
        y_true = np.eye(sample.y_pred.shape[-1], dtype="float32")[y_true]
    y_true = y_true.reshape(sample.y_pred.shape)
    from_logits = sample.parameters.get("from_logits")
    form = spec.y_pred[0] if from_logits is None else "logits" if from_logits else "probabilities"
    if form == "scores" or (form == "logits" and "signs" in spec.y_true):
        return np.float32(50) * np.sign(y_true - 0.5)
    return np.float32(50) * (2 * y_true - 1) if form == "logits" else y_true


@check(
    "gradient",
    "A wrong gradient trains something, but not this loss.",
    skip=lambda spec: "it stops gradients on purpose" if spec.stops_gradient is True else None,
    needs=("reductions", "double-precision", "jit"),
)
def gradient(subject: Subject) -> None:
    """The gradient, in the prediction and in trained weights, is that of finite differences.

    It is calculated in float64, along random directions. At a kink it is between the two slopes.
    """
    stops = subject.spec.stops_gradient

    def test(sample: Sample) -> None:
        if callable(stops) and stops(sample.parameters):
            return
        with double_precision():
            _check_slope(subject.function(sample, dtype="float64"), sample.y_pred, "the prediction")
            for name, value in _trained(subject, sample).items():
                _check_slope(_of_weight(subject, sample, name), value, f"the weight {name!r}")

    subject.each(test, most=2 if subject.profile == "quick" else None)


def _check_slope(function: Callable[[Any], Any], at: Array, what: str) -> None:
    at = np.asarray(at, "float64")
    generator = np.random.default_rng(at.size)

    # JAX compiles every operation by itself, which takes longer than all of them at once.
    on_jax = keras.backend.backend() == "jax"
    run = compiled(function) if on_jax else function

    def total(at: Array) -> float:
        values = keras.ops.convert_to_numpy(run(keras.ops.convert_to_tensor(at)))
        return float(np.sum(values, dtype="float64"))

    slopes = value_and_gradient(function, keras.ops.convert_to_tensor(at), jit=on_jax)[1]
    # A small step is near the slope, and a large one above the noise of float32.
    precision, steps = (1e-16, (1e-3, 1e-5)) if has_double_precision() else (1e-7, (1e-3, 1e-4))
    middle = total(at)
    for _ in range(2):
        direction = generator.uniform(-1, 1, at.shape)
        found = float(np.sum(slopes * direction))
        seen: list[float] = []
        steepest: list[float] = []
        for step in steps:
            up, down = total(at + step * direction), total(at - step * direction)
            sides = sorted([(up - middle) / step, (middle - down) / step])
            central = (up - down) / (2 * step)
            rounding = 8 * precision * max(1.0, abs(middle)) / step
            slack = 1e-3 * abs(central) + 1e-6 + rounding
            kink = sides[1] - sides[0] > slack + 1e3 * step * max(1.0, abs(central))
            low, high = sides if kink else (central, central)
            if low - slack <= found <= high + slack:
                break
            seen.append(central)
            steepest.append(max(map(abs, sides)))
        else:
            if steepest[1] > 0.2 * steepest[0] * steps[0] / steps[1]:
                continue  # a jump, as where a direction is that of the zero vector: no slope
            raise ConformanceError(
                f"The gradient in {what} is not that of finite differences.",
                expected=f"a slope of {seen[-1]:.6g} in the direction {_rounded(direction)}",
                received=found,
            )


def _rounded(direction: Array) -> list[Any]:
    return [*np.round(direction, 3).tolist()]


def _trained(subject: Subject, sample: Sample) -> dict[str, Array]:
    """The weights that are trained, as they begin."""
    loss = subject.loss(sample, reduction=None, dtype="float64")
    declared = subject.spec.weights_with(sample.parameters)
    values = loss.values() if declared else {}
    return {name: values[name] for name, weight in declared.items() if weight.trainable}


def _of_weight(subject: Subject, sample: Sample, name: str) -> Callable[[Any], Any]:
    loss = subject.loss(sample, reduction=None, dtype="float64")
    y_true, y_pred = raw(sample.y_true, "float64"), raw(sample.y_pred, "float64")
    further = {key: raw(value, "float64") for key, value in sample.further.items()}

    def function(value: Any) -> Any:
        weights = {key: raw(other, "float64") for key, other in loss.values().items()}
        result = subject.spec.function(
            y_true,
            subject.prediction(y_pred),
            weights={**weights, name: value},
            **further,
            **loss.parameters,
        )
        return result[0] if isinstance(result, tuple) else result

    return function


@check(
    "extremes",
    "One NaN in one batch, and the model is lost.",
    needs=("deterministic",),
)
def extremes(subject: Subject) -> None:
    """Value and gradient are finite at ±1e4, for equal embeddings, one sample, and no positives.

    And the loss of a batch in which no sample counts is finite.
    """

    def test(sample: Sample) -> None:
        values, slopes = subject.gradient(sample)
        for what, numbers in (("value", values), ("gradient", slopes)):
            if not np.isfinite(numbers).all():
                raise ConformanceError(f"The {what} is not finite.", received=numbers.tolist())
        nothing = np.zeros((sample.sizes.batch, *[1] * (values.ndim - 1)), "float32")
        for reduction in ("sum_over_batch_size", "mean_with_sample_weight"):
            if not np.isfinite(subject.reduced(sample, nothing, reduction=reduction)).all():
                raise ConformanceError("It is not finite where every sample has weight 0.")

    subject.each(test, kind="extreme", times=3)


def _no_integers(spec: LossSpec) -> str | None:
    integers = {"labels", "class_ids", "multi_hot"}
    return "its target is not integers" if integers.isdisjoint(spec.y_true) else None


@check(
    "integer-labels",
    "Labels that pass through float32 merge above 2**24.",
    skip=_no_integers,
    needs=("deterministic",),
)
def integer_labels(subject: Subject) -> None:
    """Integers of any dtype, as a column or not, and however large, mean the same."""
    free = not any(follows_classes(p.annotation) for p in parameters_of(subject.spec).values())

    def test(sample: Sample) -> None:
        if "multi_hot" in subject.spec.y_true and sample.y_true.ndim == 2:
            others = {kind: sample.y_true.astype(kind) for kind in ("int64", "uint8", "bool")}
        elif sample.y_true.dtype.kind in "iu":
            sample = replace(sample, y_true=sample.y_true % 2)
            others = _as_others(sample.y_true, "labels" in subject.spec.y_true and free)
        else:
            return
        expected = subject.values(sample)
        for what, y_true in others.items():
            found = subject.values(replace(sample, y_true=y_true))
            agree(found, expected, f"Labels have another meaning as {what}.", rtol=1e-6)

    subject.each(test, batch=(3, 4), times=2)


def _as_others(labels: Array, may_be_large: bool) -> dict[str, Array]:
    """Labels that mean the same."""
    others = {
        "int64": labels.astype("int64"),
        "uint8": labels.astype("uint8"),
        "a column": labels[..., None],
    }
    return {**others, "above 2**24": labels + np.int32(2**24)} if may_be_large else others


@check(
    "half-precision",
    "Mixed precision hands float16 to the loss, where sums and exponentials overflow.",
    needs=("deterministic",),
)
def half_precision(subject: Subject) -> None:
    """In float16 and bfloat16 it is what float32 gives for the same numbers."""

    def test(sample: Sample) -> None:
        factor = 1 if sample.y_pred.min() >= 0 and sample.y_pred.max() <= 1 else 4
        for dtype in ("float16", "bfloat16"):
            half = keras.ops.cast(raw(factor * sample.y_pred), dtype)
            same = replace(
                sample, y_pred=keras.ops.convert_to_numpy(keras.ops.cast(half, "float32"))
            )
            expected = subject.values(same)
            if np.abs(expected).max(initial=0) < 6e4:
                agree(
                    subject.values(same, dtype=dtype),
                    expected,
                    f"In {dtype} it differs.",
                    rtol=2e-2,
                )

    subject.each(test)


@check(
    "double-precision",
    "Who asks for float64 has a reason.",
    needs=("deterministic",),
)
def double_precision_(subject: Subject) -> None:
    """In float64 it is calculated in float64."""
    if not has_double_precision():
        raise SkippedError("on this backend Keras takes the mean of float64 in float32")

    def test(sample: Sample) -> None:
        # Not all alike: a loss may depend on differences only.
        shifts = 1 + np.arange(sample.y_pred.size).reshape(sample.y_pred.shape) % 5
        shifted = np.asarray(sample.y_pred, "float64") * (1 - 1e-9) + shifts * 1e-10 / 3
        sample = replace(sample, y_pred=shifted)
        with double_precision():
            values, slopes = subject.gradient(sample, dtype="float64")
        agree(values, subject.values(sample), "In float64 it differs from float32.", rtol=1e-4)
        if np.abs(slopes).max(initial=0) > 1e-3 and (values == values.astype("float32")).all():
            raise ConformanceError("Asked for float64 it calculates in float32.")

    subject.each(test, batch=(3, 4))
