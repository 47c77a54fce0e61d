"""Focal losses: crossentropies that down-weight what the model already gets right."""

from __future__ import annotations

from typing import Any

from lossplug_core import ClassWeights, Fraction, NonNegative, loss
from lossplug_imbalance._averages import Average, averaged
from lossplug_imbalance._crossentropy import sigmoid_crossentropy, softmax_crossentropy
from lossplug_imbalance._inputs import exclusive, independent, per_class

__all__ = ["categorical_focal", "focal"]


@loss(
    y_true="binary",
    y_pred="logits|probabilities",
    paper="arXiv:1708.02002",
    aliases=("sigmoid_focal",),
    conventions={
        "fvcore": {"gamma": 2.0, "alpha": None},
        "keras": {"gamma": 2.0, "alpha": None, "average": "outputs"},
        "keras-cv": {"gamma": 2.0, "alpha": 0.25, "average": "sum"},
        "mmdetection": {"gamma": 2.0, "alpha": 0.25, "average": "positives"},
        "monai": {"gamma": 2.0, "alpha": None, "average": "outputs"},
        "optax": {"gamma": 2.0, "alpha": None},
        "tensorflow-addons": {"gamma": 2.0, "alpha": 0.25, "average": "sum"},
        "torchvision": {"gamma": 2.0, "alpha": 0.25},
    },
    range=(0, None),
    at_target="zero",
    compares_samples=lambda parameters: parameters.get("average") == "positives",
)
def focal(
    y_true: Any,
    y_pred: Any,
    *,
    gamma: NonNegative = 2.0,
    alpha: Fraction | None = None,
    average: Average = "outputs",
    from_logits: bool = False,
) -> Any:
    r"""Sigmoid focal loss: binary crossentropy that down-weights easy examples.

    Use it where most examples are easy, such as the background of a picture: their sum would drown
    the few that are hard. Every output is a yes-or-no question of its own. With `gamma=0` this is
    binary crossentropy. What it predicts is less certain than the truth, and of wrong labels it
    makes much; `lossplug_imbalance.calibration` turns its predictions into probabilities again.

    Implementations disagree on balancing: torchvision, TensorFlow Addons, KerasCV and MMDetection
    set `alpha` to 0.25; Keras, MONAI, optax and fvcore, which writes -1, leave it off. On outputs:
    Keras averages them, as here; TensorFlow Addons and KerasCV sum them; torchvision, fvcore and
    optax return each; detectors divide the sum over the batch by the positives in it. The
    conventions set `gamma`, `alpha` and, but for those that return each output, `average`. MONAI's
    `reduction="sum"` averages positions first, and no convention does. None sets `from_logits`,
    which depends on the model. On soft targets: here the two terms are weighted by the target;
    Keras, torchvision and the others interpolate probabilities instead, which is the same for 0
    and 1 only. And on large logits: on JAX and torch, Keras clips their sigmoid, so that a logit of
    100 on a negative costs 15.9; here it costs 100.

    Cost: beside binary crossentropy, nothing for `gamma` up to 4 without a fraction, else two
    exponentials. The gradient is in closed form.

    Formula:
        $$L = -\frac{1}{K} \sum_{k=1}^{K} \left[ \alpha \, y_k (1 - p_k)^\gamma \log p_k
        + (1 - \alpha) (1 - y_k) \, p_k^\gamma \log (1 - p_k) \right]$$

        where $y_k$ is the target and $p_k$ the predicted probability of output $k$ of $K$. Without
        `alpha`, both its factors are 1. If `average` is `"sum"`, $1 / K$ is 1; if it is
        `"positives"`, it is the number of positions of the batch, divided by its number of
        positives, $\sum y$.

    Args:
        y_true: 0 or 1, or a probability between them. Shape `[batch, ..., outputs]`, or `[batch]`.
        y_pred: Logits or probabilities, of the same shape. Probabilities are clipped to
            `[1e-7, 1 - 1e-7]`. Half precision is computed in float32.
        gamma: The focus on hard examples: the higher, the less easy ones count. At least 0.
        alpha: The weight of positives, from 0 to 1; negatives weigh `1 - alpha`. None weighs
            neither.
        average: What becomes of the outputs: `"outputs"`, their mean; `"sum"`; or `"positives"`,
            their sum, scaled so that the mean over the batch is its sum divided by its number of
            positives, at least 1. Positives count whether or not masks and sample weights hide
            them.
        from_logits: Whether `y_pred` are logits.

    Returns:
        The mean over the outputs, or what `average` says, shape `[batch, ...]`; one value per
        sample if `y_pred` is `[batch]`.

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
    return averaged(values, y_true, average)


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

    Use it where most samples are easy, of whichever class. It is the focal loss of classes that
    exclude each other; with `gamma=0` it is categorical crossentropy. What it predicts is less
    certain than the truth: `lossplug_imbalance.calibration` turns it into probabilities again.

    Implementations disagree on balancing: Keras multiplies every class by 0.25, which scales the
    loss and balances nothing; MONAI has none by default, and takes one number to mean `1 - alpha`
    for the first class and `alpha` for all others, which here is a tuple. Segmentation Models calls
    a mean of one-versus-rest sigmoid focal losses "multiclass": that is `focal` on one-hot targets.

    Cost: beside categorical crossentropy, an exponential for each factor and a logarithm, of every
    class.

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
