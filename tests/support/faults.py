"""Losses with one fault each, that one check of the kit finds, and right ones near them.

`FAULTS` is the table. Faults that only an installed package can have are further below, as text.
"""

from __future__ import annotations

import itertools
import logging
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from lossplug_core import (
    NonNegative,
    NonNegativeInt,
    ParameterError,
    Positive,
    Real,
    Weight,
    chosen,
    loss,
    one_of,
    ops,
)
from lossplug_core.tensors import at_least_float32

Loss = Callable[..., Any]

EVERYWHERE = ("tensorflow", "jax", "torch")

_DOCSTRING = """{name} error.

Formula:
    $$L = (y - x)^2$$

Args:
    {args}

Returns:
    One value per sample.

Example:
    >>> 1 + 1
    2

Reference:
    Gauss, 1809.
"""


def documented(function: Loss) -> Loss:
    """Give a function a whole docstring, so that nothing but its fault is to be found."""
    code = function.__code__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    args = "\n    ".join(f"{name}: A number." for name in names)
    function.__doc__ = _DOCSTRING.format(name=function.__name__.capitalize(), args=args)
    return function


def suspect(y_true: str = "values", y_pred: str = "values", **declared: Any) -> Any:
    """A loss with a whole docstring."""
    return lambda function: loss(y_true=y_true, y_pred=y_pred, **declared)(documented(function))


def error_of(y_true: Any, y_pred: Any) -> Any:
    """The differences, in at least float32."""
    return at_least_float32(y_pred) - at_least_float32(y_true)


def squares(y_true: Any, y_pred: Any) -> Any:
    """The mean squared difference of each sample or position."""
    return ops.mean(ops.square(error_of(y_true, y_pred)), axis=-1)


# --- signature, defaults, documentation, example --------------------------------------------------


@suspect()
def without_bounds(y_true, y_pred, *, scale: float = 1.0):
    return scale * squares(y_true, y_pred)


@suspect()
def any_number(y_true, y_pred, *, scale: Real = 1.0):
    return scale * squares(y_true, y_pred)


@suspect()
def refuses_its_default(y_true, y_pred, *, scale: Positive = 0.0):
    return scale * squares(y_true, y_pred)


@suspect()
def default_at_its_bound(y_true, y_pred, *, scale: NonNegative = 0.0):
    return scale * squares(y_true, y_pred)


@suspect()
def without_reference(y_true, y_pred):
    return squares(y_true, y_pred)


without_reference.__doc__ = without_reference.__doc__.partition("Reference")[0]


@suspect()
def squared(y_true, y_pred):
    return squares(y_true, y_pred)


@suspect()
def untrue_example(y_true, y_pred):
    return squares(y_true, y_pred)


untrue_example.__doc__ = untrue_example.__doc__.replace("    2\n", "    3\n")

# --- values, deterministic, quiet, reductions -----------------------------------------------------


@suspect()
def root_of_negatives(y_true, y_pred):
    return ops.sqrt(ops.mean(error_of(y_true, y_pred), axis=-1))


@suspect()
def root_of_positives(y_true, y_pred):
    return ops.sqrt(1 + squares(y_true, y_pred))


CALLS = itertools.count()


@suspect()
def counts_its_calls(y_true, y_pred):
    return squares(y_true, y_pred) + next(CALLS)


CONSTANTS: dict[str, float] = {}


@suspect()
def keeps_a_constant(y_true, y_pred):
    return CONSTANTS.setdefault("two", 2.0) * squares(y_true, y_pred)


@suspect()
def prints(y_true, y_pred):
    print("calculating")
    return squares(y_true, y_pred)


@suspect()
def logs(y_true, y_pred):
    logging.getLogger(__name__).debug("calculating")
    return squares(y_true, y_pred)


@suspect()
def one_number(y_true, y_pred):
    return ops.mean(squares(y_true, y_pred))


@suspect()
def one_number_a_position(y_true, y_pred):
    return ops.square(error_of(y_true, y_pred))


# --- sample-weight, masks, order ------------------------------------------------------------------


def _centered(y_true: Any, y_pred: Any) -> Any:
    values = squares(y_true, y_pred)
    return values - ops.mean(values, axis=0, keepdims=True)


@suspect()
def compares_in_secret(y_true, y_pred):
    return _centered(y_true, y_pred)


@suspect(compares_samples=True)
def compares_openly(y_true, y_pred):
    return _centered(y_true, y_pred)


@suspect()
def position_with_the_padding(y_true, y_pred):
    values = squares(y_true, y_pred)
    if len(values.shape) == 1:
        return values
    return values - ops.mean(values, axis=1, keepdims=True) / 2


@suspect()
def position_alone(y_true, y_pred):
    return squares(y_true, y_pred) / 2


