"""Focal losses: crossentropies that down-weight what the model already gets right."""

from __future__ import annotations

from typing import Any

from lossplug_core import ClassWeights, Fraction, NonNegative, loss, ops
from lossplug_imbalance._crossentropy import sigmoid_crossentropy, softmax_crossentropy
from lossplug_imbalance._inputs import exclusive, independent, per_class

__all__ = ["categorical_focal", "focal"]


@loss(
    y_true="binary",
    y_pred="logits|probabilities",
    paper="arXiv:1708.02002",
    aliases=("sigmoid_focal",),
    conventions={
        "keras": {"gamma": 2.0, "alpha": None},
        "monai": {"gamma": 2.0, "alpha": None},
        "optax": {"gamma": 2.0, "alpha": None},
        "torchvision": {"gamma": 2.0, "alpha": 0.25},
    },
    range=(0, None),
    at_target="zero",
)
def focal(
    y_true: Any,
    y_pred: Any,
    *,
    gamma: NonNegative = 2.0,
    alpha: Fraction | None = None,
    from_logits: bool = False,
) -> Any:
    r"""Sigmoid focal loss: binary crossentropy that down-weights easy examples.

    Every output is a yes-or-no question of its own. With `gamma=0` this is binary crossentropy.

    Implementations disagree on balancing: torchvision, TensorFlow Addons and KerasCV set `alpha` to
    0.25; Keras, MONAI and optax leave it off. On outputs: Keras averages them, as here; TensorFlow
    Addons and KerasCV sum them; torchvision and optax return each. On soft targets: here the two
    terms are weighted by the target; Keras and torchvision interpolate probabilities instead, which
    is the same for 0 and 1 only. And on large logits: on JAX and torch, Keras clips their sigmoid,
    so that a logit of 100 on a negative costs 15.9; here it costs 100. Of these, the conventions
    set `gamma` and `alpha`. None sets `from_logits`, which depends on the model.

    Formula:
        $$L = -\frac{1}{K} \sum_{k=1}^{K} \left[ \alpha \, y_k (1 - p_k)^\gamma \log p_k
        + (1 - \alpha) (1 - y_k) \, p_k^\gamma \log (1 - p_k) \right]$$

        where $y_k$ is the target and $p_k$ the predicted probability of output $k$ of $K$. Without
        `alpha`, both its factors are 1.

    Args:
        y_true: 0 or 1, or a probability between them. Shape `[batch, ..., outputs]`, or `[batch]`.
        y_pred: Logits or probabilities, of the same shape. Probabilities are clipped to
            `[1e-7, 1 - 1e-7]`. Half precision is computed in float32.
        gamma: The focus on hard examples: the higher, the less easy ones count. At least 0.
        alpha: The weight of positives, from 0 to 1; negatives weigh `1 - alpha`. None weighs
            neither.
        from_logits: Whether `y_pred` are logits.

    Returns:
        The mean over the outputs, shape `[batch, ...]`; one value per sample if `y_pred` is
        `[batch]`.

    Raises:
        DataError: `y_true` does not have the shape of `y_pred`.

    Example:
        >>> from lossplug_imbalance import focal
        >>> values = focal([[1.0], [1.0], [0.0]], [[0.9], [0.1], [0.1]], gamma=2.0)
        >>> [round(float(value), 4) for value in values]
        [0.0011, 1.8651, 0.0011]

    Reference:
        Lin et al., Focal Loss for Dense Object Detection, 2017, arXiv:1708.02002.
    """
    y_true, y_pred = independent(y_true, y_pred)
    values = sigmoid_crossentropy(
        y_true,
        y_pred,
        from_logits=from_logits,
        gamma=gamma,
        positive_weight=alpha,
        negative_weight=None if alpha is None else 1 - alpha,
    )
    return ops.mean(values, axis=-1)


@loss(
    y_true="class_ids|one_hot",
    y_pred="logits|probabilities",
    paper="arXiv:1708.02002",
    aliases=("softmax_focal",),
    conventions={
        "keras": {"gamma": 2.0, "alpha": 0.25},
        "monai": {"gamma": 2.0, "alpha": None},
    },
    range=(0, None),
    at_target="zero",
)
def categorical_focal(
    y_true: Any,
    y_pred: Any,
    *,
    gamma: NonNegative = 2.0,
    alpha: NonNegative | ClassWeights | None = None,
    from_logits: bool = False,
) -> Any:
    r"""Softmax focal loss: categorical crossentropy that down-weights easy examples.

    The focal loss of classes that exclude each other. With `gamma=0` this is categorical
    crossentropy.

    Implementations disagree on balancing: Keras multiplies every class by 0.25, which scales the
    loss and balances nothing; MONAI has none by default, and takes one number to mean `1 - alpha`
    for the first class and `alpha` for all others, which here is a tuple. Segmentation Models calls
    a mean of one-versus-rest sigmoid focal losses "multiclass": that is `focal` on one-hot targets.

    Formula:
        $$L = -\sum_{k=1}^{K} \alpha_k \, y_k (1 - p_k)^\gamma \log p_k$$

        where $y_k$ is the target and $p_k$ the predicted probability of class $k$ of $K$.

    Args:
        y_true: Class ids, shape `[batch, ...]` or `[batch, ..., 1]`; or one-hot or soft labels,
            shape `[batch, ..., classes]`. An id that is no class gives 0; `get_loss` refuses it,
            and in compiled code, which cannot, makes it NaN.
        y_pred: Logits or probabilities, shape `[batch, ..., classes]`. Probabilities are divided by
            their sum, then clipped to `[1e-7, 1 - 1e-7]`. Half precision is computed in float32.
        gamma: The focus on hard examples: the higher, the less easy ones count. At least 0.
        alpha: The weight of each class, at least 0: one number for all, or one per class. None is
            1.
        from_logits: Whether `y_pred` are logits.

    Returns:
        One value per sample and position, shape `[batch, ...]`.

    Raises:
        DataError: The shapes do not fit, or `alpha` does not have one value per class.

    Example:
        >>> from lossplug_imbalance import categorical_focal
        >>> values = categorical_focal([0, 2], [[0.9, 0.1, 0.0], [0.6, 0.2, 0.2]], gamma=2.0)
        >>> [round(float(value), 4) for value in values]
        [0.0011, 1.03]

    Reference:
        Lin et al., Focal Loss for Dense Object Detection, 2017, arXiv:1708.02002.
    """
    y_true, y_pred = exclusive(y_true, y_pred)
    return softmax_crossentropy(
        y_true,
        y_pred,
        from_logits=from_logits,
        gamma=gamma,
        class_weights=1.0 if alpha is None else per_class("alpha", alpha, y_pred),
    )
