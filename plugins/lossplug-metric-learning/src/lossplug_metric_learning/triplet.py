"""Triplet loss with semi-hard negatives."""

from __future__ import annotations

from typing import Any

from lossplug_core import NonNegative, ops
from lossplug_metric_learning._averages import renamed_average
from lossplug_metric_learning._inputs import like
from lossplug_metric_learning._pair_loss import pair_loss
from lossplug_metric_learning._rows import Rows, Terms, terms
from lossplug_metric_learning._triplets import (
    count_up_to,
    each_positive,
    with_few_positives,
    with_slope,
)

__all__ = ["triplet_semi_hard"]


@pair_loss(
    distance="squared_euclidean",
    normalize=True,
    paper="arXiv:1503.03832",
    version=2,
    migrate=renamed_average("pairs", "terms"),
    history={2: "The average over pairs of anchor and positive is called `terms`."},
    conventions={
        "tensorflow-addons": {
            "margin": 1.0,
            "distance": "euclidean",
            "normalize": False,
            "average": "terms",
        }
    },
    range=(0, None),
)
def triplet_semi_hard(rows: Rows, *, margin: NonNegative = 0.2) -> Terms:
    r"""Triplet loss that meets each positive with the closest negative beyond it.

    The value of an anchor is the mean over its positives. Where no negative is farther than the
    positive, the farthest negative is taken. An anchor without positives, or without negatives, has
    value 0.

    Implementations disagree. TensorFlow Addons, the convention `tensorflow-addons`, divides the sum
    of the batch by its number of pairs (NaN if there are none), and gives a batch of one class the
    margin plus the distance of the positives. tensorflow-similarity looks for negatives beyond the
    farthest positive only. The semi-hard miner of pytorch-metric-learning takes all triplets whose
    negative lies between the positive and the margin. The cosine distance is half the squared
    Euclidean distance of normalised embeddings: for it, double the margin and halve the loss.

    Formula:
        $$\ell_a = \frac{1}{|P_a|} \sum_{p \in P_a} \max(d_{ap} - d_{an} + m,\ 0)$$
        $$d_{an} = \min_{k \in N_a,\ d_{ak} > d_{ap}} d_{ak}
        \quad \text{or, if there is none,} \quad \max_{k \in N_a} d_{ak}$$

        where $P_a$ are the other samples with the label of anchor $a$, $N_a$ those with another
        label, $d$ is the distance of two embeddings, and $m$ is the margin.

    Args:
        margin: How much farther than the positive the negative should be; in the unit of the
            distance. On the unit sphere no squared distance exceeds 4, no distance 2.

    Example:
        >>> from keras import ops
        >>> embeddings = [[0.0], [1.0], [1.1], [4.0]]
        >>> values = triplet_semi_hard([0, 0, 1, 1], embeddings, normalize=False)
        >>> [round(value, 4) for value in ops.convert_to_numpy(values).tolist()]
        [0.0, 0.0, 7.4, 0.0]

    Reference:
        Schroff, Kalenichenko, Philbin: FaceNet, 2015, arXiv:1503.03832
    """
    margin = like(margin, rows.measured)
    fixed = rows._replace(measured=ops.stop_gradient(rows.distances), offset=None)
    total, nonzero, slope = with_few_positives(
        rows.positive, lambda: _one_by_one(fixed, margin), lambda: _sorted(fixed, margin)
    )
    pairs = ops.logical_and(rows.positive, rows.with_negatives[:, None])
    total = with_slope(total, slope, rows.distances)
    return Terms(total, terms(rows.measured, pairs, rows.weight).number, lambda: nonzero)


def _one_by_one(rows: Rows, margin: Any) -> tuple[Any, ...]:
    """Total, nonzero, and the slope in the distances, one positive of each anchor at a time."""
    to_negatives = ops.where(rows.negative, rows.distances, float("inf"))
    farthest = ops.max(ops.where(rows.negative, rows.distances, -float("inf")), 1, keepdims=True)
    none = ops.logical_not(ops.isfinite(farthest))

    def step(here: Any, distance: Any, total: Any, nonzero: Any, slope: Any) -> Any:
        beyond = ops.where(to_negatives > distance, to_negatives, float("inf"))
        nearest = ops.min(beyond, axis=1, keepdims=True)
        nearest = ops.where(ops.isfinite(nearest), nearest, farthest)
        hinge = ops.maximum(distance - nearest + margin, 0.0)
        hinge = ops.where(ops.logical_or(none, ops.logical_not(ops.isfinite(distance))), 0.0, hinge)
        active = ops.sign(hinge)
        if rows.weight is not None:
            own = ops.sum(ops.where(here, rows.weight, 0.0), axis=1, keepdims=True)
            hinge, active = own * hinge, own * active
        met = ops.cast(ops.equal(to_negatives, nearest), active.dtype)  # several, if they tie
        share = active / ops.maximum(ops.sum(met, axis=1, keepdims=True), 1.0)
        slope = slope + ops.where(here, active, -share * met)
        return total + hinge[:, 0], nonzero + active[:, 0], slope

    zeros = ops.zeros_like(rows.distances)
    of_rows = ops.sum(zeros, axis=1)
    return each_positive(rows, step, (of_rows, of_rows, zeros))


def _sorted(rows: Rows, margin: Any) -> tuple[Any, ...]:
    """The same, by sorting."""
    distances = rows.distances
    to_negatives = ops.where(rows.negative, distances, float("inf"))
    order = ops.argsort(to_negatives, axis=1)
    ascending = ops.take_along_axis(to_negatives, order, axis=1)
    last = ops.sum(ops.cast(rows.negative, "int32"), axis=1, keepdims=True) - 1
    place = ops.minimum(count_up_to(distances, ascending), ops.maximum(last, 0))
    met = ops.take_along_axis(order, place, axis=1)
    hinge = distances - ops.take_along_axis(distances, met, axis=1) + margin
    pairs = ops.logical_and(rows.positive, last >= 0)
    hinge = ops.where(pairs, ops.maximum(hinge, 0.0), 0.0)
    active = ops.sign(hinge)
    if rows.weight is not None:
        hinge, active = rows.weight * hinge, rows.weight * active
    often = _sum_at(met, active)
    return ops.sum(hinge, axis=1), ops.sum(active, axis=1), active - often


def _sum_at(places: Any, values: Any) -> Any:
    """The sum of each row's values at each place."""
    rows, columns = ops.shape(values)[0], ops.shape(values)[1]
    at = ops.cast(places, "int32") + columns * ops.arange(rows, dtype="int32")[:, None]
    sums = ops.segment_sum(ops.reshape(values, (-1,)), ops.reshape(at, (-1,)), rows * columns)
    return ops.reshape(sums, (rows, columns))
