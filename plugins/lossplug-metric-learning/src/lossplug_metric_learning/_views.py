"""What losses on two outputs share: one embedding of each sample in each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lossplug_core import ops
from lossplug_core.errors import DataError
from lossplug_core.tensors import at_least_float32, fits
from lossplug_metric_learning._inputs import labelled_embeddings, unit

__all__ = ["two_views"]


def two_views(
    y_true: Any,
    y_pred: Mapping[str, Any],
    names: tuple[str, str],
    *,
    normalize: bool,
    multi_hot: bool = False,
    several: bool = False,
) -> tuple[Any, Any, Any, Any]:
    """Labels, the embeddings of the first output, those of the second, and its further ones.

    Args:
        y_true: Labels, shape `[batch]` or `[batch, 1]`.
        y_pred: Two outputs by name. The first has shape `[batch, features]`, as the second has,
            which may be `[batch, 1 + further, features]` as well.
        names: Which is the first, and which the second.
        normalize: Scale each embedding to length 1.
        multi_hot: Whether `y_true` may be rows of 0 and 1.
        several: Whether the second may have further embeddings.

    Returns:
        Labels `[batch]` or `[batch, labels]`; two tensors `[batch, features]`; and the further
        embeddings `[batch * further, features]`, or None.

    Raises:
        DataError: The shapes are known, and are not these.
    """
    first, second = names
    labels, left = labelled_embeddings(
        y_true, y_pred[first], normalize=normalize, multi_hot=multi_hot
    )
    right = ops.cast(at_least_float32(y_pred[second]), left.dtype)
    _check(first, tuple(left.shape), second, tuple(right.shape), several)
    if len(right.shape) == 2:
        return labels, left, unit(right) if normalize else right, None
    features = right.shape[2]
    further = ops.reshape(right[:, 1:], (-1, features))
    own = right[:, 0]
    return (labels, left, unit(own), unit(further)) if normalize else (labels, left, own, further)


def _check(
    first: str,
    left: tuple[int | None, ...],
    second: str,
    right: tuple[int | None, ...],
    several: bool,
) -> None:
    pairs = right[:1] + right[2:] if several and len(right) == 3 else right
    if not fits(pairs, left):
        more = f", or with further ones: [{left[0]}, 1 + …, {left[1]}]" if several else ""
        raise DataError(
            f"Each of the {first} must have one of the {second}.",
            expected=f"{second} of shape {left}{more}",
            received=right,
            fix=f"Let both outputs end in vectors of one size, and give {second} in pairs.",
        )
