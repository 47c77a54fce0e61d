"""What a loss can learn from the targets of a training set before training.

Each function takes an iterable of batches of targets, which are arrays, and reads it once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from lossplug_core.errors import DataError

__all__ = ["class_counts", "class_priors", "class_weights"]


def class_counts(batches: Iterable[Any]) -> tuple[float, ...]:
    """How many samples each class has.

    Args:
        batches: Arrays of class ids, one integer per sample or position; of 0 and 1 for a single
            yes-or-no question, whose classes are no and yes; or of one-hot or soft labels, shape
            `[batch, ..., classes]`, recognised by rows that sum to 1.

    Returns:
        One number per class, from class 0 to the highest that occurs.

    Raises:
        DataError: There are no targets, a class id is negative or no integer, or a class below the
            highest has no sample.

    Example:
        >>> import numpy
        >>> class_counts([numpy.array([0, 0, 1]), numpy.array([2, 0])])
        (3.0, 1.0, 1.0)
    """
    counts: Counter[int] = Counter()
    one_hot: bool | None = None
    for batch in batches:
        if one_hot is None:
            one_hot = _is_one_hot(batch)
        if one_hot:
            sums = batch.reshape(-1, batch.shape[-1]).sum(axis=0).tolist()
            counts.update(dict(enumerate(sums)))
        else:
            counts.update(batch.reshape(-1).tolist())
    if not counts:
        raise DataError("There are no targets to count.", expected="at least one batch")
    if wrong := [id for id in counts if id < 0 or id != int(id)]:
        raise DataError(
            "The targets are not classes.",
            expected="class ids from 0 on, or one-hot rows",
            received=wrong[0],
        )
    found = [float(counts[id]) for id in range(int(max(counts)) + 1)]
    if 0.0 in found:
        raise DataError(
            "A class has no sample in the data.",
            expected=f"samples of all classes from 0 to {len(found) - 1}",
            received=f"none of class {found.index(0.0)}",
            fix="Number the classes that occur from 0, or give the numbers yourself.",
        )
    return tuple(found)


def class_priors(batches: Iterable[Any]) -> tuple[float, ...]:
    """Which part of the samples each class has. Arguments and errors as in `class_counts`.

    Example:
        >>> import numpy
        >>> class_priors([numpy.array([0, 0, 0, 1])])
        (0.75, 0.25)
    """
    counts = class_counts(batches)
    return tuple(count / sum(counts) for count in counts)


def class_weights(batches: Iterable[Any]) -> tuple[float, ...]:
    r"""Weights with which all classes count alike, and a sample 1 on average.

    Formula:
        $$w_k = \frac{N}{K n_k}$$

        where $n_k$ of $N$ samples are of class $k$ of $K$. Arguments and errors as in
        `class_counts`.

    Example:
        >>> import numpy
        >>> [round(weight, 3) for weight in class_weights([numpy.array([0, 0, 0, 1])])]
        [0.667, 2.0]
    """
    counts = class_counts(batches)
    return tuple(sum(counts) / (len(counts) * count) for count in counts)


def _is_one_hot(batch: Any) -> bool:
    """Whether the rows of a batch are distributions over classes."""
    if batch.ndim < 2 or batch.shape[-1] < 2:
        return False
    return bool((abs(batch.sum(axis=-1) - 1) < 1e-3).all() and (batch >= 0).all())
