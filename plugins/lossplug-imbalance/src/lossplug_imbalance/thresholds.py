"""From probabilities and scores to decisions: after training, in NumPy.

Positive is what is at or above the threshold. Choose it on validation data, and measure on other
data: where it was chosen, any threshold looks better than it is. The functions take arrays or
tensors of any backend.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from lossplug_core import DataError, ParameterError
from lossplug_imbalance._links import Array, array

__all__ = ["OperatingPoint", "best_threshold", "cost_threshold", "least_costly", "threshold_at"]


class OperatingPoint(NamedTuple):
    """A threshold, and what it gives on the data that it was chosen on."""

    threshold: float
    """Positive is what scores at least this."""
    precision: float
    """How many of those found are positive."""
    recall: float
    """How many of the positives are found."""

    def f_score(self, beta: float = 1.0) -> float:
        """The weighted harmonic mean of precision and recall, which counts `beta` times."""
        return float(_f_score(np.asarray(self.precision), np.asarray(self.recall), beta))


def cost_threshold(
    *,
    false_positive: float,
    false_negative: float,
    true_positive: float = 0.0,
    true_negative: float = 0.0,
) -> float:
    r"""The threshold of a calibrated probability at which decisions cost least.

    It follows from the costs alone: no data needed, as long as the probabilities are calibrated.

    Formula:
        $$t = \frac{c_{FP} - c_{TN}}{c_{FP} - c_{TN} + c_{FN} - c_{TP}}$$

        where $c$ are the costs.

    Args:
        false_positive: What a false alarm costs; more than `true_negative`.
        false_negative: What a missed positive costs; more than `true_positive`.
        true_positive: What a found positive costs; negative if it pays.
        true_negative: What a negative that is left alone costs.

    Returns:
        A number between 0 and 1.

    Raises:
        ParameterError: To be wrong costs no more than to be right.

    Example:
        A missed fraud costs 99 times what a call to the customer does.

        >>> cost_threshold(false_positive=1.0, false_negative=99.0)
        0.01

    Reference:
        Elkan, The Foundations of Cost-Sensitive Learning, 2001.
    """
    alarm, miss = false_positive - true_negative, false_negative - true_positive
    if not (alarm > 0 and miss > 0):
        raise ParameterError(
            "To be wrong must cost more than to be right.",
            expected="false_positive > true_negative, and false_negative > true_positive",
            received={"false_positive - true_negative": alarm, "false_negative - …": miss},
            parameter="false_negative" if alarm > 0 else "false_positive",
        )
    return alarm / (alarm + miss)


def least_costly(y_prob: Any, costs: Any) -> Array:
    r"""The decision that costs least, for each row of calibrated probabilities of classes.

    Formula:
        $$\hat k = \operatorname{argmin}_k \sum_j p_j \, C_{jk}$$

        where $p_j$ is the probability of class $j$, and $C_{jk}$ the cost of decision $k$ if class
        $j$ is true.

    Args:
        y_prob: Probabilities, shape `[..., classes]`.
        costs: The cost of each decision, a column, for each true class, a row. There may be more
            decisions than classes, such as to ask a person.

    Returns:
        The number of a decision for each row, shape `[...]`.

    Raises:
        DataError: The shapes do not fit.

    Example:
        >>> least_costly([[0.9, 0.1], [0.999, 0.001]], [[0, 1], [99, 0]]).tolist()
        [1, 0]

    Reference:
        Elkan, The Foundations of Cost-Sensitive Learning, 2001.
    """
    prob, matrix = array(y_prob), array(costs)
    if matrix.ndim != 2 or prob.shape[-1:] != matrix.shape[:1]:
        raise DataError(
            "The costs do not fit the probabilities.",
            expected=f"costs of shape [{prob.shape[-1] if prob.ndim else 'classes'}, decisions]",
            received=matrix.shape,
        )
    return np.asarray((prob @ matrix).argmin(axis=-1))


def best_threshold(
    y_true: Any, y_score: Any, *, beta: float = 1.0, sample_weight: Any = None
) -> OperatingPoint:
    r"""The threshold with the best F-beta.

    One sort, so that a million scores take a second. The scores need not be probabilities.

    Formula:
        $$F_\beta = \frac{(1 + \beta^2) \, P R}{\beta^2 P + R}$$

        where $P$ is the precision and $R$ the recall.

    Args:
        y_true: 0 or 1, for each score.
        y_score: Scores: the higher, the more likely positive.
        beta: How many times recall counts as much as precision, at least 0.
        sample_weight: How often each sample counts: one number for each.

    Returns:
        Threshold, precision, recall. Of several that are equally good, the highest threshold.

    Raises:
        DataError: The shapes do not fit, a score is NaN, or there is no positive.

    Example:
        >>> best_threshold([0, 0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4, 0.9])
        OperatingPoint(threshold=0.3, precision=0.6666666666666666, recall=1.0)

    Reference:
        van Rijsbergen, Information Retrieval, 1979.
    """
    points = _points(y_true, y_score, sample_weight)
    return _point(points, int(np.argmax(_f_score(points[1], points[2], beta))))


def threshold_at(
    y_true: Any,
    y_score: Any,
    *,
    precision: float | None = None,
    recall: float | None = None,
    sample_weight: Any = None,
) -> OperatingPoint:
    """The threshold with the most recall at a precision, or the most precision at a recall.

    Args:
        y_true: 0 or 1, for each score.
        y_score: Scores: the higher, the more likely positive.
        precision: The least precision. Give this or `recall`.
        recall: The least recall.
        sample_weight: How often each sample counts: one number for each.

    Returns:
        Threshold, precision, recall.

    Raises:
        DataError: The shapes do not fit, a score is NaN, there is no positive, or no threshold has
            this precision.
        ParameterError: Both are given, or none, or one that is not between 0 and 1.

    Example:
        >>> threshold_at([0, 0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4, 0.9], precision=0.9)
        OperatingPoint(threshold=0.9, precision=1.0, recall=0.5)
    """
    wanted = recall if precision is None else precision
    if (precision is None) == (recall is None) or wanted is None or not 0 <= wanted <= 1:
        raise ParameterError(
            "One of precision and recall is fixed, the other as high as it can be.",
            expected="precision or recall, from 0 to 1",
            received={"precision": precision, "recall": recall},
            parameter="precision",
        )
    points = _points(y_true, y_score, sample_weight)
    fixed, free = (points[1], points[2]) if precision is not None else (points[2], points[1])
    if not (fixed >= wanted).any():
        raise DataError(
            f"No threshold has a precision of {wanted}.",
            expected=f"at most {fixed.max():.4f}, the highest there is",
            received=wanted,
        )
    # Of those with the same, the one with more of what is fixed.
    order = np.lexsort((fixed, np.where(fixed >= wanted, free, -1.0)))
    return _point(points, int(order[-1]))


def _points(y_true: Any, y_score: Any, sample_weight: Any) -> tuple[Array, Array, Array]:
    """Each distinct score, falling, with the precision and recall of it as a threshold."""
    truth, score = array(y_true).reshape(-1), array(y_score).reshape(-1)
    weight = np.ones_like(score) if sample_weight is None else array(sample_weight).reshape(-1)
    if not truth.shape == score.shape == weight.shape or np.isnan(score).any():
        raise DataError(
            "No threshold can be chosen from this.",
            expected="a score, not NaN, for each target",
            received=f"{truth.size} targets; {score.size} scores, {int(np.isnan(score).sum())} of"
            f" them NaN; {weight.size} weights",
        )
    order = np.argsort(-score, kind="stable")
    truth, score, weight = truth[order], score[order], weight[order]
    last = np.flatnonzero(np.append(score[1:] != score[:-1], True)[: score.size])
    hits, found = np.cumsum(weight * truth)[last], np.cumsum(weight)[last]
    if not (hits.size and hits[-1] > 0):
        raise DataError(
            "There is no positive among the targets.",
            expected="at least one",
            received=f"{truth.size} targets",
        )
    return score[last], hits / np.where(found > 0, found, 1.0), hits / hits[-1]


def _point(points: tuple[Array, Array, Array], index: int) -> OperatingPoint:
    threshold, precision, recall = (float(values[index]) for values in points)
    return OperatingPoint(threshold, precision, recall)


def _f_score(precision: Array, recall: Array, beta: float) -> Array:
    below = beta**2 * precision + recall
    return np.asarray((1 + beta**2) * precision * recall / np.where(below > 0, below, 1.0))
