"""Data for a loss, drawn from the forms that it declares."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from lossplug_core.spec import LossSpec
from lossplug_core.testing.parameters import Sizes, parameters

__all__ = ["Sample", "samples"]

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]
Kind = Literal["typical", "extreme", "hard"]
"""Typical numbers; extreme ones; or typical ones with targets that are certain."""

_HUGE = 1e4
_LABELS = 3


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
        if y_true in ("labels", "multi_hot"):
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
    per_sample = {"embeddings", "distances", "labels", "multi_hot"}
    return per_sample.isdisjoint((*spec.y_pred, *spec.y_true))


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
    if form == "multi_hot":
        # Of another size than the prediction; some rows have no label.
        labels = _LABELS if shape[-1] != _LABELS else _LABELS + 1
        return _floats((shape[0], labels), st.sampled_from([0.0, 1.0]))
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
