"""Softmax over classes with several centres each, all of which count."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lossplug_core import (
    EmbeddingSize,
    NonNegative,
    NumClasses,
    Positive,
    PositiveInt,
    Weight,
    loss,
    ops,
)
from lossplug_metric_learning._classes import directions
from lossplug_metric_learning._inputs import like, square_root

__all__ = ["soft_triple"]

_ROUNDING = 1e-6
"""A squared distance of directions below this is one of rounding: they are the same."""


def _centers(num_classes: int, embedding_size: int, centers_per_class: int) -> Mapping[str, Weight]:
    # Normal numbers have no preferred direction.
    return {"centers": Weight((num_classes, centers_per_class, embedding_size), "random_normal")}


@loss(
    y_true="labels",
    y_pred="embeddings",
    paper="arXiv:1909.05235",
    conventions={"pytorch-metric-learning": {"tau": 0.0}},
    weights=_centers,
    range=(0, None),
    compares_samples=False,
)
def soft_triple(
    y_true: Any,
    y_pred: Any,
    *,
    weights: Mapping[str, Any],
    num_classes: NumClasses,
    embedding_size: EmbeddingSize,
    centers_per_class: PositiveInt = 10,
    scale: Positive = 20.0,
    gamma: Positive = 0.1,
    margin: NonNegative = 0.01,
    tau: NonNegative = 0.2,
) -> Any:
    r"""Cross-entropy of similarities to classes that have several centres, some of which merge.

    The similarity to a class is a mean of those to its centres, in which the closest count most.
    The regulariser draws the centres of a class together, until as many are left as the class has
    groups of samples. It is a loss of the centres and not of samples: every value has it, so that
    the mean over a batch is the paper's loss. pytorch-metric-learning leaves it out, and the
    authors' code adds $10^{-5}$ below the root, so that it is never 0.

    Formula:
        $$\ell_i = -\log \frac{\exp(\lambda (S_{i y_i} - \delta))}
            {\exp(\lambda (S_{i y_i} - \delta)) + \sum_{j \ne y_i} \exp(\lambda S_{ij})}
            + \frac{\tau}{C K (K - 1)} \sum_j \sum_{k < l} \sqrt{2 - 2 w_{jk}^\top w_{jl}}$$
        $$S_{ij} = \sum_k \frac{\exp(x_i^\top w_{jk} / \gamma)}
            {\sum_l \exp(x_i^\top w_{jl} / \gamma)}\, x_i^\top w_{jk}$$

        where $x_i$ is the embedding of sample $i$ and $y_i$ its class, $w_{jk}$ is centre $k$ of
        class $j$, both scaled to length 1, $C$ is how many classes there are, $K$ is how many
        centres each has, $\lambda$ is the scale, and $\delta$ is the margin. With one centre per
        class there is no regulariser.

    Args:
        y_true: Class ids from 0 to `num_classes - 1`, shape `[batch]` or `[batch, 1]`.
        y_pred: Embeddings, shape `[batch, embedding_size]`. Their length does not matter. Half
            precision is computed in float32.
        weights: `centers`, shape `[num_classes, centers_per_class, embedding_size]`: some
            directions per class, which are trained. The authors train them with 100 times the
            learning rate of the model.
        num_classes: How many classes there are.
        embedding_size: How many numbers an embedding has.
        centers_per_class: How many centres each class has at first.
        scale: Multiplies the similarities to the classes: the higher, the more the closest count.
        gamma: The lower, the more the closest centres of a class count.
        margin: How much larger than the others the similarity to the own class should be.
        tau: How much the regulariser counts.

    Returns:
        One value per sample, shape `[batch]`. It is NaN where a class id is no class, because
        compiled code cannot raise.

    Raises:
        DataError: Class ids and embeddings have other shapes than these.

    Example:
        >>> from keras import ops
        >>> weights = {"centers": [[[1.0, 0.0], [0.6, 0.8]], [[0.0, 1.0], [0.0, -1.0]]]}
        >>> sizes = {"num_classes": 2, "embedding_size": 2, "centers_per_class": 2}
        >>> embeddings = [[3.0, 4.0], [3.0, 4.0]]
        >>> values = soft_triple([0, 1], embeddings, weights=weights, scale=4.0, **sizes)
        >>> [round(value, 4) for value in ops.convert_to_numpy(values).tolist()]
        [0.5377, 1.3236]

    Reference:
        Qian, Shang, Sun, Hu, Li, Jin: SoftTriple Loss: Deep Metric Learning Without Triplet
        Sampling, 2019, arXiv:1909.05235
    """
    classes, embeddings, centers = directions(
        y_true, y_pred, weights["centers"], num_classes, embedding_size
    )
    scale, margin, tau = (like(number, embeddings) for number in (scale, margin, tau))
    cosines = ops.reshape(
        ops.matmul(embeddings, ops.transpose(centers)), (-1, num_classes, centers_per_class)
    )
    similarities = _similarities(cosines, like(gamma, embeddings))
    own = classes.own(similarities) - margin
    values = classes.cross_entropy(scale * similarities, scale * own)
    of_classes = ops.reshape(centers, (num_classes, centers_per_class, embedding_size))
    return values + tau * _spread(of_classes)


def _similarities(cosines: Any, gamma: Any) -> Any:
    """Means of the cosines of each class, in which the largest count most."""
    if cosines.shape[2] == 1:  # of which Keras warns that a softmax is always 1
        return cosines[:, :, 0]
    return ops.sum(ops.softmax(cosines / gamma, axis=2) * cosines, axis=2)


def _spread(centers: Any) -> Any:
    """The mean over classes of the distances between their centres, each pair once."""
    classes, count, _ = centers.shape
    if count == 1:
        return 0.0
    squares = 2.0 - 2.0 * ops.matmul(centers, ops.transpose(centers, (0, 2, 1)))
    # Rounding would keep merged centres apart, and each from itself.
    apart = ops.logical_and(ops.logical_not(ops.eye(count, dtype="bool")), squares > _ROUNDING)
    distances = square_root(ops.where(apart, squares, 0.0))
    return 0.5 * ops.sum(distances) / (classes * count * (count - 1))
