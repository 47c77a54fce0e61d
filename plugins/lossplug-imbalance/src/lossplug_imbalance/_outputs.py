"""Losses that compare the samples of a batch, each output by itself: what they have in common."""

from __future__ import annotations

from typing import Any, NamedTuple

from lossplug_core import ops
from lossplug_imbalance._inputs import exclusive, independent

__all__ = ["Compared", "against_rest", "of_samples", "per_sample"]


class Compared(NamedTuple):
    """How much each sample counts as a positive and as a negative of each output, and its score.

    All of shape `[samples, outputs]`: positions are samples.
    """

    positive: Any
    negative: Any
    scores: Any


def against_rest(y_true: Any, y_pred: Any) -> Compared:
    """Each output a yes-or-no question, or each class against all others.

    A target with as many axes as the prediction holds 0 or 1 for each output, and a one-hot one is
    a case of that. With an axis less, or a last one of size 1, it holds class ids if the prediction
    has several outputs. An id that is no class is neither a positive nor a negative.
    """
    y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
    target, shape = tuple(y_true.shape), tuple(y_pred.shape)
    several = len(shape) > 1 and shape[-1] != 1
    if several and (len(target) < len(shape) or target[-1] == 1):
        positive, y_pred = exclusive(y_true, y_pred)
        negative = ops.sum(positive, axis=-1, keepdims=True) - positive
    else:
        positive, y_pred = independent(y_true, y_pred)
        negative = 1 - positive
    return Compared(of_samples(positive), of_samples(negative), of_samples(y_pred))


def of_samples(x: Any) -> Any:
    """`[batch, ..., outputs]` as `[samples, outputs]`."""
    return ops.reshape(x, (-1, ops.shape(x)[-1]))


def per_sample(values: Any, y_pred: Any) -> Any:
    """The mean over the outputs of `[samples, outputs]`, one value per sample of a prediction."""
    y_pred = ops.convert_to_tensor(y_pred)
    sizes = ops.shape(y_pred)
    return ops.reshape(ops.mean(values, axis=-1), sizes[:-1] if len(sizes) > 1 else sizes)
