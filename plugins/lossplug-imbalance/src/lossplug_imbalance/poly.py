"""PolyLoss: crossentropies whose first polynomial term has another coefficient."""

from __future__ import annotations

from typing import Annotated, Any

from annotated_types import Ge

from lossplug_core import ClassWeights, Fraction, NonNegative, loss, ops
from lossplug_imbalance._averages import balanced
from lossplug_imbalance._crossentropy import sigmoid_parts, softmax_logs
from lossplug_imbalance._inputs import exclusive, independent, per_class
from lossplug_imbalance._powers import raised

__all__ = ["poly1_crossentropy", "poly1_focal"]

# Below -1 the first coefficient is negative: the loss would fall below 0 next to the target.
_Epsilon = Annotated[float, Ge(-1)]


@loss(
    y_true="class_ids|one_hot",
    y_pred="logits|probabilities",
    paper="arXiv:2204.12511",
    conventions={"optax": {"epsilon": 2.0}, "rax": {"epsilon": 1.0}},
    range=(0, None),
)
def poly1_crossentropy(
    y_true: Any,
    y_pred: Any,
    *,
    epsilon: _Epsilon = 1.0,
    label_smoothing: Fraction = 0.0,
    class_weights: NonNegative | ClassWeights = 1.0,
    from_logits: bool = False,
) -> Any:
    r"""Poly-1 crossentropy: crossentropy with more, or less, of its first polynomial term.

    Crossentropy is $\sum_j (1 - p)^j / j$, where $p$ is the probability of what is right. Its first
    term is the one that still moves a model which is nearly right, and `epsilon` is added to its
    coefficient. Use it with `epsilon` above 0 to make a model more certain of frequent and rare
    classes alike, with one number to tune; below 0, down to -1, which removes the term, where a
    model is overconfident, as on long tails and in detection. It does not know how frequent the
    classes are: for that there are `class_weights`, or `class_balanced`. With `epsilon=0` this is
    categorical crossentropy.

    The authors' listing has an `epsilon` of 1, as here and in rax; optax has 2, the paper's best on
    ImageNet. The conventions set it. Smoothed labels are used in both terms, as the authors do. rax
    divides labels by their sum in the second term alone: here both terms take them as they are.

    Cost: one exponential per class beside crossentropy.

    Formula:
        $$L = \sum_{k=1}^{K} w_k \, \tilde y_k \left[ -\log p_k + \epsilon (1 - p_k) \right],
        \qquad \tilde y_k = (1 - s) \, y_k + \frac{s}{K} \sum_{j=1}^{K} y_j$$

        where $y_k$ is the target, $p_k$ the predicted probability and $w_k$ the weight of class $k$
        of $K$, and $s$ is the label smoothing.

    Args:
        y_true: Class ids, shape `[batch, ...]` or `[batch, ..., 1]`; or one-hot or soft labels,
            shape `[batch, ..., classes]`. An id that is no class gives 0; `get_loss` refuses it,
            and in compiled code, which cannot, makes it NaN.
        y_pred: Logits or probabilities, shape `[batch, ..., classes]`. Probabilities are divided by
            their sum, then clipped to `[1e-7, 1 - 1e-7]`. Half precision is computed in float32.
        epsilon: What is added to the coefficient of the first term, which is 1. At least -1.
        label_smoothing: The part of each label that is spread evenly over all classes, from 0 to 1.
        class_weights: The weight of each class, at least 0: one number for all, or one per class.
        from_logits: Whether `y_pred` are logits.

    Returns:
        One value per sample and position, shape `[batch, ...]`.

    Raises:
        DataError: The shapes do not fit, or `class_weights` does not have one value per class.

    Example:
        >>> from lossplug_imbalance import poly1_crossentropy
        >>> values = poly1_crossentropy([0, 2], [[0.9, 0.1, 0.0], [0.6, 0.2, 0.2]], epsilon=1.0)
        >>> [round(float(value), 4) for value in values]
        [0.2054, 2.4094]

    Reference:
        Leng et al., PolyLoss: A Polynomial Expansion Perspective of Classification Loss Functions,
        2022, arXiv:2204.12511.
    """
    y_true, y_pred = exclusive(y_true, y_pred)
    epsilon, smoothing = (ops.cast(x, y_pred.dtype) for x in (epsilon, label_smoothing))
    labels = (1 - smoothing) * y_true + smoothing * ops.mean(y_true, axis=-1, keepdims=True)
    log_p = softmax_logs(y_pred, from_logits=from_logits)
    # 1 - p this way keeps the digits that its difference from -log p needs where epsilon is -1.
    costs = -log_p - epsilon * ops.expm1(log_p)
    return ops.sum(per_class("class_weights", class_weights, y_pred) * labels * costs, axis=-1)


