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

from typing import Any

from lossplug_core import ops

__all__ = ["hinge_sums", "running_sum", "square_sums", "squared_hinge_sums"]

_BLOCK = 256


class _Descent:
    """Thresholds and scores in one order, from the highest down; `[outputs, 2 * samples]`."""

    def __init__(self, scores: Any, weights: Any, margin: Any) -> None:
        scores, weights = ops.transpose(scores), ops.transpose(weights)
        fixed = ops.stop_gradient(scores)
        thresholds = ops.stop_gradient(fixed - margin)
        # What rounding took from the threshold, 0 but for that; its gradient is the threshold's.
        self.off = (scores - thresholds) - margin
        both = ops.concatenate([thresholds, fixed], axis=-1)
        # Stable: at a tie the threshold comes first, and what costs nothing has no gradient.
        self.order = ops.argsort(-both, axis=-1)
        ordered = self.sorted(both)
        self.steps = ops.concatenate([ordered[:, :1] * 0, ordered[:, :-1] - ordered[:, 1:]], axis=-1)
        self._place = ops.argsort(self.order, axis=-1)[:, : ops.shape(scores)[-1]]
        self.weights = self.sorted(self._of_scores(weights))
        self.changes = self.sorted(self._of_scores(scores - fixed))
        self.number = _before(running_sum(self.weights))
        self.changed = _before(running_sum(self.weights * self.changes))

    def sorted(self, both: Any) -> Any:
        return ops.take_along_axis(both, self.order, axis=-1)

    def at_thresholds(self, x: Any) -> Any:
        return ops.take_along_axis(x, self._place, axis=-1)

    @staticmethod
    def _of_scores(x: Any) -> Any:
        return ops.concatenate([ops.zeros_like(x), x], axis=-1)


def hinge_sums(scores: Any, weights: Any, margin: Any) -> Any:
    """For each i, the sum over j of `weights[j] * max(0, margin - (scores[i] - scores[j]))`.

    Tensors are `[samples, outputs]`, and outputs apart from each other.
    """
    down = _Descent(scores, weights, margin)
    costs = running_sum(down.number * down.steps)
    number, changed, costs = map(down.at_thresholds, (down.number, down.changed, costs))
    return ops.transpose(costs + changed - down.off * number)


def squared_hinge_sums(scores: Any, weights: Any, margin: Any) -> Any:
    """As `hinge_sums`, of the squares of the costs."""
    down = _Descent(scores, weights, margin)
    costs = running_sum(down.number * down.steps)
    squares = running_sum((2 * _before(costs) + down.number * down.steps) * down.steps)
    mixed = running_sum(down.changed * down.steps)
    curved = _before(running_sum(down.weights * ops.square(down.changes)))
    number, changed, costs, squares, mixed, curved = map(
        down.at_thresholds, (down.number, down.changed, costs, squares, mixed, curved)
    )
    off = down.off
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


def _before(sums: Any) -> Any:
    """The sums up to the place before, along the last axis of `[rows, places]`."""
    return ops.concatenate([ops.zeros_like(sums[:, :1]), sums[:, :-1]], axis=-1)
