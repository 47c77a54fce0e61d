"""Asymmetric losses: focal losses that focus on negatives more than on positives."""

from __future__ import annotations

from typing import Any, Literal

from lossplug_core import Fraction, NonNegative, loss, ops
from lossplug_imbalance._averages import averaged
from lossplug_imbalance._crossentropy import log_complement, sigmoid_parts, softmax_logs
from lossplug_imbalance._inputs import exclusive, independent
from lossplug_imbalance._powers import raised

__all__ = ["asymmetric", "asymmetric_single_label"]

_TINY = 1e-30


@loss(
    y_true="binary",
    y_pred="logits|probabilities",
    paper="arXiv:2009.14119",
    aliases=("asl",),
    conventions={
        "asl": {
            "gamma_positive": 1.0,
            "gamma_negative": 4.0,
            "clip": 0.05,
            "constant_weights": True,
            "average": "sum",
        },
        "timm": {
            "gamma_positive": 1.0,
            "gamma_negative": 4.0,
            "clip": 0.05,
            "constant_weights": False,
            "average": "sum",
        },
    },
    range=(0, None),
    at_target="zero",
    stops_gradient=lambda parameters: bool(parameters.get("constant_weights", False)),
)
def asymmetric(
    y_true: Any,
    y_pred: Any,
    *,
    gamma_positive: NonNegative = 1.0,
    gamma_negative: NonNegative = 4.0,
    clip: Fraction = 0.05,
    constant_weights: bool = False,
    average: Literal["outputs", "sum"] = "outputs",
    from_logits: bool = False,
) -> Any:
    r"""Asymmetric loss (ASL) for many labels, of which few are positive.

    Use it where every sample has many yes-or-no labels and nearly all are no. It is `focal` with a
    focus for positives and another for negatives, so that easy negatives vanish and rare positives
    keep their gradient; and negatives below a probability of `clip` cost nothing at all. They give
    no gradient either: begin with a bias that predicts more than `clip`, and lower `clip` where
    probabilities must be calibrated. Equal focus and `clip=0` make it `focal`.

    Implementations disagree on what is summed. The authors sum over outputs and batch, so that
    their learning rates depend on both; timm 1.0.31 sums over outputs and averages the batch. Here
    outputs are averaged; `average="sum"` sums them, and then `reduction="sum"` gives the authors'
    sum, and the mean timm's. The authors also offer a loss whose focusing weights are constants for
    the gradient, `constant_weights=True`; the paper's gradient, and timm's, flows through them. The
    conventions set both. The authors clip probabilities to 1e-8, beyond which their gradient ends;
    here logits have none to clip. On soft targets the two terms are weighted by the target here;
    the authors interpolate probabilities and exponents.

    Cost: two exponentials and a logarithm per output beside binary crossentropy; a focus that is
    not a whole number up to 4 takes more.

    Formula:
        $$L = -\frac{1}{K} \sum_{k=1}^{K} \left[ y_k (1 - p_k)^{\gamma_+} \log p_k
        + (1 - y_k) \, q_k^{\gamma_-} \log (1 - q_k) \right], \qquad q_k = \max(p_k - m, 0)$$

        where $y_k$ is the target and $p_k$ the predicted probability of output $k$ of $K$,
        $\gamma_+$ and $\gamma_-$ are the focus on positives and on negatives, and $m$ is `clip`.

    Args:
        y_true: 0 or 1, or a probability between them. Shape `[batch, ..., outputs]`, or `[batch]`.
        y_pred: Logits or probabilities, of the same shape. Probabilities are clipped to
            `[1e-7, 1 - 1e-7]`. Half precision is computed in float32.
        gamma_positive: The focus on hard positives, at least 0.
        gamma_negative: The focus on hard negatives, at least 0; above that on positives, as a rule.
        clip: What is taken off the probability of a negative, from 0 to 1.
        constant_weights: Whether the focusing weights are constants for the gradient.
        average: Whether the value is the mean over the `"outputs"`, or their `"sum"`.
        from_logits: Whether `y_pred` are logits.

    Returns:
        The mean, or the sum, over the outputs, shape `[batch, ...]`; one value per sample if
        `y_pred` is `[batch]`.

    Raises:
        DataError: `y_true` does not have the shape of `y_pred`.

    Example:
        >>> from lossplug_imbalance import asymmetric
        >>> values = asymmetric([[1.0], [0.0], [0.0]], [[0.6], [0.6], [0.04]])
        >>> [round(float(value), 4) for value in values]
        [0.2043, 0.0731, 0.0]

    Reference:
        Ridnik et al., Asymmetric Loss For Multi-Label Classification, 2021, arXiv:2009.14119.
    """
    y_true, y_pred = independent(y_true, y_pred)
    cost_of_yes, cost_of_no, p, not_p = sigmoid_parts(y_pred, from_logits=from_logits)
    log_p, log_not_p = -cost_of_yes, -cost_of_no
    clip = ops.cast(clip, y_pred.dtype)
    is_clipped = p <= ops.maximum(clip, _TINY)
    log_not_q = ops.where(clip > 0, ops.log(ops.maximum(not_p + clip, _TINY)), log_not_p)

    def log_q() -> Any:
        """log(p - clip) where that is above 0, which is log p if clip is 0."""
        log_safe = ops.where(is_clipped, 0.0, log_p)  # elsewhere 1 / p would overflow
        return log_safe + ops.log(ops.maximum(1 - clip * ops.exp(-log_safe), _TINY))

    positive_weight = raised(not_p, gamma_positive, lambda: log_not_p)
    negative_weight = raised(ops.where(is_clipped, 0.0, p - clip), gamma_negative, log_q)
    if constant_weights:
        positive_weight = ops.stop_gradient(positive_weight)
        negative_weight = ops.stop_gradient(negative_weight)
    negative = ops.where(is_clipped, 0.0, negative_weight * log_not_q)
    values = -y_true * positive_weight * log_p - (1 - y_true) * negative
    return averaged(values, y_true, average)


