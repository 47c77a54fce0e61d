"""Softmax over classes with a margin added to the angle, one or several prototypes per class."""

from __future__ import annotations

import math
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
from lossplug_metric_learning._classes import directions, prototypes
from lossplug_metric_learning._inputs import like, square_root

__all__ = ["arcface", "subcenter_arcface"]


@loss(
    y_true="labels",
    y_pred="embeddings",
    paper="arXiv:1801.07698",
    conventions={
        "insightface": {"monotonic": True},
        "pytorch-metric-learning": {"margin": math.radians(28.6), "monotonic": True},
    },
    weights=prototypes,
    range=(0, None),
    compares_samples=False,
)
def arcface(
    y_true: Any,
    y_pred: Any,
    *,
    weights: Mapping[str, Any],
    num_classes: NumClasses,
    embedding_size: EmbeddingSize,
    margin: NonNegative = 0.5,
    scale: Positive = 64.0,
    monotonic: bool = False,
) -> Any:
    r"""Cross-entropy of the cosines to class prototypes, with a margin added to the right angle.

    Implementations disagree where the angle and the margin together exceed $\pi$. There the cosine
    of the paper, which is what is computed here, rises again: an embedding opposite to its
    prototype is pushed further away. insightface's first code and pytorch-metric-learning (whose
    default margin is 28.6 degrees) go on with $\cos\theta - m \sin m$ instead, so that the loss
    grows with the angle everywhere: set `monotonic`, or take one of the conventions.

    Formula:
        $$\ell_i = -\log \frac{\exp(s \cos(\theta_{i y_i} + m))}
            {\exp(s \cos(\theta_{i y_i} + m)) + \sum_{j \ne y_i} \exp(s \cos \theta_{ij})}$$

        where $y_i$ is the class of sample $i$, $\theta_{ij}$ is the angle between its embedding and
        the prototype of class $j$, $m$ is the margin, and $s$ is the scale. A zero embedding, which
        has no angle, has cosine 0 with every prototype, its own as well.

    Args:
        y_true: Class ids from 0 to `num_classes - 1`, shape `[batch]` or `[batch, 1]`.
        y_pred: Embeddings, shape `[batch, embedding_size]`. Their length does not matter. Half
            precision is computed in float32.
        weights: `prototypes`, shape `[num_classes, embedding_size]`: one direction per class, which
            is trained.
        num_classes: How many classes there are.
        embedding_size: How many numbers an embedding has.
        margin: The angle to be added, in radians.
        scale: Multiplies the cosines: the higher, the more the closest classes count.
        monotonic: Go on with $\cos\theta - m \sin m$ where $\theta + m > \pi$.

    Returns:
        One value per sample, shape `[batch]`. It is NaN where a class id is no class, because
        compiled code cannot raise.

    Raises:
        DataError: Class ids and embeddings have other shapes than these.

    Example:
        >>> from keras import ops
        >>> weights = {"prototypes": [[1.0, 0.0], [0.0, 1.0]]}
        >>> embeddings = [[3.0, 4.0], [3.0, 4.0]]
        >>> values = arcface(
        ...     [0, 1], embeddings, weights=weights, num_classes=2, embedding_size=2, scale=4.0
        ... )
        >>> [round(value, 4) for value in ops.convert_to_numpy(values).tolist()]
        [2.6977, 1.1317]

    Reference:
        Deng, Guo, Yang, Xue, Kotsia, Zafeiriou: ArcFace: Additive Angular Margin Loss for Deep Face
        Recognition, 2018, arXiv:1801.07698
    """
    classes, embeddings, vectors = directions(
        y_true, y_pred, weights["prototypes"], num_classes, embedding_size
    )
    scale, margin = like(scale, embeddings), like(margin, embeddings)
    cosines = ops.matmul(embeddings, ops.transpose(vectors))
    own = _cosine_with_margin(embeddings, classes.rows(vectors), margin, monotonic)
    return classes.cross_entropy(scale * cosines, scale * own)


def _several_prototypes(
    num_classes: int, embedding_size: int, sub_centers: int
) -> Mapping[str, Weight]:
    # Normal numbers have no preferred direction.
    return {"prototypes": Weight((num_classes, sub_centers, embedding_size), "random_normal")}


