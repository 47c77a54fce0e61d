"""Contrastive loss on the signal-to-noise distance."""

from __future__ import annotations

from lossplug_core import Real
from lossplug_metric_learning._pair_loss import pair_loss
from lossplug_metric_learning._rows import Rows, Terms, terms
from lossplug_metric_learning.contrastive import pair_costs

__all__ = ["signal_to_noise"]


@pair_loss(
    distance="signal_to_noise",
    normalize=True,
    average="terms",
    without=frozenset({"distance"}),
    paper="arXiv:1904.02616",
    conventions={"pytorch-metric-learning": {"average": "nonzero"}},
    range=(0, None),
)
def signal_to_noise(
    rows: Rows, *, margin: Real = 1.0, positive_margin: Real = 0.0
) -> tuple[Terms, Terms]:
    r"""Contrastive loss whose distance is the power of the noise between two embeddings.

    The anchor is the signal, and what another embedding differs from it is noise. Of one class, the
    noise should be small; of two, large, compared with the signal. The mean over the batch is the
    mean over all positive pairs, and that over all negative pairs. An anchor of which all features
    are equal is no signal: all are 0 apart from it.

    The paper adds a regulariser that keeps the mean of the features of an embedding at 0:
    `regularizer={"name": "zero_mean", "weight": 0.01}`. pytorch-metric-learning takes the means
    over pairs that cost something.

    Formula:
        $$\ell_{ap} = \max(d_{ap} - m^+,\ 0), \qquad \ell_{an} = \max(m - d_{an},\ 0), \qquad
            d_{ij} = \frac{\operatorname{var}(z_i - z_j)}{\operatorname{var}(z_i)}$$

        for each sample $p$ of the class of anchor $a$, and each $n$ of another class, where $z$ are
        the embeddings, the variance is that over the features, and $m$ and $m^+$ are the margins.
        The value of an anchor is the sum over its positive pairs, divided by their mean number, and
        the same for negative pairs.

    Args:
        margin: The distance at which samples of two classes cost nothing.
        positive_margin: The distance up to which samples of one class cost nothing.

    Example:
        >>> from keras import ops
        >>> values = signal_to_noise([0, 0, 1], [[1.0, 0.0], [0.0, 1.0], [0.8, 0.6]])
        >>> [round(value, 4) for value in ops.convert_to_numpy(values).tolist()]
        [6.27, 6.0, 0.0]

    Reference:
        Yuan, Deng, Tang, Tang, Chen: Signal-to-Noise Ratio: A Robust Distance Metric for Deep
        Metric Learning, 2019, arXiv:1904.02616
    """
    costs = pair_costs(rows, margin, positive_margin)
    return terms(costs, rows.positive, rows.weight), terms(costs, rows.negative, rows.weight)
