"""One-vs-rest crossentropy that balances the gradients that each class has got so far."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lossplug_core import NonNegative, NumClasses, Weight, loss, ops
from lossplug_core.tensors import fits
from lossplug_imbalance._crossentropy import sigmoid_logs
from lossplug_imbalance._inputs import exclusive, independent
from lossplug_imbalance._states import check_classes, summed_over_positions

__all__ = ["equalization"]

_BEGINNING = 100.0
_TINY = 1e-10


def _states(num_classes: int) -> dict[str, Weight]:
    sums = Weight((num_classes,), 0, trainable=False)
    return {"positive_gradients": sums, "negative_gradients": sums}


@loss(
    y_true="class_ids|one_hot|binary",
    y_pred="logits|probabilities",
    paper="arXiv:2012.08548",
    weights=_states,
    range=(0, None),
    at_target="zero",
)
def equalization(
    y_true: Any,
    y_pred: Any,
    *,
    weights: Mapping[str, Any],
    num_classes: NumClasses,
    gamma: NonNegative = 12.0,
    mu: NonNegative = 0.8,
    alpha: NonNegative = 4.0,
    from_logits: bool = False,
) -> tuple[Any, dict[str, Any]]:
    r"""Equalization loss v2: one-vs-rest crossentropy that balances the gradients of each class.

    Use it for long tails that nobody has counted, of classes that exclude each other or not: each
    output is a yes-or-no question. A rare class is told no so often that it never learns yes. The
    loss adds up the gradients that each class has got from positives and from negatives. Where
    those from negatives outweigh, further negatives count less, and positives more. Unlike class
    counts, this also sees that easy negatives hardly matter. With few classes, or a large `mu`,
    it is hard to tell from a constant weight of positives.

    The values are summed over the classes, as by the authors, also those of several labels: a mean
    over them would be one of mostly easy negatives. A batch is weighted by the gradients before
    it, and the first one is not weighted. The output for objects against background that the
    authors leave unweighted is not part of this loss: give it a crossentropy of its own.

    Of several replicas, each adds up the gradients of its part of the batch, and the states are the
    means of their sums; with `global_batch=True` all add up the whole batch.

    Cost: that of sigmoid crossentropy, and its gradient once more, in training; two numbers for
    each class are kept.

    Formula:
        $$L = -\sum_{k=1}^{K} \left[ q_k \, y_k \log p_k + r_k (1 - y_k) \log (1 - p_k) \right]$$
        $$r_k = \frac{1}{1 + e^{-\gamma (g_k - \mu)}}, \qquad q_k = 1 + \alpha (1 - r_k), \qquad
        g_k = \frac{G^+_k}{G^-_k}$$
        $$G^{+\prime}_k = G^+_k + \sum_i q_k \, y_{ik} (1 - p_{ik}), \qquad
        G^{-\prime}_k = G^-_k + \sum_i r_k (1 - y_{ik}) \, p_{ik}$$

        where $y_k$ is the target and $p_k$ the predicted probability of class $k$ of $K$, $i$ is a
        position of the batch, $G^+$ and $G^-$ are the sizes of all gradients in the logits so far,
        from positives and from negatives, and a prime marks what the next batch is weighted by. As
        long as a class has got no gradient, $g_k$ is 100, so that $r_k$ and $q_k$ are 1.

    Args:
        y_true: Class ids, shape `[batch, ...]` or `[batch, ..., 1]`; or 0 or 1 for each class, or a
            probability between them, shape `[batch, ..., classes]`: one-hot, or several labels. An
            id that is no class gives 0 and adds nothing; `get_loss` refuses it, and in compiled
            code, which cannot, makes it NaN. A row of zeros has no label: all its classes are
            negatives.
        y_pred: Logits or probabilities of the sigmoid, shape `[batch, ..., classes]`. Probabilities
            are clipped to `[1e-7, 1 - 1e-7]`. Half precision is computed in float32.
        weights: The states `positive_gradients` and `negative_gradients`, shape `[classes]`, the
            sums of the sizes of gradients, which begin at 0.
        num_classes: The number of classes.
        gamma: How sharply the weights change around `mu`, at least 0.
        mu: The ratio of positive to negative gradients at which the weights are halfway; at least
            0.
        alpha: By how much positives can be weighted up, at least 0.
        from_logits: Whether `y_pred` are logits.

    Returns:
        The sum over the classes, one value per sample and position, shape `[batch, ...]`, and the
        new states. Sample weights and masks change the values, not the states.

    Raises:
        DataError: The shapes do not fit, or `y_pred` does not have `num_classes` classes.

    Example:
        >>> from lossplug_core import get_loss
        >>> loss = get_loss("equalization", num_classes=2)
        >>> even = [[0.5, 0.5]] * 4
        >>> [round(float(loss([0, 0, 0, 1], even)), 4) for _ in range(2)]
        [1.3863, 1.5589]
        >>> [round(float(sum), 4) for sum in loss.values()["negative_gradients"]]
        [1.0, 1.5055]

    Reference:
        Tan et al., Equalization Loss v2: A New Gradient Balance Approach for Long-tailed Object
        Detection, 2021, arXiv:2012.08548.
    """
    y_true, y_pred, known = _rows(y_true, y_pred)
    check_classes(y_pred, num_classes)
    positive, negative = (
        ops.cast(weights[name], y_pred.dtype)
        for name in ("positive_gradients", "negative_gradients")
    )
    of_positives, of_negatives = _weights(positive, negative, gamma, mu, alpha)
    of_positives, of_negatives = of_positives * y_true, of_negatives * (known - y_true)
    log_p, log_not_p = sigmoid_logs(y_pred, from_logits=from_logits)
    values = -ops.sum(of_positives * log_p + of_negatives * log_not_p, axis=-1)
    p, not_p = (ops.exp(ops.stop_gradient(log)) for log in (log_p, log_not_p))
    return values, {
        "positive_gradients": positive + summed_over_positions(of_positives * not_p),
        "negative_gradients": negative + summed_over_positions(of_negatives * p),
    }


def _rows(y_true: Any, y_pred: Any) -> tuple[Any, Any, Any]:
    """Target and prediction `[batch, ..., classes]`, and 0 in place of 1 for ids of no class."""
    y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
    if fits(tuple(y_true.shape), tuple(y_pred.shape)):
        return *independent(y_true, y_pred), 1.0
    one_hot, y_pred = exclusive(y_true, y_pred)
    return one_hot, y_pred, ops.sum(one_hot, axis=-1, keepdims=True)


def _weights(positive: Any, negative: Any, gamma: Any, mu: Any, alpha: Any) -> tuple[Any, Any]:
    """The weights of positives and of negatives for each class."""
    gamma, mu, alpha = (ops.cast(number, positive.dtype) for number in (gamma, mu, alpha))
    begun = positive + negative > 0
    ratio = ops.where(begun, positive / (negative + _TINY), _BEGINNING)
    of_negatives = ops.sigmoid(gamma * (ratio - mu))
    return 1 + alpha * (1 - of_negatives), of_negatives
