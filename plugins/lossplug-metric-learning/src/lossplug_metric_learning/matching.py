"""Which labels mean one class: what the parameter `matching` of a loss can be."""

from __future__ import annotations

from typing import Any

from lossplug_core import Fraction, ops
from lossplug_core.choices import one_of

__all__ = ["Matching", "jaccard", "shared"]


def shared(common: Any, union: Any) -> tuple[Any, Any]:
    """Samples that share at least one label are of one class, all others of two."""
    del union
    positive = common > 0
    return positive, ops.logical_not(positive)


def jaccard(common: Any, union: Any, *, threshold: Fraction = 0.5) -> tuple[Any, Any]:
    """Samples are of one class from a Jaccard index on, and of two if they share no label.

    What is between is not compared. The index is how many labels two samples share, divided by how
    many at least one of them has.

    Args:
        common: How many labels two samples share.
        union: How many labels at least one of them has.
        threshold: The least index of samples of one class. Samples without any common label are
            never of one class, also if it is 0.
    """
    index = common / ops.maximum(union, 1.0)
    positive = ops.logical_and(common > 0, index >= ops.cast(threshold, index.dtype))
    return positive, ops.logical_not(common > 0)


Matching: Any = one_of(shared, jaccard)
"""How rows of several labels are compared. Labels that are one integer are equal or not."""
