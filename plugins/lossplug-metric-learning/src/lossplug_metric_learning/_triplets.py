"""Sums over all triplets of a row, without listing them.

A row of N distances has up to N²/4 triplets. Two ways lead to their sum in less. Where each anchor
has few positives, they are met one after the other with all negatives at once. Where it has many,
its distances are sorted, and prefix sums tell of each how many negatives are below it, and their
sum. Neither takes more than N² log N for a batch of N.

Either way the values are constants, and the gradient is told apart from them: the slope of a sum
of hinges in a distance is how often that distance is in a triplet that costs something.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

from lossplug_core import ops
from lossplug_metric_learning._rows import Rows, Terms

__all__ = ["count_up_to", "each_positive", "margin_triplets", "with_few_positives", "with_slope"]

_FEW = 8
"""So many positives for each doubling of the batch are few."""

_MOST_STEPS = 20
"""Steps of a search in a batch of unknown size: enough for a million samples."""


def margin_triplets(rows: Rows, margin: Any, *, beyond: bool) -> Terms:
    """Hinges of all triplets of each anchor.

    Args:
        rows: Anchors with their references. A triplet weighs as much as its two pairs, multiplied.
        margin: By how much a negative should be farther than a positive, in the rows' dtype.
        beyond: Only triplets whose negative is farther than the positive, but by no more than the
            margin.
    """
    distances = ops.stop_gradient(rows.distances)
    weight = None if rows.weight is None else ops.stop_gradient(rows.weight)
    fixed = rows._replace(measured=distances, offset=None, weight=weight)
    total, count, nonzero, slope = with_few_positives(
        rows.positive,
        lambda: _one_by_one(fixed, margin, beyond),
        lambda: _sorted(fixed, margin, beyond),
    )

    def all_of_them() -> Any:
        ones = ops.ones_like(distances) if weight is None else weight
        return _sum_where(ones, rows.positive) * _sum_where(ones, rows.negative)

    total = with_slope(total, slope, rows.distances)
    return Terms(total, (lambda: count) if beyond else all_of_them, lambda: nonzero)


def with_slope(total: Any, slope: Any, distances: Any) -> Any:
    """Totals of rows, given a gradient in the distances."""
    linear = ops.sum(ops.stop_gradient(slope) * distances, axis=1)
    return ops.stop_gradient(total) + (linear - ops.stop_gradient(linear))


def with_few_positives(
    positive: Any, few: Callable[[], tuple[Any, ...]], many: Callable[[], tuple[Any, ...]]
) -> tuple[Any, ...]:
    """What the first function gives if no anchor has many positives, else the second."""
    most = ops.max(ops.sum(ops.cast(positive, "int32"), axis=1))
    known, size = _known(most), ops.shape(positive)[1]
    if known is not None and isinstance(size, int):
        return few() if known <= _FEW * math.log2(max(size, 1)) else many()
    limit = _FEW * ops.log(ops.cast(size, "float32")) / math.log(2.0)
    found: tuple[Any, ...] = ops.cond(ops.cast(most, "float32") <= limit, few, many)
    return found


def _known(number: Any) -> int | None:
    """An integer tensor as a number, or None while a graph is traced.

    Outside of a graph, JAX would compile a branch or a loop again at each call.
    """
    try:
        return operator.index(number)
    except (TypeError, RuntimeError):
        return None


def each_positive(
    rows: Rows, step: Callable[..., tuple[Any, ...]], state: tuple[Any, ...]
) -> tuple[Any, ...]:
    """Go through the positives of all anchors, one of each at a time.

    Args:
        rows: Anchors with their references.
        step: Of a mask of the current positives, their distances `[anchors, 1]`, minus infinity
            where an anchor has no more, and the state; returns the new state.
        state: What it starts with.
    """
    counted = ops.cast(rows.positive, "int32")
    place = ops.cumsum(counted, axis=1) * counted
    most = ops.max(place)
    known = _known(most)

    def body(number: Any, *state: Any) -> tuple[Any, ...]:
        here = ops.equal(place, number)
        distance = ops.max(ops.where(here, rows.distances, -float("inf")), axis=1, keepdims=True)
        return (number + 1, *step(here, distance, *state))

    if known is not None:
        for number in range(1, known + 1):
            _, *state = body(number, *state)  # type: ignore[assignment]
        return tuple(state)
    start = (ops.ones_like(most), *state)
    return tuple(ops.while_loop(lambda number, *_: number <= most, body, start))[1:]


def _one_by_one(rows: Rows, margin: Any, beyond: bool) -> tuple[Any, ...]:
    """Total, count, nonzero and slope; the count only of triplets beyond."""
    to_negatives = ops.where(rows.negative, rows.distances, float("inf"))
    weight = rows.weight

    def step(here: Any, distance: Any, total: Any, count: Any, nonzero: Any, slope: Any) -> Any:
        hinge = ops.maximum((distance + margin) - to_negatives, 0.0)
        within = None
        if beyond:
            farther = to_negatives > distance
            hinge = ops.where(farther, hinge, 0.0)
            within = ops.logical_and(farther, to_negatives <= distance + margin)
        active = ops.sign(hinge)
        if weight is not None:
            own = _sum_where(weight, here)[:, None]
            hinge, active = own * weight * hinge, own * weight * active
        if within is not None:
            ones = ops.ones_like(hinge) if weight is None else own * weight
            count = count + _sum_where(ones, within)
        often = ops.sum(active, axis=1)
        slope = slope + ops.where(here, often[:, None], -active)
        return total + ops.sum(hinge, axis=1), count, nonzero + often, slope

    zeros = ops.zeros_like(rows.distances)
    of_rows = ops.sum(zeros, axis=1)
    return each_positive(rows, step, (of_rows, of_rows, of_rows, zeros))


def _sorted(rows: Rows, margin: Any, beyond: bool) -> tuple[Any, ...]:
    """The same, by sorting."""
    middle = ops.mean(rows.distances, axis=1, keepdims=True)  # so that small sums stay exact
    distances = rows.distances - middle
    limits = distances + margin
    ones = ops.ones_like(distances) if rows.weight is None else rows.weight
    all_positives = _sum_where(ones, rows.positive)[:, None]

    below, sums = _below(limits, distances, rows.negative, rows.weight, strict=True)
    count = ops.zeros_like(below)
    above, _ = _below(distances, limits, rows.positive, rows.weight, strict=False)
    above = all_positives - above
    if beyond:
        inside, inside_sums = _below(distances, distances, rows.negative, rows.weight, strict=False)
        count, _ = _below(limits, distances, rows.negative, rows.weight, strict=False)
        below, sums, count = below - inside, sums - inside_sums, count - inside
        closer, _ = _below(distances, distances, rows.positive, rows.weight, strict=True)
        above = above - (all_positives - closer)
    below, total = ops.maximum(below, 0.0), ops.maximum(below * limits - sums, 0.0)
    slope = ops.where(rows.positive, below * ones, ops.where(rows.negative, -above * ones, 0.0))
    return (
        _sum_where(ones * total, rows.positive),
        _sum_where(ones * count, rows.positive),
        _sum_where(ones * below, rows.positive),
        slope,
    )


def _below(limits: Any, values: Any, mask: Any, weight: Any, *, strict: bool) -> tuple[Any, Any]:
    """How many values of a row are below each limit, and their sum, both weighted."""
    keys = _keys(ops.where(mask, values, float("inf")))
    if weight is None:
        keys = ops.sort(keys, axis=1)
        ascending = _keys_back(keys)
        weights = ops.cast(ops.isfinite(ascending), values.dtype)
    else:
        order = ops.argsort(keys, axis=1)
        keys, ascending, weights = (
            ops.take_along_axis(x, order, axis=1)
            for x in (keys, ops.where(mask, values, 0.0), ops.where(mask, weight, 0.0))
        )
    ascending = ops.where(ops.isfinite(ascending), ascending, 0.0)
    places = count_up_to(_keys(limits) - (1 if strict else 0), keys)
    found = []
    for x in (weights, weights * ascending):
        sums = ops.pad(ops.cumsum(x, axis=1), [[0, 0], [1, 0]])
        found.append(ops.take_along_axis(sums, places, axis=1))
    return found[0], found[1]


def _keys(values: Any) -> Any:
    """Integers in the order of floating-point numbers: sorting them is far faster with XLA."""
    return _flipped(_bits(ops.where(ops.equal(values, 0.0), 0.0, values), "int"))


def _keys_back(keys: Any) -> Any:
    return _bits(_flipped(keys), "float")


def _bits(x: Any, kind: str) -> Any:
    """The same bits as numbers of the other kind, by way of a last axis whose size is known."""
    size = str(ops.dtype(x))[-2:]
    return ops.squeeze(ops.view(ops.expand_dims(x, -1), f"{kind}{size}"), -1)


def _flipped(bits: Any) -> Any:
    largest = 2 ** (int(str(ops.dtype(bits))[-2:]) - 1) - 1
    return ops.where(bits < 0, ops.bitwise_xor(bits, largest), bits)


def count_up_to(limits: Any, ascending: Any) -> Any:
    """How many numbers of each ascending row are at most each limit: a binary search by rows."""
    size = ops.shape(ascending)[1]
    steps = size.bit_length() if isinstance(size, int) else _MOST_STEPS

    def body(step: Any, count: Any) -> Any:
        more = count + ops.left_shift(ops.ones_like(step), steps - 1 - step)
        last = ops.take_along_axis(ascending, ops.minimum(more, size) - 1, axis=1)
        fits = ops.logical_and(ops.less_equal(more, size), ops.less_equal(last, limits))
        return ops.where(fits, more, count)

    return ops.fori_loop(0, steps, body, ops.zeros_like(limits, dtype="int32"))


def _sum_where(values: Any, mask: Any) -> Any:
    return ops.sum(ops.where(mask, values, 0.0), axis=1)
