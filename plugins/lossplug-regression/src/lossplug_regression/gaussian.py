"""Regression that also tells how sure it is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from lossplug_core import Positive, loss, ops
from lossplug_regression._inputs import shaped_alike

__all__ = ["gaussian_nll"]


@loss(
    y_true="values",
    y_pred="values",
    paper="doi:10.1109/ICNN.1994.374138",
    outputs={"mean": "values", "variance": "scales"},
)
def gaussian_nll(
    y_true: Any, y_pred: Mapping[str, Any], *, epsilon: Positive = 1e-6, full: bool = False
) -> Any:
    r"""Negative log-likelihood of a Gaussian whose mean and variance the model predicts.

    The model has two outputs, and learns its own uncertainty: where it errs much, a larger variance
    costs less. Let the variance end in `softplus` or `exp`.

    The paper leaves the constant out, as `torch.nn.GaussianNLLLoss` does, whose defaults are those
    here. Below the floor, too, the gradient is as in torch: that of the likelihood at the floor,
    so that a variance that fell below it comes back where the error is large.

    Formula:
        $$L = \frac{1}{2K} \sum_{k=1}^{K} \left[ \log v_k + \frac{(y_k - \mu_k)^2}{v_k} \right],
        \qquad v_k = \max(\sigma_k^2, \epsilon)$$

        where $y_k$ is the target, $\mu_k$ the predicted mean and $\sigma_k^2$ the predicted
        variance of output $k$ of $K$. With `full`, $\frac{1}{2} \log 2\pi$ is added.

    Args:
        y_true: Real values, shape `[batch, ..., outputs]`, or `[batch]`.
        y_pred: A mapping of two predictions, `mean` and `variance`, each shaped like `y_true`. Half
            precision is computed in float32.
        epsilon: The floor of the variance, above 0, in the squared unit of the target.
        full: Whether the constant is added, which makes it the likelihood itself.

    Returns:
        The mean over the outputs, shape `[batch, ...]`; one value per sample if `y_true` is
        `[batch]`.

    Raises:
        DataError: Target, mean and variance do not have one shape.

    Example:
        >>> from lossplug_regression import gaussian_nll
        >>> values = gaussian_nll([1.0, 1.0], {"mean": [1.0, 3.0], "variance": [0.5, 4.0]})
        >>> [round(float(value), 4) for value in values]
        [-0.3466, 1.1931]

    Reference:
        Nix and Weigend, Estimating the Mean and Variance of the Target Probability Distribution,
        1994, doi:10.1109/ICNN.1994.374138.
    """
    y_true, mean, variance = shaped_alike(y_true, mean=y_pred["mean"], variance=y_pred["variance"])
    # The difference is exactly 0, and carries the gradient past the floor.
    past_floor = variance - ops.stop_gradient(variance)
    variance = ops.stop_gradient(ops.maximum(variance, epsilon)) + past_floor
    values = 0.5 * (ops.log(variance) + ops.square(y_true - mean) / variance)
    return ops.mean(values, axis=-1) + (0.5 * math.log(2 * math.pi) if full else 0.0)
