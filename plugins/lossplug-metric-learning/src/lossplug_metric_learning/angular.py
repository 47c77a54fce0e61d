"""Triangles of anchor, positive and negative, whose angle at the negative should be small."""

from __future__ import annotations

import math
from typing import Annotated

from annotated_types import Gt, Le

from lossplug_core import ops
from lossplug_metric_learning._inputs import like
from lossplug_metric_learning._pair_loss import pair_loss
from lossplug_metric_learning._rows import NEVER, Rows, Terms, terms

__all__ = ["angular"]

_Angle = Annotated[float, Gt(0), Le(math.pi / 3)]


@pair_loss(
    distance="cosine",
    normalize=True,
    average="terms",
    without=frozenset({"distance", "normalize", "chunk"}),
    paper="arXiv:1708.01682",
    conventions={"pytorch-metric-learning": {"angle": math.radians(40)}},
    range=(0, None),
)
def angular(rows: Rows, *, angle: _Angle = math.pi / 4) -> Terms:
    r"""The angle at which a negative sees anchor and positive should be small.

    All triplets count. Their sum over the negatives is a product of matrices of exponentials: it
    takes $N^3$ multiplications for a batch of $N$, but the memory of $N^2$ numbers. Where an anchor
    has no positives, or no negatives, there is no pair.

    Embeddings are scaled to length 1. pytorch-metric-learning has an angle of 40 degrees, and does
    not scale the negatives: normalise embeddings in the model to have the same. The paper says 36
    to 55 degrees, and adds the loss to `n_pairs`.

    Formula:
        $$\ell_{ap} = \log\Big(1 + \sum_{n \in N_a} \exp\big(4 \tan^2\!\alpha\,(z_a + z_p)^\top z_n
            - 2 (1 + \tan^2\!\alpha)\, z_a^\top z_p\big)\Big)$$

        for each sample $p$ of the class of anchor $a$, where $N_a$ are the samples of other
        classes, $z$ are the embeddings, and $\alpha$ is the angle. The value of an anchor is the
        sum over its positives, divided by the mean number of pairs of an anchor.

    Args:
        angle: In radians, up to 60 degrees.

    Example:
        >>> from keras import ops
        >>> values = angular([0, 0, 1], [[1.0, 0.0], [0.0, 1.0], [0.8, 0.6]])
        >>> [round(value, 4) for value in ops.convert_to_numpy(values).tolist()]
        [8.4055, 8.4055, 0.0]

    Reference:
        Wang, Zhou, Wen, Liu, Lin: Deep Metric Learning with Angular Loss, 2017, arXiv:1708.01682
    """
    cosines = rows.similarities
    of_references = cosines
    if rows.references is not rows.anchors:
        of_references = ops.matmul(rows.references, ops.transpose(rows.references))
    slope = ops.square(ops.tan(like(angle, cosines)))
    # The squared tangent is at most 3, so these are from -24 to 0: no product of two vanishes.
    of_anchor = ops.where(rows.negative, 4.0 * slope * (cosines - 1.0), NEVER)
    of_positive = 4.0 * slope * (of_references - 1.0)
    total = ops.matmul(ops.exp(of_anchor), ops.transpose(ops.exp(of_positive)))
    pairs = ops.logical_and(rows.positive, rows.with_negatives[:, None])
    logs = ops.log(ops.where(pairs, total, 1.0)) + 8.0 * slope
    return terms(ops.softplus(logs - 2.0 * (1.0 + slope) * cosines), pairs, rows.weight)
