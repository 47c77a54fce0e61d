"""Crossentropy that cares most about the probabilities at which somebody acts."""

from __future__ import annotations

from typing import Annotated, Any

from annotated_types import Ge, Le

from lossplug_core import DataError, NonNegative, loss, ops
from lossplug_core.tensors import at_least_float32, fits

__all__ = ["decision_crossentropy"]

_EPSILON = 1e-7


@loss(
    y_true="binary",
    y_pred="logits|probabilities",
    paper="doi:10.1214/aos/1176347398",
    range=(0, None),
    at_target="minimum",
)
def decision_crossentropy(
    y_true: Any,
    y_pred: Any,
    *,
    threshold: Annotated[float, Ge(0.001), Le(0.999)] = 0.1,
    factor: Annotated[float, Ge(1.05)] = 2.0,
    emphasis: NonNegative = 1.0,
    from_logits: bool = False,
) -> Any:
    r"""Binary crossentropy, plus what wrong decisions cost where decisions are made.

    A patient whose risk is above 10 % is sent to a biopsy; whether the risk is 40 or 60 % changes
    nothing. Use this where you know about which probability a decision turns on, and a small model
    cannot be right everywhere. Its predictions are calibrated probabilities still: like
    crossentropy it is a proper scoring rule, least in expectation at the true probability. Weights
    of classes are not.

    What it adds is the regret that decision curve analysis reports, averaged over thresholds: at a
    threshold $t$ a missed positive costs $1 - t$ and a false alarm $t$, since whoever acts at $t$
    takes $1 - t$ to $t$ for a fair exchange. `threshold` and `factor` say which thresholds count.

    Formula:
        $$L = \frac{1}{K} \sum_{k=1}^{K} \left[ -y_k \log p_k - (1 - y_k) \log (1 - p_k)
        + \frac{\lambda}{b - a} \int_a^b y_k (1 - t) \, [p_k < t]
        + (1 - y_k) \, t \, [p_k \ge t] \; dt \right]$$

        $$\frac{a}{1 - a} = \frac{1}{f} \, \frac{\tau}{1 - \tau}, \qquad
        \frac{b}{1 - b} = f \, \frac{\tau}{1 - \tau}$$

        where $y_k$ is the target and $p_k$ the predicted probability of output $k$ of $K$, $\tau$
        is the threshold, $f$ the factor and $\lambda$ the emphasis.

    Args:
        y_true: 0 or 1, or a probability between them. Shape `[batch, ..., outputs]`, or `[batch]`.
        y_pred: Logits or probabilities, of the same shape. In crossentropy, probabilities are
            clipped to `[1e-7, 1 - 1e-7]`. Half precision is computed in float32.
        threshold: The probability about which the decision turns, from 0.001 to 0.999.
        factor: How far from its odds other thresholds still count, at least 1.05: with 2, from half
            of the odds to double.
        emphasis: How much decisions count beside crossentropy, at least 0.
        from_logits: Whether `y_pred` are logits.

    Returns:
        The mean over the outputs, shape `[batch, ...]`; one value per sample if `y_pred` is
        `[batch]`.

    Raises:
        DataError: `y_true` does not have the shape of `y_pred`.

    Example:
        >>> from lossplug_lindenhof import decision_crossentropy
        >>> values = decision_crossentropy([[1.0], [1.0]], [[0.02], [0.5]])
        >>> [round(float(value), 4) for value in values]
        [4.7948, 0.6931]

    Reference:
        Schervish, A General Method for Comparing Probability Assessors, 1989,
        doi:10.1214/aos/1176347398: every proper scoring rule is such a mixture over thresholds.
        Vickers and Elkin, Decision Curve Analysis, 2006, doi:10.1177/0272989X06295361.
    """
    y_true, y_pred = _alike(y_true, y_pred)
    if from_logits:
        cost_of_yes, cost_of_no = ops.softplus(-y_pred), ops.softplus(y_pred)
        p = ops.sigmoid(y_pred)
    else:
        clipped = ops.clip(y_pred, _EPSILON, 1 - _EPSILON)
        cost_of_yes, cost_of_no = -ops.log(clipped), -ops.log1p(-clipped)
        p = y_pred
    odds = threshold / (1 - threshold)
    low, high = odds / (odds + factor), odds * factor / (1 + odds * factor)
    # Thresholds above p miss a positive, those up to p raise a false alarm.
    p = ops.clip(p, low, high)
    missed = (high - p) / (high - low) * (1 - (high + p) / 2)
    alarm = (p - low) / (high - low) * (p + low) / 2
    of_yes, of_no = cost_of_yes + emphasis * missed, cost_of_no + emphasis * alarm
    return ops.mean(y_true * of_yes + (1 - y_true) * of_no, axis=-1)


def _alike(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    """Both in float32 or more, and of one shape `[batch, ..., outputs]`."""
    y_true, y_pred = at_least_float32(y_true), at_least_float32(y_pred)
    if not fits(tuple(y_true.shape), tuple(y_pred.shape)):
        raise DataError(
            "Target and prediction do not have one shape.",
            expected=f"y_true of shape {tuple(y_pred.shape)}, as y_pred",
            received=tuple(y_true.shape),
            fix="compare the last layer of the model with the targets of the data set.",
        )
    y_true = ops.cast(y_true, y_pred.dtype)
    if len(y_pred.shape) == 1:
        return ops.expand_dims(y_true, -1), ops.expand_dims(y_pred, -1)
    return y_true, y_pred
