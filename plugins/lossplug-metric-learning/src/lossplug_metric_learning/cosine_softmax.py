"""Softmax over the cosines to class prototypes, with and without a margin."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any

from annotated_types import Ge, Le

from lossplug_core import EmbeddingSize, NonNegative, NumClasses, Positive, loss, ops
from lossplug_metric_learning._classes import directions, prototypes
from lossplug_metric_learning._inputs import labelled_embeddings, like

__all__ = ["cosface", "norm_softmax", "sphereface"]


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


@loss(
    y_true="labels",
    y_pred="embeddings",
    paper="arXiv:1811.12649",
    aliases=("normalized_softmax",),
    weights=prototypes,
    range=(0, None),
    compares_samples=False,
)
def norm_softmax(
    y_true: Any,
    y_pred: Any,
    *,
    weights: Mapping[str, Any],
    num_classes: NumClasses,
    embedding_size: EmbeddingSize,
    temperature: Positive = 0.05,
) -> Any:
    r"""Cross-entropy of the cosines to class prototypes, divided by a temperature.

    This is plain classification, without a bias and on directions only; `cosface` without a margin
    is the same with a scale of `1 / temperature`. The default is that of Zhai and Wu, and of
    pytorch-metric-learning. Wang et al. came first, and trained the scale.

    Formula:
        $$\ell_i = -\log \frac{\exp(\cos \theta_{i y_i} / \tau)}
            {\sum_j \exp(\cos \theta_{ij} / \tau)}$$

        where $y_i$ is the class of sample $i$, $\theta_{ij}$ is the angle between its embedding and
        the prototype of class $j$, and $\tau$ is the temperature. A zero vector, which has no
        angle, has cosine 0 with every other.

    Args:
        y_true: Class ids from 0 to `num_classes - 1`, shape `[batch]` or `[batch, 1]`.
        y_pred: Embeddings, shape `[batch, embedding_size]`. Their length does not matter. Half
            precision is computed in float32.
        weights: `prototypes`, shape `[num_classes, embedding_size]`: one direction per class, which
            is trained.
        num_classes: How many classes there are.
        embedding_size: How many numbers an embedding has.
        temperature: Divides the cosines: the lower, the more the closest classes count.

    Returns:
        One value per sample, shape `[batch]`. It is NaN where a class id is no class, because
        compiled code cannot raise.

    Raises:
        DataError: Class ids and embeddings have other shapes than these.

    Example:
        >>> from keras import ops
        >>> weights = {"prototypes": [[1.0, 0.0], [0.0, 1.0]]}
        >>> sizes = {"num_classes": 2, "embedding_size": 2}
        >>> embeddings = [[3.0, 4.0], [3.0, 4.0]]
        >>> values = norm_softmax([0, 1], embeddings, weights=weights, temperature=0.25, **sizes)
        >>> [round(value, 4) for value in ops.convert_to_numpy(values).tolist()]
        [1.1711, 0.3711]

    Reference:
        Zhai, Wu: Classification is a Strong Baseline for Deep Metric Learning, 2018,
        arXiv:1811.12649; Wang, Xiang, Cheng, Yuille: NormFace: L2 Hypersphere Embedding for Face
        Verification, 2017, arXiv:1704.06369
    """
    classes, embeddings, vectors = directions(
        y_true, y_pred, weights["prototypes"], num_classes, embedding_size
    )
    temperature = like(temperature, embeddings)
    cosines = ops.matmul(embeddings, ops.transpose(vectors))
    own = ops.sum(embeddings * classes.rows(vectors), axis=1)
    return classes.cross_entropy(cosines / temperature, own / temperature)


@loss(
    y_true="labels",
    y_pred="embeddings",
    paper="arXiv:1704.08063",
    weights=prototypes,
    range=(0, None),
    compares_samples=False,
)
def sphereface(
    y_true: Any,
    y_pred: Any,
    *,
    weights: Mapping[str, Any],
    num_classes: NumClasses,
    embedding_size: EmbeddingSize,
    margin: Annotated[int, Ge(1), Le(8)] = 4,
    scale: Positive = 1.0,
    annealing: NonNegative = 0.0,
) -> Any:
    r"""Cross-entropy of the cosines to class prototypes, with the right angle multiplied.

    The cosine of the multiplied angle is continued so that it falls from 0 to $\pi$. The logits
    grow with the length of the embedding, as in the paper and in pytorch-metric-learning: only the
    prototypes are scaled to length 1.

    The loss is hard to train from scratch. The authors' code mixes in the plain cosine at first,
    and less and less: `annealing` is its $\lambda$, which falls from 1000 to 5. It may be a
    schedule.

    Formula:
        $$\ell_i = -\log \frac{\exp(s \lVert x_i \rVert \psi_\lambda(\theta_{i y_i}))}
            {\exp(s \lVert x_i \rVert \psi_\lambda(\theta_{i y_i}))
            + \sum_{j \ne y_i} \exp(s \lVert x_i \rVert \cos \theta_{ij})}$$
        $$\psi_\lambda(\theta) = \frac{\lambda \cos\theta + \psi(\theta)}{1 + \lambda}, \qquad
            \psi(\theta) = (-1)^k \cos(m \theta) - 2k, \qquad
            k = \lfloor m \theta / \pi \rfloor$$

        where $x_i$ is the embedding of sample $i$ and $y_i$ its class, $\theta_{ij}$ is the angle
        between it and the prototype of class $j$, $m$ is the margin, $s$ is the scale, and
        $\lambda$ is the annealing. A prototype that is zero has cosine 0 with every embedding.

    Args:
        y_true: Class ids from 0 to `num_classes - 1`, shape `[batch]` or `[batch, 1]`.
        y_pred: Embeddings, shape `[batch, embedding_size]`. Their length counts. Half precision is
            computed in float32.
        weights: `prototypes`, shape `[num_classes, embedding_size]`: one direction per class, which
            is trained.
        num_classes: How many classes there are.
        embedding_size: How many numbers an embedding has.
        margin: What the right angle is multiplied by.
        scale: Multiplies the logits.
        annealing: How much the plain cosine counts beside that of the multiplied angle.

    Returns:
        One value per sample, shape `[batch]`. It is NaN where a class id is no class, because
        compiled code cannot raise.

    Raises:
        DataError: Class ids and embeddings have other shapes than these.

    Example:
        >>> from keras import ops
        >>> weights = {"prototypes": [[1.0, 0.0], [0.0, 1.0]]}
        >>> sizes = {"num_classes": 2, "embedding_size": 2}
        >>> embeddings = [[0.6, 0.8], [0.6, 0.8]]
        >>> values = sphereface([0, 1], embeddings, weights=weights, **sizes)
        >>> [round(value, 4) for value in ops.convert_to_numpy(values).tolist()]
        [2.089, 1.6552]

    Reference:
        Liu, Wen, Yu, Li, Raj, Song: SphereFace: Deep Hypersphere Embedding for Face Recognition,
        2017, arXiv:1704.08063
    """
    _, unscaled = labelled_embeddings(y_true, y_pred, normalize=False, size=embedding_size)
    classes, embeddings, vectors = directions(
        y_true, unscaled, weights["prototypes"], num_classes, embedding_size
    )
    scale, annealing = like(scale, embeddings), like(annealing, embeddings)
    rows = classes.rows(vectors)
    # What an embedding of any length has, also a zero one, which has no angle: inner products.
    # From 0 to pi the continued cosine falls m times as far as the cosine.
    logits = ops.matmul(unscaled, ops.transpose(vectors))
    falling = (annealing + margin) / (1.0 + annealing) * ops.sum(unscaled * rows, axis=1)
    # The rest. This product has the gradient of the length and, unlike squares, no overflow.
    length, cosine = ops.sum(unscaled * embeddings, axis=1), ops.sum(embeddings * rows, axis=1)
    rest = (_falling_cosine(cosine, margin) - margin * cosine) / (1.0 + annealing)
    return classes.cross_entropy(scale * logits, scale * (falling + length * rest))


def _falling_cosine(cosine: Any, multiple: int) -> Any:
    r"""$(-1)^k \cos(m \theta) - 2k$ with $k = \lfloor m \theta / \pi \rfloor$.

    $\cos m\theta$ is a polynomial in $\cos\theta$, Chebyshev's, by
    $\cos m\theta = 2 \cos\theta \cos (m - 1)\theta - \cos (m - 2)\theta$. So neither the angle nor
    its gradient, which is infinite at 0 and $\pi$, is needed.
    """
    before, at = ops.ones_like(cosine), cosine
    turns = ops.zeros_like(cosine)
    for step in range(1, multiple):
        before, at = at, 2.0 * cosine * at - before
        beyond = ops.less_equal(cosine, math.cos(math.pi * step / multiple))
        turns = turns + ops.cast(beyond, cosine.dtype)
    sign = 1.0 - 2.0 * ops.mod(turns, 2.0)
    return sign * at - 2.0 * turns