@suspect(compares_samples=True)
def with_the_next(y_true, y_pred):
    values = squares(y_true, y_pred)
    return values - ops.roll(values, 1, axis=0) / 2


@suspect(compares_samples=True)
def with_the_largest(y_true, y_pred):
    values = squares(y_true, y_pred)
    return values - ops.max(values, axis=0, keepdims=True) / 2


# --- range, at-target, gradient, extremes ---------------------------------------------------------


@suspect(range=(0, None))
def below_its_range(y_true, y_pred):
    return squares(y_true, y_pred) - 0.1


@suspect(range=(-0.1, None))
def within_its_range(y_true, y_pred):
    return squares(y_true, y_pred) - 0.1


@suspect(at_target="zero")
def not_zero_at_target(y_true, y_pred):
    return squares(y_true, y_pred) + 0.1


@suspect(at_target="minimum")
def least_at_target(y_true, y_pred):
    return squares(y_true, y_pred) + 0.1


@suspect()
def half_a_gradient(y_true, y_pred):
    error = error_of(y_true, y_pred)
    return ops.mean(error * ops.stop_gradient(error), axis=-1)


@suspect()
def with_a_kink(y_true, y_pred):
    return ops.mean(ops.abs(error_of(y_true, y_pred)), axis=-1)


@suspect()
def overflows(y_true, y_pred):
    return ops.mean(ops.log(1 + ops.exp(error_of(y_true, y_pred))), axis=-1)


@suspect()
def does_not_overflow(y_true, y_pred):
    return ops.mean(ops.softplus(error_of(y_true, y_pred)), axis=-1)


# --- integer-labels, half-precision, double-precision ---------------------------------------------


def _pairs(labels: Any, y_pred: Any) -> Any:
    x = at_least_float32(y_pred)
    distances = ops.sum(ops.square(x[:, None] - x[None]), axis=-1)
    same = ops.cast(ops.equal(labels[:, None], labels[None]), distances.dtype)
    return ops.mean(same * distances, axis=1)


@suspect("labels", "embeddings")
def labels_as_floats(y_true, y_pred):
    return _pairs(ops.cast(y_true, "float32"), y_pred)


@suspect("labels", "embeddings")
def labels_as_they_are(y_true, y_pred):
    return _pairs(y_true, y_pred)


def _eighth_power(error: Any) -> Any:
    return ops.log1p(ops.mean(error**8, axis=-1))


@suspect()
def in_half_precision(y_true, y_pred):
    return _eighth_power(y_pred - y_true)


@suspect()
def in_float32_at_least(y_true, y_pred):
    return _eighth_power(error_of(y_true, y_pred))


@suspect()
def in_float32_always(y_true, y_pred):
    error = ops.cast(y_pred, "float32") - ops.cast(y_true, "float32")
    return ops.mean(ops.square(error), axis=-1)


# --- jit, dynamic-batch, retracing, tensor-parameters, memory -------------------------------------


@suspect()
def asks_a_tensor(y_true, y_pred):
    if not ops.all(ops.isfinite(y_pred)):
        raise ValueError("The prediction is not finite.")
    return squares(y_true, y_pred)


@suspect()
def asks_a_shape(y_true, y_pred):
    values = squares(y_true, y_pred)
    return values if len(values.shape) == 1 else ops.mean(values, axis=1)


@suspect()
def static_batch(y_true, y_pred):
    values = squares(y_true, y_pred)
    return values * ops.ones((y_pred.shape[0], *values.shape[1:]), values.dtype)


@suspect()
def any_batch(y_true, y_pred):
    values = squares(y_true, y_pred)
    return values * ops.ones((ops.shape(y_pred)[0], *values.shape[1:]), values.dtype)


_STATE = {"mean": Weight((), 0.0, trainable=False)}


def _around_mean(y_true: Any, y_pred: Any, mean: Any) -> tuple[Any, Any]:
    error = error_of(y_true, y_pred)
    return ops.mean(ops.square(error - mean), axis=-1), ops.mean(error)


@suspect(weights=_STATE)
def state_in_another_dtype(y_true, y_pred, *, weights):
    values, mean = _around_mean(y_true, y_pred, weights["mean"])
    return values, {"mean": ops.cast(mean, "float16")}


@suspect(weights=_STATE)
def state_as_it_was(y_true, y_pred, *, weights):
    values, mean = _around_mean(y_true, y_pred, weights["mean"])
    return values, {"mean": ops.cast(mean, weights["mean"].dtype)}


@suspect()
def scaled_if_a_number(y_true, y_pred, *, scale: NonNegative = 1.0):
    values = squares(y_true, y_pred)
    return scale * values if isinstance(scale, float) else values


@suspect()
def scaled(y_true, y_pred, *, scale: NonNegative = 1.0):
    return scale * squares(y_true, y_pred)