@loss(
    y_true="labels",
    y_pred="embeddings",
    paper="doi:10.1007/978-3-030-58621-8_43",
    conventions={
        "pytorch-metric-learning": {"margin": math.radians(28.6), "monotonic": True},
    },
    weights=_several_prototypes,
    range=(0, None),
    compares_samples=False,
)
def subcenter_arcface(
    y_true: Any,
    y_pred: Any,
    *,
    weights: Mapping[str, Any],
    num_classes: NumClasses,
    embedding_size: EmbeddingSize,
    sub_centers: PositiveInt = 3,
    margin: NonNegative = 0.5,
    scale: Positive = 64.0,
    monotonic: bool = False,
) -> Any:
    r"""`arcface` with several prototypes per class, of which the closest counts.

    So the wrong labels and the rare looks of a class gather around prototypes of their own, and
    need not be close to the others. pytorch-metric-learning has another margin, 28.6 degrees, and
    goes on with $\cos\theta - m \sin m$ where angle and margin together exceed $\pi$, as in
    `arcface`.

    Formula:
        $$\ell_i = -\log \frac{\exp(s \cos(\theta_{i y_i} + m))}
            {\exp(s \cos(\theta_{i y_i} + m)) + \sum_{j \ne y_i} \exp(s \cos \theta_{ij})}, \qquad
            \theta_{ij} = \min_k \theta_{ijk}$$

        where $y_i$ is the class of sample $i$, $\theta_{ijk}$ is the angle between its embedding
        and prototype $k$ of class $j$, $m$ is the margin, and $s$ is the scale. A zero embedding,
        which has no angle, has cosine 0 with every prototype, its own as well.

    Args:
        y_true: Class ids from 0 to `num_classes - 1`, shape `[batch]` or `[batch, 1]`.
        y_pred: Embeddings, shape `[batch, embedding_size]`. Their length does not matter. Half
            precision is computed in float32.
        weights: `prototypes`, shape `[num_classes, sub_centers, embedding_size]`: some directions
            per class, which are trained.
        num_classes: How many classes there are.
        embedding_size: How many numbers an embedding has.
        sub_centers: How many prototypes each class has.
        margin: The angle to be added, in radians.
        scale: Multiplies the cosines: the higher, the more the closest classes count.
        monotonic: Go on with $\cos\theta - m \sin m$ where $\theta + m > \pi$.

    Returns:
        One value per sample, shape `[batch]`. It is NaN where a class id is no class, because
        compiled code cannot raise.

    Raises:
        DataError: Class ids and embeddings have other shapes than these.

    Example:
        >>> from keras import ops
        >>> weights = {"prototypes": [[[1.0, 0.0], [0.6, 0.8]], [[0.0, 1.0], [0.0, -1.0]]]}
        >>> sizes = {"num_classes": 2, "embedding_size": 2, "sub_centers": 2}
        >>> embeddings = [[3.0, 4.0], [3.0, 4.0]]
        >>> values = subcenter_arcface([0, 1], embeddings, weights=weights, scale=4.0, **sizes)
        >>> [round(value, 4) for value in ops.convert_to_numpy(values).tolist()]
        [0.55, 2.4341]

    Reference:
        Deng, Guo, Liu, Gong, Zafeiriou: Sub-center ArcFace: Boosting Face Recognition by
        Large-Scale Noisy Web Faces, 2020, doi:10.1007/978-3-030-58621-8_43
    """
    classes, embeddings, vectors = directions(
        y_true, y_pred, weights["prototypes"], num_classes, embedding_size
    )
    scale, margin = like(scale, embeddings), like(margin, embeddings)
    cosines = ops.reshape(
        ops.matmul(embeddings, ops.transpose(vectors)), (-1, num_classes, sub_centers)
    )
    to_own = ops.sum(ops.where(classes.right[:, :, None], cosines, 0.0), axis=1)
    closest = classes.ids * sub_centers + ops.cast(ops.argmax(to_own, axis=1), "int32")
    own = _cosine_with_margin(embeddings, ops.take(vectors, closest, axis=0), margin, monotonic)
    return classes.cross_entropy(scale * ops.max(cosines, axis=2), scale * own)


def _cosine_with_margin(embeddings: Any, own: Any, margin: Any, monotonic: bool) -> Any:
    r"""The cosine of the angle between vectors of length 1, row by row, with the margin added.

    $\cos(\theta + m) = \cos\theta \cos m - \sin\theta \sin m$. The sine is the length of what is
    left of an embedding without its part along the prototype. $\sqrt{1 - \cos^2}$ would have three
    digits and an infinite gradient near 0 and $\pi$; this has neither fault.
    """
    cosine = ops.sum(embeddings * own, axis=1)
    rest = embeddings - cosine[:, None] * own
    sine = square_root(ops.sum(ops.square(rest), axis=1))
    shifted = cosine * ops.cos(margin) - sine * ops.sin(margin)
    if not monotonic:
        return shifted
    within = ops.less_equal(ops.arctan2(sine, cosine), math.pi - margin)
    return ops.where(within, shifted, cosine - margin * ops.sin(margin))
