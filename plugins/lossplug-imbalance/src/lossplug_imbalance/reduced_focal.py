"""Reduced focal loss: focal for easy examples, crossentropy for hard ones."""

from __future__ import annotations

from typing import Annotated, Any

from annotated_types import Ge, Le

from lossplug_core import Fraction, NonNegative, loss, ops
from lossplug_imbalance._averages import balanced
from lossplug_imbalance._crossentropy import sigmoid_logs
from lossplug_imbalance._inputs import independent
from lossplug_imbalance._powers import raised

__all__ = ["reduced_focal"]

# Below 1/2 the factor would exceed 1, and easy examples would count more than hard ones.
_Threshold = Annotated[float, Ge(0.5), Le(1)]

# So that a logit of 0 is on the focal side of 0.5 with every backend's logarithm.
_ROUNDING = 1e-6


@loss(
    y_true="binary",
    y_pred="logits|probabilities",
    paper="arXiv:1903.01347",
    range=(0, None),
    at_target="zero",
)
def reduced_focal(
    y_true: Any,
    y_pred: Any,
    *,
    gamma: NonNegative = 2.0,
    threshold: _Threshold = 0.5,
    alpha: Fraction | None = None,
    from_logits: bool = False,
) -> Any:
    r"""Reduced focal loss: down-weights easy examples, and leaves hard ones their full weight.

    Use it where `focal` loses positives: focal also weakens examples that are wrong but not
    hopeless, at a probability of 0.3 by half with `gamma=2`, and proposals that should be found are
    missed. Here whatever is on the wrong side of the threshold costs its whole crossentropy. Where
    labels are wrong, that is a disadvantage: such examples are hard as well. With `gamma=0` this is
    binary crossentropy.

    At the threshold of 0.5 the loss is continuous, with a kink there, where the gradient is that of
    the focal side. Above 0.5 it jumps down at the threshold, as defined. Segmentation Models and
    pytorch-toolbelt have it as the `reduced_threshold` of their focal loss, with an `alpha` of 0.25
    and the mean over all outputs: `alpha=0.25` is the same here, on targets of 0 and 1. On soft
    targets the two terms are weighted by the target here, and they take the exponential of the
    crossentropy for the probability.

    Cost: two exponentials per output beside binary crossentropy; two more for a `gamma` that is not
    a whole number up to 4.

    Formula:
        $$L = -\frac{1}{K} \sum_{k=1}^{K} \left[ \alpha \, y_k \, f(p_k) \log p_k
        + (1 - \alpha) (1 - y_k) \, f(1 - p_k) \log (1 - p_k) \right]$$
        $$f(p) = \begin{cases} 1 & p < \theta \\
        \left( \dfrac{1 - p}{\theta} \right)^\gamma & p \ge \theta \end{cases}$$

        where $y_k$ is the target and $p_k$ the predicted probability of output $k$ of $K$, and
        $\theta$ the threshold. Without `alpha`, both its factors are 1.

    Args:
        y_true: 0 or 1, or a probability between them. Shape `[batch, ..., outputs]`, or `[batch]`.
        y_pred: Logits or probabilities, of the same shape. Probabilities are clipped to
            `[1e-7, 1 - 1e-7]`. Half precision is computed in float32.
        gamma: The focus on hard examples: the higher, the less easy ones count. At least 0.
        threshold: The probability of what is right below which an example is hard, from 0.5 to 1,
            which is crossentropy.
        alpha: The weight of positives, from 0 to 1; negatives weigh `1 - alpha`. None weighs
            neither.
        from_logits: Whether `y_pred` are logits.

    Returns:
        The mean over the outputs, shape `[batch, ...]`; one value per sample if `y_pred` is
        `[batch]`.

    Raises:
        DataError: `y_true` does not have the shape of `y_pred`.

    Example:
        >>> from lossplug_imbalance import reduced_focal
        >>> values = reduced_focal([[1.0], [1.0], [0.0]], [[0.9], [0.3], [0.1]], gamma=2.0)
        >>> [round(float(value), 4) for value in values]
        [0.0042, 1.204, 0.0042]

    Reference:
        Sergievskiy and Ponamarev, Reduced Focal Loss: 1st Place Solution to xView object detection
        in Satellite Imagery, 2019, arXiv:1903.01347.
    """
    y_true, y_pred = independent(y_true, y_pred)
    log_p, log_not_p = sigmoid_logs(y_pred, from_logits=from_logits)
    threshold = ops.cast(threshold, y_pred.dtype)
    log_threshold = ops.log(threshold)

    def term(log_right: Any, log_wrong: Any) -> Any:
        """Minus the logarithm of the right answer's probability, reduced where that is high."""
        is_hard = log_right < log_threshold - _ROUNDING
        factor = raised(
            ops.where(is_hard, 1.0, ops.exp(log_wrong) / threshold),
            gamma,
            lambda: ops.where(is_hard, 0.0, log_wrong - log_threshold),
        )
        return -factor * log_right

    positive, negative = y_true * term(log_p, log_not_p), (1 - y_true) * term(log_not_p, log_p)
    return ops.mean(balanced(positive, negative, alpha), axis=-1)
