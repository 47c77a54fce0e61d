"""Weights for classes from how many samples each of them has."""

from __future__ import annotations

from typing import Any

from lossplug_core import ClassCounts, Fraction, NonNegative, loss, ops
from lossplug_core.statistics import class_counts
from lossplug_imbalance._balance import Crossentropy, balanced_crossentropy
from lossplug_imbalance._inputs import exclusive, per_class

__all__ = ["class_balanced"]


@loss(
    y_true="class_ids|one_hot",
    y_pred="logits|probabilities",
    paper="arXiv:1901.05555",
    adapts={"samples_per_class": class_counts},
    conventions={"balanced-loss": {"beta": 0.999, "gamma": 2.0, "average_sigmoid": True}},
    range=(0, None),
    at_target="zero",
)
def class_balanced(
    y_true: Any,
    y_pred: Any,
    *,
    samples_per_class: ClassCounts,
    beta: Fraction = 0.999,
    crossentropy: Crossentropy = "softmax",
    gamma: NonNegative = 2.0,
    average_sigmoid: bool = False,
    from_logits: bool = False,
) -> Any:
    r"""Class-balanced loss: classes weighted by the inverse of their effective number of samples.

    Use it for long tails, where plain inverse frequencies would make a handful of samples weigh
    more than all others. Once the model has learned the training data by heart, weights have no
    effect any more: the margins of `ldam` and the factors of `vector_scaling` have.

    The more samples a class has, the less each further one adds. `beta` says how fast: 0 weighs all
    classes alike, and 1, the limit, weighs them by the inverse of their number of samples. The
    weights are scaled to sum to the number of classes.

    `get_loss("class_balanced").adapt(y_train)` counts the samples of each class. Deferred
    re-weighting, which LDAM-DRW trains with, is a schedule of `beta`: 0 at first, and 0.9999 in the
    last epochs, `beta=deferred(0.9999, until=step)`.

    The paper sums the sigmoid and focal forms over the classes, and so does this; the package
    balanced-loss averages its sigmoid form, which `average_sigmoid` and the convention of its name
    do as well, and agrees on the others. Some copies of the original compute the softmax form as a
    binary crossentropy of softmax probabilities; the paper does not.

    Cost: that of the crossentropy; the weights are one number per class. No state.

    Formula:
        $$w_k \propto \frac{1 - \beta}{1 - \beta^{n_k}}, \qquad \sum_{k=1}^{K} w_k = K$$
        $$L_{\text{softmax}} = -\sum_k w_k \, y_k \log p_k$$
        $$L_{\text{focal}} = -\Big(\sum_j w_j \, y_j\Big) \sum_k \left[
        y_k (1 - p_k)^\gamma \log p_k + (1 - y_k) \, p_k^\gamma \log (1 - p_k) \right]$$

        where $n_k$ is the number of samples, $y_k$ the target, and $p_k$ the predicted probability
        of class $k$ of $K$. The sigmoid form is the focal one with $\gamma = 0$.

    Args:
        y_true: Class ids, shape `[batch, ...]` or `[batch, ..., 1]`; or one-hot or soft labels,
            shape `[batch, ..., classes]`. An id that is no class gives 0; `get_loss` refuses it,
            and in compiled code, which cannot, makes it NaN.
        y_pred: Logits or probabilities, shape `[batch, ..., classes]`. Probabilities are clipped to
            `[1e-7, 1 - 1e-7]`; those of a softmax are divided by their sum first. Half precision is
            computed in float32.
        samples_per_class: How many samples each class has in the training data, each above 0. What
            `adapt` learns.
        beta: How much the number of samples matters, from 0, not at all, to 1, inversely.
        crossentropy: What is weighted: `"softmax"`, `"sigmoid"`, or `"focal"`, which is sigmoid
            focal.
        gamma: The focus on hard examples, at least 0. Only `"focal"` has it.
        average_sigmoid: Whether the sigmoid form is averaged over the classes, not summed.
        from_logits: Whether `y_pred` are logits.

    Returns:
        One value per sample and position, shape `[batch, ...]`.

    Raises:
        DataError: The shapes do not fit, or `samples_per_class` does not have one value per class.

    Example:
        >>> from lossplug_imbalance import class_balanced
        >>> values = class_balanced(
        ...     [0, 1], [[0.5, 0.5], [0.5, 0.5]], samples_per_class=(900, 100), beta=0.999
        ... )
        >>> [round(float(value), 4) for value in values]
        [0.1916, 1.1947]

    Reference:
        Cui et al., Class-Balanced Loss Based on Effective Number of Samples, 2019,
        arXiv:1901.05555. Cao et al., Learning Imbalanced Datasets with Label-Distribution-Aware
        Margin Loss, 2019, arXiv:1906.07413, for deferred re-weighting.
    """
    y_true, y_pred = exclusive(y_true, y_pred)
    values = balanced_crossentropy(
        y_true,
        y_pred,
        per_class("samples_per_class", samples_per_class, y_pred),
        beta=beta,
        crossentropy=crossentropy,
        gamma=gamma,
        from_logits=from_logits,
    )
    if average_sigmoid and crossentropy == "sigmoid":
        return values / ops.cast(ops.shape(y_pred)[-1], y_pred.dtype)
    return values
