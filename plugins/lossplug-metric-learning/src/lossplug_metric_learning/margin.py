"""Pairs on the right side of a trained distance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lossplug_core import NonNegative, NumClasses, Real, Weight, ops
from lossplug_metric_learning._classes import classes_of
from lossplug_metric_learning._inputs import like, nan_unless
from lossplug_metric_learning._pair_loss import pair_loss
from lossplug_metric_learning._rows import Rows, Terms, one_each, terms

__all__ = ["margin"]


def _boundary(num_classes: int | None, beta: float) -> Mapping[str, Weight]:
    return {"beta": Weight((num_classes or 1,), beta)}


@pair_loss(
    distance="euclidean",
    normalize=True,
    average="nonzero",
    without=frozenset({"matching"}),
    paper="arXiv:1706.07567",
    weights=_boundary,
)
def margin(
    rows: Rows,
    *,
    weights: Mapping[str, Any],
    num_classes: NumClasses | None = None,
    alpha: NonNegative = 0.2,
    beta: Real = 1.2,
    nu: NonNegative = 0.0,
) -> tuple[Terms, Terms]:
    r"""Positives closer than a boundary, negatives farther, both by a margin.

    The boundary is trained, one for all or one for each class of an anchor. As in the paper, the
    mean is that over the pairs that cost something; the paper draws the negatives by their
    distance, which is `mining="distance_weighted"`. An anchor that is compared with nothing has
    value 0.

    pytorch-metric-learning makes triplets first: where an anchor has several positives and
    negatives, a pair then counts as often as it is in a triplet. With a boundary that stays as it
    is, this loss is `contrastive` with `positive_margin` $\beta - \alpha$, `margin`
    $\beta + \alpha$, and `squared=False`.

    Formula:
        $$\ell_{ij} = \max(\alpha + d_{ij} - \beta_{y_i},\ 0) \ \text{if}\ y_i = y_j, \qquad
            \ell_{ij} = \max(\alpha + \beta_{y_i} - d_{ij},\ 0) \ \text{if}\ y_i \ne y_j$$

        where $y_i$ is the class of anchor $i$, $d$ is the distance of two embeddings, $\beta$ is
        the boundary, and $\alpha$ is the margin. The value of an anchor is the sum over its pairs,
        divided by the mean number of pairs of an anchor that cost something, and
        $\nu \beta_{y_i}$, which keeps the boundary small.

    Args:
        weights: `beta`, shape `[1]`, or `[num_classes]`: the boundary, which is trained.
        num_classes: If given, each class has a boundary, and labels are class ids from 0 to
            `num_classes - 1`; the value of another one is NaN, because compiled code cannot raise.
        alpha: How far from the boundary a pair should be; in the unit of the distance.
        beta: What the boundary starts as.
        nu: How much the boundary itself costs.

    Example:
        >>> from keras import ops
        >>> weights = {"beta": [0.6]}
        >>> values = margin([0, 0, 1], [[1.0, 0.0], [0.0, 1.0], [0.8, 0.6]], weights=weights)
        >>> [round(value, 4) for value in ops.convert_to_numpy(values).tolist()]
        [0.8863, 0.7607, 0.1257]

    Reference:
        Wu, Manmatha, Smola, Krähenbühl: Sampling Matters in Deep Embedding Learning, 2017,
        arXiv:1706.07567
    """
    del beta  # the weights began as it
    distances = rows.distances
    boundary = _of_anchors(rows, like(weights["beta"], distances), num_classes)
    over = ops.where(rows.positive, distances - boundary[:, None], boundary[:, None] - distances)
    costs = ops.maximum(like(alpha, distances) + over, 0.0)
    own = like(nu, distances) * boundary
    pairs = terms(costs, rows.compared, rows.weight)
    return pairs, one_each(own, ops.any(rows.compared, axis=1))


def _of_anchors(rows: Rows, boundaries: Any, num_classes: int | None) -> Any:
    if num_classes is None:
        return boundaries[0] + ops.zeros_like(rows.distances[:, 0])
    classes = classes_of(rows.labels, num_classes)
    return nan_unless(classes.known, classes.rows(boundaries))
