"""Loss that pulls each similarity as hard as it is far from where it should be."""

from __future__ import annotations

from lossplug_core import Positive, Real, ops
from lossplug_metric_learning._inputs import like
from lossplug_metric_learning._pair_loss import pair_loss
from lossplug_metric_learning._rows import Rows, Terms, log_sum_exp_of_both, one_each

__all__ = ["circle"]


@pair_loss(
    distance="cosine",
    normalize=True,
    paper="arXiv:2002.10857",
    conventions={
        "keras": {"constant_weights": False},
        "pytorch-metric-learning": {"average": "nonzero"},
        "tensorflow-similarity": {"constant_weights": False, "separate": True},
    },
    range=(0, None),
    stops_gradient=lambda parameters: bool(parameters.get("constant_weights", True)),
)
def circle(
    rows: Rows,
    *,
    margin: Real = 0.4,
    gamma: Positive = 80.0,
    constant_weights: bool = True,
    separate: bool = False,
) -> Terms:
    r"""Positives to similarity 1 and negatives to 0, each with a weight that says how far it is.

    An anchor without positives, or without negatives, has value 0.

    Implementations disagree. In the paper's gradient the weights are constants, as they are in
    pytorch-metric-learning, which leaves anchors of value 0 out of the mean. Keras and
    tensorflow-similarity let the gradient flow through them, which is what `constant_weights=False`
    does; tensorflow-similarity moreover takes one logarithm for positives and one for negatives.
    The paper has a margin of 0.25 and a `gamma` of 256 for faces, and 0.25 and 128 for persons; 0.4
    and 80 are those for fine-grained images.

    Formula:
        $$\ell_i = \log\Bigl(1 + \sum_{n \in N_i} e^{\gamma \alpha_{in} (s_{in} - m)}
            \sum_{p \in P_i} e^{-\gamma \alpha_{ip} (s_{ip} - 1 + m)}\Bigr)$$
        $$\alpha_{ip} = \max(1 + m - s_{ip},\ 0), \qquad \alpha_{in} = \max(s_{in} + m,\ 0)$$

        where $P_i$ are the other samples with the label of anchor $i$, $N_i$ those with another
        label, $s$ is the similarity of two embeddings, $m$ is the margin, and $\gamma$ the scale.

    Args:
        margin: How far from 1 a positive may be, and from 0 a negative; in the unit of the
            similarity.
        gamma: Multiplies the costs: the higher, the more the hardest pairs count.
        constant_weights: Whether the weights $\alpha$ are constants to the gradient.
        separate: Take $\log(1 + \sum_n) + \log(1 + \sum_p)$, two sums that do not multiply.

    Example:
        >>> from keras import ops
        >>> embeddings = [[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]]
        >>> values = circle([7, 7, 3], embeddings, gamma=4.0)
        >>> [round(value, 4) for value in ops.convert_to_numpy(values).tolist()]
        [0.2824, 0.8659, 0.0]

    Reference:
        Sun, Cheng, Zhang, Zhang, Zheng, Wang, Wei: Circle Loss: A Unified Perspective of Pair
        Similarity Optimization, 2020, arXiv:2002.10857
    """
    margin, gamma = like(margin, rows.measured), like(gamma, rows.measured)
    similarities = rows.similarities
    # How far each is from its optimum, times a weight that grows with it.
    distance = ops.where(rows.positive, 1.0 - similarities, similarities)
    weight = ops.maximum(distance + margin, 0.0)
    weight = ops.stop_gradient(weight) if constant_weights else weight
    costs = gamma * weight * (distance - margin)
    of_positives, of_negatives = log_sum_exp_of_both(costs, rows.positive, rows.negative)
    both = rows.with_both
    if separate:
        return one_each(ops.softplus(of_positives) + ops.softplus(of_negatives), both)
    return one_each(ops.softplus(ops.where(both, of_positives + of_negatives, 0.0)), both)
