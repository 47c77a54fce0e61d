"""Squared errors with a scale: one that is given, and one that is learned from the targets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lossplug_core import NonNegative, NumOutputs, OpenFraction, Positive, Weight, loss, ops
from lossplug_core.errors import DataError
from lossplug_regression._inputs import shaped_alike

__all__ = ["normalized_squared_error", "scaled_squared_error"]


@loss(
    y_true="values",
    y_pred="values",
    range=(0, None),
    at_target="zero",
)
def scaled_squared_error(y_true: Any, y_pred: Any, *, scale: NonNegative = 1.0) -> Any:
    r"""Mean squared error times a number, which can change while the model is trained.

    With a fixed scale this does what the weight of a loss does. Its use is a schedule, such as
    `warmup(10.0, steps=1000)`, or an `Adjustable`, which a callback sets: see
    `lossplug_core.schedules`. The number is saved, restored and logged with the model.

    Formula:
        $$L = \frac{s}{K} \sum_{k=1}^{K} (y_k - \hat y_k)^2$$

        where $y_k$ is the target and $\hat y_k$ the prediction of output $k$ of $K$, and $s$ is the
        scale.

    Args:
        y_true: Real values, shape `[batch, ..., outputs]`, or `[batch]`.
        y_pred: Predictions of the same shape. Half precision is computed in float32.
        scale: What the error is multiplied with, at least 0.

    Returns:
        The mean over the outputs, shape `[batch, ...]`; one value per sample if `y_pred` is
        `[batch]`.

    Raises:
        DataError: `y_true` does not have the shape of `y_pred`.

    Example:
        >>> from lossplug_core import get_loss
        >>> from lossplug_core.schedules import Linear
        >>> loss = get_loss("scaled_squared_error", scale=Linear(1.0, 0.0, steps=2))
        >>> [float(loss([[1.0]], [[3.0]])) for step in range(4)]
        [4.0, 2.0, 0.0, 0.0]

    Reference:
        The mean squared error of Keras, `keras/mean_squared_error`, with a factor.
    """
    y_true, y_pred = shaped_alike(y_true, y_pred=y_pred)
    return scale * ops.mean(ops.square(y_true - y_pred), axis=-1)


def _states(outputs: int | None) -> dict[str, Weight]:
    shape = () if outputs is None else (outputs,)
    return {
        "mean": Weight(shape, 0.0, trainable=False),
        "variance": Weight(shape, 0.0, trainable=False),
        "seen": Weight((), 0.0, trainable=False),
    }


@loss(
    y_true="values",
    y_pred="values",
    paper="arXiv:1602.07714",
    weights=_states,
    compares_samples=True,
    memory="batch",
    range=(0, None),
    at_target="zero",
)
def normalized_squared_error(
    y_true: Any,
    y_pred: Any,
    *,
    weights: Mapping[str, Any],
    decay: OpenFraction = 0.99,
    outputs: NumOutputs | None = None,
    epsilon: Positive = 1e-6,
) -> Any:
    r"""Squared error in units of the variance of the targets, which is estimated while training.

    Targets of any scale cost about 1 to a model that always predicts their mean, and less to one
    that is better: errors of different tasks can be compared, and one learning rate suits all.
    `1 - loss` estimates the coefficient of determination.

    The estimate is an exponential moving average over batches, of the targets and of their squares,
    corrected for its start as in Adam. The targets of the batch at hand are part of it, in training
    and in evaluation; only training keeps it. It counts as a constant: no gradient flows through
    it. Masks and sample weights do not change it. Kept are the mean and the variance themselves,
    whose update is the same in exact numbers and loses no digits where the mean is large.

    Formula:
        $$L = \frac{1}{K} \sum_{k=1}^{K} \frac{(y_k - \hat y_k)^2}{v_t}, \qquad
        v_t = \frac{s_t}{1 - \beta^t} - \left( \frac{m_t}{1 - \beta^t} \right)^2$$

        $$m_t = \beta m_{t-1} + (1 - \beta) \, \overline{y}, \qquad
        s_t = \beta s_{t-1} + (1 - \beta) \, \overline{y^2}$$

        where $y_k$ is the target and $\hat y_k$ the prediction of output $k$ of $K$, the bars are
        means over batch $t$, and $\beta$ is the decay.

    Args:
        y_true: Real values, shape `[batch, ..., outputs]`, or `[batch]`.
        y_pred: Predictions of the same shape. Half precision is computed in float32.
        weights: The state: `mean` and `variance` of the targets so far, and `seen`,
            $1 - \beta^t$, in float32.
        decay: How much of the estimate stays from batch to batch, between 0 and 1: 0.99 looks back
            on about 100 batches.
        outputs: How many outputs the model has, for an estimate of each. None makes one estimate of
            all, in which an output of large numbers outweighs the others.
        epsilon: Targets whose standard deviation is at most this share of their root mean square
            count as constant, and are not normalized: as long as there is but one target, there is
            no scale.

    Returns:
        The mean over the outputs, shape `[batch, ...]`, or one value per sample if `y_pred` is
        `[batch]`; and the new state.

    Raises:
        DataError: `y_true` does not have the shape of `y_pred`, or not that number of outputs.

    Example:
        >>> from lossplug_core import get_loss
        >>> loss = get_loss("normalized_squared_error")
        >>> round(float(loss([[1e6], [3e6]], [[2e6], [2e6]])), 4)
        1.0
        >>> round(float(loss([[1e6], [3e6]], [[1e6], [2e6]])), 4)
        0.5

    Reference:
        van Hasselt et al., Learning Values across Many Orders of Magnitude, 2016, arXiv:1602.07714;
        for the correction: Kingma and Ba, Adam, 2015, arXiv:1412.6980.
    """
    y_true, y_pred = shaped_alike(y_true, y_pred=y_pred)
    if outputs is not None and y_pred.shape[-1] not in (None, outputs):
        raise DataError(
            "The number of outputs is not that of the loss.",
            expected=f"y_pred of shape [batch, ..., {outputs}], as outputs={outputs}",
            received=tuple(y_pred.shape),
            fix=f"give outputs={y_pred.shape[-1]}, or None for one estimate of all.",
        )
    kept_in = ops.dtype(ops.convert_to_tensor(weights["mean"]))
    state = _updated(weights, ops.cast(y_true, kept_in), decay, per_output=outputs is not None)
    mean_square = ops.square(state["mean"]) + state["variance"]
    varies = ops.greater(state["variance"], epsilon**2 * mean_square)
    scale = ops.cast(ops.where(varies, state["variance"], 1.0), y_pred.dtype)
    return ops.mean(ops.square(y_true - y_pred) / scale, axis=-1), state


def _updated(
    weights: Mapping[str, Any], targets: Any, decay: Any, *, per_output: bool
) -> dict[str, Any]:
    """The state with one more batch."""
    axes = tuple(range(len(targets.shape) - per_output))
    mean, variance = ops.mean(targets, axis=axes), ops.var(targets, axis=axes)
    seen = decay * weights["seen"] + (1 - decay)
    share = (1 - decay) / seen  # of this batch in the estimate: 1 for the first
    shift = mean - weights["mean"]
    spread = variance + (1 - share) * ops.square(shift)
    state = {
        "mean": weights["mean"] + share * shift,
        "variance": weights["variance"] + share * (spread - weights["variance"]),
        "seen": seen,
    }
    return {name: ops.stop_gradient(value) for name, value in state.items()}
