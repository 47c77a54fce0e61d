"""The area under the ROC curve, as a loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from lossplug_core import Positive, loss, ops
from lossplug_imbalance._outputs import against_rest, per_sample
from lossplug_imbalance._pairs import hinge_sums, square_sums, squared_hinge_sums

__all__ = ["pairwise_auc"]

Surrogate = Literal["squared_hinge", "hinge", "squared"]
"""What a pair costs."""

_SUMS: Mapping[str, Callable[[Any, Any, Any], Any]] = {
    "squared_hinge": squared_hinge_sums,
    "hinge": hinge_sums,
    "squared": square_sums,
}


@loss(
    y_true="binary|class_ids|one_hot",
    y_pred="scores|logits|probabilities",
    paper="arXiv:1208.0645",
    compares_samples=True,
    memory="batch",
    range=(0, None),
)
def pairwise_auc(
    y_true: Any,
    y_pred: Any,
    *,
    surrogate: Surrogate = "squared_hinge",
    margin: Positive = 1.0,
) -> Any:
    r"""Pairwise AUC loss: every positive is to score above every negative by a margin.

    Use it when the ranking is what counts, as the area under the ROC curve measures it: the share
    of the pairs of a positive and a negative in the right order. It is the same however rare the
    positives. It knows no threshold, and says nothing of probabilities; and it needs batches with
    several positives, for it compares within the batch.

    The names of surrogates differ. Yan et al. (2003) take powers of the hinge, with a margin up to
    1 on probabilities: their second power is `"squared_hinge"`. `"squared"` also costs pairs that
    are apart by more than the margin. Both lead to the best AUC if there are data enough;
    `"hinge"` need not. The logistic surrogate has no sum over pairs that is
    short of all pairs, and is left out. Libraries average over pairs; the mean over the batch does
    so here.

    Cost: one sort of the scores and their margins, and running sums: N log N in time, N in memory,
    for N samples. `"squared"` needs no sort.

    Formula:
        $$\frac{1}{N} \sum_{i=1}^{N} L_i = \frac{1}{|P| \, |Q|} \sum_{i \in P} \sum_{j \in Q}
        \phi(s_i - s_j), \qquad
        L_i = \frac{N}{|P| \, |Q|} \sum_{j \in Q} \phi(s_i - s_j) \text{ for } i \in P$$
        $$\phi(d) = \max(0, m - d)^2, \quad \max(0, m - d) \quad \text{or} \quad (m - d)^2$$

        where $P$ are the positives and $Q$ the negatives among the $N$ samples of the batch, $s$
        the scores and $m$ the margin. The value of a negative is 0. Where an output has no
        positives or no negatives, there are no pairs, and values and gradient are 0. With several
        outputs, $L_i$ is the mean over them.

    Args:
        y_true: 0 or 1, shape `[batch, ..., outputs]` or `[batch]`; one that is between them counts
            as positive by its value and as negative by the rest. Or class ids, shape `[batch, ...]`
            or `[batch, ..., 1]`, where the prediction has several outputs: each class against all
            others. An id that is no class is in no pair.
        y_pred: Scores, shape `[batch, ..., outputs]` or `[batch]`: logits, probabilities or any
            others. Positions are samples. Half precision is computed in float32.
        surrogate: What a pair costs: `"squared_hinge"`, `"hinge"` or `"squared"`.
        margin: By how much a positive is to be above a negative, in the unit of the scores. At most
            1 for probabilities.

    Returns:
        The mean over the outputs, shape `[batch, ...]`; one value per sample if `y_pred` is
        `[batch]`. Sample weights and masks weigh the values, which are those of the positives; what
        a positive is compared with they do not change.

    Raises:
        DataError: `y_true` does not fit `y_pred`.

    Example:
        >>> from lossplug_imbalance import pairwise_auc
        >>> values = pairwise_auc([1.0, 0.0, 0.0], [0.5, 1.0, -1.0], surrogate="hinge")
        >>> [round(float(value), 4) for value in values]
        [2.25, 0.0, 0.0]

    Reference:
        Gao and Zhou, On the Consistency of AUC Pairwise Optimization, 2012, arXiv:1208.0645. Gao et
        al., One-Pass AUC Optimization, 2013, arXiv:1305.1363, for `"squared"`. Yan et al.,
        Optimizing Classifier Performance via an Approximation to the Wilcoxon-Mann-Whitney
        Statistic, 2003.
    """
    positive, negative, scores = against_rest(y_true, y_pred)
    margin = ops.cast(margin, scores.dtype)
    costs = _SUMS[surrogate](scores, negative, margin)
    pairs = ops.sum(positive, axis=0) * ops.sum(negative, axis=0)
    samples = ops.cast(ops.shape(scores)[0], scores.dtype)
    share = ops.where(pairs > 0, samples / ops.where(pairs > 0, pairs, 1.0), 0.0)
    return per_sample(share * positive * costs, y_pred)
