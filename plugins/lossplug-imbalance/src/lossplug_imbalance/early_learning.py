"""Crossentropy for noisy labels, held to what the model learned of each sample at first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from annotated_types import Ge, Le

from lossplug_core import (
    DataError,
    Fraction,
    NonNegative,
    NumClasses,
    ParameterError,
    PositiveInt,
    Weight,
    loss,
    ops,
)
from lossplug_core.tensors import fits, numbers_of
from lossplug_imbalance._crossentropy import softmax_logs
from lossplug_imbalance._entropy import crossentropy
from lossplug_imbalance._inputs import exclusive
from lossplug_imbalance._states import check_classes

__all__ = ["early_learning_regularisation"]

_LEAST = 1e-6

Clip = Annotated[float, Ge(0), Le(0.1)]
"""How far from 0 and 1 probabilities are kept."""


def _memory(num_samples: int, num_classes: int) -> dict[str, Weight]:
    shape = (num_samples, num_classes)
    return {"targets": Weight(shape, 0, trainable=False, whole_batch=True)}


@loss(
    y_true="class_ids|one_hot",
    y_pred="logits|probabilities",
    paper="arXiv:2007.00151",
    targets={"index": "class_ids"},
    weights=_memory,
    stops_gradient=True,
)
def early_learning_regularisation(
    y_true: Any,
    y_pred: Any,
    *,
    index: Any,
    weights: Mapping[str, Any],
    num_samples: PositiveInt,
    num_classes: NumClasses,
    strength: NonNegative = 3.0,
    decay: Fraction = 0.7,
    clip: Clip = 1e-4,
    from_logits: bool = False,
) -> tuple[Any, dict[str, Any]]:
    r"""ELR, early-learning regularisation: crossentropy that does not learn wrong labels by heart.

    Use it where many labels are wrong. A network learns what most labels say first, and only later
    the wrong ones, one by one. So the loss remembers a running mean of the predictions for each
    training sample, and rewards the prediction for agreeing with it: a label that contradicts what
    the model has long believed of a sample loses its pull. With clean labels it only makes the
    model surer of itself. It needs some epochs, as each sample is seen once in each.

    A sample is known by its number: `y={"y_true": y, "index": numpy.arange(len(y))}`. A negative
    number is a sample that nobody remembers, of the validation data for example: its value is its
    crossentropy. Evaluation remembers nothing. If a number is in a batch more than once, each
    value takes its own prediction into the running mean, and their mean is remembered.

    The paper has no bound: where prediction and memory are sure and agree, its regulariser is minus
    infinity. Here, as in the authors' code, `clip` keeps the probabilities in it from 0 and 1. That
    code also takes them by itself for the memory, divided by their sum, and so does this. `clip=0`
    is the paper's formula, down to a logarithm of 1e-6. The authors choose `strength` and `decay`
    for each data set: 3 and 0.7 for CIFAR-10, 1 and 0.9 if its labels are wrong in one direction, 7
    and 0.9 for CIFAR-100.

    Several replicas have to remember the same: there the loss is refused without
    `global_batch=True`.

    Cost: a memory of `num_samples` times `num_classes` numbers, which each step writes anew, and a
    few tensors of the size of the prediction.

    Formula:
        $$L_i = -\sum_{k=1}^{K} y_{ik} \log p_{ik} + \lambda \log \left(1 - \sum_{k=1}^{K}
        t_{ik}' \tilde p_{ik} \right), \qquad
        t_i' = \beta \, t_i + (1 - \beta) \frac{\tilde p_i}{\sum_j \tilde p_{ij}}$$
        $$\tilde p_{ik} = \min(\max(p_{ik}, \epsilon), 1 - \epsilon)$$

        where $y_i$ is the target and $p_i$ are the predicted probabilities of sample $i$ over $K$
        classes, $t_i$ is what is remembered of it, at first 0, and $t_i'$ what will be, a constant
        for the gradient; $\lambda$ is `strength`, $\beta$ is `decay` and $\epsilon$ is `clip`.

    Args:
        y_true: Class ids, shape `[batch, ...]` or `[batch, ..., 1]`; or one-hot or soft labels,
            shape `[batch, ..., classes]`. An id that is no class has a crossentropy of 0;
            `get_loss` refuses it, and in compiled code, which cannot, makes it NaN.
        y_pred: Logits or probabilities, shape `[batch, ..., classes]`. Probabilities are divided by
            their sum, then clipped to `[1e-7, 1 - 1e-7]`. Half precision is computed in float32.
        index: Integers, which sample it is, from 0 to `num_samples - 1`, or negative; shape
            `[batch, ...]` or `[batch, ..., 1]`. Positions are samples, each with its own. A number
            that is too large is refused; compiled code, which cannot, makes the value NaN, and
            remembers nothing.
        weights: The state `targets`, shape `[num_samples, num_classes]`, which begins at 0.
        num_samples: The number of samples in the training data.
        num_classes: The number of classes.
        strength: How much agreement with the memory counts, at least 0; 0 is crossentropy.
        decay: How much of what is remembered of a sample each visit leaves, from 0, nothing, to 1,
            all.
        clip: How far from 0 and 1 the regulariser keeps probabilities, from 0 to 0.1; well below
            `1 / num_classes`.
        from_logits: Whether `y_pred` are logits.

    Returns:
        One value per sample and position, shape `[batch, ...]`, and the new state. A value can be
        negative. Sample weights and masks change the values, not the memory.

    Raises:
        DataError: The shapes do not fit, `y_pred` does not have `num_classes` classes, or `index`
            is not of integers.
        ParameterError: An index is not below `num_samples`.

    Example:
        >>> from lossplug_core import get_loss
        >>> loss = get_loss("early_learning_regularisation", num_samples=9, num_classes=2)
        >>> target = {"y_true": [0, 1], "index": [8, 3]}
        >>> unsure = [[0.9, 0.1], [0.9, 0.1]]
        >>> [round(float(loss(target, unsure)), 4) for _ in range(2)]
        [0.3569, -0.4209]
        >>> [round(float(mean), 4) for mean in loss.values()["targets"][8]]
        [0.459, 0.051]

    Reference:
        Liu et al., Early-Learning Regularization Prevents Memorization of Noisy Labels, 2020,
        arXiv:2007.00151.
    """
    y_true, y_pred = exclusive(y_true, y_pred)
    check_classes(y_pred, num_classes)
    place, known, beyond = _places(index, y_pred, num_samples)
    log_p = softmax_logs(y_pred, from_logits=from_logits)
    decay, clip = (ops.cast(number, y_pred.dtype) for number in (decay, clip))
    p, not_p = (ops.clip(part, clip, 1 - clip) for part in (ops.exp(log_p), -ops.expm1(log_p)))

    memory = ops.cast(weights["targets"], y_pred.dtype)
    before, now = ops.take(memory, place, axis=0), ops.stop_gradient(p)
    now = now / ops.sum(now, axis=-1, keepdims=True)

    # 1 - <t', p>, without cancellation where both are sure; what is remembered may sum to less.
    gap = ops.sum((decay * before + (1 - decay) * now) * not_p, axis=-1)
    gap = gap + decay * (1 - ops.sum(before, axis=-1))
    agreement = ops.log(ops.maximum(gap, _LEAST))
    strength = ops.cast(strength, y_pred.dtype)
    values = strength * ops.where(known, agreement, 0.0) + crossentropy(y_true, log_p)

    change = ops.where(ops.expand_dims(known, -1), (1 - decay) * (now - before), 0.0)
    targets = _added(memory, place, known, change)
    return ops.where(beyond, float("nan"), values), {"targets": targets}


def _added(memory: Any, place: Any, known: Any, change: Any) -> Any:
    """The memory with the mean of all changes of each of its rows."""
    samples = memory.shape[0]
    place = ops.reshape(place, (-1,))
    visits = ops.reshape(ops.cast(known, memory.dtype), (-1,))
    visits = ops.take(ops.segment_sum(visits, place, num_segments=samples), place)
    change = ops.reshape(change, (-1, memory.shape[1]))
    change = change / ops.expand_dims(ops.maximum(visits, 1.0), -1)
    return memory + ops.segment_sum(change, place, num_segments=samples)


def _places(index: Any, y_pred: Any, num_samples: int) -> tuple[Any, Any, Any]:
    """Rows of the memory `[batch, ...]`, which samples have one, and which cannot have one."""
    index = ops.convert_to_tensor(index)
    shape, rows = tuple(index.shape), tuple(y_pred.shape[:-1])
    if "int" not in ops.dtype(index) or not (fits(shape, rows) or fits(shape, (*rows, 1))):
        raise DataError(
            "The target 'index' does not say which sample each prediction is of.",
            expected=f"integers of shape {rows}, for y_pred of shape {tuple(y_pred.shape)}",
            received=f"{ops.dtype(index)} of shape {shape}",
            fix='y={"y_true": y, "index": numpy.arange(len(y))}',
        )
    index = ops.reshape(index, ops.shape(y_pred)[:-1])
    numbers = numbers_of(index)
    if numbers is not None and (numbers >= num_samples).any():
        raise ParameterError(
            "The target 'index' has more samples than the loss.",
            expected=f"integers below num_samples={num_samples}, or negative ones",
            received=int(numbers.max()),
            parameter="num_samples",
        )
    beyond = index >= num_samples
    known = ops.logical_and(index >= 0, ops.logical_not(beyond))
    return ops.cast(ops.where(known, index, 0), "int32"), known, beyond
