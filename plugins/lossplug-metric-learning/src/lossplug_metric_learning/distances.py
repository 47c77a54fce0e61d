"""How far two embeddings are apart: what the parameter `distance` of a loss can be."""

from __future__ import annotations

from typing import Any, Literal

from lossplug_core import ops
from lossplug_metric_learning._inputs import square_root

__all__ = ["Distance", "distances_between", "measure", "squared_distances"]

Distance = Literal["cosine", "euclidean", "inner_product", "signal_to_noise", "squared_euclidean"]
"""The names of distances."""


def measure(name: str, anchors: Any, references: Any) -> tuple[Any, float | None]:
    r"""Distances or similarities `[anchors, references]`, and which of the two they are.

    * `cosine`: one minus the cosine $a^\top b$ of embeddings that have length 1 already; as a
      similarity, the cosine. Half their squared Euclidean distance.
    * `inner_product`: minus $a^\top b$; as a similarity, $a^\top b$.
    * `euclidean`: $\lVert a - b \rVert$, with gradient 0 between equal embeddings.
    * `squared_euclidean`: $\lVert a - b \rVert^2$.
    * `signal_to_noise`: $\operatorname{var}(a - b) / \operatorname{var}(a)$, the variance over the
      features, where $a$ is the anchor: not symmetric. 0 where an anchor has no variance.

    Returns:
        What was measured, and the offset of `Rows`: the similarity of what is 0 apart, or None for
        distances.
    """
    if name == "cosine":
        return ops.matmul(anchors, ops.transpose(references)), 1.0
    if name == "inner_product":
        return ops.matmul(anchors, ops.transpose(references)), 0.0
    if name == "signal_to_noise":
        return _signal_to_noise(anchors, references), None
    squared = squared_distances(anchors, references)
    return (square_root(squared) if name == "euclidean" else squared), None


def distances_between(name: str, anchors: Any, others: Any) -> Any:
    """How far each anchor is from the other in the same row, `[anchors]`."""
    if name in ("cosine", "inner_product"):
        return (1.0 if name == "cosine" else 0.0) - ops.sum(anchors * others, axis=1)
    difference = anchors - others
    if name == "signal_to_noise":
        signal = ops.var(anchors, axis=1)
        has_signal = signal > 1e-30
        return ops.where(
            has_signal, ops.var(difference, axis=1) / ops.where(has_signal, signal, 1.0), 0.0
        )
    squared = ops.sum(ops.square(difference), axis=1)
    return square_root(squared) if name == "euclidean" else squared


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
    centre = ops.stop_gradient(ops.mean(references, axis=0, keepdims=True))
    columns = references - centre
    rows = columns if references is anchors else anchors - centre
    # Whatever is done to the product is done to all pairs once more: so the factor is in the rows.
    products = ops.matmul(-2.0 * rows, ops.transpose(columns))
    if columns is rows:
        of_rows = of_columns = -0.5 * ops.diagonal(products)
    else:
        of_rows = ops.sum(ops.square(rows), axis=1)
        of_columns = ops.sum(ops.square(columns), axis=1)
    return ops.relu(of_rows[:, None] + of_columns[None, :] + products)


def _signal_to_noise(anchors: Any, references: Any) -> Any:
    rows = anchors - ops.mean(anchors, axis=1, keepdims=True)
    same = references is anchors
    columns = rows if same else references - ops.mean(references, axis=1, keepdims=True)
    signal = ops.sum(ops.square(rows), axis=1, keepdims=True)
    has_signal = signal > 1e-30
    ratio = squared_distances(rows, columns) / ops.where(has_signal, signal, 1.0)
    return ops.where(has_signal, ratio, 0.0)
