"""Losses that compare samples with trained proxies of the classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from lossplug_core import EmbeddingSize, NonNegative, NumClasses, Positive, Weight, loss, ops
from lossplug_metric_learning._classes import directions
from lossplug_metric_learning._inputs import like, nan_unless
from lossplug_metric_learning._rows import log_sum_exp

__all__ = ["proxy_anchor", "proxy_nca"]


def _proxies(num_classes: int, embedding_size: int) -> Mapping[str, Weight]:
    # Keras counts the rows as inputs, so that this is the authors' fan-out initialization.
    return {"proxies": Weight((num_classes, embedding_size), "he_normal")}


@loss(
    y_true="labels",
    y_pred="embeddings",
    paper="arXiv:2003.13911",
    weights=_proxies,
    range=(0, None),
    memory="batch",
)
def proxy_anchor(
    y_true: Any,
    y_pred: Any,
    *,
    weights: Mapping[str, Any],
    num_classes: NumClasses,
    embedding_size: EmbeddingSize,
    margin: NonNegative = 0.1,
    alpha: Positive = 32.0,
) -> Any:
    r"""Each class has a proxy, the anchor, that draws its samples and pushes the others away.

    The paper's loss of a batch is a sum over proxies, and not over samples. Here each proxy's two
    terms are shared equally among the samples that they are about: the term of its positives among
    the samples of its class, the term of its negatives among all others. The mean over the batch is
    therefore the paper's loss, to which every term counts as there; a single value says what the
    sample's class costs, and is the same for samples of one class.

    Formula:
        $$\ell_i = B \Big( \frac{T^+_{y_i}}{|P^+|\,n_{y_i}}
            + \frac{1}{|P|} \sum_{p \ne y_i} \frac{T^-_p}{B - n_p} \Big)$$
        $$T^+_p = \log\Big(1 + \sum_{j:\,y_j = p} e^{-\alpha (s_{jp} - \delta)}\Big), \qquad
            T^-_p = \log\Big(1 + \sum_{j:\,y_j \ne p} e^{\alpha (s_{jp} + \delta)}\Big)$$

        where $y_i$ is the class of sample $i$, $s_{jp}$ is the cosine between an embedding and the
        proxy of class $p$, $P$ are all proxies, $P^+$ are those whose class is in the batch, $n_p$
        is how many samples of the batch are of class $p$, $B$ is the size of the batch, $\alpha$ is
        the scale, and $\delta$ is the margin. The mean over the batch is
        $\frac{1}{|P^+|} \sum_{p \in P^+} T^+_p + \frac{1}{|P|} \sum_{p \in P} T^-_p$.

    Args:
        y_true: Class ids from 0 to `num_classes - 1`, shape `[batch]` or `[batch, 1]`.
        y_pred: Embeddings, shape `[batch, embedding_size]`. Their length does not matter. Half
            precision is computed in float32.
        weights: `proxies`, shape `[num_classes, embedding_size]`: one direction per class, which is
            trained. The authors train them with 100 times the learning rate of the model.
        num_classes: How many classes there are.
        embedding_size: How many numbers an embedding has.
        margin: How much more than 0 the cosine with the own proxy should be, and how much less than
            0 that with others.
        alpha: Multiplies the cosines: the higher, the more the hardest samples of a proxy count.

    Returns:
        One value per sample, shape `[batch]`. It is NaN where a class id is no class, because
        compiled code cannot raise.

    Raises:
        DataError: Class ids and embeddings have other shapes than these.

    Example:
        >>> from keras import ops
        >>> weights = {"proxies": [[1.0, 0.0], [0.0, 1.0]]}
        >>> embeddings = [[2.0, 0.0], [3.0, 4.0], [0.0, 1.0]]
        >>> values = proxy_anchor(
        ...     [0, 0, 1], embeddings, weights=weights, num_classes=2, embedding_size=2, alpha=4.0
        ... )
        >>> [round(value, 4) for value in ops.convert_to_numpy(values).tolist()]
        [2.8624, 2.8624, 1.41]

    Reference:
        Kim, Kim, Cho, Kwak: Proxy Anchor Loss for Deep Metric Learning, 2020, arXiv:2003.13911
    """
    classes, embeddings, proxies = directions(
        y_true, y_pred, weights["proxies"], num_classes, embedding_size
    )
    margin, alpha = like(margin, embeddings), like(alpha, embeddings)
    cosines = ops.matmul(embeddings, ops.transpose(proxies))
    own, others = classes.right, ops.logical_not(classes.right)
    drawn = ops.softplus(log_sum_exp(alpha * (margin - cosines), own, axis=0))
    pushed = ops.softplus(log_sum_exp(alpha * (cosines + margin), others, axis=0))

    samples = ops.sum(ops.cast(own, cosines.dtype), axis=0)
    size = ops.cast(ops.shape(embeddings)[0], cosines.dtype)
    present = ops.sum(ops.cast(samples > 0, cosines.dtype))
    of_positive = drawn / (ops.maximum(present, 1.0) * ops.maximum(samples, 1.0))
    of_negative = pushed / (num_classes * ops.maximum(size - samples, 1.0))
    values = size * ops.sum(ops.where(own, of_positive, of_negative), axis=1)
    return nan_unless(classes.known, values)


@loss(
    y_true="labels",
    y_pred="embeddings",
    paper="arXiv:1703.07464",
    conventions={
        "proxynca_pp": {"denominator": "all", "scale": 9.0},
        "pytorch-metric-learning": {"denominator": "all"},
    },
    weights=_proxies,
    compares_samples=False,
)
def proxy_nca(
    y_true: Any,
    y_pred: Any,
    *,
    weights: Mapping[str, Any],
    num_classes: NumClasses,
    embedding_size: EmbeddingSize,
    scale: Positive = 1.0,
    denominator: Literal["others", "all"] = "others",
) -> Any:
    r"""Each class has a proxy; the own should be closer than all others.

    In the paper the own proxy is not in the denominator, so that the loss can be negative.
    pytorch-metric-learning has it there, which makes the loss a cross-entropy, and so has
    ProxyNCA++ (Teh, DeVries, Taylor 2020, arXiv:2004.01113), the convention `proxynca_pp`, which
    also divides the distances by a temperature of 1/9: a scale of 9.

    Formula:
        $$\ell_i = -\log \frac{\exp(-s\, d(x_i, p_{y_i}))}
            {\sum_{j \in J_i} \exp(-s\, d(x_i, p_j))}$$

        where $y_i$ is the class of sample $i$, $d$ is the squared Euclidean distance between its
        embedding $x_i$ and the proxy $p_j$ of class $j$, both scaled to length 1, $s$ is the scale,
        and $J_i$ are all classes but $y_i$, or all classes. A zero vector, which has no direction,
        is 2 from every other. Where there is only one class, the value is 0.

    Args:
        y_true: Class ids from 0 to `num_classes - 1`, shape `[batch]` or `[batch, 1]`.
        y_pred: Embeddings, shape `[batch, embedding_size]`. Their length does not matter. Half
            precision is computed in float32.
        weights: `proxies`, shape `[num_classes, embedding_size]`: one direction per class, which is
            trained.
        num_classes: How many classes there are.
        embedding_size: How many numbers an embedding has.
        scale: Multiplies the distances: the higher, the more the closest proxies count.
        denominator: `"others"`: the proxies of other classes. `"all"`: the own as well.

    Returns:
        One value per sample, shape `[batch]`. It is NaN where a class id is no class, because
        compiled code cannot raise.

    Raises:
        DataError: Class ids and embeddings have other shapes than these.

    Example:
        >>> from keras import ops
        >>> weights = {"proxies": [[1.0, 0.0], [0.0, 1.0]]}
        >>> embeddings = [[3.0, 4.0], [3.0, 4.0]]
        >>> values = proxy_nca([0, 1], embeddings, weights=weights, num_classes=2, embedding_size=2)
        >>> [round(value, 4) for value in ops.convert_to_numpy(values).tolist()]
        [0.4, -0.4]

    Reference:
        Movshovitz-Attias, Toshev, Leung, Ioffe, Singh: No Fuss Distance Metric Learning using
        Proxies, 2017, arXiv:1703.07464
    """
    classes, embeddings, proxies = directions(
        y_true, y_pred, weights["proxies"], num_classes, embedding_size
    )
    # The squared distance of directions is 2 minus twice the cosine, and the 2 cancels out.
    twice = 2.0 * like(scale, embeddings)
    logits = twice * ops.matmul(embeddings, ops.transpose(proxies))
    own = twice * ops.sum(embeddings * classes.rows(proxies), axis=1)
    if denominator == "all":
        return classes.cross_entropy(logits, own)
    difference = classes.others(logits) - own if num_classes > 1 else 0.0 * own
    return nan_unless(classes.known, difference)
