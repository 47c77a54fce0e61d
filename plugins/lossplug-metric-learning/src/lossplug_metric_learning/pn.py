"""Triplet loss that keeps the negative away from the positive as well."""

from __future__ import annotations

from typing import Any, Literal

from lossplug_core import NonNegative, ops
from lossplug_metric_learning._inputs import like
from lossplug_metric_learning._pair_loss import pair_loss
from lossplug_metric_learning._rows import (
    Rows,
    Terms,
    closest_place,
    farthest_place,
    largest_where,
    one_each,
)
from lossplug_metric_learning.distances import distances_between

__all__ = ["pn"]


@pair_loss(
    distance="euclidean",
    normalize=False,
    paper="doi:10.1038/s41598-019-45301-0",
    conventions={"tensorflow-similarity": {"distance": "cosine", "normalize": True}},
    range=(0, None),
)
def pn(
    rows: Rows,
    *,
    margin: NonNegative = 1.0,
    positives: Literal["hard", "easy"] = "hard",
    negatives: Literal["hard", "semi_hard", "easy"] = "semi_hard",
    smooth: bool = False,
) -> Terms:
    r"""Triplet loss whose negative is to be far from the positive as well as from the anchor.

    Each anchor has one triplet. An anchor without positives, or without negatives, has value 0.

    The paper draws triplets from the neighbours of a sample. Here they are chosen by label as in
    tensorflow-similarity, whose distance is one minus the cosine, and which gives no meaning to
    anchors without positives or negatives.

    Formula:
        $$\ell_a = \max(d_{ap} - \min(d_{an},\ d_{pn}) + m,\ 0)$$

        where $p$ is a positive of anchor $a$, another sample with its label, $n$ is a negative, a
        sample with another label, $d$ is the distance of two embeddings, and $m$ is the margin.
        With `smooth`, $\log(1 + e^x)$ replaces $\max(x, 0)$.

    Args:
        margin: How much farther than the positive the negative should be, from both; in the unit of
            the distance.
        positives: `"hard"`: the farthest positive; `"easy"`: the closest one.
        negatives: `"hard"`: the closest negative; `"easy"`: the farthest one; `"semi_hard"`: the
            closest one that is farther than all positives, or the farthest if none is.
        smooth: Replace the hinge by softplus, which never is 0.

    Example:
        >>> from keras import ops
        >>> embeddings = [[0.0], [1.0], [1.1], [4.0]]
        >>> values = pn([0, 0, 1, 1], embeddings)
        >>> [round(value, 4) for value in ops.convert_to_numpy(values).tolist()]
        [1.9, 0.0, 2.8, 3.8]

    Reference:
        Szubert, Cole, Monaco, Drozdov: Structure-preserving visualisation of high dimensional
        single-cell datasets, 2019, doi:10.1038/s41598-019-45301-0
    """
    distances = rows.distances
    place = farthest_place if positives == "hard" else closest_place
    positive = place(distances, rows.positive)
    wanted = _beyond(distances, rows) if negatives == "semi_hard" else rows.negative
    place = farthest_place if negatives == "easy" else closest_place
    negative = place(distances, wanted)
    to_positive, to_negative = _at(distances, positive), _at(distances, negative)
    embeddings = [ops.take(rows.references, place, axis=0) for place in (positive, negative)]
    between = distances_between(rows.distance, *embeddings)
    nearer = ops.where(between < to_negative, between, to_negative)
    gap = to_positive - nearer + like(margin, distances)
    return one_each(ops.softplus(gap) if smooth else ops.maximum(gap, 0.0), rows.with_both)


def _beyond(distances: Any, rows: Rows) -> Any:
    """Negatives farther than all positives; the farthest negative if there is none."""
    farther = distances > largest_where(distances, rows.positive)
    farthest = ops.equal(distances, largest_where(distances, rows.negative))
    return ops.logical_and(rows.negative, ops.logical_or(farther, farthest))


def _at(distances: Any, place: Any) -> Any:
    return ops.take_along_axis(distances, place[:, None], axis=1)[:, 0]
