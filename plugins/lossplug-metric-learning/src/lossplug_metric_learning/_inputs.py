"""What losses on embeddings share: checked input, directions, class ids."""

from __future__ import annotations

from typing import Any

from lossplug_core import ops
from lossplug_core.errors import DataError
from lossplug_core.tensors import at_least_float32

__all__ = [
    "class_mask",
    "labelled_embeddings",
    "like",
    "nan_unless",
    "square_root",
    "unit",
]

_NO_LENGTH = 1e-30
"""A vector without a component above this counts as zero: it has no direction."""


def like(x: Any, other: Any) -> Any:
    """A number or a tensor, such as a parameter or a weight, in the dtype of another tensor."""
    return ops.convert_to_tensor(x, dtype=ops.dtype(other))


def labelled_embeddings(
    y_true: Any, y_pred: Any, *, normalize: bool, size: int | None = None, multi_hot: bool = False
) -> tuple[Any, Any]:
    """The arguments of a loss as labels `[batch]` and embeddings `[batch, features]`.

    Args:
        y_true: Labels, shape `[batch]` or `[batch, 1]`. Their dtype stays, so integers stay exact.
            If rows of 0 and 1 are accepted as well, `[batch, labels]`, which become floats here:
            TensorFlow has no gradient of a chunk that casts integers from outside of it.
        y_pred: Embeddings, shape `[batch, features]`.
        normalize: Scale each embedding to length 1.
        size: How many features there must be; any number if None.
        multi_hot: Whether a sample may have several labels.

    Raises:
        DataError: The shapes are known, and are not these.
    """
    labels, embeddings = ops.convert_to_tensor(y_true), at_least_float32(y_pred)
    several = multi_hot and len(labels.shape) == 2 and labels.shape[1] not in (1, None)
    of_rows = tuple(labels.shape[:1] if several else labels.shape)
    _check(of_rows, tuple(embeddings.shape), size)
    labels = ops.cast(labels, embeddings.dtype) if several else ops.reshape(labels, (-1,))
    return labels, unit(embeddings) if normalize else embeddings


def unit(vectors: Any) -> Any:
    """Rows scaled to length 1; zero vectors stay zero, with a finite gradient.

    Dividing by the largest component first lets no square overflow or vanish. The result does not
    depend on that factor, so its gradient may be left out.
    """
    largest = ops.stop_gradient(ops.max(ops.abs(vectors), axis=1, keepdims=True))
    directed = ops.greater(largest, _NO_LENGTH)
    scaled = vectors / ops.where(directed, largest, 1.0)
    squares = ops.sum(ops.square(scaled), axis=1, keepdims=True)
    return scaled / ops.sqrt(ops.where(directed, squares, 1.0))


def square_root(x: Any) -> Any:
    """The square root of numbers that are not negative, with gradient 0 at 0."""
    positive = ops.greater(x, 0.0)
    return ops.where(positive, ops.sqrt(ops.where(positive, x, 1.0)), 0.0)


def class_mask(labels: Any, num_classes: int) -> Any:
    """Which class each sample is of: a mask `[batch, classes]`, all false where a label is none."""
    return ops.equal(labels[:, None], ops.arange(num_classes)[None, :])


def nan_unless(condition: Any, values: Any) -> Any:
    """The values, NaN where something is wrong: compiled code cannot raise."""
    return ops.where(condition, values, float("nan"))


def _check(
    labels: tuple[int | None, ...], embeddings: tuple[int | None, ...], size: int | None
) -> None:
    if len(embeddings) != 2:
        raise DataError(
            "Embeddings must be one vector per sample.",
            expected="y_pred of shape [batch, features]",
            received=embeddings,
            fix="keras.layers.Flatten() or GlobalAveragePooling2D() at the end of the model.",
        )
    if size is not None and embeddings[1] not in (size, None):
        raise DataError(
            "The embeddings are not of the size for which the loss was built.",
            expected=f"y_pred of shape [batch, {size}]",
            received=embeddings,
            fix=f"Build the loss with embedding_size={embeddings[1]}.",
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
