"""Cross-entropy that finds each positive among the negatives, one positive at a time."""

from __future__ import annotations

from lossplug_core import Positive, ops
from lossplug_metric_learning._inputs import like
from lossplug_metric_learning._pair_loss import pair_loss
from lossplug_metric_learning._rows import Rows, Terms, log_sum_exp, terms

__all__ = ["nt_xent"]


@pair_loss(
    distance="cosine",
    normalize=True,
    paper="arXiv:2002.05709",
    conventions={
        "optax": {"temperature": 0.07, "average": "terms"},
        "pytorch-metric-learning": {"temperature": 0.07, "average": "nonzero"},
        "tensorflow-similarity": {"temperature": 0.05, "doubled": True},
    },
    range=(0, None),
)
def nt_xent(rows: Rows, *, temperature: Positive = 0.1, doubled: bool = False) -> Terms:
    r"""Normalised, temperature-scaled cross-entropy: find the other view among all samples.

    Stack the two views along the batch, and number the samples: `y_true` is `[0, 1, 2, 0, 1, 2]`.
    Classes are labels as well: each positive is then looked for among the negatives alone, while in
    `supcon` other positives are in the denominator too. An anchor without positives, or without
    negatives, has value 0.

    Implementations disagree about the temperature: 0.1 in the paper's experiments on ImageNet,
    which is the default here, 0.07 in pytorch-metric-learning and optax, 0.05 in
    tensorflow-similarity, 0.5 in lightly and MONAI. And about the average: tensorflow-similarity
    adds the two views, whose mean over the batch is twice as large; pytorch-metric-learning and
    optax average over pairs, pytorch-metric-learning only over those above 0.

    Formula:
        $$\ell_i = \frac{1}{|P_i|} \sum_{p \in P_i} -\log
            \frac{\exp(s_{ip} / \tau)}
            {\exp(s_{ip} / \tau) + \sum_{n \in N_i} \exp(s_{in} / \tau)}$$

        where $P_i$ are the other samples with the label of anchor $i$, $N_i$ those with another
        label, $s$ is the similarity of two embeddings, and $\tau$ is the temperature.

    Args:
        temperature: Divides the similarities: the lower, the more the most similar negatives count.
        doubled: Double the loss, so that the mean over both views becomes their sum.

    Example:
        >>> from keras import ops
        >>> embeddings = [[1.0, 0.0], [0.8, 0.6], [0.0, 1.0], [-0.6, 0.8]]
        >>> values = nt_xent([0, 1, 0, 1], embeddings, temperature=0.5)
        >>> [round(value, 4) for value in ops.convert_to_numpy(values).tolist()]
        [1.8333, 2.2271, 2.2271, 1.8333]

    Reference:
        Chen, Kornblith, Norouzi, Hinton: A Simple Framework for Contrastive Learning of Visual
        Representations, 2020, arXiv:2002.05709
    """
    logits = rows.similarities / like(temperature, rows.measured)
    among_negatives = log_sum_exp(logits, rows.negative)
    found = terms(ops.softplus(among_negatives[:, None] - logits), rows.positive)
    return found._replace(total=2.0 * found.total) if doubled else found
