"""Losses of a neighbour that is drawn by its distance: is it of the anchor's class?"""

from __future__ import annotations

from typing import Any, Literal

from lossplug_core import Positive, ops
from lossplug_metric_learning._inputs import like
from lossplug_metric_learning._pair_loss import pair_loss
from lossplug_metric_learning._rows import Rows, Terms, log_sum_exp_of_both, one_each

__all__ = ["nca", "soft_nearest_neighbour"]


@pair_loss(
    distance="squared_euclidean",
    normalize=False,
    paper="https://papers.nips.cc/paper/2566",
    conventions={"pytorch-metric-learning": {"normalize": True, "average": "terms"}},
    range=(0, None),
)
def nca(
    rows: Rows,
    *,
    scale: Positive = 1.0,
    objective: Literal["log_probability", "probability"] = "log_probability",
) -> Terms:
    r"""Neighbourhood components analysis: how likely is a neighbour that is drawn of the own class?

    Each anchor draws one other sample, close ones more often. The paper has two objectives: the
    expected number of anchors that draw their own class, which is that of `"probability"`, and the
    logarithm of the probability that all do, the default. An anchor without positives has value 0.

    Implementations disagree. pytorch-metric-learning normalises embeddings, and leaves anchors
    without positives out of the mean, which is NaN if there are no others.
    `soft_nearest_neighbour` is the same with a temperature.

    Formula:
        $$\ell_i = -\log p_i \quad \text{or} \quad 1 - p_i, \qquad p_i =
            \frac{\sum_{p \in P_i} \exp(-\sigma\,d_{ip})}{\sum_{j \ne i} \exp(-\sigma\,d_{ij})}$$

        where $P_i$ are the other samples with the label of anchor $i$, $d$ is the distance of two
        embeddings, and $\sigma$ is the scale.

    Args:
        scale: Multiplies the distances: the higher, the fewer neighbours count.
        objective: `"log_probability"` for $-\log p_i$, `"probability"` for $1 - p_i$.

    Example:
        >>> from keras import ops
        >>> embeddings = [[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]]
        >>> values = nca([7, 7, 3], embeddings)
        >>> [round(value, 4) for value in ops.convert_to_numpy(values).tolist()]
        [0.1839, 0.513, 0.0]

    Reference:
        Goldberger, Roweis, Hinton, Salakhutdinov: Neighbourhood Components Analysis, 2004,
        https://papers.nips.cc/paper/2566
    """
    to_negatives = _log_odds(rows, like(scale, rows.measured))
    probable = objective == "probability"
    values = ops.sigmoid(to_negatives) if probable else ops.softplus(to_negatives)
    return one_each(values, rows.with_positives)


@pair_loss(
    distance="squared_euclidean",
    normalize=False,
    paper="arXiv:1902.01889",
    conventions={"tensorflow-similarity": {}},
    range=(0, None),
)
def soft_nearest_neighbour(rows: Rows, *, temperature: Positive = 1.0) -> Terms:
    r"""How far the classes are entangled: the probability to draw a neighbour of another class.

    Each anchor draws one other sample, close ones more often. An anchor without positives has value
    0. The paper takes a multiple of it from a cross-entropy, or adds it: hidden layers in which the
    classes are entangled generalise better. It finds the temperature by gradient descent; here it
    is given, and may be a schedule.

    tensorflow-similarity adds 1e-9 to the probability, so that no value there exceeds 20.7. `nca`
    is the same with a scale that multiplies the distances.

    Formula:
        $$\ell_i = -\log \frac{\sum_{p \in P_i} \exp(-d_{ip} / T)}
            {\sum_{j \ne i} \exp(-d_{ij} / T)}$$

        where $P_i$ are the other samples with the label of anchor $i$, $d$ is the distance of two
        embeddings, and $T$ is the temperature.

    Args:
        temperature: Divides the distances: the lower, the fewer neighbours count.

    Example:
        >>> from keras import ops
        >>> embeddings = [[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]]
        >>> values = soft_nearest_neighbour([7, 7, 3], embeddings, temperature=0.5)
        >>> [round(value, 4) for value in ops.convert_to_numpy(values).tolist()]
        [0.04, 0.3711, 0.0]

    Reference:
        Frosst, Papernot, Hinton: Analyzing and Improving Representations with the Soft Nearest
        Neighbor Loss, 2019, arXiv:1902.01889
    """
    to_negatives = _log_odds(rows, 1.0 / like(temperature, rows.measured))
    return one_each(ops.softplus(to_negatives), rows.with_positives)


def _log_odds(rows: Rows, scale: Any) -> Any:
    """Log of how much more likely a negative is drawn than a positive; 0 without positives."""
    logits = scale * rows.similarities
    of_positives, of_negatives = log_sum_exp_of_both(logits, rows.positive, rows.negative)
    return ops.where(rows.with_positives, of_negatives - of_positives, 0.0)