@loss(
    y_true="class_ids|one_hot",
    y_pred="logits|probabilities",
    paper="arXiv:2009.14119",
    aliases=("asl_single_label",),
    conventions={
        "asl": {"gamma_positive": 0.0, "gamma_negative": 4.0, "label_smoothing": 0.1},
        "timm": {"gamma_positive": 1.0, "gamma_negative": 4.0, "label_smoothing": 0.1},
    },
    range=(0, None),
)
def asymmetric_single_label(
    y_true: Any,
    y_pred: Any,
    *,
    gamma_positive: NonNegative = 0.0,
    gamma_negative: NonNegative = 4.0,
    label_smoothing: Fraction = 0.1,
    from_logits: bool = False,
) -> Any:
    r"""Asymmetric loss (ASL) for classes that exclude each other.

    Smoothed crossentropy whose part for the wrong classes is focused: with label smoothing every
    class asks for some probability, and here those that have little ask for nearly nothing. Use it
    instead of smoothed crossentropy where there are many classes. It knows nothing of how frequent
    they are. Without label smoothing only the right class counts, and this is `categorical_focal`
    with `gamma=gamma_positive`, by default crossentropy.

    The authors do not focus on the right class, `gamma_positive=0`, as here; timm has 1. The
    conventions set it.

    Cost: two exponentials per class beside crossentropy; a focus that is not a whole number up to 4
    takes more.

    Formula:
        $$L = -\sum_{k=1}^{K} \tilde y_k \, w_k \log p_k, \qquad
        \tilde y_k = (1 - s) \, y_k + \frac{s}{K} \sum_{j=1}^{K} y_j, \qquad
        w_k = y_k (1 - p_k)^{\gamma_+} + (1 - y_k) \, p_k^{\gamma_-}$$

        where $y_k$ is the target and $p_k$ the predicted probability of class $k$ of $K$,
        $\gamma_+$ and $\gamma_-$ are the focus on the right class and on the others, and $s$ is the
        label smoothing.

    Args:
        y_true: Class ids, shape `[batch, ...]` or `[batch, ..., 1]`; or one-hot or soft labels,
            shape `[batch, ..., classes]`. An id that is no class gives 0; `get_loss` refuses it,
            and in compiled code, which cannot, makes it NaN.
        y_pred: Logits or probabilities, shape `[batch, ..., classes]`. Probabilities are divided by
            their sum, then clipped to `[1e-7, 1 - 1e-7]`. Half precision is computed in float32.
        gamma_positive: The focus on the right class where it has little probability, at least 0.
        gamma_negative: The focus on wrong classes that have much probability, at least 0.
        label_smoothing: The part of each label that is spread evenly over all classes, from 0 to 1.
        from_logits: Whether `y_pred` are logits.

    Returns:
        One value per sample and position, shape `[batch, ...]`.

    Raises:
        DataError: The shapes do not fit.

    Example:
        >>> from lossplug_imbalance import asymmetric_single_label
        >>> values = asymmetric_single_label([0, 2], [[0.9, 0.1, 0.0], [0.6, 0.2, 0.2]])
        >>> [round(float(value), 4) for value in values]
        [0.0983, 1.5044]

    Reference:
        Ridnik et al., Asymmetric Loss For Multi-Label Classification, 2021, arXiv:2009.14119.
    """
    y_true, y_pred = exclusive(y_true, y_pred)
    smoothing = ops.cast(label_smoothing, y_pred.dtype)
    labels = (1 - smoothing) * y_true + smoothing * ops.mean(y_true, axis=-1, keepdims=True)
    log_p = softmax_logs(y_pred, from_logits=from_logits)
    wrong = -ops.expm1(log_p)
    weights = y_true * raised(wrong, gamma_positive, lambda: log_complement(log_p))
    weights = weights + (1 - y_true) * raised(ops.exp(log_p), gamma_negative, lambda: log_p)
    return ops.sum(-labels * weights * log_p, axis=-1)