@loss(
    y_true="binary",
    y_pred="logits|probabilities",
    paper="arXiv:2204.12511",
    range=(0, None),
    at_target="zero",
)
def poly1_focal(
    y_true: Any,
    y_pred: Any,
    *,
    gamma: NonNegative = 2.0,
    epsilon: _Epsilon = 1.0,
    alpha: Fraction | None = None,
    from_logits: bool = False,
) -> Any:
    r"""Poly-1 focal loss: sigmoid focal loss with more, or less, of its first polynomial term.

    What `poly1_crossentropy` does to crossentropy, done to `focal`: the form that the paper detects
    objects with. Use it where `focal` is used already and one more number can be tuned. The paper
    finds an `epsilon` of -1 best there, which removes the first term, and with it much of what easy
    examples still weigh. With `epsilon=0` this is `focal`; with `gamma=0` as well, binary
    crossentropy.

    The authors' listing has an `epsilon` of 1 and no `alpha`. Here `alpha` weighs the whole loss of
    an example; some implementations weigh its focal part alone.

    Cost: two exponentials per output beside binary crossentropy; two more for a `gamma` that is not
    a whole number up to 4.

    Formula:
        $$L = \frac{1}{K} \sum_{k=1}^{K} \left[ \alpha \, y_k \, \ell(p_k)
        + (1 - \alpha) (1 - y_k) \, \ell(1 - p_k) \right], \qquad
        \ell(p) = -(1 - p)^\gamma \log p + \epsilon (1 - p)^{\gamma + 1}$$

        where $y_k$ is the target and $p_k$ the predicted probability of output $k$ of $K$. Without
        `alpha`, both its factors are 1.

    Args:
        y_true: 0 or 1, or a probability between them. Shape `[batch, ..., outputs]`, or `[batch]`.
        y_pred: Logits or probabilities, of the same shape. Probabilities are clipped to
            `[1e-7, 1 - 1e-7]`. Half precision is computed in float32.
        gamma: The focus on hard examples: the higher, the less easy ones count. At least 0.
        epsilon: What is added to the coefficient of the first term, which is 1. At least -1.
        alpha: The weight of positives, from 0 to 1; negatives weigh `1 - alpha`. None weighs
            neither.
        from_logits: Whether `y_pred` are logits.

    Returns:
        The mean over the outputs, shape `[batch, ...]`; one value per sample if `y_pred` is
        `[batch]`.

    Raises:
        DataError: `y_true` does not have the shape of `y_pred`.

    Example:
        >>> from lossplug_imbalance import poly1_focal
        >>> values = poly1_focal([[1.0], [1.0], [0.0]], [[0.9], [0.1], [0.1]], epsilon=1.0)
        >>> [round(float(value), 4) for value in values]
        [0.0021, 2.5941, 0.0021]

    Reference:
        Leng et al., PolyLoss: A Polynomial Expansion Perspective of Classification Loss Functions,
        2022, arXiv:2204.12511.
    """
    y_true, y_pred = independent(y_true, y_pred)
    epsilon = ops.cast(epsilon, y_pred.dtype)
    cost_of_yes, cost_of_no, p, not_p = sigmoid_parts(y_pred, from_logits=from_logits)

    def term(cost: Any, wrong: Any, cost_of_wrong: Any) -> Any:
        return raised(wrong, gamma, lambda: -cost_of_wrong) * (epsilon * wrong + cost)

    positive = y_true * term(cost_of_yes, not_p, cost_of_no)
    negative = (1 - y_true) * term(cost_of_no, p, cost_of_yes)
    return ops.mean(balanced(positive, negative, alpha), axis=-1)
