"""Bootstrapping: a label is believed in part, and the prediction for the rest."""

from __future__ import annotations

from typing import Any, Literal

from lossplug_core import Fraction, loss, ops
from lossplug_imbalance._crossentropy import softmax_logs
from lossplug_imbalance._entropy import crossentropy, entropy, total
from lossplug_imbalance._inputs import exclusive

__all__ = ["bootstrapped_crossentropy"]

_BETA = {"soft": 0.95, "hard": 0.8}


@loss(
    y_true="class_ids|one_hot",
    y_pred="logits|probabilities",
    paper="arXiv:1412.6596",
    range=(0, None),
    at_target="zero",
)
def bootstrapped_crossentropy(
    y_true: Any,
    y_pred: Any,
    *,
    mode: Literal["soft", "hard"] = "soft",
    beta: Fraction | None = None,
    from_logits: bool = False,
) -> Any:
    r"""Bootstrapped crossentropy: the target is the label in part, and the prediction for the rest.

    What the model is sure of, it need not unlearn for a label that says otherwise. Use it where
    labels are missing or wrong, on a model that has learned something: it starts well from trained
    weights, or from a `beta` that is a schedule from 1 downwards. It makes predictions more certain
    than they are right: do not read them as probabilities.

    As in the paper, the soft mode has the gradient of all its formula: it is crossentropy with the
    entropy of the prediction as a penalty, and leads to certain predictions. If the prediction in
    the target were a constant, that part had no gradient at all at the logits. The hard mode takes
    the likeliest class as a label; of classes that are equally likely, each in part, as the first
    has no claim over the others.

    Cost: that of crossentropy, with one exponential per class more in the soft mode, none in the
    hard one.

    Formula:
        $$L = -\sum_{k=1}^{K} \left[ \beta \, y_k + (1 - \beta) \, z_k \right] \log p_k$$
        $$z_k^{\text{soft}} = p_k, \qquad
        z_k^{\text{hard}} = \begin{cases} 1 & k = \arg\max_j p_j \\ 0 & \text{else} \end{cases}$$

        where $y_k$ is the target, and $p_k$ the predicted probability of class $k$ of $K$.

    Args:
        y_true: Class ids, shape `[batch, ...]` or `[batch, ..., 1]`; or one-hot or soft labels,
            shape `[batch, ..., classes]`. An id that is no class gives 0; `get_loss` refuses it,
            and in compiled code, which cannot, makes it NaN.
        y_pred: Logits or probabilities, shape `[batch, ..., classes]`. Probabilities are divided by
            their sum, then clipped to `[1e-7, 1 - 1e-7]`. Half precision is computed in float32.
        mode: What of the prediction is believed: `"soft"`, its probabilities, or `"hard"`, its
            likeliest class.
        beta: How far the label is believed, from 0 to 1, which is crossentropy. None is the
            paper's: 0.95 for `"soft"`, 0.8 for `"hard"`.
        from_logits: Whether `y_pred` are logits.

    Returns:
        One value per sample and position, shape `[batch, ...]`.

    Raises:
        DataError: The shapes of target and prediction do not fit.

    Example:
        >>> from lossplug_imbalance import bootstrapped_crossentropy
        >>> values = bootstrapped_crossentropy([0, 1], [[0.9, 0.1], [0.9, 0.1]], mode="hard")
        >>> [round(float(value), 4) for value in values]
        [0.1054, 1.8631]

    Reference:
        Reed et al., Training Deep Neural Networks on Noisy Labels with Bootstrapping, 2014,
        arXiv:1412.6596.
    """
    y_true, y_pred = exclusive(y_true, y_pred)
    beta = ops.cast(_BETA[mode] if beta is None else beta, y_pred.dtype)
    log_p = softmax_logs(y_pred, from_logits=from_logits)
    if mode == "soft":
        believed = entropy(log_p)
    else:
        # The prediction itself is compared: what is computed may be rounded in two ways.
        likeliest = ops.cast(y_pred >= ops.max(y_pred, axis=-1, keepdims=True), y_pred.dtype)
        likeliest = likeliest / ops.sum(likeliest, axis=-1, keepdims=True)
        believed = crossentropy(ops.stop_gradient(likeliest), log_p)
    return beta * crossentropy(y_true, log_p) + (1 - beta) * total(y_true) * believed
