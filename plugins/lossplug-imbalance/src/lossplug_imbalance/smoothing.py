"""Label smoothing: targets that are less certain than the labels."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from annotated_types import Le

from lossplug_core import Fraction, loss, ops
from lossplug_imbalance._crossentropy import sigmoid_crossentropy, softmax_logs
from lossplug_imbalance._entropy import crossentropy, total
from lossplug_imbalance._inputs import exclusive, independent

__all__ = ["smoothed_binary_crossentropy", "smoothed_crossentropy"]


@loss(
    y_true="class_ids|one_hot",
    y_pred="logits|probabilities",
    paper="arXiv:1512.00567",
)
def smoothed_crossentropy(
    y_true: Any,
    y_pred: Any,
    *,
    smoothing: Annotated[float, Le(1)] = 0.1,
    from_logits: bool = False,
) -> Any:
    r"""Crossentropy with label smoothing: a part of each label is spread over all classes.

    A model then has nothing to gain from being ever more certain. Use it where labels are wrong at
    times, or where probabilities come out too certain. It makes them less certain than the data, if
    the labels are right; and what a teacher knows of similar classes is lost on its students.

    Below 0 it does the opposite, and pushes the prediction away from equal probabilities. Where
    many labels are wrong, that can help a model that was trained without it at first (Wei et al.
    2021): a schedule of `smoothing`. Such a loss has no lower bound.

    Keras, torch and timm do the same. fairseq spreads over the other classes: that is a smoothing
    of $K / (K - 1)$ times as much here. Keras smooths one-hot targets only; here class ids too.

    Cost: that of crossentropy.

    Formula:
        $$L = -\sum_{k=1}^{K} \left[ (1 - \varepsilon) \, y_k + \frac{\varepsilon}{K} \right]
        \log p_k$$

        where $y_k$ is the target, $p_k$ the predicted probability of class $k$ of $K$, and
        $\varepsilon$ the smoothing.

    Args:
        y_true: Class ids, shape `[batch, ...]` or `[batch, ..., 1]`; or one-hot or soft labels,
            shape `[batch, ..., classes]`. An id that is no class gives 0; `get_loss` refuses it,
            and in compiled code, which cannot, makes it NaN.
        y_pred: Logits or probabilities, shape `[batch, ..., classes]`. Probabilities are divided by
            their sum, then clipped to `[1e-7, 1 - 1e-7]`. Half precision is computed in float32.
        smoothing: The part that is spread: 0 is crossentropy, 1 knows no labels. Below 0 it is
            taken from all classes and added to the label.
        from_logits: Whether `y_pred` are logits.

    Returns:
        One value per sample and position, shape `[batch, ...]`.

    Raises:
        DataError: The shapes of target and prediction do not fit.

    Example:
        >>> from lossplug_imbalance import smoothed_crossentropy
        >>> values = smoothed_crossentropy([0, 1], [[0.9, 0.1], [0.9, 0.1]], smoothing=0.1)
        >>> [round(float(value), 4) for value in values]
        [0.2152, 2.1927]

    Reference:
        Szegedy et al., Rethinking the Inception Architecture for Computer Vision, 2015,
        arXiv:1512.00567. Wei et al., To Smooth or Not? When Label Smoothing Meets Noisy Labels,
        2021, arXiv:2106.04149, for a smoothing below 0.
    """
    y_true, y_pred = exclusive(y_true, y_pred)
    smoothing = ops.cast(smoothing, y_pred.dtype)
    log_p = softmax_logs(y_pred, from_logits=from_logits)
    spread = -total(y_true) * ops.mean(log_p, axis=-1)
    return (1 - smoothing) * crossentropy(y_true, log_p) + smoothing * spread


@loss(
    y_true="binary",
    y_pred="logits|probabilities",
    paper="arXiv:1512.00567",
    conventions={
        "keras": {"towards": "half"},
        "timm": {"smoothing": 0.1, "towards": "uniform"},
    },
    range=(0, None),
)
def smoothed_binary_crossentropy(
    y_true: Any,
    y_pred: Any,
    *,
    smoothing: Fraction = 0.1,
    towards: Literal["half", "uniform"] = "half",
    from_logits: bool = False,
) -> Any:
    r"""Binary crossentropy with label smoothing: no answer is quite yes or no.

    Use it for outputs that are questions of their own, whose labels are wrong at times. Towards a
    half, it takes wrong answers to be as likely for positives as for negatives: where positives are
    rare, that raises every probability, and most so those of negatives.

    Implementations disagree on where to. Keras, and timm for targets with a value for each output,
    smooth towards 0.5; timm, where it makes such targets of class ids, towards one yes among all
    outputs: convention `timm`.

    Cost: that of binary crossentropy.

    Formula:
        $$L = -\frac{1}{K} \sum_{k=1}^{K} \left[ t_k \log p_k + (1 - t_k) \log (1 - p_k) \right],
        \qquad t_k = (1 - \varepsilon) \, y_k + \varepsilon \, u$$

        where $y_k$ is the target and $p_k$ the predicted probability of output $k$ of $K$,
        $\varepsilon$ the smoothing, and $u$ is $1/2$, or $1/K$ if towards uniform.

    Args:
        y_true: 0 or 1, or a probability between them. Shape `[batch, ..., outputs]`, or `[batch]`.
        y_pred: Logits or probabilities, of the same shape. Probabilities are clipped to
            `[1e-7, 1 - 1e-7]`. Half precision is computed in float32.
        smoothing: The part of the target that is replaced: 0 is binary crossentropy.
        towards: What replaces it: `"half"`, 0.5; or `"uniform"`, one yes among all outputs.
        from_logits: Whether `y_pred` are logits.

    Returns:
        The mean over the outputs, shape `[batch, ...]`; one value per sample if `y_pred` is
        `[batch]`.

    Raises:
        DataError: `y_true` does not have the shape of `y_pred`.

    Example:
        >>> from lossplug_imbalance import smoothed_binary_crossentropy
        >>> values = smoothed_binary_crossentropy([[1.0], [0.0]], [[0.9], [0.9]])
        >>> [round(float(value), 4) for value in values]
        [0.2152, 2.1927]

    Reference:
        Szegedy et al., Rethinking the Inception Architecture for Computer Vision, 2015,
        arXiv:1512.00567.
    """
    y_true, y_pred = independent(y_true, y_pred)
    smoothing = ops.cast(smoothing, y_pred.dtype)
    if towards == "half":
        middle: Any = 0.5
    else:
        middle = 1 / ops.cast(ops.shape(y_pred)[-1], y_pred.dtype)
    smoothed = (1 - smoothing) * y_true + smoothing * middle
    return ops.mean(sigmoid_crossentropy(smoothed, y_pred, from_logits=from_logits), axis=-1)
