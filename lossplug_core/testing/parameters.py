"""Parameters for a loss, drawn from the types and bounds that its signature declares."""

from __future__ import annotations

import typing
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from lossplug_core.networks import is_network
from lossplug_core.params import Alternatives, Parameter, parameters_of
from lossplug_core.spec import LossSpec
from lossplug_core.types import Dimension, Matrix

__all__ = ["Sizes", "follows_classes", "parameters"]

_LARGE = 10_000
_NOTHING = 1e-6


@dataclass(frozen=True, slots=True)
class Sizes:
    """The dimensions of a batch: samples, positions of each, the last axis, and classes."""

    batch: int
    positions: tuple[int, ...]
    last: int
    classes: int


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
    if part := next((mark for mark in arguments if isinstance(mark, Alternatives)), None):
        return st.one_of([_choice(part, name, sizes, wide) for name in part.names])
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
        several = st.lists(one, min_size=count or 1, max_size=count or 3).map(tuple)
        matrix = next((mark for mark in marks if isinstance(mark, Matrix)), None)
        return several if matrix is None else several.map(lambda rows: _as(matrix, rows))
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


def _as(matrix: Matrix, rows: Sequence[Sequence[float]]) -> tuple[tuple[float, ...], ...]:
    """Drawn numbers as the matrix that is declared."""
    off_diagonal, on_diagonal = 1 - np.eye(len(rows)), np.eye(len(rows))
    array = np.asarray(rows)
    if matrix.hollow:
        array = array * off_diagonal
    if matrix.distributions:
        sums = array.sum(axis=1, keepdims=True)
        # A row of which nothing is left stays in its class.
        array = np.where(sums > _NOTHING, array / np.maximum(sums, _NOTHING), on_diagonal)
    return tuple(map(tuple, array.tolist()))


def _choice(
    alternatives: Alternatives, name: str, sizes: Sizes, wide: bool
) -> st.SearchStrategy[Any]:
    """One of several functions, as data: its name, or a mapping with its parameters."""
    declared = alternatives.parameters(name)
    if not declared:
        return st.just(name)
    drawn = {inner: _parameter(p, sizes, wide) for inner, p in declared.items()}
    return st.fixed_dictionaries({"name": st.just(name), **drawn})


def follows_classes(annotation: Any) -> bool:
    """Whether a parameter of this type tells how many classes there are."""
    if isinstance(annotation, Alternatives):
        return any(
            follows_classes(parameter.annotation)
            for name in annotation.names
            for parameter in annotation.parameters(name).values()
        )
    return annotation == Dimension("classes") or any(
        map(follows_classes, typing.get_args(annotation))
    )


NETWORK = "lambda inputs: 0.5 * inputs + 0.25 * ops.flip(inputs, axis=-1)"
"""A network for losses that take one: it keeps the shape, and mixes the last axis."""


def network(inputs: Any) -> Any:
    """`NETWORK`."""
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
