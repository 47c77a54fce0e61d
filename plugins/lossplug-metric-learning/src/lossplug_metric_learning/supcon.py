"""Supervised contrastive loss."""

from __future__ import annotations

from typing import Any, Literal

from lossplug_core import Positive, loss, ops
from lossplug_metric_learning._inputs import labelled_embeddings, like
from lossplug_metric_learning._pairs import (
    NEVER,
    Pairs,
    as_mean_over,
    masked_mean,
    pairs_in_batch,
)

__all__ = ["supcon", "supcon_of"]


@loss(
    y_true="labels",
    y_pred="embeddings",
    paper="arXiv:2004.11362",
    aliases=("supervised_contrastive",),
    conventions={
        "pytorch-metric-learning": {"average": "anchors_with_positives"},
        "supcontrast": {"temperature": 0.07, "base_temperature": 0.07, "normalize": False},
    },
    range=(0, None),
)
def supcon(
    y_true: Any,
    y_pred: Any,
    *,
    temperature: Positive = 0.1,
    base_temperature: Positive | None = None,
    normalize: bool = True,
    average: Literal["anchors", "anchors_with_positives"] = "anchors",
) -> Any:
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
            \log \frac{\exp(z_i^\top z_p / \tau)}{\sum_{j \ne i} \exp(z_i^\top z_j / \tau)}$$

        where $P_i$ are the other samples with the label of anchor $i$, $z$ are the embeddings, and
        $\tau$ is the temperature.

    Args:
        y_true: Integer labels, shape `[batch]` or `[batch, 1]`.
        y_pred: Embeddings, shape `[batch, features]`. Half precision is computed in float32.
        temperature: Divides the similarities: the lower, the more the most similar samples count.
        base_temperature: If given, multiply the loss by `temperature / base_temperature`, so that
            the size of the gradient depends less on the temperature.
        normalize: Scale each embedding to length 1 first, as in the paper.
        average: `"anchors"`: the values as in the formula. `"anchors_with_positives"`: scaled so
            that their mean over the batch is the mean over the anchors that have positives.

    Returns:
        One value per anchor, shape `[batch]`.

    Raises:
        DataError: Labels and embeddings have other shapes than these.

    Example:
        >>> from keras import ops
        >>> embeddings = [[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]]
        >>> values = supcon([7, 7, 3], embeddings, temperature=0.5)
        >>> [round(value, 4) for value in ops.convert_to_numpy(values).tolist()]
        [0.1839, 0.513, 0.0]

    Reference:
        Khosla et al.: Supervised Contrastive Learning, 2020, arXiv:2004.11362
    """
    labels, embeddings = labelled_embeddings(y_true, y_pred, normalize=normalize)
    pairs = pairs_in_batch(labels, embeddings)
    values = supcon_of(pairs, temperature)
    if base_temperature is not None:
        values = values * like(temperature / base_temperature, values)
    if average == "anchors_with_positives":
        values = as_mean_over(ops.any(pairs.positive, axis=1), values)
    return values


def supcon_of(pairs: Pairs, temperature: Any) -> Any:
    """The mean cross-entropy of each anchor's positives among its pairs, 0 if it has none."""
    similarities = ops.matmul(pairs.anchors, ops.transpose(pairs.references))
    logits = similarities / like(temperature, similarities)
    return masked_mean(_negative_log_softmax(logits, pairs.compared), pairs.positive)


def _negative_log_softmax(logits: Any, mask: Any) -> Any:
    """Minus the log of the softmax of each row among the columns where the mask is true.

    The largest logit is taken off first: small losses would drown in the rounding of large logits.
    """
    largest = ops.max(ops.where(mask, logits, NEVER), axis=1, keepdims=True)
    shifted = ops.where(mask, logits - ops.stop_gradient(largest), NEVER)
    return ops.logsumexp(shifted, axis=1, keepdims=True) - shifted
