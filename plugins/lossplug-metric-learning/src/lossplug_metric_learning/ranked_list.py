"""A list of positives within one distance, and of negatives beyond another."""

from __future__ import annotations

from typing import Any

from lossplug_core import Fraction, NonNegative, Real, ops
from lossplug_metric_learning._inputs import like
from lossplug_metric_learning._pair_loss import pair_loss
from lossplug_metric_learning._rows import Rows, Terms, one_each

__all__ = ["ranked_list"]


@pair_loss(
    distance="euclidean",
    normalize=True,
    paper="arXiv:1903.03238",
    conventions={"pytorch-metric-learning": {"epsilon": 1e-5}},
    range=(0, None),
)
def ranked_list(
    rows: Rows,
    *,
    alpha: Real = 1.2,
    margin: NonNegative = 0.4,
    positive_temperature: NonNegative = 0.0,
    negative_temperature: NonNegative = 10.0,
    balance: Fraction = 0.5,
    epsilon: NonNegative = 0.0,
) -> Terms:
    r"""Positives within a sphere, negatives outside of a larger one; the worst count most.

    Positives within the inner sphere, and negatives outside of the outer one, count nothing: a
    class may keep its shape. As in pytorch-metric-learning, the gradient also goes through how much
    a pair counts. That code adds 1e-5 to the divisors for each sample of the batch, and has
    $\alpha = 1 + m / 2$ by default, $m$ being the margin.

    Formula:
        $$\ell_a = (1 - \lambda) \frac{\sum_{p \in P^*_a} w_p (d_{ap} - (\alpha - m))}
            {\epsilon B + \sum_{p \in P^*_a} w_p}
            + \lambda \frac{\sum_{n \in N^*_a} w_n (\alpha - d_{an})}
            {\epsilon B + \sum_{n \in N^*_a} w_n}$$
        $$w_p = e^{T_p (d_{ap} - (\alpha - m))}, \qquad w_n = e^{T_n (\alpha - d_{an})}$$

        where $P^*_a$ are the other samples with the label of anchor $a$ that are farther than
        $\alpha - m$, $N^*_a$ those with another label that are closer than $\alpha$, $d$ is the
        distance of two embeddings, $m$ is the margin, $T$ are the temperatures, $\lambda$ is the
        balance, and $B$ is the size of the batch. A mean over nothing is 0.

    Args:
        alpha: The distance that negatives should have; in the unit of the distance.
        margin: How much closer than that positives should be.
        positive_temperature: The higher, the more the farthest positives count. With 0 all count
            the same.
        negative_temperature: The higher, the more the closest negatives count.
        balance: How much negatives count, from 0 to 1; positives count the rest.
        epsilon: Added to the divisors for each sample of the batch.

    Example:
        >>> from keras import ops
        >>> values = ranked_list([0, 0, 1], [[1.0, 0.0], [0.0, 1.0], [0.8, 0.6]])
        >>> [round(value, 4) for value in ops.convert_to_numpy(values).tolist()]
        [0.5909, 0.4599, 0.2749]

    Reference:
        Wang, Hua, Kodirov, Hu, Garnier, Robertson: Ranked List Loss for Deep Metric Learning, 2019,
        arXiv:1903.03238
    """
    distances = rows.distances
    alpha, margin = like(alpha, distances), like(margin, distances)
    balance, epsilon = like(balance, distances), like(epsilon, distances)
    too_far, too_close = distances - (alpha - margin), alpha - distances
    far = _weighted_mean(too_far, rows.positive, positive_temperature, epsilon)
    close = _weighted_mean(too_close, rows.negative, negative_temperature, epsilon)
    return one_each((1.0 - balance) * far + balance * close, ops.any(rows.compared, axis=1))


def _weighted_mean(costs: Any, mask: Any, temperature: Any, epsilon: Any) -> Any:
    """Of the costs above 0 where the mask is true, the larger the more."""
    counted = ops.logical_and(mask, costs > 0)
    costs = ops.where(counted, costs, 0.0)
    logits = like(temperature, costs) * costs
    largest = ops.stop_gradient(ops.max(logits, axis=1, keepdims=True))
    weights = ops.where(counted, ops.exp(logits - largest), 0.0)
    samples = ops.cast(ops.shape(costs)[1], costs.dtype)
    divisor = ops.sum(weights, axis=1) + epsilon * samples * ops.exp(-largest[:, 0])
    return ops.sum(weights * costs, axis=1) / ops.where(divisor > 0, divisor, 1.0)
