"""Average precision, made smooth by histograms of distances."""

from __future__ import annotations

from typing import Any

from lossplug_core import PositiveInt, ops
from lossplug_metric_learning._pair_loss import pair_loss
from lossplug_metric_learning._rows import Rows, Terms, one_each

__all__ = ["fast_ap"]

_FARTHEST = 4.0
"""The largest squared distance of two embeddings of length 1."""


@pair_loss(
    distance="squared_euclidean",
    normalize=True,
    average="terms",
    without=frozenset({"distance", "normalize"}),
    paper="doi:10.1109/CVPR.2019.00196",
    range=(0, None),
)
def fast_ap(rows: Rows, *, num_bins: PositiveInt = 10) -> Terms:
    r"""One minus the average precision of an anchor's ranking, calculated from a histogram.

    Distances are put into bins, each shared by the two edges next to it, so that there is a
    gradient. Embeddings are scaled to length 1. An anchor without positives is left out; one
    without negatives has value 0. The authors' code and pytorch-metric-learning agree.

    Formula:
        $$\ell_a = 1 - \frac{1}{|P_a|} \sum_{j=0}^{L} \frac{H^+_j h^+_j}{H_j}, \qquad
            h_j = \sum_k \max\Big(1 - \frac{|d_{ak} - 4 j / L|}{4 / L},\ 0\Big), \qquad
            H_j = \sum_{i \le j} h_i$$

        where $P_a$ are the other samples with the label of anchor $a$, $d$ is the squared distance
        of two embeddings, $L$ is the number of bins, $h$ is the histogram of the distances to all
        other samples, and $h^+$ and $H^+$ are the same of the positives.

    Args:
        num_bins: How many bins there are between 0 and 4, the largest squared distance. The more,
            the closer to average precision, and the fewer samples have a gradient.

    Example:
        >>> from keras import ops
        >>> values = fast_ap([0, 0, 1], [[1.0, 0.0], [0.0, 1.0], [0.8, 0.6]])
        >>> [round(value, 4) for value in ops.convert_to_numpy(values).tolist()]
        [0.75, 0.75, 0.0]

    Reference:
        Cakir, He, Xia, Kulis, Sclaroff: Deep Metric Learning to Rank, 2019,
        doi:10.1109/CVPR.2019.00196
    """
    beyond_all = 2.0 * _FARTHEST + 1.0
    to_positives = ops.where(rows.positive, rows.distances, beyond_all)
    to_all = ops.where(rows.compared, rows.distances, beyond_all)
    precision = before = 0.0
    for edge in range(num_bins + 1):
        positives = _up_to(edge, to_positives, num_bins)
        total = _up_to(edge, to_all, num_bins)
        found = total > 0
        share = ops.where(found, positives / ops.where(found, total, 1.0), 0.0)
        precision = precision + share * (positives - before)
        before = positives
    number = ops.sum(ops.cast(rows.positive, to_all.dtype), axis=1)
    return one_each(1.0 - precision / ops.maximum(number, 1.0), rows.with_positives)


def _up_to(edge: int, distances: Any, num_bins: int) -> Any:
    """The cumulative histogram at an edge: the triangles up to it add up to a ramp."""
    return ops.sum(ops.clip(edge + 1.0 - distances * (num_bins / _FARTHEST), 0.0, 1.0), axis=1)
