"""Losses that ask how certain a prediction is, and whether it is the same for similar inputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lossplug_core import DataError, Fraction, NonNegative, loss, ops
from lossplug_core.tensors import fits
from lossplug_imbalance._crossentropy import softmax_logs
from lossplug_imbalance._entropy import crossentropy, entropy, total
from lossplug_imbalance._inputs import exclusive

__all__ = ["confidence_penalty", "jsd"]

_TINY = 1e-30
_VIEWS = ("clean", "augmented_1", "augmented_2")


@loss(
    y_true="class_ids|one_hot",
    y_pred="logits|probabilities",
    paper="arXiv:1701.06548",
)
def confidence_penalty(
    y_true: Any,
    y_pred: Any,
    *,
    beta: NonNegative = 0.1,
    threshold: NonNegative | None = None,
    from_logits: bool = False,
) -> Any:
    r"""Crossentropy with a confidence penalty: certainty costs, whichever class it is of.

    Use it, as label smoothing, against overfitting and probabilities that come out too certain;
    unlike that, it leaves the other classes their differences. Where probabilities are to be those
    of the data, it makes them too even. The paper lets `beta` grow during training, which is a
    schedule; or penalises only predictions whose entropy is below a threshold, which serves the
    same end.

    With a threshold, the penalty here is 0 above it and grows below it. The paper prints that term
    with the opposite sign, which would reward certainty, against its own description.

    Cost: that of crossentropy, with one exponential per class more.

    Formula:
        $$L = -\sum_{k=1}^{K} y_k \log p_k - \beta \, H(p), \qquad
        H(p) = -\sum_{k=1}^{K} p_k \log p_k$$

        where $y_k$ is the target, and $p_k$ the predicted probability of class $k$ of $K$. With a
        threshold $\Gamma$, $\beta \max(0, \Gamma - H(p))$ takes the place of $-\beta \, H(p)$.

    Args:
        y_true: Class ids, shape `[batch, ...]` or `[batch, ..., 1]`; or one-hot or soft labels,
            shape `[batch, ..., classes]`. An id that is no class gives 0; `get_loss` refuses it,
            and in compiled code, which cannot, makes it NaN.
        y_pred: Logits or probabilities, shape `[batch, ..., classes]`. Probabilities are divided by
            their sum, then clipped to `[1e-7, 1 - 1e-7]`. Half precision is computed in float32.
        beta: The weight of the penalty, at least 0.
        threshold: The entropy, in nats, below which a prediction is penalised; that of equal
            probabilities is $\log K$. None penalises every prediction.
        from_logits: Whether `y_pred` are logits.

    Returns:
        One value per sample and position, shape `[batch, ...]`. Without a threshold it can be below
        0, at the least $-\beta \log K$.

    Raises:
        DataError: The shapes of target and prediction do not fit.

    Example:
        >>> from lossplug_imbalance import confidence_penalty
        >>> values = confidence_penalty([0, 1], [[0.9, 0.1], [0.9, 0.1]], beta=0.1)
        >>> [round(float(value), 4) for value in values]
        [0.0729, 2.2701]

    Reference:
        Pereyra et al., Regularizing Neural Networks by Penalizing Confident Output Distributions,
        2017, arXiv:1701.06548.
    """
    y_true, y_pred = exclusive(y_true, y_pred)
    log_p = softmax_logs(y_pred, from_logits=from_logits)
    penalty = -entropy(log_p)
    if threshold is not None:
        penalty = ops.relu(penalty + ops.cast(threshold, y_pred.dtype))
    return crossentropy(y_true, log_p) + ops.cast(beta, y_pred.dtype) * total(y_true) * penalty


@loss(
    y_true="class_ids|one_hot",
    y_pred="logits|probabilities",
    paper="arXiv:1912.02781",
    outputs=_VIEWS,
    conventions={"timm": {"smoothing": 0.1}},
    range=(0, None),
)
def jsd(
    y_true: Any,
    y_pred: Mapping[str, Any],
    *,
    alpha: NonNegative = 12.0,
    smoothing: Fraction = 0.0,
    from_logits: bool = False,
) -> Any:
    r"""AugMix's loss: crossentropy, and the Jensen-Shannon divergence of three views of a sample.

    The prediction is to be the same for a sample and for two augmentations of it. Use it with
    strong augmentation that keeps the label, for models that meet data of another kind than they
    were trained on. Without augmentation the divergence is 0, and nothing is learned from it.

    The model has three outputs, one for each view, and mostly three inputs, on which it calls one
    network: `TrainingModel(keras.Model([x, x_1, x_2], {"clean": net(x), "augmented_1": net(x_1),
    "augmented_2": net(x_2)}))`; what is used later is `net`. So a sample is a row of the data set,
    with its views: shuffling keeps them together, any batch size is right, and sample weights are
    those of samples.

    Implementations disagree on the form. The authors' code and timm take one prediction for a batch
    of three parts, the clean samples first, whose size must be a multiple of three, and which must
    not be shuffled; they compute the same. timm takes the crossentropy with label smoothing of 0.1:
    convention `timm`. Both clip the mixture of the predictions to 1e-7.

    Cost: that of crossentropy for each view, with one exponential per class and view, and one
    logarithm per class more; and the model runs three times.

    Formula:
        $$L = -\sum_{k=1}^{K} \left[ (1 - \varepsilon) \, y_k + \frac{\varepsilon}{K} \right]
        \log p_{1k} + \frac{\alpha}{3} \sum_{v=1}^{3} \sum_{k=1}^{K} p_{vk} \log \frac{p_{vk}}{m_k},
        \qquad m_k = \frac{1}{3} \sum_{v=1}^{3} p_{vk}$$

        where $y_k$ is the target, $p_{vk}$ the predicted probability of class $k$ of $K$ for view
        $v$, of which the first is the clean one, and $\varepsilon$ the smoothing.

    Args:
        y_true: Class ids, shape `[batch, ...]` or `[batch, ..., 1]`; or one-hot or soft labels,
            shape `[batch, ..., classes]`. An id that is no class gives 0; `get_loss` refuses it,
            and in compiled code, which cannot, makes it NaN.
        y_pred: A mapping of three outputs, `clean`, `augmented_1` and `augmented_2`: logits or
            probabilities, each of shape `[batch, ..., classes]`. Probabilities are divided by their
            sum, then clipped to `[1e-7, 1 - 1e-7]`. Half precision is computed in float32.
        alpha: The weight of the divergence, at least 0.
        smoothing: The part of the label that is spread over all classes; 0 spreads nothing.
        from_logits: Whether `y_pred` are logits.

    Returns:
        One value per sample and position, shape `[batch, ...]`.

    Raises:
        DataError: The shapes of the target and of the three outputs do not fit.

    Example:
        >>> from lossplug_imbalance import jsd
        >>> views = {
        ...     "clean": [[0.8, 0.2]], "augmented_1": [[0.6, 0.4]], "augmented_2": [[0.7, 0.3]]
        ... }
        >>> [round(float(value), 4) for value in jsd([0], views)]
        [0.4164]

    Reference:
        Hendrycks et al., AugMix: A Simple Data Processing Method to Improve Robustness and
        Uncertainty, 2019, arXiv:1912.02781.
    """
    views = [exclusive(y_true, y_pred[name]) for name in _VIEWS]
    y_true, clean = views[0]
    for name, (_, view) in zip(_VIEWS, views, strict=True):
        if not fits(tuple(view.shape), tuple(clean.shape)):
            raise DataError(
                f"The output {name!r} does not fit the output 'clean'.",
                expected=f"shape {tuple(clean.shape)}",
                received=tuple(view.shape),
                fix="call one network on the sample and on its augmentations.",
            )
    logs = [softmax_logs(view, from_logits=from_logits) for _, view in views]
    smoothing, alpha = ops.cast(smoothing, clean.dtype), ops.cast(alpha, clean.dtype)
    spread = -total(y_true) * ops.mean(logs[0], axis=-1)
    values = (1 - smoothing) * crossentropy(y_true, logs[0]) + smoothing * spread
    return values + alpha * total(y_true) * _divergence(logs)


def _divergence(logs: list[Any]) -> Any:
    """The Jensen-Shannon divergence of distributions, from their logarithms."""
    views = [ops.exp(log_p) for log_p in logs]
    # Where all are below _TINY, what the logarithm is multiplied by is as small.
    log_mixture = ops.log(ops.maximum(sum(views) / len(views), _TINY))
    terms = sum(p * (log_p - log_mixture) for p, log_p in zip(views, logs, strict=True))
    return ops.sum(terms, axis=-1) / len(views)
