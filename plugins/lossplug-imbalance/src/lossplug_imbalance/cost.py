"""Crossentropy in which each mistake has its own cost."""

from __future__ import annotations

from typing import Any, Literal

from lossplug_core import CostMatrix, DataError, Fraction, loss, ops
from lossplug_core.tensors import one_hot_of
from lossplug_imbalance._crossentropy import softmax_logs
from lossplug_imbalance._inputs import exclusive

__all__ = ["cost_sensitive_crossentropy"]

_LOW = -1e30


@loss(
    y_true="class_ids|one_hot",
    y_pred="logits|probabilities",
    paper="arXiv:1704.06062",
    range=(0, None),
    at_target="zero",
)
def cost_sensitive_crossentropy(
    y_true: Any,
    y_pred: Any,
    *,
    costs: CostMatrix,
    alpha: Fraction = 0.5,
    form: Literal["log_bilinear", "bilinear"] = "log_bilinear",
    from_logits: bool = False,
) -> Any:
    r"""Crossentropy and what the mistakes cost, of which each pair of classes has its own.

    Use it where it matters which wrong class is taken: a missed tumour costs more than a false
    alarm, and one breed of dog for another less than a cat. Where the cost depends on the right
    class only, `weighted_categorical_crossentropy` says the same more simply. Where probabilities
    have to be calibrated, train with plain crossentropy, and apply the costs when deciding: take
    the class of the least expected cost.

    `"log_bilinear"` charges the logarithm of not being predicted: a costly mistake of which the
    model is certain costs without bound. With two classes that cost 1 each it is crossentropy, for
    any `alpha`; with other costs and `alpha=1`, weighted crossentropy. `"bilinear"` is the expected
    cost itself, and bounded: its gradient vanishes where the model is certain, right or wrong.

    The costs alone, `alpha=1`, teach too little: nothing of classes that cost nothing to confuse,
    and, of three classes and more, hardly anything of a sample that is torn between wrong ones.
    The part of crossentropy does.

    Other papers mean other things by a cost matrix: Khan et al. multiply the exponentials of a
    softmax with them, Chung et al. regress the costs. Neither is meant here.

    Cost: that of softmax crossentropy, one more logarithm of each probability, and a product of the
    targets with the matrix. No state.

    Formula:
        $$L_{\text{log-bilinear}} = -\sum_{k=1}^{K} y_k \Big[ (1 - \alpha) \log p_k
        + \alpha \sum_{j \ne k} C_{kj} \log (1 - p_j) \Big]$$
        $$L_{\text{bilinear}} = -\sum_{k=1}^{K} y_k \Big[ (1 - \alpha) \log p_k
        - \alpha \sum_{j \ne k} C_{kj} \, p_j \Big]$$

        where $y_k$ is the target and $p_k$ the predicted probability of class $k$ of $K$, and
        $C_{kj}$ what it costs to predict class $j$ where $k$ is right.

    Args:
        y_true: Class ids, shape `[batch, ...]` or `[batch, ..., 1]`; or one-hot or soft labels,
            shape `[batch, ..., classes]`. An id that is no class gives 0; `get_loss` refuses it,
            and in compiled code, which cannot, makes it NaN.
        y_pred: Logits or probabilities, shape `[batch, ..., classes]`. Probabilities are divided by
            their sum, then clipped to `[1e-7, 1 - 1e-7]`; that of not being a class is the sum of
            the others. Half precision is computed in float32.
        costs: What each mistake costs, at least 0: a row for each class that is right, a column for
            each that is predicted. What is right costs 0.
        alpha: The part of the costs, from 0, crossentropy alone, to 1, the costs alone.
        form: What is charged: `"log_bilinear"` or `"bilinear"`.
        from_logits: Whether `y_pred` are logits.

    Returns:
        One value per sample and position, shape `[batch, ...]`.

    Raises:
        DataError: The shapes do not fit, or `costs` does not have a row and a column per class.

    Example:
        >>> from lossplug_imbalance import cost_sensitive_crossentropy
        >>> values = cost_sensitive_crossentropy(
        ...     [0, 1], [[0.8, 0.2], [0.8, 0.2]], costs=((0, 1), (10, 0)), alpha=1.0
        ... )
        >>> [round(float(value), 4) for value in values]
        [0.2231, 16.0944]

    Reference:
        Resheff et al., Every Untrue Label is Untrue in its Own Way: Controlling Error Type with the
        Log Bilinear Loss, 2017, arXiv:1704.06062.
    """
    y_true, y_pred = exclusive(y_true, y_pred)
    log_p = softmax_logs(y_pred, from_logits=from_logits)
    alpha = ops.cast(alpha, y_pred.dtype)
    charged = ops.exp(log_p) if form == "bilinear" else -_log_complements(log_p)
    of_target = ops.matmul(y_true, _per_pair(costs, y_pred))
    return ops.sum(alpha * of_target * charged - (1 - alpha) * y_true * log_p, axis=-1)


def _log_complements(log_p: Any) -> Any:
    """log(1 - p) of each class, exact also where p is nearly 1.

    The likeliest class is the only one whose probability can be above a half. There 1 - p has lost
    its digits, and is taken as the sum of the others.
    """
    likeliest = one_hot_of(ops.argmax(log_p, axis=-1), log_p)
    others = ops.logsumexp(ops.where(likeliest, _LOW, log_p), axis=-1, keepdims=True)
    small = ops.exp(ops.where(likeliest, _LOW, log_p))
    return ops.where(likeliest, others, ops.log1p(-small))


def _per_pair(costs: Any, y_pred: Any) -> Any:
    """The costs as a tensor of shape `[classes, classes]`."""
    costs = ops.cast(ops.convert_to_tensor(costs), y_pred.dtype)
    shape, classes = tuple(costs.shape), y_pred.shape[-1]
    if len(shape) != 2 or (classes is not None and shape != (classes, classes)):
        raise DataError(
            "The parameter 'costs' does not fit the prediction.",
            expected=f"costs of shape {(classes, classes)}, for y_pred of shape "
            f"{tuple(y_pred.shape)}",
            received=shape,
            fix="give a row and a column per class, in the order of the classes.",
        )
    return costs