def _triples(values: Any) -> Any:
    return values[:, None, None] * values[None, :, None] + values[None, None, :]


@suspect("values", "embeddings")
def cube_of_the_batch(y_true, y_pred):
    return ops.mean(ops.tanh(_triples(squares(y_true, y_pred))), axis=(1, 2))


@suspect("values", "embeddings")
def square_of_the_batch(y_true, y_pred):
    values = squares(y_true, y_pred)
    return ops.mean(ops.tanh(values[:, None] + values[None]), axis=1)


# --- Parts: what is found in a loss is found in its alternatives ----------------------------------


def _whole(values: Any) -> Any:
    return values


def _times(values: Any, *, factor: Positive = 1.0) -> Any:
    return factor * values


def _times_anything(values: Any, *, factor: float = 1.0) -> Any:
    return factor * values


def _times_nothing(values: Any, *, factor: Positive = 0.0) -> Any:
    return factor * values


def _times_in_secret(values: Any, *, factor=1.0) -> Any:
    return factor * values


_Sound: Any = one_of(whole=_whole, times=_times)
_Unbounded: Any = one_of(whole=_whole, times=_times_anything)
_Untyped: Any = one_of(whole=_whole, times=_times_in_secret)
_Refused: Any = one_of(whole=_whole, times=_times_nothing)


@suspect()
def sound_part(y_true, y_pred, *, part: _Sound | None = "whole"):
    part = chosen(_Sound, part)
    return squares(y_true, y_pred) if part is None else part(squares(y_true, y_pred))


@suspect()
def part_without_bounds(y_true, y_pred, *, part: _Unbounded = "whole"):
    return chosen(_Unbounded, part)(squares(y_true, y_pred))


@suspect()
def part_without_type(y_true, y_pred, *, part: _Untyped = "whole"):
    return chosen(_Untyped, part)(squares(y_true, y_pred))


@suspect()
def part_refuses_its_default(y_true, y_pred, *, part: _Refused = "whole"):
    return chosen(_Refused, part)(squares(y_true, y_pred))


# --- states, config, saved-model, backends, oracle ------------------------------------------------


@suspect(weights=_STATE)
def state_not_finite(y_true, y_pred, *, weights):
    return squares(y_true, y_pred), {"mean": ops.log(ops.mean(error_of(y_true, y_pred)))}


@suspect(weights=_STATE)
def state_finite(y_true, y_pred, *, weights):
    return squares(y_true, y_pred), {"mean": ops.log1p(ops.mean(squares(y_true, y_pred)))}


class Unwritable(Enum):
    """Choices whose values JSON turns into something else."""

    HALF = (1, 2)


@suspect()
def choice_of_tuples(y_true, y_pred, *, ratio: Unwritable = Unwritable.HALF):
    return ratio.value[0] / ratio.value[1] * squares(y_true, y_pred)


class Writable(Enum):
    """Choices whose values are texts."""

    HALF = "1/2"


@suspect()
def choice_of_texts(y_true, y_pred, *, ratio: Writable = Writable.HALF):
    return squares(y_true, y_pred) / float(ratio.value[2])


@suspect()
def pairs_of_anything(y_true, y_pred, *, pairs: tuple = ((1, 2), (3, 4))):
    return len(pairs) * squares(y_true, y_pred)


@suspect()
def pairs_of_integers(
    y_true, y_pred, *, pairs: tuple[tuple[NonNegativeInt, ...], ...] = ((1, 2), (3, 4))
):
    return len(pairs) * squares(y_true, y_pred)


OF_THIS_PROCESS = 1 + random.SystemRandom().random()


@suspect()
def another_in_each_process(y_true, y_pred):
    return OF_THIS_PROCESS * squares(y_true, y_pred)


@suspect()
def another_on_each_backend(y_true, y_pred):
    import keras

    return (1 + len(keras.config.backend()) / 100) * squares(y_true, y_pred)


@suspect()
def a_thousandth_too_much(y_true, y_pred):
    return 1.001 * squares(y_true, y_pred)


def oracle(y_true: Any, y_pred: Any) -> Any:
    """The mean squared error of arrays."""
    return ((y_pred - y_true) ** 2).mean(axis=-1)


@dataclass(frozen=True)
class Fault:
    """One row: what a check finds.

    Attributes:
        check: The id of the check.
        wrong: The loss that only this check finds wrong.
        right: A loss near it, with which the check is content.
        says: What the message says of the wrong one.
        on: The backends on which the fault can be seen.
        oracles: Oracles for both.
    """

    check: str
    wrong: Loss
    right: Loss
    says: str
    on: tuple[str, ...] = EVERYWHERE
    oracles: Mapping[None, Loss] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.check}-{self.wrong.__name__}"


