"""How far probabilities are from frequencies."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from lossplug_core import DataError
from lossplug_imbalance._links import Array, array

__all__ = ["expected_calibration_error"]


def expected_calibration_error(
    y_true: Any,
    y_prob: Any,
    *,
    sample_weight: Any = None,
    bins: int = 15,
    binning: Literal["width", "mass"] = "width",
) -> float:
    r"""How far predicted probabilities are from frequencies: 0 is calibrated.

    Predictions are sorted into bins. In each, the mean prediction is compared with how often it
    came true. Of a rare class most predictions lie in the lowest bin of equal width; bins of equal
    mass, quantiles, look where the predictions are. The error of a finite sample is above 0 for a
    perfect model too, the more so the more bins.

    Formula:
        $$\text{ECE} = \sum_{b} \frac{n_b}{N} \left| \bar y_b - \bar p_b \right|$$

        where $\bar p_b$ is the mean prediction and $\bar y_b$ how often it came true, of the $n_b$
        of $N$ predictions in bin $b$.

    Args:
        y_true: 0 or 1, of the shape of `y_prob` (a last axis of size 1 aside): every output is a
            prediction. Or class ids, for `y_prob` of shape `[..., classes]`: then the prediction is
            the probability of the most probable class, and it is true if that is the class.
        y_prob: Probabilities.
        sample_weight: How often each prediction counts: one number for each.
        bins: How many bins, at least 1.
        binning: `"width"`, equally wide bins from 0 to 1; or `"mass"`, equally many predictions in
            each, but equal predictions always in one.

    Returns:
        A number from 0 to 1.

    Raises:
        DataError: The shapes do not fit, or there is nothing to measure.

    Example:
        >>> expected_calibration_error([0, 0, 0, 1], [0.25, 0.25, 0.25, 0.25])
        0.0
        >>> round(expected_calibration_error([0, 0, 0, 1], [0.5, 0.5, 0.5, 0.5]), 4)
        0.25

    Reference:
        Guo et al., On Calibration of Modern Neural Networks, 2017, arXiv:1706.04599. Nixon et al.,
        Measuring Calibration in Deep Learning, 2019, arXiv:1904.01685, for equal mass.
    """
    truth, prob = _came_true(array(y_true), array(y_prob))
    weight = np.ones_like(prob) if sample_weight is None else array(sample_weight).reshape(-1)
    if weight.shape != prob.shape or not weight.sum() > 0:
        raise DataError(
            "The sample weights do not fit the probabilities.",
            expected=f"{len(prob)} numbers, not all 0",
            received=weight.shape,
        )
    edges = np.linspace(0, 1, bins + 1)[1:-1]
    if binning == "mass":
        order = np.argsort(prob, kind="stable")
        mass = np.cumsum(weight[order])
        edges = prob[order][np.searchsorted(mass, edges * mass[-1])]
    gaps = np.bincount(
        np.searchsorted(edges, prob), weights=weight * (truth - prob), minlength=bins
    )
    return float(np.abs(gaps).sum() / weight.sum())


def _came_true(y_true: Array, y_prob: Array) -> tuple[Array, Array]:
    """Flat: whether each prediction came true, and its probability."""
    if y_true.size == y_prob.size > 0:
        return y_true.reshape(-1), y_prob.reshape(-1)
    ids = y_true[..., 0] if y_true.shape[-1:] == (1,) else y_true
    if ids.size == 0 or ids.shape != y_prob.shape[:-1]:
        raise DataError(
            "The targets do not fit the probabilities.",
            expected="y_true of the shape of y_prob, or class ids, a last axis less; at least one",
            received=(y_true.shape, y_prob.shape),
        )
    truth = (y_prob.argmax(axis=-1) == ids).astype("float64")
    return truth.reshape(-1), y_prob.max(axis=-1).reshape(-1)
