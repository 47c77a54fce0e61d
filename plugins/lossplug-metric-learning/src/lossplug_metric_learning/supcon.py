"""Cross-entropy that tells positives from negatives by their similarity."""

from __future__ import annotations

from lossplug_core import Positive, ops
from lossplug_metric_learning._averages import renamed_average
from lossplug_metric_learning._inputs import like
from lossplug_metric_learning._pair_loss import pair_loss
from lossplug_metric_learning._rows import NEVER, Rows, Terms, masked_mean, one_each, shifted_logits

__all__ = ["supcon"]


@pair_loss(
    distance="inner_product",
    normalize=True,
    paper="arXiv:2004.11362",
    aliases=("supervised_contrastive",),
    version=2,
    migrate=renamed_average("anchors_with_positives", "terms"),
    history={2: "The average over anchors with positives is called `terms`."},
    conventions={
        "pytorch-metric-learning": {"average": "nonzero"},
        "supcontrast": {"temperature": 0.07, "base_temperature": 0.07, "normalize": False},
    },
    range=(0, None),
)
def supcon(
    rows: Rows, *, temperature: Positive = 0.1, base_temperature: Positive | None = None
) -> Terms:
    r"""Cross-entropy that tells an anchor's positives from all other samples by similarity.

    This is the paper's $\mathcal{L}^{sup}_{out}$: all other samples, positives as well, are in the
    denominator. An anchor without positives has value 0. With several views of each sample, stack
    the views along the batch and repeat the labels.

    Implementations disagree. The authors' PyTorch code, the convention `supcontrast`, multiplies by
    `temperature / base_temperature`, expects normalised embeddings, and is NaN for anchors without
    positives; their TensorFlow code has a base temperature of 1. pytorch-metric-learning leaves
    anchors of value 0 out of the mean, and calls a batch of one class 0.

    Formula:
        $$\ell_i = -\frac{1}{|P_i|} \sum_{p \in P_i}
            \log \frac{\exp(s_{ip} / \tau)}{\sum_{j \ne i} \exp(s_{ij} / \tau)}$$

        where $P_i$ are the other samples with the label of anchor $i$, $s$ is the similarity of
        two embeddings, and $\tau$ is the temperature.

    Args:
        temperature: Divides the similarities: the lower, the more the most similar samples count.
        base_temperature: If given, multiply the loss by `temperature / base_temperature`, so that
            the size of the gradient depends less on the temperature.

    Example:
        >>> from keras import ops
        >>> embeddings = [[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]]
        >>> values = supcon([7, 7, 3], embeddings, temperature=0.5)
        >>> [round(value, 4) for value in ops.convert_to_numpy(values).tolist()]
        [0.1839, 0.513, 0.0]

    Reference:
        Khosla et al.: Supervised Contrastive Learning, 2020, arXiv:2004.11362
    """
    logits = ops.where(rows.compared, rows.similarities / like(temperature, rows.measured), NEVER)
    shifted, log_denominator = shifted_logits(logits)
    values = log_denominator - masked_mean(shifted, rows.positive)
    if base_temperature is not None:
        values = values * like(temperature / base_temperature, values)
    return one_each(values, rows.with_positives)
