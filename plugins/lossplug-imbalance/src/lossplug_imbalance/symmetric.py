"""Symmetric crossentropy, and active-passive losses: crossentropies with a part that tolerates."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from annotated_types import Lt

from lossplug_core import NonNegative, loss, ops
from lossplug_imbalance._crossentropy import log_complement, softmax_logs
from lossplug_imbalance._entropy import crossentropy, total
from lossplug_imbalance._inputs import exclusive
from lossplug_imbalance._powers import power

__all__ = ["active_passive", "symmetric_crossentropy"]

_LogZero = Annotated[float, Lt(0)]

_TINY = 1e-30
_OF_AUTHORS = {"log_zero": math.log(1e-4)}


@loss(
    y_true="class_ids|one_hot",
    y_pred="logits|probabilities",
    paper="arXiv:1908.06112",
    conventions={"authors": _OF_AUTHORS},
    range=(0, None),
    at_target="zero",
)
def symmetric_crossentropy(
    y_true: Any,
    y_pred: Any,
    *,
    alpha: NonNegative = 0.1,
    beta: NonNegative = 1.0,
    log_zero: _LogZero = -4.0,
    from_logits: bool = False,
) -> Any:
    r"""Symmetric crossentropy: crossentropy, and that with label and prediction exchanged.

    Exchanged, it is bounded: a label costs at most `-log_zero`, and the surer the model is that it
    is wrong, the less it pulls. That part tolerates wrong labels; the crossentropy makes it
    converge. Use it where labels are wrong; a low `alpha` tolerates more, a high one learns hard
    classes faster. The paper takes 0.1 and 1 on CIFAR-10, 6 and 0.1 on CIFAR-100.

    Implementations disagree on the logarithm of 0, which the exchanged part needs: the paper says
    -4, and the code of its authors, which others copy, clips labels to 1e-4, so that it is -9.21:
    convention `authors`. They also clip the prediction, which changes nothing that can be seen.

    Cost: that of crossentropy, with one exponential per class more.

    Formula:
        $$L = -\alpha \sum_{k=1}^{K} y_k \log p_k - \beta \sum_{k=1}^{K} p_k \max(\log y_k, A)$$

        where $y_k$ is the target, $p_k$ the predicted probability of class $k$ of $K$, and $A$ what
        stands for $\log 0$.

    Args:
        y_true: Class ids, shape `[batch, ...]` or `[batch, ..., 1]`; or one-hot or soft labels,
            shape `[batch, ..., classes]`. An id that is no class gives 0; `get_loss` refuses it,
            and in compiled code, which cannot, makes it NaN.
        y_pred: Logits or probabilities, shape `[batch, ..., classes]`. Probabilities are divided by
            their sum, then clipped to `[1e-7, 1 - 1e-7]`. Half precision is computed in float32.
        alpha: The weight of the crossentropy, at least 0.
        beta: The weight of the exchanged one, at least 0.
        log_zero: What stands for the logarithm of 0; below 0.
        from_logits: Whether `y_pred` are logits.

    Returns:
        One value per sample and position, shape `[batch, ...]`.

    Raises:
        DataError: The shapes of target and prediction do not fit.

    Example:
        >>> from lossplug_imbalance import symmetric_crossentropy
        >>> values = symmetric_crossentropy([0, 1], [[0.9, 0.1], [0.9, 0.1]])
        >>> [round(float(value), 4) for value in values]
        [0.4105, 3.8303]

    Reference:
        Wang et al., Symmetric Cross Entropy for Robust Learning with Noisy Labels, 2019,
        arXiv:1908.06112.
    """
    y_true, y_pred = exclusive(y_true, y_pred)
    log_p = softmax_logs(y_pred, from_logits=from_logits)
    straight = ops.cast(alpha, y_pred.dtype) * crossentropy(y_true, log_p)
    return straight + ops.cast(beta, y_pred.dtype) * _reverse(y_true, log_p, log_zero)


@loss(
    y_true="class_ids|one_hot",
    y_pred="logits|probabilities",
    paper="arXiv:2006.13554",
    conventions={"authors": _OF_AUTHORS},
    range=(0, None),
    at_target="zero",
)
def active_passive(
    y_true: Any,
    y_pred: Any,
    *,
    active: Literal["crossentropy", "focal"] = "crossentropy",
    passive: Literal["reverse_crossentropy", "absolute_error"] = "reverse_crossentropy",
    alpha: NonNegative = 1.0,
    beta: NonNegative = 1.0,
    gamma: NonNegative = 0.5,
    log_zero: _LogZero = -4.0,
    from_logits: bool = False,
) -> Any:
    r"""Active-passive loss: two losses that tolerate wrong labels, and learn where one does not.

    Normalised, that is divided by the sum of its values for all labels, any loss tolerates wrong
    labels that are spread evenly. Alone such a loss learns too little. So an active one, which asks
    for the label only, is paired with a passive one, which also asks for the absence of the others.
    Use it where many labels are wrong, up to 80% in the paper; where they are right, crossentropy
    learns more. The paper takes `alpha=1, beta=1` for ten classes, and `alpha=10, beta=0.1` for a
    hundred.

    The names of the paper: NCE is `active="crossentropy"`, NFL `"focal"`; RCE is
    `passive="reverse_crossentropy"`, MAE `"absolute_error"`. The default is NCE+RCE.

    Implementations disagree. The paper says that the logarithm of 0 is -4, and the code of its
    authors clips labels to 1e-4, so that it is -9.21: convention `authors`. That code also halves
    the absolute error, which is `beta=0.5` here; and takes the focusing factors of the normalised
    focal loss for constants, so that its gradient is not that of the loss. Here it is.

    Cost: that of crossentropy, with one exponential per class more; with `"focal"` three more.

    Formula:
        $$L = \alpha \, \frac{\sum_k y_k \, a(p_k)}{\sum_k a(p_k)} + \beta \, b, \qquad
        a(p) = -(1 - p)^\gamma \log p$$
        $$b_{\text{reverse\_crossentropy}} = -\sum_{k=1}^{K} p_k \max(\log y_k, A), \qquad
        b_{\text{absolute\_error}} = \sum_{k=1}^{K} |p_k - y_k|$$

        where $y_k$ is the target, $p_k$ the predicted probability of class $k$ of $K$, and $A$ what
        stands for $\log 0$. For crossentropy $\gamma = 0$.

    Args:
        y_true: Class ids, shape `[batch, ...]` or `[batch, ..., 1]`; or one-hot or soft labels,
            shape `[batch, ..., classes]`. An id that is no class gives 0; `get_loss` refuses it,
            and in compiled code, which cannot, makes it NaN.
        y_pred: Logits or probabilities, shape `[batch, ..., classes]`. Probabilities are divided by
            their sum, then clipped to `[1e-7, 1 - 1e-7]`. Half precision is computed in float32.
        active: The loss that is normalised.
        passive: The loss that is added.
        alpha: The weight of the active loss, at least 0.
        beta: The weight of the passive loss, at least 0.
        gamma: The focus on hard examples, at least 0. Only `"focal"` has it.
        log_zero: What stands for the logarithm of 0; below 0. Only `"reverse_crossentropy"` has it.
        from_logits: Whether `y_pred` are logits.

    Returns:
        One value per sample and position, shape `[batch, ...]`.

    Raises:
        DataError: The shapes of target and prediction do not fit.

    Example:
        >>> from lossplug_imbalance import active_passive
        >>> values = active_passive([0, 1], [[0.9, 0.1], [0.9, 0.1]])
        >>> [round(float(value), 4) for value in values]
        [0.4438, 4.5562]

    Reference:
        Ma et al., Normalized Loss Functions for Deep Learning with Noisy Labels, 2020,
        arXiv:2006.13554.
    """
    y_true, y_pred = exclusive(y_true, y_pred)
    log_p = softmax_logs(y_pred, from_logits=from_logits)
    costs = log_p if active == "crossentropy" else log_p * power(log_complement(log_p), gamma)
    # Some class has at most half of the probability: what is divided by is never near 0.
    values = ops.sum(y_true * costs, axis=-1) / ops.sum(costs, axis=-1)
    if passive == "reverse_crossentropy":
        others = _reverse(y_true, log_p, log_zero)
    else:
        others = _absolute_error(y_true, log_p)
    return ops.cast(alpha, y_pred.dtype) * values + ops.cast(beta, y_pred.dtype) * others


def _reverse(y_true: Any, log_p: Any, log_zero: Any) -> Any:
    """The crossentropy of the prediction with the label, whose logarithm is at least `log_zero`."""
    log_y = ops.maximum(ops.log(ops.maximum(y_true, _TINY)), ops.cast(log_zero, log_p.dtype))
    return total(y_true) * crossentropy(ops.exp(log_p), log_y)


def _absolute_error(y_true: Any, log_p: Any) -> Any:
    """Both distributions sum to 1, so half of it is where the prediction is higher.

    There it is exact also if the prediction is right, where 1 - p would lose its digits.
    """
    return 2 * total(y_true) * ops.sum(ops.relu(ops.exp(log_p) - y_true), axis=-1)
