"""The F-score, as a loss."""

from __future__ import annotations

import math
from typing import Any, Literal

from lossplug_core import NonNegative, Positive, Real, loss, ops
from lossplug_imbalance._inputs import exclusive, independent

__all__ = ["categorical_f_beta", "soft_f_beta"]

Average = Literal["macro", "micro", "samples"]
"""What has an F-score: each output, all outputs, or each sample."""


@loss(
    y_true="binary",
    y_pred="logits|probabilities",
    paper="arXiv:2108.10566",
    compares_samples=lambda parameters: parameters.get("average") != "samples",
    memory="batch",
    range=(0, None),
)
def soft_f_beta(
    y_true: Any,
    y_pred: Any,
    *,
    beta: NonNegative = 1.0,
    average: Average = "macro",
    slope: Positive = 1.0,
    offset: Real = 0.0,
    epsilon: Positive = 1e-7,
    from_logits: bool = False,
) -> Any:
    r"""Soft F-beta loss: one minus the F-score, its counts made of probabilities.

    Use it when the F-score of yes-or-no outputs is what counts, of one output or of many labels: a
    true negative costs nothing and earns nothing, so rare positives are not drowned. Its gradient
    is weak where all probabilities are small or the batch has no positives: begin with a
    crossentropy, or add one. The probabilities become extreme, and are not calibrated.

    Implementations disagree on the sums. The authors of sigmoidF1 sum over the batch, for each
    label, as `average="macro"` here; some sum over the labels of each sample, `"samples"`. And on
    `epsilon`: here it is in numerator and denominator, so that a batch without positives that are
    wanted or found is right; sigmoidF1 has 1e-16 in the denominator only, and costs 1 there. The
    authors' code takes the sigmoid of the sigmoid; the paper, as here, that of the logits.

    Cost: less than crossentropy, a sigmoid and sums over the batch.

    Formula:
        $$F_\beta = \frac{(1 + \beta^2) \, t + \epsilon}{(1 + \beta^2) \, t + \beta^2 \, u + v +
        \epsilon}, \qquad t = \sum_i y_i p_i, \quad u = \sum_i y_i (1 - p_i), \quad
        v = \sum_i (1 - y_i) \, p_i$$
        $$\frac{1}{N} \sum_{i=1}^{N} L_i = 1 - F_\beta, \qquad L_i = N \, \frac{\beta^2 y_i (1 -
        p_i) + (1 - y_i) \, p_i}{\beta^2 \sum_j y_j + \sum_j p_j + \epsilon}, \qquad
        p = \sigma(a (x + b))$$

        where $y_i$ is the target, $x_i$ the logit and $p_i$ the probability of sample $i$ of $N$,
        $t$, $u$ and $v$ are the soft counts of true positives, false negatives and false positives,
        $a$ is the slope and $b$ the offset. A sample's value is its part of what is lost. `"macro"`
        is the mean of this over the outputs; `"micro"` counts over all outputs, and `"samples"`
        over those of each sample.

    Args:
        y_true: 0 or 1, or a probability between them. Shape `[batch, ..., outputs]`, or `[batch]`.
        y_pred: Logits or probabilities, of the same shape. Positions are samples. Half precision is
            computed in float32.
        beta: How many times as much recall counts as precision, at least 0.
        average: What has an F-score: `"macro"`, each output over the batch; `"micro"`, all outputs
            together over the batch; `"samples"`, each sample over its outputs.
        slope: How steep the sigmoid is. Only logits have one.
        offset: What is added to the logits. Only logits have one.
        epsilon: Added to numerator and denominator. An output with no positives has the F-score
            `epsilon / (epsilon + sum of probabilities)`.
        from_logits: Whether `y_pred` are logits.

    Returns:
        One value per sample and position, shape `[batch, ...]`; per sample if `y_pred` is
        `[batch]`. Sample weights and masks weigh these parts of what is lost; the sums in the
        denominator they do not change.

    Raises:
        DataError: `y_true` does not have the shape of `y_pred`.

    Example:
        >>> from lossplug_imbalance import soft_f_beta
        >>> values = soft_f_beta([1.0, 1.0, 0.0, 0.0], [0.9, 0.4, 0.2, 0.0])
        >>> [round(float(value), 4) for value in values]
        [0.1143, 0.6857, 0.2286, 0.0]

    Reference:
        Bénédict et al., sigmoidF1: A Smooth F1 Score Surrogate Loss for Multilabel Classification,
        2021, arXiv:2108.10566.
    """
    y_true, y_pred = independent(y_true, y_pred)
    if from_logits:
        logits = ops.cast(slope, y_pred.dtype) * (y_pred + ops.cast(offset, y_pred.dtype))
        found, missed = ops.sigmoid(logits), ops.sigmoid(-logits)
    else:
        found, missed = y_pred, 1 - y_pred
    return _lost(y_true, 1 - y_true, found, missed, beta, average, epsilon)


