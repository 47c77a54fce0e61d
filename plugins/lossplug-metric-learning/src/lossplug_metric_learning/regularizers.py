"""What embeddings themselves should be like: what the parameter `regularizer` of a loss can be."""

from __future__ import annotations

from typing import Any, Literal

from lossplug_core import NonNegative, ops
from lossplug_core.choices import one_of
from lossplug_metric_learning._inputs import like, square_root

__all__ = ["Regularizer", "length", "zero_mean"]


def length(
    embeddings: Any, *, weight: NonNegative = 1.0, norm: Literal[1, 2] = 2, power: Literal[1, 2] = 1
) -> Any:
    r"""The length of each embedding: $w\,\lVert z_i \rVert_p^{q}$.

    Args:
        embeddings: Shape `[batch, features]`, not normalised.
        weight: $w$.
        norm: $p$: 1 for the sum of absolute numbers, 2 for the Euclidean length.
        power: $q$.
    """
    if norm == 1:
        lengths = ops.sum(ops.abs(embeddings), axis=1)
        return like(weight, lengths) * (ops.square(lengths) if power == 2 else lengths)
    squares = ops.sum(ops.square(embeddings), axis=1)
    return like(weight, squares) * (squares if power == 2 else square_root(squares))


def zero_mean(embeddings: Any, *, weight: NonNegative = 1.0) -> Any:
    r"""How far the features of each embedding are from adding up to 0: $w\,|\sum_d z_{id}|$.

    Args:
        embeddings: Shape `[batch, features]`, not normalised.
        weight: $w$.
    """
    sums = ops.abs(ops.sum(embeddings, axis=1))
    return like(weight, sums) * sums


Regularizer: Any = one_of(length, zero_mean)
"""What is added to the value of each sample."""
