"""Data and parameters for a loss, drawn from the forms, types and bounds that it declares."""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from lossplug_core.networks import is_network
from lossplug_core.params import Parameter, parameters_of
from lossplug_core.spec import LossSpec
from lossplug_core.types import Dimension

__all__ = ["Sample", "Sizes", "follows_classes", "parameters", "samples"]

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]
Kind = Literal["typical", "extreme", "hard"]
"""Typical numbers; extreme ones; or typical ones with targets that are certain."""

_HUGE = 1e4
_LABELS = 3
_LARGE = 10_000


@dataclass(frozen=True, slots=True)
class Sizes:
    """The dimensions of a batch: samples, positions of each, the last axis, and classes."""

    batch: int
    positions: tuple[int, ...]
    last: int
    classes: int


@dataclass(frozen=True, slots=True)
class Sample:
    """One batch for a loss, and the parameters for it.

    Attributes:
        parameters: All parameters that were drawn; a network is a callable.
        y_true: The target.
        y_pred: The prediction; of a loss on several outputs, those stacked along a first axis.
        further: Further targets by name.
        sizes: Its dimensions.
    """

    parameters: Mapping[str, Any]
    y_true: Array
    y_pred: Array
    further: Mapping[str, Array]
    sizes: Sizes


# --- Parameters -----------------------------------------------------------------------------------


def parameters(
    spec: LossSpec, sizes: Sizes, *, wide: bool = False
) -> st.SearchStrategy[dict[str, Any]]:
    """Parameters within their bounds, that fit data of these sizes.

    Args:
        spec: The loss.
        sizes: Those of the data.
        wide: Draw all that the bounds allow, and not only what one would calculate with.
    """
    return st.fixed_dictionaries(
        {name: _parameter(p, sizes, wide) for name, p in parameters_of(spec).items()}
    )


def _parameter(parameter: Parameter, sizes: Sizes, wide: bool) -> st.SearchStrategy[Any]:
    drawn = _typed(parameter.annotation, parameter, sizes, wide)
    if parameter.required or wide:
        return drawn
    # Hypothesis shrinks towards the first: what fails with the default is shown with it.
    return st.one_of(st.just(parameter.default), drawn)


def _typed(
    annotation: Any, parameter: Parameter, sizes: Sizes, wide: bool, marks: Sequence[Any] = ()
) -> st.SearchStrategy[Any]:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if is_network(annotation) and origin is typing.Annotated:
        return st.just(network)
    if origin is typing.Annotated:
        return _typed(arguments[0], parameter, sizes, wide, (*arguments[1:], *marks))
    if origin in (typing.Union, type(int | str)):
        alternatives = [a for a in arguments if _is_free(a)] or list(arguments)
        return st.one_of([_typed(a, parameter, sizes, wide) for a in alternatives])
    if origin is typing.Literal:
        return st.sampled_from(arguments)
    if origin in (tuple, list):
        count = next((_size(m, sizes) for m in marks if isinstance(m, Dimension)), None)
        one = _typed(arguments[0], parameter, sizes, wide)
        return st.lists(one, min_size=count or 1, max_size=count or 3).map(tuple)
    if annotation is type(None):
        return st.none()
    if annotation is bool:
        return st.booleans()
    if annotation in (int, float):
        fixed = [_size(mark, sizes) for mark in marks if isinstance(mark, Dimension)]
        return st.just(fixed[0]) if fixed else _number(annotation, parameter.default, marks, wide)
    if parameter.required:
        # A type that we cannot draw, and no default: the loss will say what it thinks of it.
        return st.from_type(annotation)
    return st.just(parameter.default)


def follows_classes(annotation: Any) -> bool:
    """Whether a parameter of this type tells how many classes there are."""
    return annotation == Dimension("classes") or any(
        map(follows_classes, typing.get_args(annotation))
    )


def network(inputs: Any) -> Any:
    """A network for losses that take one: it keeps the shape, and mixes the last axis."""
    from lossplug_core import ops

    return 0.5 * inputs + 0.25 * ops.flip(inputs, axis=-1)