@loss(
    y_true="class_ids|one_hot",
    y_pred="logits|probabilities",
    compares_samples=lambda parameters: parameters.get("average") != "samples",
    memory="batch",
    range=(0, None),
)
def categorical_f_beta(
    y_true: Any,
    y_pred: Any,
    *,
    beta: NonNegative = 1.0,
    average: Average = "macro",
    epsilon: Positive = 1e-7,
    from_logits: bool = False,
) -> Any:
    r"""Soft F-beta loss of classes that exclude each other: the mean of one minus each F-score.

    Use it when macro F1 is what counts: every class counts the same, however rare. A class that is
    not in the batch is a part of it whose score is nearly 0: large batches have fewer of them.
    `soft_f_beta` tells what else is to be said.

    Cost: as crossentropy, a softmax, and sums over the batch.

    Formula:
        $$\frac{1}{N} \sum_{i=1}^{N} L_i = 1 - \frac{1}{K} \sum_{k=1}^{K} F_{\beta, k}, \qquad
        L_i = \frac{N}{K} \sum_{k=1}^{K} \frac{\beta^2 y_{ik} (1 - p_{ik}) + (1 - y_{ik}) \,
        p_{ik}}{\beta^2 \sum_j y_{jk} + \sum_j p_{jk} + \epsilon}$$

        where $y_{ik}$ is the target and $p_{ik}$ the predicted probability of class $k$ of $K$ for
        sample $i$ of $N$, and $F_{\beta, k}$ the F-score of class $k$ against all others. `"micro"`
        counts over all classes, and `"samples"` over those of each sample.

    Args:
        y_true: Class ids, shape `[batch, ...]` or `[batch, ..., 1]`; or one-hot or soft labels,
            shape `[batch, ..., classes]`. An id that is no class gives 0 and is not counted;
            `get_loss` refuses it, and in compiled code, which cannot, makes it NaN.
        y_pred: Logits or probabilities, shape `[batch, ..., classes]`. Probabilities are divided by
            their sum. Positions are samples. Half precision is computed in float32.
        beta: How many times as much recall counts as precision, at least 0.
        average: What has an F-score: `"macro"`, each class over the batch; `"micro"`, all classes
            together over the batch; `"samples"`, each sample over the classes.
        epsilon: Added to numerator and denominator of each F-score.
        from_logits: Whether `y_pred` are logits.

    Returns:
        One value per sample and position, shape `[batch, ...]`. Sample weights and masks weigh
        these parts of what is lost; the sums in the denominator they do not change.

    Raises:
        DataError: The shapes do not fit.

    Example:
        >>> from lossplug_imbalance import categorical_f_beta
        >>> values = categorical_f_beta([0, 0, 1], [[0.9, 0.1], [0.5, 0.5], [0.2, 0.8]])
        >>> [round(float(value), 4) for value in values]
        [0.1042, 0.5208, 0.2083]

    Reference:
        Bénédict et al., sigmoidF1: A Smooth F1 Score Surrogate Loss for Multilabel Classification,
        2021, arXiv:2108.10566, for the soft counts of one output.
    """
    y_true, y_pred = exclusive(y_true, y_pred)
    if from_logits:
        found = ops.softmax(y_pred, axis=-1)
    else:
        total = ops.sum(y_pred, axis=-1, keepdims=True)
        found = y_pred / ops.where(total > 0, total, 1.0)
    known = ops.sum(y_true, axis=-1, keepdims=True)
    found = known * found
    return _lost(y_true, known - y_true, found, known - found, beta, average, epsilon)


def _lost(
    positive: Any,
    negative: Any,
    found: Any,
    missed: Any,
    beta: Any,
    average: Average,
    epsilon: Any,
) -> Any:
    """Each sample's part of one minus the F-score. Tensors are `[batch, ..., outputs]`."""
    weight = ops.square(ops.cast(beta, found.dtype))
    lost = weight * positive * missed + negative * found
    counted = weight * positive + found
    epsilon = ops.cast(epsilon, found.dtype)
    if average == "samples":
        return ops.sum(lost, axis=-1) / (ops.sum(counted, axis=-1) + epsilon)
    places = tuple(range(len(found.shape) - 1))
    samples = ops.cast(math.prod(ops.shape(found)[:-1]), found.dtype)
    if average == "micro":
        return samples * ops.sum(lost, axis=-1) / (ops.sum(counted) + epsilon)
    return samples * ops.mean(lost / (ops.sum(counted, axis=places) + epsilon), axis=-1)
