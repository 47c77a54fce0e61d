"""Generalised crossentropy: between crossentropy and the mean absolute error."""

from __future__ import annotations

from typing import Any

from lossplug_core import Fraction, loss, ops
from lossplug_imbalance._crossentropy import softmax_logs
from lossplug_imbalance._entropy import crossentropy
from lossplug_imbalance._inputs import exclusive

__all__ = ["generalized_crossentropy"]

_TINY = 1e-20
_UNBOUNDED = -1e30


@loss(
    y_true="class_ids|one_hot",
    y_pred="logits|probabilities",
    paper="arXiv:1805.07836",
    conventions={"keras": {"q": 0.5}},
    range=(0, None),
    at_target="zero",
)
def generalized_crossentropy(
    y_true: Any,
    y_pred: Any,
    *,
    q: Fraction = 0.7,
    truncation: Fraction = 0.0,
    from_logits: bool = False,
) -> Any:
    r"""Generalised crossentropy: the less likely the model finds a label, the less it trusts it.

    With `q=0` it is crossentropy, which learns fast, wrong labels as well; with `q=1` it is half
    the absolute error, which tolerates them, and hardly learns where there are many classes. Use it
    where a known part of the labels is wrong, at random. Where they are right, crossentropy learns
    faster; where the classes are rare, their samples look like wrong labels to it.

    Truncated, samples whose label has a probability of at most `truncation` have no gradient. A
    model that starts at equal probabilities does not learn then: the paper truncates after 40
    epochs, which is a schedule of `truncation`, `deferred(0.5, until=step)`. It also chooses the
    samples once for several epochs; here it is done in each step.

    Implementations disagree: the paper and the code of others take `q=0.7`, Keras takes 0.5. On
    soft labels, here each class counts by its part, so that `q=0` is crossentropy on them too; some
    take the power of the probability that label and prediction share. Keras takes probabilities as
    they are; here they are divided by their sum.

    Cost: that of crossentropy, with one exponential per class more.

    Formula:
        $$L = \sum_{k=1}^{K} y_k \, \frac{1 - \max(p_k, t)^q}{q}$$

        where $y_k$ is the target, $p_k$ the predicted probability of class $k$ of $K$, and $t$ the
        truncation. For $q \to 0$ it is $-\sum_k y_k \log \max(p_k, t)$.

    Args:
        y_true: Class ids, shape `[batch, ...]` or `[batch, ..., 1]`; or one-hot or soft labels,
            shape `[batch, ..., classes]`. An id that is no class gives 0; `get_loss` refuses it,
            and in compiled code, which cannot, makes it NaN.
        y_pred: Logits or probabilities, shape `[batch, ..., classes]`. Probabilities are divided by
            their sum, then clipped to `[1e-7, 1 - 1e-7]`. Half precision is computed in float32.
        q: From 0, crossentropy, to 1, half the absolute error.
        truncation: The probability of a label up to which a sample is left out; 0 leaves none out.
        from_logits: Whether `y_pred` are logits.

    Returns:
        One value per sample and position, shape `[batch, ...]`; at most $1 / q$.

    Raises:
        DataError: The shapes of target and prediction do not fit.

    Example:
        >>> from lossplug_imbalance import generalized_crossentropy
        >>> values = generalized_crossentropy([0, 1], [[0.9, 0.1], [0.9, 0.1]], q=0.7)
        >>> [round(float(value), 4) for value in values]
        [0.1016, 1.1435]

    Reference:
        Zhang, Sabuncu, Generalized Cross Entropy Loss for Training Deep Neural Networks with Noisy
        Labels, 2018, arXiv:1805.07836.
    """
    y_true, y_pred = exclusive(y_true, y_pred)
    q, truncation = ops.cast(q, y_pred.dtype), ops.cast(truncation, y_pred.dtype)
    floor = ops.where(truncation > 0, ops.log(ops.maximum(truncation, _TINY)), _UNBOUNDED)
    log_p = ops.maximum(softmax_logs(y_pred, from_logits=from_logits), floor)
    # At q = 0 the quotient is 0/0; from so small a q on it is the logarithm, to all digits.
    q = ops.maximum(q, _TINY)
    return crossentropy(y_true, ops.expm1(q * log_p) / q)
