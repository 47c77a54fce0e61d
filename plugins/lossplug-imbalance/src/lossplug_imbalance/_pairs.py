"""Sums over all pairs of samples in N log N: sorted once, then accumulated.

What a negative at `s` costs a positive whose margin ends at the threshold `a` is `max(0, s - a)`,
or its square. Going down from the highest score, the sum of these costs grows by what lies above
times the way down: only by terms that are not negative, so no digits are lost, however large the
scores. Sums of scores and of their squares would be shorter, and lose all digits where scores are
large and alike.

The derivatives come the same way. The order of the scores, and how far apart they are, are taken
for constants; the change of a score is a number that is 0 and has a gradient. In these changes the
costs are polynomials, so their derivatives of any order are right.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from lossplug_core import ops

__all__ = ["hinge_sums", "running_sum", "square_sums", "squared_hinge_sums"]

_BLOCK = 256
_MOST_BITS = 31


class _Descent(NamedTuple):
    """What lies above each threshold. Tensors are `[outputs, samples]`.

    Attributes:
        steps: From each score, in descending order, to the one before it.
        weights: Those of the scores in that order.
        changes: Of the scores in that order.
        last: The place of the lowest score above each threshold, in that order.
        gaps: How far that is above the threshold; 0 if nothing is.
        any: Whether anything is above the threshold, as 0 or 1.
        off: What rounding took from the threshold, with the gradient of the threshold.
    """

    steps: Any
    weights: Any
    changes: Any
    last: Any
    gaps: Any
    any: Any
    off: Any

    def above(self, sums: Any) -> Any:
        """Running sums over the scores, up to the last above each threshold."""
        return self.any * ops.take_along_axis(sums, self.last, axis=-1)


def _descent(scores: Any, weights: Any, margin: Any) -> _Descent:
    scores, weights = ops.transpose(scores), ops.transpose(weights)
    fixed = ops.stop_gradient(scores)
    thresholds = ops.stop_gradient(fixed - margin)
    order = ops.argsort(-fixed, axis=-1)
    ordered, weights, changes = (
        ops.take_along_axis(x, order, axis=-1) for x in (fixed, weights, scores - fixed)
    )
    # What costs nothing has no gradient: a score at the threshold is not above it.
    count = _number_above(ordered, thresholds)
    last = ops.maximum(count - 1, 0)
    found = ops.cast(count > 0, fixed.dtype)
    return _Descent(
        steps=_before(ordered, ordered[:, :1]) - ordered,
        weights=weights,
        changes=changes,
        last=last,
        gaps=found * (ops.take_along_axis(ordered, last, axis=-1) - thresholds),
        any=found,
        off=(scores - thresholds) - margin,
    )


def _number_above(ordered: Any, thresholds: Any) -> Any:
    """How many numbers of each row, in descending order, are above each threshold of the row."""
    from keras.backend import backend

    rows, size = ops.shape(ordered)
    if rows == 1 and backend() != "tensorflow":  # which, compiled, compares all with all
        return ops.searchsorted(-ordered[0], -thresholds[0], side="left")[None]
    # The same for several rows, which Keras does not search at once: bit by bit.
    count = ops.zeros_like(thresholds, dtype="int32")
    for power in reversed(range(size.bit_length() if isinstance(size, int) else _MOST_BITS)):
        further = count + 2**power
        reached = ops.take_along_axis(ordered, ops.minimum(further, size) - 1, axis=-1)
        above = ops.logical_and(further <= size, reached > thresholds)
        count = ops.where(above, further, count)
    return count


def hinge_sums(scores: Any, weights: Any, margin: Any) -> Any:
    """For each i, the sum over j of `weights[j] * max(0, margin - (scores[i] - scores[j]))`.

    Tensors are `[samples, outputs]`, and outputs apart from each other.
    """
    down = _descent(scores, weights, margin)
    number = running_sum(down.weights)
    costs = running_sum(_before(number) * down.steps)
    changed = running_sum(down.weights * down.changes)
    number, costs, changed = map(down.above, (number, costs, changed))
    return ops.transpose(costs + number * down.gaps + changed - down.off * number)


def squared_hinge_sums(scores: Any, weights: Any, margin: Any) -> Any:
    """As `hinge_sums`, of the squares of the costs."""
    down = _descent(scores, weights, margin)
    steps, gaps, off = down.steps, down.gaps, down.off
    number = running_sum(down.weights)
    costs = running_sum(_before(number) * steps)
    squares = running_sum((2 * _before(costs) + _before(number) * steps) * steps)
    changed = running_sum(down.weights * down.changes)
    mixed = running_sum(_before(changed) * steps)
    curved = running_sum(down.weights * ops.square(down.changes))
    number, costs, squares, changed, mixed, curved = map(
        down.above, (number, costs, squares, changed, mixed, curved)
    )
    squares = squares + (2 * costs + number * gaps) * gaps
    costs = costs + number * gaps
    mixed = mixed + changed * gaps
    moved = 2 * mixed + curved - 2 * off * (costs + changed) + ops.square(off) * number
    return ops.transpose(squares + moved)


def square_sums(scores: Any, weights: Any, margin: Any) -> Any:
    """For each i, the sum over j of `weights[j] * (margin - (scores[i] - scores[j]))**2`."""
    total = ops.sum(weights, axis=0)
    total = ops.where(total > 0, total, 1.0)
    # Only differences matter: those of numbers near 0 keep their digits.
    scores = scores - ops.stop_gradient(ops.sum(weights * scores, axis=0) / total)
    centre = ops.sum(weights * scores, axis=0) / total
    spread = ops.sum(weights * ops.square(scores - centre), axis=0)
    return ops.sum(weights, axis=0) * ops.square(margin - (scores - centre)) + spread


def running_sum(x: Any) -> Any:
    """The sums up to each place along the last axis of `[rows, places]`.

    In blocks: added one after the other, many numbers in float32 would lose the last of them.
    """
    rows, places = ops.shape(x)
    if isinstance(places, int) and places <= _BLOCK:
        return ops.cumsum(x, axis=-1)
    count = (places + _BLOCK - 1) // _BLOCK
    filling = ops.zeros((rows, count * _BLOCK - places), dtype=x.dtype)
    blocks = ops.reshape(ops.concatenate([x, filling], axis=-1), (rows, count, _BLOCK))
    within = ops.cumsum(blocks, axis=-1)
    before = _before(ops.cumsum(within[:, :, -1], axis=-1))
    return ops.reshape(within + before[:, :, None], (rows, count * _BLOCK))[:, :places]


def _before(sums: Any, first: Any = None) -> Any:
    """What is at the place before, along the last axis of `[rows, places]`; at first 0."""
    first = ops.zeros_like(sums[:, :1]) if first is None else first
    return ops.concatenate([first, sums[:, :-1]], axis=-1)
