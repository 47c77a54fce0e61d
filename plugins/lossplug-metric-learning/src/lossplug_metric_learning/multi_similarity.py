"""Loss that weighs a pair by its own similarity, and by that of the anchor's other pairs."""

from __future__ import annotations

from lossplug_core import Positive, Real, ops
from lossplug_metric_learning._inputs import like
from lossplug_metric_learning._pair_loss import pair_loss
from lossplug_metric_learning._rows import Rows, Terms, log_sum_exp_of_both, one_each

__all__ = ["multi_similarity"]


@pair_loss(
    distance="cosine",
    normalize=True,
    paper="arXiv:1904.06627",
    conventions={
        "pytorch-metric-learning": {},
        "tensorflow-similarity": {"beta": 40.0, "mining": "multi_similarity"},
    },
    range=(0, None),
)
def multi_similarity(
    rows: Rows, *, alpha: Positive = 2.0, beta: Positive = 50.0, base: Real = 0.5
) -> Terms:
    r"""Positives should be more similar than a base, negatives less, the hardest most of all.

    The paper's own mining is `mining="multi_similarity"`, which leaves out pairs that are right by
    a margin already; without it all pairs count. An anchor with positives only, or with negatives
    only, has the value of those; with the mining it has value 0.

    Implementations disagree. pytorch-metric-learning takes all pairs unless it is given a miner;
    tensorflow-similarity and the authors' code mine first, with a margin of 0.1, and have a `beta`
    of 40. All of them average over the whole batch.

    Formula:
        $$\ell_i = \frac{1}{\alpha} \log\Bigl(1 + \sum_{p \in P_i} e^{-\alpha (s_{ip} -
            \lambda)}\Bigr) + \frac{1}{\beta} \log\Bigl(1 + \sum_{n \in N_i} e^{\beta (s_{in} -
            \lambda)}\Bigr)$$

        where $P_i$ are the other samples with the label of anchor $i$, $N_i$ those with another
        label, $s$ is the similarity of two embeddings, $\lambda$ is the base, and $\alpha$ and
        $\beta$ say how much the hardest pairs count.

    Args:
        alpha: How much more the least similar positives count than the others.
        beta: How much more the most similar negatives count than the others.
        base: The similarity that separates the two, in the unit of the similarity.

    Example:
        >>> from keras import ops
        >>> embeddings = [[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]]
        >>> values = multi_similarity([7, 7, 3], embeddings)
        >>> [round(value, 4) for value in ops.convert_to_numpy(values).tolist()]
        [0.2187, 0.3189, 0.1001]

    Reference:
        Wang, Han, Huang, Dong, Scott: Multi-Similarity Loss with General Pair Weighting for Deep
        Metric Learning, 2019, arXiv:1904.06627
    """
    alpha, beta = like(alpha, rows.measured), like(beta, rows.measured)
    above = rows.similarities - like(base, rows.measured)
    costs = ops.where(rows.positive, -alpha, beta) * above
    of_positives, of_negatives = log_sum_exp_of_both(costs, rows.positive, rows.negative)
    values = ops.softplus(of_positives) / alpha + ops.softplus(of_negatives) / beta
    return one_each(values, ops.any(rows.compared, axis=1))
