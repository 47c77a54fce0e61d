"""Contrastive loss, on distances of given pairs and on all pairs of a batch."""

from __future__ import annotations

from typing import Any

from lossplug_core import Positive, loss, ops
from lossplug_core.errors import DataError
from lossplug_core.tensors import at_least_float32
from lossplug_metric_learning._inputs import (
    labelled_embeddings,
    like,
    square_root,
)
from lossplug_metric_learning._pairs import Pairs, masked_mean, pairs_in_batch, squared_distances

__all__ = ["contrastive", "contrastive_of", "pair_contrastive"]

_PAPER = "doi:10.1109/CVPR.2006.100"


@loss(
    y_true="binary",
    y_pred="distances",
    paper=_PAPER,
    conventions={"tensorflow-addons": {"margin": 1.0}},
    range=(0, None),
)
def pair_contrastive(y_true: Any, y_pred: Any, *, margin: Positive = 1.0) -> Any:
    r"""Contrastive loss of pairs, given their distances.

    Pairs of one class are drawn together; pairs of two classes are pushed apart until the margin
    separates them.

    Here, as in Keras and TensorFlow Addons, 1 marks a pair of one class. The paper marks it 0, and
    halves the loss.

    Formula:
        $$\ell = y\,d^2 + (1 - y)\,\max(m - d,\ 0)^2$$

        where $y$ is 1 for a pair of one class and 0 for a pair of two, $d$ is the distance of the
        pair, and $m$ is the margin.

    Args:
        y_true: Shape `[batch]` or `[batch, 1]`: 1 if both samples of the pair are of one class,
            else 0.
        y_pred: Shape `[batch]` or `[batch, 1]`: the distances, at least 0. The two arguments may
            differ in shape: both list the same pairs. Half precision is computed in float32.
        margin: The distance at which pairs of two classes cost nothing; in the unit of `y_pred`.

    Returns:
        One value per pair, shape `[batch]`.

    Raises:
        DataError: There is not one number per pair, or not as many targets as distances.

    Example:
        >>> from keras import ops
        >>> values = pair_contrastive([1, 0, 0], [0.5, 0.75, 3.0])
        >>> [round(value, 4) for value in ops.convert_to_numpy(values).tolist()]
        [0.25, 0.0625, 0.0]

    Reference:
        Hadsell, Chopra, LeCun: Dimensionality Reduction by Learning an Invariant Mapping, 2006,
        doi:10.1109/CVPR.2006.100
    """
    distance = at_least_float32(y_pred)
    similar = ops.cast(ops.convert_to_tensor(y_true), distance.dtype)
    _check(tuple(similar.shape), tuple(distance.shape))
    distance, similar = ops.reshape(distance, (-1,)), ops.reshape(similar, (-1,))
    return _of_pairs(similar, distance, ops.square(distance), margin)


@loss(
    y_true="labels",
    y_pred="embeddings",
    paper=_PAPER,
    range=(0, None),
)
def contrastive(
    y_true: Any, y_pred: Any, *, margin: Positive = 1.0, normalize: bool = False
) -> Any:
    r"""Contrastive loss of all pairs in a batch.

    The value of a sample is the mean of `pair_contrastive` over its pairs with every other sample,
    at their Euclidean distance. The mean over the batch is therefore the mean over all pairs.

    Implementations disagree: the paper halves the loss; pytorch-metric-learning does not square
    distances and takes the means of positive and of negative pairs, each over those above 0, apart.

    Formula:
        $$\ell_i = \frac{1}{B - 1} \sum_{j \ne i}
            [y_i = y_j]\,d_{ij}^2 + [y_i \ne y_j]\,\max(m - d_{ij},\ 0)^2$$

        where $y_i$ is the label of sample $i$, $d_{ij}$ is the Euclidean distance of two
        embeddings, $m$ is the margin, and $B$ is the size of the batch. A sample alone in its batch
        has value 0.

    Args:
        y_true: Integer labels, shape `[batch]` or `[batch, 1]`.
        y_pred: Embeddings, shape `[batch, features]`. Half precision is computed in float32.
        margin: The distance at which samples of two classes cost nothing; in the unit of the
            embeddings. On the unit sphere no distance exceeds 2.
        normalize: Scale each embedding to length 1 first. The paper does not.

    Returns:
        One value per sample, shape `[batch]`.

    Raises:
        DataError: Labels and embeddings have other shapes than these.

    Example:
        >>> from keras import ops
        >>> values = contrastive([0, 0, 1], [[0.0, 0.0], [0.3, 0.4], [0.3, 0.0]])
        >>> [round(value, 4) for value in ops.convert_to_numpy(values).tolist()]
        [0.37, 0.305, 0.425]

    Reference:
        Hadsell, Chopra, LeCun: Dimensionality Reduction by Learning an Invariant Mapping, 2006,
        doi:10.1109/CVPR.2006.100
    """
    labels, embeddings = labelled_embeddings(y_true, y_pred, normalize=normalize)
    return contrastive_of(pairs_in_batch(labels, embeddings), margin)


def contrastive_of(pairs: Pairs, margin: Any) -> Any:
    """The contrastive loss of each anchor: the mean over its pairs, 0 if it has none."""
    squared = squared_distances(pairs.anchors, pairs.references)
    similar = ops.cast(pairs.positive, squared.dtype)
    values = _of_pairs(similar, square_root(squared), squared, margin)
    return masked_mean(values, pairs.compared)


def _of_pairs(similar: Any, distance: Any, squared: Any, margin: Any) -> Any:
    apart = ops.square(ops.maximum(like(margin, distance) - distance, 0.0))
    return similar * squared + (1.0 - similar) * apart


def _check(y_true: tuple[int | None, ...], y_pred: tuple[int | None, ...]) -> None:
    for name, shape in (("y_true", y_true), ("y_pred", y_pred)):
        if not (len(shape) == 1 or (len(shape) == 2 and shape[1] in (1, None))):
            raise DataError(
                "Pairs must have one distance and one target each.",
                expected=f"{name} of shape [batch] or [batch, 1]",
                received=shape,
                fix="`contrastive` compares embeddings with each other; this loss does not.",
            )
    if None not in (y_true[0], y_pred[0]) and y_true[0] != y_pred[0]:
        raise DataError(
            "There must be as many targets as distances.",
            expected=f"{y_pred[0]} targets for y_pred of shape {y_pred}",
            received=y_true,
            fix="Give each pair one target: 1 for one class, 0 for two.",
        )
