"""Which pairs of a batch are worth learning from: what the parameter `mining` of a loss can be.

A miner narrows the pairs of each anchor, or weighs them. What it decides has no gradient.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from annotated_types import Gt, Lt

from lossplug_core import NonNegative, Positive, Real, ops
from lossplug_core.choices import one_of
from lossplug_metric_learning._inputs import like, square_root
from lossplug_metric_learning._rows import (
    Rows,
    closest_place,
    farthest_place,
    largest_where,
    least_where,
)
from lossplug_metric_learning.distances import squared_distances

__all__ = [
    "Mining",
    "angular",
    "distance_weighted",
    "easy_positive",
    "hard",
    "multi_similarity",
    "pair_margin",
    "semi_hard",
]

_Acute = Annotated[float, Gt(0), Lt(math.pi / 2)]
_TWENTY_DEGREES = math.radians(20)


def hard(rows: Rows) -> Rows:
    """The farthest positive and the closest negative of each anchor (Hermans et al. 2017)."""
    distances = rows.distances
    return rows._replace(
        positive=_farthest(distances, rows.positive), negative=_closest(distances, rows.negative)
    )


def semi_hard(rows: Rows) -> Rows:
    """The farthest positive, and the closest negative beyond it.

    An anchor with no negative beyond its farthest positive is left out.
    """
    return _beyond(rows, _farthest(rows.distances, rows.positive))


def easy_positive(rows: Rows, *, negatives: Literal["hard", "semi_hard"] = "semi_hard") -> Rows:
    """The closest positive, and one negative (Xuan et al. 2019).

    Args:
        rows: Anchors with their references.
        negatives: `"semi_hard"`: the closest negative beyond the positive; an anchor without one is
            left out. `"hard"`: the closest negative.
    """
    distances = rows.distances
    positive = _closest(distances, rows.positive)
    if negatives == "hard":
        return rows._replace(positive=positive, negative=_closest(distances, rows.negative))
    return _beyond(rows, positive)


def multi_similarity(rows: Rows, *, epsilon: Real = 0.1) -> Rows:
    """Pairs that are not already right by a margin (Wang et al. 2019).

    Negatives that are more similar than the least similar positive, less a margin; positives that
    are less similar than the most similar negative, and a margin.

    Args:
        rows: Anchors with their references.
        epsilon: The margin, in the unit of the similarity.
    """
    similarities = rows.similarities
    epsilon = like(epsilon, similarities)
    least = least_where(similarities, rows.positive)
    most = largest_where(similarities, rows.negative)
    return rows._replace(
        positive=ops.logical_and(rows.positive, similarities < most + epsilon),
        negative=ops.logical_and(rows.negative, similarities > least - epsilon),
    )


def pair_margin(rows: Rows, *, positive: Real = 0.2, negative: Real = 0.8) -> Rows:
    """Positives that are too far, negatives that are too close.

    Args:
        rows: Anchors with their references.
        positive: Positives farther than this are kept, in the unit of the distance.
        negative: Negatives closer than this are kept.
    """
    distances = rows.distances
    return rows._replace(
        positive=ops.logical_and(rows.positive, distances > like(positive, distances)),
        negative=ops.logical_and(rows.negative, distances < like(negative, distances)),
    )


def angular(rows: Rows, *, angle: _Acute = _TWENTY_DEGREES) -> Rows:
    r"""The farthest positive, and negatives that see anchor and positive at a large angle.

    The angle is $\arctan(\lVert a - p \rVert / (2 \lVert n - c \rVert))$, where $c$ is the middle
    between the anchor $a$ and its positive $p$ (Wang et al. 2017). An anchor without such a
    negative is left out. pytorch-metric-learning looks at all triplets, which takes batch³ time.

    Args:
        rows: Anchors with their references.
        angle: Larger angles are kept, in radians.
    """
    # Of several positives that are as far, the middle: their order must not matter.
    distances = rows.distances
    farthest = distances >= largest_where(distances, rows.positive)
    positive = ops.logical_and(rows.positive, farthest)
    share = ops.cast(positive, distances.dtype)
    partner = ops.matmul(share, rows.references)
    partner = partner / ops.maximum(ops.sum(share, axis=1, keepdims=True), 1.0)
    to_anchor = squared_distances(rows.anchors, rows.references)
    to_partner = squared_distances(partner, rows.references)
    width = ops.sum(ops.square(rows.anchors - partner), axis=1, keepdims=True)
    to_middle = ops.maximum(2.0 * to_anchor + 2.0 * to_partner - width, 0.0)  # four times squared
    large = width > to_middle * ops.square(ops.tan(like(angle, width)))
    return _with_both(rows, positive, ops.logical_and(rows.negative, large))


def distance_weighted(rows: Rows, *, cutoff: Positive = 0.5, farthest: NonNegative = 1.4) -> Rows:
    r"""Negatives at all distances alike: the expectation of distance-weighted sampling.

    Random points on a sphere are nearly all $\sqrt 2$ apart. Wu et al. 2017 draw, for each
    positive, a negative with a probability that is inverse to how often its distance occurs,
    $q(d) \propto d^{D-2} (1 - d^2/4)^{(D-3)/2}$. Here nothing is drawn: each negative counts as
    often as it would be drawn on average.

    Args:
        rows: Anchors with their references, embeddings of length 1.
        cutoff: Distances below it count as this one.
        farthest: Negatives farther than this are left out.
    """
    distances = ops.stop_gradient(square_root(squared_distances(rows.anchors, rows.references)))
    features = rows.references.shape[1]
    near = ops.clip(distances, like(cutoff, distances), 2.0 - 1e-3)
    log_density = (features - 2.0) * ops.log(near) + 0.5 * (features - 3.0) * ops.log(
        1.0 - 0.25 * ops.square(near)
    )
    negative = ops.logical_and(rows.negative, distances < like(farthest, distances))
    inverse = ops.where(negative, -log_density, -float("inf"))
    top = ops.max(inverse, axis=1, keepdims=True)
    share = ops.exp(inverse - ops.where(ops.isfinite(top), top, 0.0))
    positives = ops.sum(ops.cast(rows.positive, share.dtype), axis=1, keepdims=True)
    share = positives * share / ops.maximum(ops.sum(share, axis=1, keepdims=True), 1e-30)
    return rows._replace(negative=negative, weight=ops.where(rows.positive, 1.0, share))


Mining: Any = one_of(
    angular, distance_weighted, easy_positive, hard, multi_similarity, pair_margin, semi_hard
)
"""Which pairs count. Without mining, all do."""


def _farthest(distances: Any, mask: Any) -> Any:
    """A mask of the one that is farthest in each row, if there is any."""
    return _only(farthest_place(distances, mask), mask)


def _closest(distances: Any, mask: Any) -> Any:
    return _only(closest_place(distances, mask), mask)


def _only(index: Any, mask: Any) -> Any:
    columns = ops.arange(ops.shape(mask)[1], dtype=index.dtype)
    return ops.logical_and(mask, ops.equal(columns[None, :], index[:, None]))


def _beyond(rows: Rows, positive: Any) -> Rows:
    """One positive for each anchor, and the closest negative that is farther."""
    distances = rows.distances
    beyond = ops.logical_and(rows.negative, distances > largest_where(distances, positive))
    return _with_both(rows, positive, _closest(distances, beyond))


def _with_both(rows: Rows, positive: Any, negative: Any) -> Rows:
    """These pairs, of anchors that have a positive and a negative among them."""
    kept = ops.logical_and(ops.any(positive, 1), ops.any(negative, 1))[:, None]
    return rows._replace(
        positive=ops.logical_and(positive, kept), negative=ops.logical_and(negative, kept)
    )