def _is_free(annotation: Any) -> bool:
    """Whether it can be drawn without more knowledge: not a sequence of unknown length."""
    marks = annotation.__metadata__ if typing.get_origin(annotation) is typing.Annotated else ()
    inner = typing.get_args(annotation)[0] if marks else annotation
    sequence = typing.get_origin(inner) in (tuple, list)
    return not sequence or any(isinstance(mark, Dimension) for mark in marks)


def _size(dimension: Dimension, sizes: Sizes) -> int:
    return sizes.last if dimension.name == "features" else sizes.classes


def _number(
    kind: type, default: Any, marks: Sequence[Any], wide: bool
) -> st.SearchStrategy[int | float]:
    bounds = _bounds(marks)
    low, high = (bounds.low, bounds.high) if wide else bounds.usual(default)
    if kind is int:
        # A size of 2**31 is within the bounds, and takes all memory that there is.
        least, most = max(low, -_LARGE), min(high, max(low, 0) + _LARGE)
        return st.integers(int(np.ceil(least)), int(np.floor(most)))
    if wide:
        return st.floats(
            low if np.isfinite(low) else None,
            high if np.isfinite(high) else None,
            exclude_min=bounds.open_low,
            exclude_max=bounds.open_high,
            allow_nan=False,
            allow_infinity=False,
        )
    return st.integers(0, 8).map(lambda eighths: low + (high - low) * eighths / 8)


@dataclass(frozen=True, slots=True)
class _Bounds:
    low: float = -np.inf
    high: float = np.inf
    open_low: bool = False
    open_high: bool = False

    def usual(self, default: Any) -> tuple[float, float]:
        """Ends between which one would calculate: not a temperature of 1e-300, say."""
        size = abs(default) if isinstance(default, (int, float)) and default else 1
        low = max(self.low, -4 * size) + (size / 10 if self.open_low else 0)
        high = min(self.high, max(low, 0) + 4 * size)
        if self.open_high and high == self.high:
            high -= (high - low) / 10
        return low, high


def _bounds(marks: Sequence[Any]) -> _Bounds:
    """The narrowest bounds among the marks of a type."""
    given = {
        name: [bound for mark in marks if (bound := getattr(mark, name, None)) is not None]
        for name in ("ge", "gt", "le", "lt")
    }
    low = max([-np.inf, *given["ge"], *given["gt"]])
    high = min([np.inf, *given["le"], *given["lt"]])
    return _Bounds(low, high, low in given["gt"], high in given["lt"])


# --- Data -----------------------------------------------------------------------------------------


def samples(
    spec: LossSpec,
    *,
    batch: tuple[int, int] = (1, 4),
    positions: bool = True,
    kind: Kind = "typical",
    fixed: Mapping[str, Any] | None = None,
    few_shapes: bool = False,
) -> st.SearchStrategy[Sample]:
    """Batches for a loss.

    Args:
        spec: The loss.
        batch: The least and the greatest number of samples.
        positions: Whether predictions may have positions between samples and the last axis.
        kind: Which numbers.
        fixed: Parameters that are not drawn.
        few_shapes: Whether the sizes are some that all losses share: backends compile every
            operation for every shape.
    """

    @st.composite
    def draw_sample(draw: Callable[[st.SearchStrategy[Any]], Any]) -> Sample:
        y_true, y_pred = draw(st.sampled_from(spec.y_true)), draw(st.sampled_from(spec.y_pred))
        exclusive = y_true in ("class_ids", "one_hot", "probabilities")
        places = [(), (2,)] if positions and _has_positions(spec) else [()]
        drawn = _few(batch, places) if few_shapes else _many(batch, places, 2 if exclusive else 1)
        sizes = draw(drawn)
        if y_true == "labels":
            sizes = replace(sizes, classes=_LABELS)
        chosen = {**draw(parameters(spec, sizes)), **(fixed or {})}
        if "from_logits" in chosen and y_pred in ("logits", "probabilities"):
            y_pred = "logits" if chosen["from_logits"] else "probabilities"
        shape = (sizes.batch,) if y_pred == "distances" else _shape(sizes)
        outputs = [
            draw(_prediction(spec.forms.get(name, y_pred), shape, kind, exclusive))
            for name in spec.outputs or [""]
        ]
        return Sample(
            parameters=chosen,
            y_true=draw(_target(y_true, shape, kind)),
            y_pred=np.stack(outputs) if spec.outputs else outputs[0],
            further={
                name: draw(_target(spec.forms.get(name, "values"), shape, kind))
                for name in spec.targets
            },
            sizes=sizes,
        )

    return draw_sample()


