"""Softmax over the cosines to class prototypes, with and without a margin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lossplug_core import EmbeddingSize, NonNegative, NumClasses, Positive, loss, ops
from lossplug_metric_learning._classes import directions, prototypes
from lossplug_metric_learning._inputs import like

__all__ = ["cosface"]


@loss(
    y_true="labels",
    y_pred="embeddings",
    paper="arXiv:1801.09414",
    weights=prototypes,
    range=(0, None),
    compares_samples=False,
)
def cosface(
    y_true: Any,
    y_pred: Any,
    *,
    weights: Mapping[str, Any],
    num_classes: NumClasses,
    embedding_size: EmbeddingSize,
    margin: NonNegative = 0.35,
    scale: Positive = 64.0,
) -> Any:
    r"""Cross-entropy of the cosines to class prototypes, with a margin taken off the right one.

    The margin and the scale are those of the authors' experiments, and pytorch-metric-learning's.
    The loss was published as AM-Softmax (arXiv:1801.05599) at the same time, with a scale of 30.

    Formula:
        $$\ell_i = -\log \frac{\exp(s (\cos \theta_{i y_i} - m))}
            {\exp(s (\cos \theta_{i y_i} - m)) + \sum_{j \ne y_i} \exp(s \cos \theta_{ij})}$$

        where $y_i$ is the class of sample $i$, $\theta_{ij}$ is the angle between its embedding and
        the prototype of class $j$, $m$ is the margin, and $s$ is the scale. A zero vector, which
        has no angle, has cosine 0 with every other.

    Args:
        y_true: Class ids from 0 to `num_classes - 1`, shape `[batch]` or `[batch, 1]`.
        y_pred: Embeddings, shape `[batch, embedding_size]`. Their length does not matter. Half
            precision is computed in float32.
        weights: `prototypes`, shape `[num_classes, embedding_size]`: one direction per class, which
            is trained.
        num_classes: How many classes there are.
        embedding_size: How many numbers an embedding has.
        margin: How much larger than the others the cosine with the own prototype should be.
        scale: Multiplies the cosines: the higher, the more the closest classes count.

    Returns:
        One value per sample, shape `[batch]`. It is NaN where a class id is no class, because
        compiled code cannot raise.

    Raises:
        DataError: Class ids and embeddings have other shapes than these.

    Example:
        >>> from keras import ops
        >>> weights = {"prototypes": [[1.0, 0.0], [0.0, 1.0]]}
        >>> embeddings = [[3.0, 4.0], [3.0, 4.0]]
        >>> values = cosface(
        ...     [0, 1], embeddings, weights=weights, num_classes=2, embedding_size=2, scale=4.0
        ... )
        >>> [round(value, 4) for value in ops.convert_to_numpy(values).tolist()]
        [2.3051, 1.0375]

    Reference:
        Wang et al.: CosFace: Large Margin Cosine Loss for Deep Face Recognition, 2018,
        arXiv:1801.09414
    """
    classes, embeddings, vectors = directions(
        y_true, y_pred, weights["prototypes"], num_classes, embedding_size
    )
    scale, margin = like(scale, embeddings), like(margin, embeddings)
    cosines = ops.matmul(embeddings, ops.transpose(vectors))
    own = ops.sum(embeddings * classes.rows(vectors), axis=1)
    return classes.cross_entropy(scale * cosines, scale * (own - margin))
