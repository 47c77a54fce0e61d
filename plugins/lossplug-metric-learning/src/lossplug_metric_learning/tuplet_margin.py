"""Softmax of angles with a slack for the positive."""

from __future__ import annotations

import math
from typing import Annotated

from annotated_types import Ge, Lt

from lossplug_core import Positive, ops
from lossplug_metric_learning._inputs import like, square_root
from lossplug_metric_learning._pair_loss import pair_loss
from lossplug_metric_learning._rows import Rows, Terms, log_sum_exp, terms

__all__ = ["tuplet_margin"]

_Slack = Annotated[float, Ge(0), Lt(math.pi / 2)]


@pair_loss(
    distance="squared_euclidean",
    normalize=True,
    average="terms",
    without=frozenset({"distance", "normalize"}),
    paper="doi:10.1109/ICCV.2019.00659",
    conventions={"pytorch-metric-learning": {"margin": math.radians(5.73)}},
    range=(0, None),
)
def tuplet_margin(rows: Rows, *, margin: _Slack = 0.1, scale: Positive = 64.0) -> Terms:
    r"""Cross-entropy of each positive against all negatives, with a slack taken off its angle.

    The slack keeps positives that are hard, or wrongly labelled, from being overfitted. Where an
    anchor has no positives, or no negatives, there is no pair. pytorch-metric-learning has the
    margin in degrees, 5.73 of them. The paper's intra-pair variance is another loss.

    Formula:
        $$\ell_{ap} = \log\Big(1 + \sum_{n \in N_a}
            e^{s (\cos\theta_{an} - \cos(\theta_{ap} - \beta))}\Big)$$

        for each sample $p$ of the class of anchor $a$, where $N_a$ are the samples of other
        classes, $\theta$ is the angle of two embeddings, $\beta$ is the margin, and $s$ is the
        scale. The value of an anchor is the sum over its positives, divided by the mean number of
        pairs of an anchor. The angle is that of two points of the unit sphere that are $d$ apart,
        $\cos\theta = 1 - d^2/2$; a zero embedding is 1 apart from each other one.

    Args:
        margin: The slack, in radians.
        scale: Multiplies the cosines: the higher, the more the closest negatives count.

    Example:
        >>> from keras import ops
        >>> values = tuplet_margin([0, 0, 1], [[1.0, 0.0], [0.0, 1.0], [0.8, 0.6]], scale=4.0)
        >>> [round(value, 4) for value in ops.convert_to_numpy(values).tolist()]
        [4.2895, 3.1913, 0.0]

    Reference:
        Yu, Tao: Deep Metric Learning with Tuplet Margin Loss, 2019, doi:10.1109/ICCV.2019.00659
    """
    squared = rows.distances
    margin, scale = like(margin, squared), like(scale, squared)
    cosine = 1.0 - 0.5 * squared
    # From the distance, not the cosine, the sine of a small angle has all its digits.
    sine = square_root(squared * ops.maximum(1.0 - 0.25 * squared, 0.0))
    own = scale * (cosine * ops.cos(margin) + sine * ops.sin(margin))
    of_negatives = log_sum_exp(scale * cosine, rows.negative)[:, None]
    pairs = ops.logical_and(rows.positive, rows.with_negatives[:, None])
    return terms(ops.softplus(of_negatives - own), pairs, rows.weight)
