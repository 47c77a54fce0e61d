"""Contrastive loss, on distances of given pairs and on all pairs of a batch."""

from __future__ import annotations

from typing import Any

from lossplug_core import Positive, Real, loss, ops
from lossplug_core.errors import DataError
from lossplug_core.tensors import at_least_float32
from lossplug_metric_learning._inputs import like
from lossplug_metric_learning._pair_loss import pair_loss
from lossplug_metric_learning._rows import Rows, Terms, terms

__all__ = ["contrastive", "pair_contrastive", "pair_costs"]

_PAPER = "doi:10.1109/CVPR.2006.100"


@loss(
    y_true="binary",
    y_pred="distances",
    paper=_PAPER,
    conventions={
        "sentence-transformers": {"margin": 0.5, "halved": True},
        "tensorflow-addons": {"margin": 1.0},
    },
    range=(0, None),
)
def pair_contrastive(
    y_true: Any, y_pred: Any, *, margin: Positive = 1.0, halved: bool = False
) -> Any:
    r"""Contrastive loss of pairs, given their distances.

    Pairs of one class are drawn together; pairs of two classes are pushed apart until the margin
    separates them.

    Here, as in Keras and TensorFlow Addons, 1 marks a pair of one class. The paper marks it 0, and
    halves the loss, as sentence-transformers does, whose distance is one minus the cosine.

    Formula:
        $$\ell = y\,d^2 + (1 - y)\,\max(m - d,\ 0)^2$$

        where $y$ is 1 for a pair of one class and 0 for a pair of two, $d$ is the distance of the
        pair, and $m$ is the margin.

    Args:
        y_true: Shape `[batch]` or `[batch, 1]`: 1 if both samples of the pair are of one class,
            else 0.
        y_pred: Shape `[batch]` or `[batch, 1]`: the distances, at least 0. The two arguments may
            differ in shape: both list the same pairs. Half precision is computed in float32.
        margin: The distance at which pairs of two classes cost nothing; in the unit of `y_pred`.
        halved: Halve the loss.

    Returns:
        One value per pair, shape `[batch]`.

    Raises:
        DataError: There is not one number per pair, or not as many targets as distances.

    Example:
        >>> from keras import ops
        >>> values = pair_contrastive([1, 0, 0], [0.5, 0.75, 3.0])
        >>> [round(value, 4) for value in ops.convert_to_numpy(values).tolist()]
        [0.25, 0.0625, 0.0]

    Reference:
        Hadsell, Chopra, LeCun: Dimensionality Reduction by Learning an Invariant Mapping, 2006,
        doi:10.1109/CVPR.2006.100
    """
    distance = at_least_float32(y_pred)
    similar = ops.cast(ops.convert_to_tensor(y_true), distance.dtype)
    _check(tuple(similar.shape), tuple(distance.shape))
    distance, similar = ops.reshape(distance, (-1,)), ops.reshape(similar, (-1,))
    apart = ops.square(ops.maximum(like(margin, distance) - distance, 0.0))
    values = similar * ops.square(distance) + (1.0 - similar) * apart
    return 0.5 * values if halved else values


@pair_loss(
    distance="euclidean",
    normalize=False,
    paper=_PAPER,
    conventions={
        "pytorch-metric-learning": {
            "squared": False,
            "separate": True,
            "average": "nonzero",
            "normalize": True,
        }
    },
    range=(0, None),
)
def contrastive(
    rows: Rows,
    *,
    margin: Real = 1.0,
    positive_margin: Real = 0.0,
    squared: bool = True,
    separate: bool = False,
) -> Terms | tuple[Terms, Terms]:
    r"""Contrastive loss of all pairs in a batch.

    The value of a sample is the mean of `pair_contrastive` over its pairs with every other sample.
    The mean over the batch is therefore the mean over all pairs.

    Implementations disagree: the paper halves the loss; pytorch-metric-learning does not square,
    normalises, and takes the means of positive and of negative pairs, each over those above 0,
    apart.

    Formula:
        $$\ell_i = \frac{1}{B - 1} \sum_{j \ne i}
            [y_i = y_j]\,\max(d_{ij} - m^+,\ 0)^2 + [y_i \ne y_j]\,\max(m - d_{ij},\ 0)^2$$

        where $y_i$ is the label of sample $i$, $d_{ij}$ is the distance of two embeddings, $m$ and
        $m^+$ are the margins, and $B$ is the size of the batch. A sample alone in its batch has
        value 0.

    Args:
        margin: The distance at which samples of two classes cost nothing; in the unit of the
            distance. On the unit sphere no Euclidean distance exceeds 2.
        positive_margin: The distance up to which samples of one class cost nothing.
        squared: Square what a pair costs.
        separate: Average over positive and over negative pairs apart, and add the two.

    Example:
        >>> from keras import ops
        >>> values = contrastive([0, 0, 1], [[0.0, 0.0], [0.3, 0.4], [0.3, 0.0]])
        >>> [round(value, 4) for value in ops.convert_to_numpy(values).tolist()]
        [0.37, 0.305, 0.425]

    Reference:
        Hadsell, Chopra, LeCun: Dimensionality Reduction by Learning an Invariant Mapping, 2006,
        doi:10.1109/CVPR.2006.100
    """
    costs = pair_costs(rows, margin, positive_margin)
    costs = ops.square(costs) if squared else costs
    if separate:
        return terms(costs, rows.positive, rows.weight), terms(costs, rows.negative, rows.weight)
    return terms(costs, rows.compared, rows.weight)


def pair_costs(rows: Rows, margin: Any, positive_margin: Any) -> Any:
    """How much too far each positive is, and how much too close each negative."""
    distances = rows.distances
    too_far = distances - like(positive_margin, distances)
    too_close = like(margin, distances) - distances
    return ops.maximum(ops.where(rows.positive, too_far, too_close), 0.0)


def _check(y_true: tuple[int | None, ...], y_pred: tuple[int | None, ...]) -> None:
    for name, shape in (("y_true", y_true), ("y_pred", y_pred)):
        if not (len(shape) == 1 or (len(shape) == 2 and shape[1] in (1, None))):
            raise DataError(
                "Pairs must have one distance and one target each.",
                expected=f"{name} of shape [batch] or [batch, 1]",
                received=shape,
                fix="`contrastive` compares embeddings with each other; this loss does not.",
            )
    if None not in (y_true[0], y_pred[0]) and y_true[0] != y_pred[0]:
        raise DataError(
            "There must be as many targets as distances.",
            expected=f"{y_pred[0]} targets for y_pred of shape {y_pred}",
            received=y_true,
            fix="Give each pair one target: 1 for one class, 0 for two.",
        )
