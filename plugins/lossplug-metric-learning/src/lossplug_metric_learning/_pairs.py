"""What losses over the pairs of a batch share: checked input, masks, distances, means.

A matrix `[batch, batch]` has anchors as rows and the samples they are compared with as columns.
"""

from __future__ import annotations

from typing import Any

from lossplug_core import ops
from lossplug_core.errors import DataError

__all__ = [
    "as_mean_over",
    "at_least_float32",
    "labelled_embeddings",
    "masked_mean",
    "pair_masks",
    "square_root",
    "squared_distances",
]

_NO_LENGTH = 1e-30
"""A vector without a component above this counts as zero: it has no direction."""


def at_least_float32(x: Any) -> Any:
    """Anything as a tensor in which sums of squares neither overflow nor lose their digits."""
    x = ops.convert_to_tensor(x)
    return x if ops.dtype(x) == "float64" else ops.cast(x, "float32")


def labelled_embeddings(y_true: Any, y_pred: Any, *, normalize: bool) -> tuple[Any, Any]:
    """The arguments of a loss as labels `[batch]` and embeddings `[batch, features]`.

    Args:
        y_true: Labels, shape `[batch]` or `[batch, 1]`. Their dtype stays, so integers stay exact.
        y_pred: Embeddings, shape `[batch, features]`.
        normalize: Scale each embedding to length 1.

    Raises:
        DataError: The shapes are known, and are not these.
    """
    labels, embeddings = ops.convert_to_tensor(y_true), at_least_float32(y_pred)
    _check(tuple(labels.shape), tuple(embeddings.shape))
    return ops.reshape(labels, (-1,)), _unit(embeddings) if normalize else embeddings


def pair_masks(labels: Any) -> tuple[Any, Any]:
    """Who is a positive and who a negative of each anchor: two masks `[batch, batch]`.

    A sample is neither to itself.
    """
    same = ops.equal(labels[:, None], labels[None, :])
    index = ops.arange(ops.shape(labels)[0])
    others = ops.not_equal(index[:, None], index[None, :])
    return ops.logical_and(same, others), ops.logical_not(same)


def squared_distances(embeddings: Any) -> Any:
    r"""Squared Euclidean distances `[batch, batch]`, by one matrix product.

    $\lVert a - b \rVert^2 = \lVert a \rVert^2 + \lVert b \rVert^2 - 2 a^\top b$ subtracts large
    numbers when $a$ and $b$ are closer to each other than to the origin. So the embeddings are
    centred first, which changes no distance: the error is then a few roundings (1e-7 each) of the
    squared *spread* of the batch, wherever the batch lies. Two embeddings a thousandth of the
    spread apart have no correct digit in their distance; what rounding would make negative is 0.

    The squared lengths are taken from the same product, so that equal embeddings are 0 apart.
    """
    centred = embeddings - ops.stop_gradient(ops.mean(embeddings, axis=0, keepdims=True))
    products = ops.matmul(centred, ops.transpose(centred))
    squares = ops.diagonal(products)
    return ops.maximum(squares[:, None] + squares[None, :] - 2.0 * products, 0.0)


def square_root(x: Any) -> Any:
    """The square root of numbers that are not negative, with gradient 0 at 0."""
    positive = ops.greater(x, 0.0)
    return ops.where(positive, ops.sqrt(ops.where(positive, x, 1.0)), 0.0)


def masked_mean(values: Any, mask: Any) -> Any:
    """The mean of each row where the mask is true, and 0 where it nowhere is."""
    count = ops.sum(ops.cast(mask, values.dtype), axis=1)
    return ops.sum(ops.where(mask, values, 0.0), axis=1) / ops.maximum(count, 1.0)


def as_mean_over(counted: Any, values: Any) -> Any:
    """Scale `values` so that their mean is their sum divided by how often `counted` is true."""
    count = ops.sum(ops.cast(counted, values.dtype))
    size = ops.cast(ops.shape(values)[0], values.dtype)
    return values * (size / ops.maximum(count, 1.0))


def _unit(embeddings: Any) -> Any:
    """Embeddings scaled to length 1; zero vectors stay zero, with a finite gradient.

    Dividing by the largest component first lets no square overflow or vanish. The result does not
    depend on that factor, so its gradient may be left out.
    """
    largest = ops.stop_gradient(ops.max(ops.abs(embeddings), axis=1, keepdims=True))
    directed = ops.greater(largest, _NO_LENGTH)
    scaled = embeddings / ops.where(directed, largest, 1.0)
    squares = ops.sum(ops.square(scaled), axis=1, keepdims=True)
    return scaled / ops.sqrt(ops.where(directed, squares, 1.0))


def _check(labels: tuple[int | None, ...], embeddings: tuple[int | None, ...]) -> None:
    if len(embeddings) != 2:
        raise DataError(
            "Embeddings must be one vector per sample.",
            expected="y_pred of shape [batch, features]",
            received=embeddings,
            fix="keras.layers.Flatten() or GlobalAveragePooling2D() at the end of the model.",
        )
    if not (len(labels) == 1 or (len(labels) == 2 and labels[1] in (1, None))):
        raise DataError(
            "Labels must be one integer per sample.",
            expected="y_true of shape [batch] or [batch, 1]",
            received=labels,
            fix="keras.ops.argmax(y_true, axis=-1) turns one-hot rows into labels.",
        )
    if None not in (labels[0], embeddings[0]) and labels[0] != embeddings[0]:
        raise DataError(
            "There must be as many labels as embeddings.",
            expected=f"{embeddings[0]} labels for y_pred of shape {embeddings}",
            received=labels,
            fix="Give each sample its label once; with several views, repeat the labels as well.",
        )
