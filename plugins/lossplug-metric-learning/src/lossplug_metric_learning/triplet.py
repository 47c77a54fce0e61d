"""Triplet loss with semi-hard negatives."""

from __future__ import annotations

from typing import Any

from lossplug_core import NonNegative, ops
from lossplug_metric_learning._inputs import like
from lossplug_metric_learning._pair_loss import pair_loss
from lossplug_metric_learning._rows import Rows, Terms, terms

__all__ = ["triplet_semi_hard"]

_MOST_STEPS = 20
"""Steps of a search in a batch of unknown size: enough for a million samples."""


_AVERAGES = {"pairs": "terms"}


def _renamed(version: int, parameters: dict[str, Any]) -> dict[str, Any]:
    del version
    average = parameters.get("average", "anchors")
    return {**parameters, "average": _AVERAGES.get(average, average)}


@pair_loss(
    distance="squared_euclidean",
    normalize=True,
    paper="arXiv:1503.03832",
    version=2,
    migrate=_renamed,
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
    distances = rows.distances
    beyond = distances - _semi_hard(distances, rows.negative)
    hinge = ops.maximum(beyond + like(margin, beyond), 0.0)
    triplets = ops.logical_and(rows.positive, rows.with_negatives[:, None])
    return terms(hinge, triplets, rows.weight)


def _semi_hard(distances: Any, negative: Any) -> Any:
    """For each anchor and other sample, the distance of the closest negative beyond that sample.

    If there is none, that of the farthest negative. Sorting keeps this at O(batch²) memory.
    """
    to_negatives = ops.where(negative, distances, float("inf"))
    order = ops.argsort(to_negatives, axis=1)
    ascending = ops.take_along_axis(to_negatives, order, axis=1)
    farthest = ops.sum(ops.cast(negative, "int32"), axis=1, keepdims=True) - 1
    place = ops.minimum(_count_up_to(distances, ascending), ops.maximum(farthest, 0))
    return ops.take_along_axis(distances, ops.take_along_axis(order, place, axis=1), axis=1)


def _count_up_to(limits: Any, ascending: Any) -> Any:
    """How many numbers of each ascending row are at most each limit: a binary search by rows."""
    size = ops.shape(ascending)[1]
    steps = size.bit_length() if isinstance(size, int) else _MOST_STEPS
    count = ops.zeros_like(limits, dtype="int32")
    for step in reversed(range(steps)):
        more = count + 2**step
        last = ops.take_along_axis(ascending, ops.minimum(more, size) - 1, axis=1)
        fits = ops.logical_and(ops.less_equal(more, size), ops.less_equal(last, limits))
        count = ops.where(fits, more, count)
    return count
