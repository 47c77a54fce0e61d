"""Losses that lift the pairs of a batch: each positive pair against all its negatives at once."""

from __future__ import annotations

from typing import Any

from lossplug_core import Real, ops
from lossplug_metric_learning._inputs import like
from lossplug_metric_learning._pair_loss import pair_loss
from lossplug_metric_learning._rows import NEVER, Rows, Terms, log_sum_exp, one_each, terms

__all__ = ["generalized_lifted", "lifted_structure"]


def _closeness(rows: Rows, *, margin: Any, positive_margin: Any) -> Any:
    """The log of the sum over an anchor's negatives of how close they are."""
    del positive_margin
    distances = rows.distances
    return log_sum_exp(like(margin, distances) - distances, rows.negative)


@pair_loss(
    distance="euclidean",
    normalize=False,
    average="terms",
    first=_closeness,
    paper="arXiv:1511.06452",
    conventions={"pytorch-metric-learning": {"normalize": True}},
    range=(0, None),
)
def lifted_structure(rows: Rows, *, margin: Real = 1.0, positive_margin: Real = 0.0) -> Terms:
    r"""Each positive pair should be closer than all negatives of both its samples.

    The mean over the batch is the paper's loss: each pair of one class is met in both orders. A
    pair of which neither sample has a negative is left out; an anchor without positives has value
    0.

    The authors' code, TensorFlow Addons and this loss agree; pytorch-metric-learning normalises
    embeddings, and tensorflow-similarity neither squares nor halves.

    Formula:
        $$\ell_{ap} = \frac{1}{2} \max\Big(d_{ap} - m^+ + \log\Big(
            \sum_{n \in N_a} e^{m - d_{an}} + \sum_{n \in N_p} e^{m - d_{pn}}\Big),\ 0\Big)^2$$

        for each sample $p$ of the class of anchor $a$, where $N_a$ are the samples that are not of
        the class of $a$, $d$ is the distance of two embeddings, and $m$ and $m^+$ are the margins.
        The value of an anchor is the sum over its pairs, divided by the mean number of pairs of an
        anchor.

    Args:
        margin: How far negatives should be; in the unit of the distance.
        positive_margin: The distance up to which samples of one class cost nothing.

    Example:
        >>> from keras import ops
        >>> values = lifted_structure([0, 0, 1], [[0.0, 0.0], [0.3, 0.4], [0.3, 0.0]])
        >>> [round(value, 4) for value in ops.convert_to_numpy(values).tolist()]
        [2.5513, 2.5513, 0.0]

    Reference:
        Song, Xiang, Jegelka, Savarese: Deep Metric Learning via Lifted Structured Feature
        Embedding, 2015, arXiv:1511.06452
    """
    del margin  # it is in what the first pass over the rows has found
    distances = rows.distances
    of_both = ops.logaddexp(rows.of_anchors[:, None], rows.of_references[None, :])
    cost = ops.maximum(distances - like(positive_margin, distances) + of_both, 0.0)
    pairs = ops.logical_and(rows.positive, of_both > 0.5 * NEVER)
    return terms(0.5 * ops.square(cost), pairs, rows.weight)


@pair_loss(
    distance="euclidean",
    normalize=False,
    paper="arXiv:1703.07737",
    conventions={"pytorch-metric-learning": {"normalize": True}},
    range=(0, None),
)
def generalized_lifted(rows: Rows, *, margin: Real = 1.0, positive_margin: Real = 0.0) -> Terms:
    r"""A smooth form of the triplet loss of an anchor's farthest positive and closest negative.

    An anchor without positives, or without negatives, has value 0. pytorch-metric-learning, the
    convention of this name, normalises embeddings, and there an anchor with only positives or only
    negatives has the cost of these.

    Formula:
        $$\ell_a = \max\Big(\log \sum_{p \in P_a} e^{d_{ap} - m^+}
            + \log \sum_{n \in N_a} e^{m - d_{an}},\ 0\Big)$$

        where $P_a$ are the other samples with the label of anchor $a$, $N_a$ those with another
        label, $d$ is the distance of two embeddings, and $m$ and $m^+$ are the margins.

    Args:
        margin: How far negatives should be; in the unit of the distance.
        positive_margin: The distance up to which samples of one class cost little.

    Example:
        >>> from keras import ops
        >>> values = generalized_lifted([0, 0, 1], [[0.0, 0.0], [0.3, 0.4], [0.3, 0.0]])
        >>> [round(value, 4) for value in ops.convert_to_numpy(values).tolist()]
        [1.2, 1.1, 0.0]

    Reference:
        Hermans, Beyer, Leibe: In Defense of the Triplet Loss for Person Re-Identification, 2017,
        arXiv:1703.07737
    """
    distances = rows.distances
    far = log_sum_exp(distances - like(positive_margin, distances), rows.positive)
    close = log_sum_exp(like(margin, distances) - distances, rows.negative)
    both = rows.with_both
    return one_each(ops.maximum(ops.where(both, far + close, 0.0), 0.0), both)