# What cannot be seen everywhere: XLA and graphs refuse Python's `if` on a tensor, torch does not;
# only TensorFlow has sizes that are unknown; on JAX and torch Keras itself takes means in float32.
_TRACED, _TENSORFLOW = ("tensorflow", "jax"), ("tensorflow",)

FAULTS = (
    Fault("signature", without_bounds, any_number, "'scale' is a number without bounds"),
    Fault("signature", part_without_bounds, sound_part, "'part.times.factor' is a number without"),
    Fault("signature", part_without_type, sound_part, "'part.times.factor' has no type"),
    Fault("defaults", part_refuses_its_default, sound_part, "'part.times.factor'.*greater than 0"),
    Fault("defaults", refuses_its_default, default_at_its_bound, "default: .*greater than 0"),
    Fault("documentation", without_reference, squared, "The docstring lacks reference"),
    Fault("example", untrue_example, squared, "Expected:\n +3\nGot:\n +2"),
    Fault("values", root_of_negatives, root_of_positives, "A value is not finite"),
    Fault("deterministic", counts_its_calls, keeps_a_constant, "give other values"),
    Fault("quiet", prints, logs, "It prints.*calculating"),
    Fault("reductions", one_number, one_number_a_position, "not give one value per sample"),
    Fault("sample-weight", compares_in_secret, compares_openly, "Is compares_samples=True missing"),
    Fault("masks", position_with_the_padding, position_alone, "The mask .* fails"),
    Fault("order", with_the_next, with_the_largest, "depend on the order of the batch"),
    Fault("range", below_its_range, within_its_range, "Received -0.1"),
    Fault("at-target", not_zero_at_target, least_at_target, "It is not 0 at the target"),
    Fault("gradient", half_a_gradient, with_a_kink, "not that of finite differences"),
    Fault("extremes", overflows, does_not_overflow, "The value is not finite"),
    Fault("integer-labels", labels_as_floats, labels_as_they_are, r"another meaning as above 2\*"),
    Fault("half-precision", in_half_precision, in_float32_at_least, "In float16 it differs"),
    Fault("double-precision", in_float32_always, squared, "calculates in float32", _TENSORFLOW),
    Fault("jit", asks_a_tensor, asks_a_shape, "Error: ", _TRACED),
    Fault("dynamic-batch", static_batch, any_batch, "None", _TENSORFLOW),
    Fault("retracing", state_in_another_dtype, state_as_it_was, "its shape or its dtype.*float16"),
    Fault("tensor-parameters", scaled_if_a_number, scaled, "With tensors its values differ"),
    Fault("memory", cube_of_the_batch, square_of_the_batch, r"at most as batch\*\*2"),
    Fault("states", state_not_finite, state_finite, "The state 'mean' is not finite"),
    Fault("config", pairs_of_anything, pairs_of_integers, "'pairs' is another after the config"),
    Fault("config", choice_of_tuples, choice_of_texts, "Its config cannot be read again"),
    Fault("saved-model", another_in_each_process, squared, "After loading it has other values"),
    Fault("backends", another_on_each_backend, squared, "its value is another"),
    Fault(
        "oracle", a_thousandth_too_much, squared, "disagrees with the definition",
        oracles={None: oracle},
    ),
)  # fmt: skip


@suspect("labels|multi_hot", "embeddings")
def labels_or_rows(y_true, y_pred):
    """Calls samples alike that have a label in common."""
    if len(y_true.shape) == 1:
        return _pairs(y_true, y_pred)
    common = ops.matmul(y_true, ops.transpose(y_true))
    x = at_least_float32(y_pred)
    distances = ops.sum(ops.square(x[:, None] - x[None]), axis=-1)
    return ops.mean(ops.cast(common > 0, distances.dtype) * distances, axis=1)


@suspect()
def refuses_combinations(y_true, y_pred, *, low: Real = 0.0, high: Real = 1.0):
    """Has bounds that depend on one another, which no type can tell."""
    if isinstance(low, float) and isinstance(high, float) and low >= high:
        raise ParameterError("'low' is not below 'high'.", received=(low, high))
    return squares(y_true, y_pred) * (high - low)


def _state_if_kept(keeps: bool) -> Mapping[str, Weight]:
    return _STATE if keeps else {}


@suspect(weights=_state_if_kept)
def keeps_a_state_if_told(y_true, y_pred, *, weights=None, keeps: bool = False):
    values = squares(y_true, y_pred)
    return (values, {"mean": weights["mean"] / 2 + ops.mean(values) / 2}) if keeps else values


SOUND = (sound_part, labels_or_rows, refuses_combinations, keeps_a_state_if_told)
"""Losses with which all checks are content, though they are of kinds that are rare."""

LOSSES = {
    function.__name__: function
    for function in (*SOUND, *(each for fault in FAULTS for each in (fault.wrong, fault.right)))
}
