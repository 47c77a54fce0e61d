"""Cross-entropy over pairs of two classes each: N-pairs, with one or several labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lossplug_core import PositiveInt, loss, ops
from lossplug_core.choices import chosen
from lossplug_core.chunks import over_chunks
from lossplug_metric_learning._inputs import unit
from lossplug_metric_learning._rows import shifted_logits
from lossplug_metric_learning._views import two_views
from lossplug_metric_learning.regularizers import Regularizer

__all__ = ["n_pairs"]


@loss(
    y_true="labels|multi_hot",
    y_pred="embeddings",
    paper="https://papers.nips.cc/paper/6200",
    outputs=("anchors", "positives"),
    conventions={"pytorch-metric-learning": {"normalize": True}, "tensorflow-addons": {}},
    range=(0, None),
)
def n_pairs(
    y_true: Any,
    y_pred: Mapping[str, Any],
    *,
    normalize: bool = False,
    regularizer: Regularizer | None = None,
    chunk: PositiveInt | None = None,
) -> Any:
    r"""Cross-entropy that finds the positive of each anchor among those of all anchors.

    The model has two outputs, whose rows belong to each other: two samples of one class. In the
    paper each pair of a batch is of a class of its own. Where classes occur more than once, the
    right answer is spread over all positives of the class, as in TensorFlow Addons; of rows of
    several labels, in proportion to how many labels they share. A sample without any label has its
    own positive, where TensorFlow Addons gives NaN. `info_nce` leaves the positives of the same
    class out instead.

    pytorch-metric-learning takes one batch, and of each class in it the first two samples, and
    normalises; given these as two outputs, it agrees. TensorFlow Addons takes the matrix of inner
    products, and its multi-label loss is that of rows of 0 and 1.

    The inner products of the paper need embeddings that may grow, and something that keeps them
    from growing without end: `regularizer={"name": "length", "power": 2, "weight": 0.001}`.

    Formula:
        $$\ell_i = -\sum_j w_{ij} \log
            \frac{\exp(a_i^\top p_j)}{\sum_k \exp(a_i^\top p_k)}, \qquad
            w_{ij} = \frac{c_{ij}}{\sum_k c_{ik}}$$

        where $a_i$ is anchor $i$, $p_i$ is its positive, and $c_{ij}$ is how many labels samples
        $i$ and $j$ share: 1 if they are of one class, else 0.

    Args:
        y_true: Labels: integers, shape `[batch]` or `[batch, 1]`, equal for samples of one class;
            or rows of 0 and 1, shape `[batch, labels]` with several labels.
        y_pred: A mapping of two outputs, `anchors` and `positives`, each of shape
            `[batch, features]`. Half precision is computed in float32.
        normalize: Scale each embedding to length 1 first. The paper does not.
        regularizer: What to add to each value: a function in `regularizers`, by name or with its
            parameters; the mean of that of the anchor and that of its positive.
        chunk: How many anchors to hold in memory at a time, which then grows with `chunk` times the
            batch, and not with its square. The gradient calculates a chunk again. All if None.

    Returns:
        One value per anchor, shape `[batch]`.

    Raises:
        DataError: Labels, anchors and positives have other shapes than these.

    Example:
        >>> from keras import ops
        >>> y_pred = {"anchors": [[1.0, 0.0], [0.0, 1.0]], "positives": [[0.8, 0.6], [0.0, 1.0]]}
        >>> values = n_pairs([0, 1], y_pred)
        >>> [round(value, 4) for value in ops.convert_to_numpy(values).tolist()]
        [0.3711, 0.513]

    Reference:
        Sohn: Improved Deep Metric Learning with Multi-class N-pair Loss Objective, 2016,
        https://papers.nips.cc/paper/6200
    """
    labels, *raw, _ = two_views(
        y_true, y_pred, ("anchors", "positives"), normalize=False, multi_hot=True
    )
    anchors, positives = map(unit, raw) if normalize else raw

    def values(rows: Any, of_rows: Any, places: Any, positives: Any) -> Any:
        wanted = _wanted(of_rows, labels, places, rows.dtype)
        logits, log_denominator = shifted_logits(ops.matmul(rows, ops.transpose(positives)))
        return log_denominator - ops.sum(wanted * logits, axis=1)

    places = ops.arange(ops.shape(anchors)[0])
    found = over_chunks(values, (anchors, labels, places), chunk, whole=(positives,))
    regularize = chosen(Regularizer, regularizer)
    if regularize is None:
        return found
    return found + 0.5 * sum(map(regularize, raw))


def _wanted(labels: Any, others: Any, places: Any, dtype: Any) -> Any:
    """How much each positive is the right one, `[anchors, positives]`; rows sum to 1."""
    if len(labels.shape) == 1:
        shared = ops.cast(ops.equal(labels[:, None], others[None, :]), dtype)
        return shared / ops.maximum(ops.sum(shared, axis=1, keepdims=True), 1.0)
    shared = ops.matmul(ops.cast(labels, dtype), ops.transpose(ops.cast(others, dtype)))
    total = ops.sum(shared, axis=1, keepdims=True)
    columns = ops.arange(ops.shape(others)[0], dtype=places.dtype)
    own = ops.cast(ops.equal(columns[None, :], places[:, None]), dtype)
    return ops.where(total > 0, shared / ops.where(total > 0, total, 1.0), own)
