"""Crossentropies in which some classes count more than others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lossplug_core import ClassWeights, NonNegative, loss, ops, statistics
from lossplug_imbalance._counting import one_or_each, positives
from lossplug_imbalance._crossentropy import sigmoid_crossentropy, softmax_crossentropy
from lossplug_imbalance._inputs import exclusive, independent, per_class

__all__ = ["weighted_binary_crossentropy", "weighted_categorical_crossentropy"]


def _negatives_per_positive(batches: Iterable[Any]) -> float | tuple[float, ...]:
    """How many negatives there are for each positive: one number, or one per output."""
    counts, samples = positives(batches, "positive_weight")
    return one_or_each((samples - counts) / counts)


@loss(
    y_true="binary",
    y_pred="logits|probabilities",
    paper="doi:10.1093/oxfordjournals.pan.a004868",
    adapts={"positive_weight": _negatives_per_positive},
    range=(0, None),
    at_target="zero",
)
def weighted_binary_crossentropy(
    y_true: Any,
    y_pred: Any,
    *,
    positive_weight: NonNegative | ClassWeights = 1.0,
    negative_weight: NonNegative | ClassWeights = 1.0,
    from_logits: bool = False,
) -> Any:
    r"""Binary crossentropy in which positives and negatives have weights.

    Use it where positives are rare and a prediction above one half is acted on, or where a positive
    that is missed costs more than a false alarm. Its probabilities are too high by the weight,
    which `lossplug_imbalance.calibration` undoes; and with weights of a hundred and more, training
    rests on a few samples.

    The usual weight of positives is the number of negatives for each of them, which
    `get_loss("weighted_binary_crossentropy").adapt(y_train)` finds out. `positive_weight` is what
    torch calls `pos_weight` in `binary_cross_entropy_with_logits`, and TensorFlow in
    `weighted_cross_entropy_with_logits`. Both return each output; here they are averaged.

    Cost: that of binary crossentropy.

    Formula:
        $$L = -\frac{1}{K} \sum_{k=1}^{K} \left[ w^+_k y_k \log p_k
        + w^-_k (1 - y_k) \log (1 - p_k) \right]$$

        where $y_k$ is the target, $p_k$ the predicted probability, and $w^+_k$ and $w^-_k$ the
        weights of output $k$ of $K$.

    Args:
        y_true: 0 or 1, or a probability between them. Shape `[batch, ..., outputs]`, or `[batch]`.
        y_pred: Logits or probabilities, of the same shape. Probabilities are clipped to
            `[1e-7, 1 - 1e-7]`. Half precision is computed in float32.
        positive_weight: The weight of positives, at least 0: one number, or one per output. `adapt`
            sets it to the number of negatives for each positive: one number from targets `[batch]`
            or `[batch, ..., 1]`, else one per output, the last axis.
        negative_weight: The weight of negatives, at least 0: one number, or one per output.
        from_logits: Whether `y_pred` are logits.

    Returns:
        The mean over the outputs, shape `[batch, ...]`; one value per sample if `y_pred` is
        `[batch]`.

    Raises:
        DataError: The shapes do not fit, or a weight is neither one number nor one per output.

    Example:
        >>> from lossplug_imbalance import weighted_binary_crossentropy
        >>> values = weighted_binary_crossentropy([1, 0], [0.5, 0.5], positive_weight=9.0)
        >>> [round(float(value), 4) for value in values]
        [6.2383, 0.6931]

    Reference:
        King and Zeng, Logistic Regression in Rare Events Data, 2001,
        doi:10.1093/oxfordjournals.pan.a004868.
    """
    y_true, y_pred = independent(y_true, y_pred)
    values = sigmoid_crossentropy(
        y_true,
        y_pred,
        from_logits=from_logits,
        positive_weight=per_class("positive_weight", positive_weight, y_pred),
        negative_weight=per_class("negative_weight", negative_weight, y_pred),
    )
    return ops.mean(values, axis=-1)


@loss(
    y_true="class_ids|one_hot",
    y_pred="logits|probabilities",
    paper="doi:10.2307/1914121",
    adapts={"class_weights": statistics.class_weights},
    range=(0, None),
    at_target="zero",
)
def weighted_categorical_crossentropy(
    y_true: Any,
    y_pred: Any,
    *,
    class_weights: ClassWeights,
    from_logits: bool = False,
) -> Any:
    r"""Categorical crossentropy in which every class has a weight.

    Use it where some classes matter more, and you can say how much. Its probabilities are those of
    data in which the classes are as frequent as their weights make them;
    `lossplug_imbalance.calibration` undoes that.

    It gives what `torch.nn.functional.cross_entropy(weight=…, reduction="none")` gives, also for
    soft labels. The means differ: of class ids, torch takes the weighted mean, dividing the sum
    over the batch by the weights of its samples; Keras divides by the number of samples.

    `get_loss("weighted_categorical_crossentropy").adapt(y_train)` learns the weights with which all
    classes count alike, which scikit-learn calls `"balanced"`.

    Cost: that of categorical crossentropy.

    Formula:
        $$L = -\sum_{k=1}^{K} w_k \, y_k \log p_k$$

        where $y_k$ is the target, $p_k$ the predicted probability, and $w_k$ the weight of class
        $k$ of $K$.

    Args:
        y_true: Class ids, shape `[batch, ...]` or `[batch, ..., 1]`; or one-hot or soft labels,
            shape `[batch, ..., classes]`. An id that is no class gives 0; `get_loss` refuses it,
            and in compiled code, which cannot, makes it NaN.
        y_pred: Logits or probabilities, shape `[batch, ..., classes]`. Probabilities are divided by
            their sum, then clipped to `[1e-7, 1 - 1e-7]`. Half precision is computed in float32.
        class_weights: The weight of each class, at least 0, in the order of the classes. `adapt`
            sets it to the number of samples, divided by the number of classes and by that of the
            samples of the class.
        from_logits: Whether `y_pred` are logits.

    Returns:
        One value per sample and position, shape `[batch, ...]`.

    Raises:
        DataError: The shapes do not fit, or `class_weights` does not have one value per class.

    Example:
        >>> from lossplug_imbalance import weighted_categorical_crossentropy
        >>> values = weighted_categorical_crossentropy(
        ...     [0, 1], [[0.5, 0.5], [0.5, 0.5]], class_weights=(1.0, 20.0)
        ... )
        >>> [round(float(value), 4) for value in values]
        [0.6931, 13.8629]

    Reference:
        Manski and Lerman, The Estimation of Choice Probabilities from Choice Based Samples, 1977,
        doi:10.2307/1914121.
    """
    y_true, y_pred = exclusive(y_true, y_pred)
    return softmax_crossentropy(
        y_true,
        y_pred,
        from_logits=from_logits,
        class_weights=per_class("class_weights", class_weights, y_pred),
    )
