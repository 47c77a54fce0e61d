"""Softmax with a margin that is widest for the rarest class."""

from __future__ import annotations

from typing import Any

from lossplug_core import ClassCounts, Fraction, NonNegative, Positive, loss, ops
from lossplug_core.statistics import class_counts
from lossplug_imbalance._balance import class_weights
from lossplug_imbalance._crossentropy import centred, softmax_crossentropy
from lossplug_imbalance._inputs import exclusive, per_class

__all__ = ["ldam"]


@loss(
    y_true="class_ids|one_hot",
    y_pred="logits",
    paper="arXiv:1906.07413",
    adapts={"samples_per_class": class_counts},
    range=(0, None),
    at_target="zero",
)
def ldam(
    y_true: Any,
    y_pred: Any,
    *,
    samples_per_class: ClassCounts,
    max_margin: NonNegative = 0.5,
    scale: Positive = 30.0,
    beta: Fraction = 0.0,
) -> Any:
    r"""LDAM: softmax crossentropy whose right class must win by a margin, widest for the rarest.

    Use it for long tails, with a last layer that gives cosines: a rare class, of which training
    shows little, is kept further from the boundary. Margins are measured in the unit of the
    logits, so they mean little for a plain dense layer, whose logits can grow until no margin
    matters.

    Cosines are what a dense layer without bias gives if its inputs and the columns of its kernel
    have length 1, which the constraint sees to from the first update on:

        features = keras.layers.UnitNormalization()(features)
        cosines = keras.layers.Dense(
            classes, use_bias=False, kernel_constraint=keras.constraints.UnitNorm(axis=0)
        )(features)

    For probabilities, take the softmax of `scale` times the cosines, without margins.

    Deferred re-weighting, LDAM-DRW in the paper, weighs all classes alike at first, and by their
    effective number of samples in the last epochs. Here it is a schedule:
    `get_loss("ldam", beta=deferred(0.9999, until=step)).adapt(y_train)`. Weights are scaled to sum
    to the number of classes, as in the authors' code. That code divides the sum over a batch by the
    weights of its samples; here each value is weighted, and Keras divides by their number.

    Cost: that of softmax crossentropy, and two operations on the logits. No state.

    Formula:
        $$L = -\sum_{k=1}^{K} w_k \, y_k \log
        \frac{e^{s (x_k - m_k)}}{e^{s (x_k - m_k)} + \sum_{j \ne k} e^{s x_j}}$$
        $$m_k = m_{\max} \left( \frac{\min_j n_j}{n_k} \right)^{1/4}, \qquad
        w_k \propto \frac{1 - \beta}{1 - \beta^{n_k}}, \qquad \sum_{k=1}^{K} w_k = K$$

        where $x_k$ is the cosine, $y_k$ the target and $n_k$ the number of samples of class $k$ of
        $K$, and $s$ the scale. Of soft labels, each class's margin counts by its part.

    Args:
        y_true: Class ids, shape `[batch, ...]` or `[batch, ..., 1]`; or one-hot or soft labels,
            shape `[batch, ..., classes]`. An id that is no class gives 0; `get_loss` refuses it,
            and in compiled code, which cannot, makes it NaN.
        y_pred: Cosines between -1 and 1, or other logits, shape `[batch, ..., classes]`. Half
            precision is computed in float32.
        samples_per_class: How many samples each class has in the training data, each above 0. What
            `adapt` learns.
        max_margin: The margin of the rarest class, in the unit of the logits, at least 0.
        scale: What logits and margins are multiplied with, above 0.
        beta: How much the number of samples matters for the weights, from 0, not at all, to 1,
            inversely.

    Returns:
        One value per sample and position, shape `[batch, ...]`.

    Raises:
        DataError: The shapes do not fit, or `samples_per_class` does not have one value per class.

    Example:
        >>> from lossplug_imbalance import ldam
        >>> values = ldam([0, 1], [[0.5, 0.4], [0.5, 0.6]], samples_per_class=(160, 10), scale=10.0)
        >>> [round(float(value), 4) for value in values]
        [1.7014, 4.0181]

    Reference:
        Cao et al., Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss, 2019,
        arXiv:1906.07413.
    """
    y_true, y_pred = exclusive(y_true, y_pred)
    counts = per_class("samples_per_class", samples_per_class, y_pred)
    margins = ops.cast(max_margin, y_pred.dtype) * (ops.min(counts) / counts) ** 0.25
    return softmax_crossentropy(
        y_true,
        ops.cast(scale, y_pred.dtype) * (centred(y_pred) - y_true * margins),
        from_logits=True,
        class_weights=class_weights(counts, beta),
    )