def _many(
    batch: tuple[int, int], places: Sequence[tuple[int, ...]], least: int
) -> st.SearchStrategy[Sizes]:
    last = st.integers(least, 3)
    sizes = st.tuples(st.integers(*batch), st.sampled_from(places), last)
    return sizes.map(lambda drawn: Sizes(*drawn, classes=drawn[-1]))


def _few(batch: tuple[int, int], places: Sequence[tuple[int, ...]]) -> st.SearchStrategy[Sizes]:
    """At most two sizes: one sample without positions, and some with."""
    many = Sizes(batch[1], places[-1], 3, 3)
    return st.sampled_from([Sizes(1, (), 3, 3), many] if batch[0] == 1 else [many])


def _has_positions(spec: LossSpec) -> bool:
    return not {"embeddings", "distances"} & set(spec.y_pred) and "labels" not in spec.y_true


def _shape(sizes: Sizes) -> tuple[int, ...]:
    return (sizes.batch, *sizes.positions, sizes.last)


_EIGHTHS = st.integers(-32, 32).map(lambda n: n / 8)
_EXTREMES = st.sampled_from([0.0, _HUGE, -_HUGE, 1.0, -1.0])


def _prediction(form: str, shape: Shape, kind: Kind, classes: bool) -> st.SearchStrategy[Array]:
    extreme = kind == "extreme"
    numbers = _EXTREMES if extreme else _EIGHTHS
    if form in ("distances", "scales"):
        least = 1 / 8 if form == "scales" else 0.0
        return _floats(shape, numbers.map(lambda number: max(abs(number), least)))
    if form == "embeddings" and extreme:
        # All equal, zero, or huge: where distances and norms have no derivative.
        equal = _floats((1, shape[-1]), numbers).map(lambda row: np.repeat(row, shape[0], axis=0))
        return st.one_of(equal, _floats(shape, numbers))
    if form == "probabilities":
        sixteenths = st.integers(1, 15).map(lambda n: n / 16)
        parts = st.sampled_from([0.0, 1.0]) if extreme else sixteenths
        return _distribution(shape, parts) if classes else _floats(shape, parts)
    return _floats(shape, numbers)


def _target(form: str, shape: Shape, kind: Kind) -> st.SearchStrategy[Array]:
    hard = kind != "typical"
    if form == "labels":
        return _integers(shape[:1], _LABELS)
    if form == "class_ids":
        return _integers(shape[:-1], shape[-1])
    if form == "one_hot" or (form == "probabilities" and hard):
        return _integers(shape[:-1], shape[-1]).map(
            lambda ids: np.eye(shape[-1], dtype="float32")[ids]
        )
    if form == "probabilities":
        return _distribution(shape, st.integers(1, 8).map(float))
    if form == "signs":
        return _floats(shape, st.sampled_from([-1.0, 1.0]))
    if form == "binary":
        return _floats(shape, st.sampled_from([0.0, 1.0] if hard else [0.0, 1.0, 0.25]))
    return _floats(shape, _EXTREMES if kind == "extreme" else _EIGHTHS)


def _floats(shape: Shape, elements: st.SearchStrategy[Any]) -> st.SearchStrategy[Array]:
    return arrays.arrays("float32", shape, elements=elements, fill=st.nothing())


def _integers(shape: Shape, limit: int) -> st.SearchStrategy[Array]:
    return arrays.arrays("int32", shape, elements=st.integers(0, limit - 1), fill=st.nothing())


def _distribution(shape: Shape, elements: st.SearchStrategy[Any]) -> st.SearchStrategy[Array]:
    """Rows that sum to 1."""

    def scaled(rows: Array) -> Array:
        rows = rows + (rows.sum(-1, keepdims=True) == 0) * np.eye(shape[-1])[0]
        return np.asarray(rows / rows.sum(-1, keepdims=True), "float32")

    return _floats(shape, elements).map(scaled)
