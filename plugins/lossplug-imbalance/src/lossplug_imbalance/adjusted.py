"""Crossentropies that know how frequent the classes are, so that the model need not learn it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from annotated_types import MinLen

from lossplug_core import (
    ClassCounts,
    ClassWeights,
    NonNegative,
    OpenFraction,
    loss,
    ops,
)
from lossplug_core.statistics import class_counts, class_priors
from lossplug_core.types import Dimension
from lossplug_imbalance._counting import one_or_each, positives
from lossplug_imbalance._crossentropy import (
    centred,
    sigmoid_crossentropy,
    sigmoid_logs,
    softmax_crossentropy,
    softmax_logs,
)
from lossplug_imbalance._inputs import exclusive, independent, per_class

__all__ = ["balanced_softmax", "binary_logit_adjusted", "logit_adjusted", "vector_scaling"]

Fractions = Annotated[tuple[OpenFraction, ...], MinLen(1), Dimension("classes")]


def _positive_prior(batches: Iterable[Any]) -> float | tuple[float, ...]:
    """Which part of the targets is positive: one number, or one per output."""
    counts, samples = positives(batches, "positive_prior")
    return one_or_each(counts / samples)


@loss(
    y_true="class_ids|one_hot",
    y_pred="logits|probabilities",
    paper="arXiv:2007.07314",
    adapts={"class_priors": class_priors},
    range=(0, None),
    at_target="minimum",
)
def logit_adjusted(
    y_true: Any,
    y_pred: Any,
    *,
    class_priors: ClassCounts,
    tau: NonNegative = 1.0,
    from_logits: bool = False,
) -> Any:
    r"""Logit-adjusted softmax crossentropy: the frequencies of the classes are added in training.

    Use it for long tails where every class matters alike: what the model learns is then least
    wrong on average over the classes, not over the samples. It needs no weights, and does not
    overfit the few samples of rare classes as these do. Do not use it where the frequencies are
    those of the data to come and accuracy is what counts.

    The adjustment belongs to training. Predict with what the model gives: those are the
    probabilities of classes that are equally frequent, and with `tau=1` they are calibrated for
    such. For the probabilities of the training data, add `tau * log(class_priors)` to the logits.

    With `tau=1` this is `balanced_softmax`, with `tau=0` categorical crossentropy.
    Some implementations add the logarithm of the number of samples instead, which is the same, for
    softmax ignores what is added to all classes.

    Cost: that of softmax crossentropy, and one addition to the logits. No state.

    Formula:
        $$L = -\sum_{k=1}^{K} y_k \log
        \frac{\pi_k^\tau e^{x_k}}{\sum_{j=1}^{K} \pi_j^\tau e^{x_j}}$$

        where $x_k$ is the logit, $y_k$ the target and $\pi_k$ the prior of class $k$ of $K$. For
        probabilities, $x_k$ is their logarithm.

    Args:
        y_true: Class ids, shape `[batch, ...]` or `[batch, ..., 1]`; or one-hot or soft labels,
            shape `[batch, ..., classes]`. An id that is no class gives 0; `get_loss` refuses it,
            and in compiled code, which cannot, makes it NaN.
        y_pred: Logits or probabilities, shape `[batch, ..., classes]`. Probabilities are divided by
            their sum, then clipped to `[1e-7, 1 - 1e-7]`. Half precision is computed in float32.
        class_priors: Which part of the training data each class has, each above 0. Only their
            ratios matter, so numbers of samples do as well. What `adapt` learns.
        tau: How much of the frequencies is added: 0 nothing, 1 all of it. At least 0.
        from_logits: Whether `y_pred` are logits.

    Returns:
        One value per sample and position, shape `[batch, ...]`.

    Raises:
        DataError: The shapes do not fit, or `class_priors` does not have one value per class.

    Example:
        >>> from lossplug_imbalance import logit_adjusted
        >>> values = logit_adjusted([0, 1], [[0.5, 0.5], [0.5, 0.5]], class_priors=(0.9, 0.1))
        >>> [round(float(value), 4) for value in values]
        [0.1054, 2.3026]

    Reference:
        Menon et al., Long-Tail Learning via Logit Adjustment, 2021, arXiv:2007.07314.
    """
    y_true, y_pred = exclusive(y_true, y_pred)
    logits = centred(y_pred) if from_logits else softmax_logs(y_pred, from_logits=False)
    priors = per_class("class_priors", class_priors, y_pred)
    shift = ops.cast(tau, y_pred.dtype) * ops.log(priors)
    return softmax_crossentropy(y_true, logits + shift, from_logits=True)


@loss(
    y_true="class_ids|one_hot",
    y_pred="logits|probabilities",
    paper="arXiv:2007.10740",
    adapts={"samples_per_class": class_counts},
    range=(0, None),
    at_target="minimum",
)
def balanced_softmax(
    y_true: Any, y_pred: Any, *, samples_per_class: ClassCounts, from_logits: bool = False
) -> Any:
    r"""Balanced softmax: crossentropy of a softmax that counts each class by its samples.

    Use it for long tails where every class matters alike. It has nothing to tune: it is
    `logit_adjusted` with `tau=1`, found by another way, so what is said there of predicting holds
    here. It is not the paper's meta sampler, which learns how to draw the batches.

    Cost: that of softmax crossentropy, and one addition to the logits. No state.

    Formula:
        $$L = -\sum_{k=1}^{K} y_k \log \frac{n_k e^{x_k}}{\sum_{j=1}^{K} n_j e^{x_j}}$$

        where $x_k$ is the logit, $y_k$ the target and $n_k$ the number of samples of class $k$ of
        $K$. For probabilities, $x_k$ is their logarithm.

    Args:
        y_true: Class ids, shape `[batch, ...]` or `[batch, ..., 1]`; or one-hot or soft labels,
            shape `[batch, ..., classes]`. An id that is no class gives 0; `get_loss` refuses it,
            and in compiled code, which cannot, makes it NaN.
        y_pred: Logits or probabilities, shape `[batch, ..., classes]`. Probabilities are divided by
            their sum, then clipped to `[1e-7, 1 - 1e-7]`. Half precision is computed in float32.
        samples_per_class: How many samples each class has in the training data, each above 0. What
            `adapt` learns.
        from_logits: Whether `y_pred` are logits.

    Returns:
        One value per sample and position, shape `[batch, ...]`.

    Raises:
        DataError: The shapes do not fit, or `samples_per_class` does not have one value per class.

    Example:
        >>> from lossplug_imbalance import balanced_softmax
        >>> values = balanced_softmax([0, 1], [[0.5, 0.5], [0.5, 0.5]], samples_per_class=(90, 10))
        >>> [round(float(value), 4) for value in values]
        [0.1054, 2.3026]

    Reference:
        Ren et al., Balanced Meta-Softmax for Long-Tailed Visual Recognition, 2020,
        arXiv:2007.10740.
    """
    y_true, y_pred = exclusive(y_true, y_pred)
    logits = centred(y_pred) if from_logits else softmax_logs(y_pred, from_logits=False)
    counts = per_class("samples_per_class", samples_per_class, y_pred)
    return softmax_crossentropy(y_true, logits + ops.log(counts), from_logits=True)


@loss(
    y_true="class_ids|one_hot",
    y_pred="logits",
    paper="arXiv:2103.01550",
    adapts={"samples_per_class": class_counts},
    range=(0, None),
)
def vector_scaling(
    y_true: Any,
    y_pred: Any,
    *,
    samples_per_class: ClassCounts,
    gamma: NonNegative = 0.3,
    tau: NonNegative = 1.0,
    class_weights: ClassWeights | None = None,
) -> Any:
    r"""Vector-scaling (VS) loss: logits are multiplied and shifted by how frequent a class is.

    Use it for long tails and networks that are trained until they make no mistake on the training
    data. Weights and shifts have no effect any more then; the factors have, for they make rare
    classes reach further to cost the same. With `gamma=0` and no weights it is `logit_adjusted`;
    with `tau=0`, the class-dependent temperatures of Ye et al. Where training stops early,
    `logit_adjusted` has less to tune.

    It takes logits only: those of probabilities are known up to a number added to all of a
    sample's, which the factors would turn into something else.

    Factors and shifts belong to training. Predict with what the model gives. The defaults of
    `gamma` and `tau` are those of the authors' code, which divides logits by the inverse factor.

    Cost: that of softmax crossentropy, and two operations on the logits. No state.

    Formula:
        $$L = -\sum_{k=1}^{K} \omega_k \, y_k \log
        \frac{e^{\Delta_k x_k + \iota_k}}{\sum_{j=1}^{K} e^{\Delta_j x_j + \iota_j}}$$
        $$\Delta_k = \left( \frac{n_k}{\max_j n_j} \right)^\gamma, \qquad
        \iota_k = \tau \log \frac{n_k}{\sum_{j=1}^{K} n_j}$$

        where $x_k$ is the logit, $y_k$ the target, $n_k$ the number of samples and $\omega_k$ the
        weight of class $k$ of $K$.

    Args:
        y_true: Class ids, shape `[batch, ...]` or `[batch, ..., 1]`; or one-hot or soft labels,
            shape `[batch, ..., classes]`. An id that is no class gives 0; `get_loss` refuses it,
            and in compiled code, which cannot, makes it NaN.
        y_pred: Logits, shape `[batch, ..., classes]`. Half precision is computed in float32.
        samples_per_class: How many samples each class has in the training data, each above 0. What
            `adapt` learns.
        gamma: How much the number of samples scales the logits: 0 not at all. At least 0.
        tau: How much of the frequencies is added: 0 nothing, 1 all of it. At least 0.
        class_weights: The weight of each class, at least 0. None is 1 for all.

    Returns:
        One value per sample and position, shape `[batch, ...]`.

    Raises:
        DataError: The shapes do not fit, or `samples_per_class` or `class_weights` do not have one
            value per class.

    Example:
        >>> from lossplug_imbalance import vector_scaling
        >>> values = vector_scaling(
        ...     [0, 1], [[1.0, 0.0], [0.0, 1.0]], samples_per_class=(160, 10), gamma=0.25
        ... )
        >>> [round(float(value), 4) for value in values]
        [0.0227, 2.3707]

    Reference:
        Kini et al., Label-Imbalanced and Group-Sensitive Classification under
        Overparameterization, 2021, arXiv:2103.01550. Ye et al., Identifying and Compensating for
        Feature Deviation in Imbalanced Deep Learning, 2020, arXiv:2001.01385.
    """
    y_true, y_pred = exclusive(y_true, y_pred)
    counts = per_class("samples_per_class", samples_per_class, y_pred)
    gamma, tau = ops.cast(gamma, y_pred.dtype), ops.cast(tau, y_pred.dtype)
    factors = ops.exp(gamma * ops.log(counts / ops.max(counts)))
    shifts = tau * ops.log(counts / ops.sum(counts))
    return softmax_crossentropy(
        y_true,
        factors * y_pred + shifts,
        from_logits=True,
        class_weights=1.0
        if class_weights is None
        else per_class("class_weights", class_weights, y_pred),
    )


@loss(
    y_true="binary",
    y_pred="logits|probabilities",
    paper="arXiv:2007.07314",
    adapts={"positive_prior": _positive_prior},
    range=(0, None),
    at_target="minimum",
)
def binary_logit_adjusted(
    y_true: Any,
    y_pred: Any,
    *,
    positive_prior: OpenFraction | Fractions,
    tau: NonNegative = 1.0,
    from_logits: bool = False,
) -> Any:
    r"""Logit-adjusted sigmoid crossentropy: how rare positives are is added in training.

    `logit_adjusted` where every output is a yes-or-no question of its own: its two classes are no,
    of logit 0, and yes. Use it where positives and negatives matter alike, however rare positives
    are: the threshold is then 0, or a probability of 0.5. With `tau=0` it is binary crossentropy.

    The adjustment belongs to training. Predict with what the model gives: with `tau=1` those are
    the probabilities of data with as many positives as negatives. For those of the training data,
    add the shift to the logits.

    The paper treats classes that exclude each other. It is its case of two classes that is meant
    here, for each output; of several labels of a sample it says nothing.

    Cost: that of binary crossentropy, and one addition to the logits. No state.

    Formula:
        $$L = -\frac{1}{K} \sum_{k=1}^{K} \left[ y_k \log \sigma(x_k + \iota_k)
        + (1 - y_k) \log \sigma(-x_k - \iota_k) \right], \qquad
        \iota_k = \tau \log \frac{\pi_k}{1 - \pi_k}$$

        where $x_k$ is the logit, $y_k$ the target and $\pi_k$ the prior of output $k$ of $K$, and
        $\sigma$ the sigmoid. For probabilities $p_k$, $x_k = \log p_k - \log (1 - p_k)$.

    Args:
        y_true: 0 or 1, or a probability between them. Shape `[batch, ..., outputs]`, or `[batch]`.
        y_pred: Logits or probabilities, of the same shape. Probabilities are clipped to
            `[1e-7, 1 - 1e-7]`. Half precision is computed in float32.
        positive_prior: Which part of the targets is positive in the training data, between 0 and 1:
            one number for all outputs, or one per output. What `adapt` learns.
        tau: How much of the frequencies is added: 0 nothing, 1 all of it. At least 0.
        from_logits: Whether `y_pred` are logits.

    Returns:
        The mean over the outputs, shape `[batch, ...]`; one value per sample if `y_pred` is
        `[batch]`.

    Raises:
        DataError: The shapes do not fit, or `positive_prior` is neither one number nor one per
            output.

    Example:
        >>> from lossplug_imbalance import binary_logit_adjusted
        >>> values = binary_logit_adjusted([[0.0], [1.0]], [[0.5], [0.5]], positive_prior=0.1)
        >>> [round(float(value), 4) for value in values]
        [0.1054, 2.3026]

    Reference:
        Menon et al., Long-Tail Learning via Logit Adjustment, 2021, arXiv:2007.07314.
    """
    y_true, y_pred = independent(y_true, y_pred)
    logits = y_pred
    if not from_logits:
        log_p, log_not_p = sigmoid_logs(y_pred, from_logits=False)
        logits = log_p - log_not_p
    prior = per_class("positive_prior", positive_prior, y_pred)
    shift = ops.cast(tau, y_pred.dtype) * (ops.log(prior) - ops.log1p(-prior))
    return ops.mean(sigmoid_crossentropy(y_true, logits + shift, from_logits=True), axis=-1)
