"""The Matthews correlation coefficient, as a loss."""

from __future__ import annotations

import math
from typing import Any

from lossplug_core import Positive, loss, ops
from lossplug_imbalance._inputs import independent

__all__ = ["soft_mcc"]


@loss(
    y_true="binary",
    y_pred="logits|probabilities",
    paper="arXiv:2010.13454",
    conventions={"authors": {"epsilon": 1.0}},
    compares_samples=True,
    memory="batch",
)
def soft_mcc(
    y_true: Any,
    y_pred: Any,
    *,
    epsilon: Positive = 1e-7,
    from_logits: bool = False,
) -> Any:
    r"""Soft MCC loss: one minus the Matthews correlation of targets and probabilities.

    Use it for yes-or-no outputs where both kinds of mistakes and both classes count: unlike the
    F-score it is the same with the classes swapped. It is 0 where all is right, 1 where nothing is
    known, 2 where all is wrong. Batches need both classes: an output that has only one of them, in
    the targets or in the predictions, has no correlation; it costs 1 and has no gradient if it is
    the targets. Begin with a crossentropy if positives are very rare.

    Implementations disagree on what keeps the denominator from 0: the authors add 1 to it, which is
    `convention="authors"`; Segmentation Models adds 1e-5 to each count. And the authors make one
    confusion matrix of the whole batch; here each output has one.

    Cost: a sigmoid, and a few sums over the batch.

    Formula:
        $$\frac{1}{N} \sum_{i=1}^{N} L_i = 1 - \frac{t w - v u}{\sqrt{(t + v)(t + u)(w + v)(w + u)}
        + \epsilon}$$
        $$L_i = 1 - \frac{N^2 \, (y_i - \bar y)(p_i - \bar p)}{\sqrt{N \bar y \cdot N (1 - \bar y)
        \cdot N \bar p \cdot N (1 - \bar p)} + \epsilon}$$

        where $y_i$ is the target and $p_i$ the probability of sample $i$ of $N$, the bars are means
        over the batch, and $t$, $v$, $w$ and $u$ are the soft counts of true and false positives
        and of true and false negatives: the sums of $y p$, $(1 - y) p$, $(1 - y)(1 - p)$ and
        $y (1 - p)$. Both are the same: $t w - v u$ is $N$ times the sum of the products. A sample
        that is clearly right can be below 0. With several outputs, $L_i$ is the mean over them.

    Args:
        y_true: 0 or 1, or a probability between them. Shape `[batch, ..., outputs]`, or `[batch]`.
        y_pred: Logits or probabilities, of the same shape. Positions are samples. Half precision is
            computed in float32.
        epsilon: Added to the denominator, which is made of counts.
        from_logits: Whether `y_pred` are logits.

    Returns:
        The mean over the outputs, shape `[batch, ...]`; one value per sample if `y_pred` is
        `[batch]`. Sample weights and masks weigh these values; the means and the denominator they
        do not change.

    Raises:
        DataError: `y_true` does not have the shape of `y_pred`.

    Example:
        >>> from lossplug_imbalance import soft_mcc
        >>> values = soft_mcc([1.0, 0.0, 0.0, 0.0], [0.8, 0.2, 0.2, 0.2])
        >>> [round(float(value), 4) for value in values]
        [-0.6341, 0.8184, 0.8184, 0.8184]

    Reference:
        Abhishek and Hamarneh, Matthews Correlation Coefficient Loss for Deep Convolutional
        Networks: Application to Skin Lesion Segmentation, 2021, arXiv:2010.13454.
    """
    y_true, y_pred = independent(y_true, y_pred)
    found, missed = (
        (ops.sigmoid(y_pred), ops.sigmoid(-y_pred)) if from_logits else (y_pred, 1 - y_pred)
    )
    places = tuple(range(len(found.shape) - 1))
    samples = ops.cast(math.prod(ops.shape(found)[:-1]), found.dtype)
    both = _root(ops.sum(found, axis=places) * ops.sum(missed, axis=places))
    both = both * _root(ops.sum(y_true, axis=places) * ops.sum(1 - y_true, axis=places))
    products = (y_true - ops.mean(y_true, axis=places)) * _from_mean(found, missed, places)
    factor = ops.square(samples) / (both + ops.cast(epsilon, found.dtype))
    return ops.mean(1 - factor * products, axis=-1)


def _from_mean(found: Any, missed: Any, places: tuple[int, ...]) -> Any:
    """`found` less its mean; `missed` is its complement, and the smaller one has more digits."""
    mean, rest = ops.mean(found, axis=places), ops.mean(missed, axis=places)
    return ops.where(mean < rest, found - mean, rest - missed)


def _root(x: Any) -> Any:
    """The square root, with the gradient 0 at 0."""
    positive = x > 0
    return ops.where(positive, ops.sqrt(ops.where(positive, x, 1.0)), 0.0)
