"""What losses over pairs share: who is compared with whom, distances, means.

A matrix `[anchors, references]` has anchors as rows and the samples they are compared with as
columns. In a loss of one batch, the references are the anchors themselves.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from lossplug_core import ops

__all__ = [
    "NEVER",
    "Pairs",
    "as_mean_over",
    "masked_mean",
    "pairs_in_batch",
    "pairs_with",
    "squared_distances",
]

NEVER = -3e38
"""A logit whose exponential is 0, but finite: the difference of two such is not NaN."""


class Pairs(NamedTuple):
    """Anchors, the references that they are compared with, and which pairs they form.

    Attributes:
        anchors: Embeddings `[anchors, features]`.
        references: Embeddings `[references, features]`; in a batch that is compared with itself,
            the very object that `anchors` is.
        compared: Which pairs count, a mask `[anchors, references]`: never a sample with itself.
        positive: Which of these are of one class.
    """

    anchors: Any
    references: Any
    compared: Any
    positive: Any

    @property
    def negative(self) -> Any:
        """Which of the pairs that count are of two classes."""
        return ops.logical_xor(self.compared, self.positive)


def pairs_in_batch(labels: Any, embeddings: Any) -> Pairs:
    """Each sample of a batch with every other."""
    index = ops.arange(ops.shape(labels)[0])
    others = ops.not_equal(index[:, None], index[None, :])
    return pairs_with(labels, embeddings, labels, embeddings, others)


def pairs_with(
    labels: Any, anchors: Any, reference_labels: Any, references: Any, compared: Any
) -> Pairs:
    """Each anchor with the references with which it is compared."""
    same = ops.equal(labels[:, None], reference_labels[None, :])
    return Pairs(anchors, references, compared, ops.logical_and(same, compared))


def squared_distances(anchors: Any, references: Any) -> Any:
    r"""Squared Euclidean distances `[anchors, references]`, by one matrix product.

    $\lVert a - b \rVert^2 = \lVert a \rVert^2 + \lVert b \rVert^2 - 2 a^\top b$ subtracts large
    numbers when $a$ and $b$ are closer to each other than to the origin. So the embeddings are
    centred first, which changes no distance: the error is then a few roundings (1e-7 each) of the
    squared *spread* of the embeddings, wherever they lie. Two embeddings a thousandth of the
    spread apart have no correct digit in their distance; what rounding would make negative is 0.

    Where the references are the anchors, the squared lengths are taken from the same product, so
    that equal embeddings are 0 apart.
    """
    centre = ops.stop_gradient(ops.mean(anchors, axis=0, keepdims=True))
    rows = anchors - centre
    columns = rows if references is anchors else references - centre
    products = ops.matmul(rows, ops.transpose(columns))
    if columns is rows:
        of_rows = of_columns = ops.diagonal(products)
    else:
        of_rows = ops.sum(ops.square(rows), axis=1)
        of_columns = ops.sum(ops.square(columns), axis=1)
    return ops.maximum(of_rows[:, None] + of_columns[None, :] - 2.0 * products, 0.0)


def masked_mean(values: Any, mask: Any) -> Any:
    """The mean of each row where the mask is true, and 0 where it nowhere is."""
    count = ops.sum(ops.cast(mask, values.dtype), axis=1)
    return ops.sum(ops.where(mask, values, 0.0), axis=1) / ops.maximum(count, 1.0)


def as_mean_over(counted: Any, values: Any) -> Any:
    """Scale `values` so that their mean is their sum divided by how often `counted` is true."""
    count = ops.sum(ops.cast(counted, values.dtype))
    size = ops.cast(ops.shape(values)[0], values.dtype)
    return values * (size / ops.maximum(count, 1.0))
