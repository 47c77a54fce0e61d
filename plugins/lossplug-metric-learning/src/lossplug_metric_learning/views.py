"""Losses on two outputs, such as queries and documents, or pictures and captions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any

from annotated_types import Ge, Le

from lossplug_core import Positive, PositiveInt, Weight, loss, ops
from lossplug_core.chunks import over_chunks
from lossplug_metric_learning._inputs import like
from lossplug_metric_learning._rows import log_sum_exp
from lossplug_metric_learning._views import two_views

__all__ = ["info_nce", "siglip"]

_Bias = Annotated[float, Ge(-1e6), Le(1e6)]


@loss(
    y_true="labels",
    y_pred="embeddings",
    paper="arXiv:1807.03748",
    aliases=("multiple_negatives_ranking",),
    outputs=("queries", "documents"),
    conventions={
        "clip": {"temperature": 0.07, "normalize": True, "symmetric": True},
        "sentence-transformers": {"temperature": 0.05, "normalize": True},
    },
    range=(0, None),
)
def info_nce(
    y_true: Any,
    y_pred: Mapping[str, Any],
    *,
    temperature: Positive = 1.0,
    normalize: bool = False,
    symmetric: bool = False,
    chunk: PositiveInt | None = None,
) -> Any:
    r"""Cross-entropy that finds the document of each query among all documents of the batch.

    It is the multiple negatives ranking loss, too (Henderson et al. 2017, arXiv:1705.00652). The
    model has two outputs, whose rows belong to each other: a query and its document, a picture and
    its caption, a sequence and what follows. Hard negatives come with the documents: those of all
    queries are negatives of all queries. A query alone in its batch has value 0.

    Number the pairs in `y_true`. Where a document would answer several queries, give these one
    label: the document of one is then no negative of the other.

    Implementations disagree. The papers take inner products as they are. sentence-transformers
    takes cosines, and a scale of 20, which is a temperature of 0.05. CLIP takes cosines, adds the
    search for each document's query, and halves the sum; its temperature of 0.07 is trained. All
    of them take samples with equal labels for negatives.

    Formula:
        $$\ell_i = -\log \frac{\exp(q_i^\top d_i / \tau)}
            {\exp(q_i^\top d_i / \tau) + \sum_{n \in N_i} \exp(q_i^\top n / \tau)}$$

        where $q_i$ is the query of sample $i$, $d_i$ is its document, $N_i$ are the documents of
        the samples with another label and the hard negatives of all samples, and $\tau$ is the
        temperature. If symmetric, it is the mean of this and of the same with queries and documents
        exchanged, without hard negatives.

    Args:
        y_true: Labels, shape `[batch]` or `[batch, 1]`: the numbers of the pairs, or integers that
            are equal where documents answer each other's queries.
        y_pred: A mapping of two outputs: `queries`, shape `[batch, features]`, and `documents`,
            shape `[batch, features]`, or `[batch, 1 + hard, features]` with the hard negatives of
            each query behind its document. Half precision is computed in float32.
        temperature: Divides the similarities: the lower, the more the most similar documents count.
        normalize: Scale each embedding to length 1, so that cosines are compared.
        symmetric: Look for each document's query as well.
        chunk: How many queries to hold in memory at a time, which then grows with `chunk` times the
            batch, and not with its square. The gradient calculates a chunk again. All if None.

    Returns:
        One value per query, shape `[batch]`.

    Raises:
        DataError: Labels, queries and documents have other shapes than these.

    Example:
        >>> from keras import ops
        >>> queries = [[1.0, 0.0], [0.0, 1.0]]
        >>> y_pred = {"queries": queries, "documents": [[0.8, 0.6], [0.0, 1.0]]}
        >>> values = info_nce([0, 1], y_pred)
        >>> [round(value, 4) for value in ops.convert_to_numpy(values).tolist()]
        [0.3711, 0.513]

    Reference:
        van den Oord, Li, Vinyals: Representation Learning with Contrastive Predictive Coding, 2018,
        arXiv:1807.03748
    """
    labels, queries, documents, hard = two_views(
        y_true, y_pred, ("queries", "documents"), normalize=normalize, several=True
    )
    values = _found(labels, queries, documents, hard, temperature, chunk)
    if symmetric:
        values = 0.5 * (values + _found(labels, documents, queries, None, temperature, chunk))
    return values


def _found(
    labels: Any, left: Any, right: Any, hard: Any, temperature: Any, chunk: int | None
) -> Any:
    """Minus the log of the probability that each on the left finds its own on the right."""
    scale = 1.0 / like(temperature, left)
    candidates = right if hard is None else ops.concatenate([right, hard], axis=0)

    def values(rows: Any, own: Any, of_rows: Any, candidates: Any, scale: Any) -> Any:
        negative = ops.not_equal(of_rows[:, None], labels[None, :])
        if hard is not None:
            hard_ones = ops.ones((ops.shape(rows)[0], ops.shape(hard)[0]), dtype="bool")
            negative = ops.concatenate([negative, hard_ones], axis=1)
        logits = ops.matmul(scale * rows, ops.transpose(candidates))
        to_own = scale * ops.sum(rows * own, axis=1)
        return ops.softplus(log_sum_exp(logits, negative) - to_own)

    return over_chunks(values, (left, right, labels), chunk, whole=(candidates, scale))


def _scale_and_bias(initial_scale: float, initial_bias: float) -> Mapping[str, Weight]:
    return {
        "log_scale": Weight((), math.log(initial_scale)),
        "bias": Weight((), initial_bias),
    }


@loss(
    y_true="labels",
    y_pred="embeddings",
    paper="arXiv:2303.15343",
    outputs=("images", "texts"),
    weights=_scale_and_bias,
    range=(0, None),
)
def siglip(
    y_true: Any,
    y_pred: Mapping[str, Any],
    *,
    weights: Mapping[str, Any],
    initial_scale: Positive = 10.0,
    initial_bias: _Bias = -10.0,
    chunk: PositiveInt | None = None,
) -> Any:
    r"""Binary cross-entropy of every pair: is this the text of this image?

    The model has two outputs, whose rows belong to each other. No pair is compared with another,
    so nothing is normalised over the batch. A scale, which the paper calls a temperature, and a
    bias are trained with the model: the bias begins where nearly every pair is one of two samples.

    Number the pairs in `y_true`. Pairs of two samples with equal labels are left out, where the
    paper takes them for negatives.

    Formula:
        $$\ell_i = \log(1 + e^{-(t\,x_i^\top y_i + b)})
            + \sum_{j \in N_i} \log(1 + e^{t\,x_i^\top y_j + b}), \qquad t = e^{t'}$$

        where $x_i$ is the embedding of image $i$ and $y_i$ that of its text, both scaled to length
        1, $N_i$ are the samples with another label, and $t'$ and $b$ are trained.

    Args:
        y_true: Labels, shape `[batch]` or `[batch, 1]`: the numbers of the pairs, or integers that
            are equal where a text describes several images.
        y_pred: A mapping of two outputs, `images` and `texts`, each of shape `[batch, features]`.
            Their length does not matter. Half precision is computed in float32.
        weights: `log_scale`, $t'$, and `bias`, $b$: two numbers, which are trained.
        initial_scale: What $t$ starts as.
        initial_bias: What $b$ starts as.
        chunk: How many images to hold in memory at a time, which then grows with `chunk` times the
            batch, and not with its square. The gradient calculates a chunk again. All if None.

    Returns:
        One value per image, shape `[batch]`: the sum over all texts.

    Raises:
        DataError: Labels, images and texts have other shapes than these.

    Example:
        >>> from keras import ops
        >>> y_pred = {"images": [[1.0, 0.0], [0.0, 1.0]], "texts": [[0.8, 0.6], [0.0, 1.0]]}
        >>> values = siglip([0, 1], y_pred, weights={"log_scale": 2.3, "bias": -10.0})
        >>> [round(value, 4) for value in ops.convert_to_numpy(values).tolist()]
        [2.1452, 0.724]

    Reference:
        Zhai, Mustafa, Kolesnikov, Beyer: Sigmoid Loss for Language Image Pre-Training, 2023,
        arXiv:2303.15343
    """
    del initial_scale, initial_bias
    labels, images, texts, _ = two_views(y_true, y_pred, ("images", "texts"), normalize=True)
    scale = ops.exp(like(weights["log_scale"], images))
    bias = like(weights["bias"], images)

    def values(rows: Any, own: Any, of_rows: Any, texts: Any, scale: Any, bias: Any) -> Any:
        negative = ops.not_equal(of_rows[:, None], labels[None, :])
        logits = scale * ops.matmul(rows, ops.transpose(texts)) + bias
        of_own = scale * ops.sum(rows * own, axis=1) + bias
        others = ops.sum(ops.where(negative, ops.softplus(logits), 0.0), axis=1)
        return ops.softplus(-of_own) + others

    return over_chunks(values, (images, texts, labels), chunk, whole=(texts, scale, bias))
