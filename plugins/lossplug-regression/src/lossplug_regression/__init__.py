"""Losses for regression: squared errors of any scale, and a Gaussian likelihood."""

from lossplug_regression.gaussian import gaussian_nll
from lossplug_regression.squared import normalized_squared_error, scaled_squared_error

__all__ = ["gaussian_nll", "normalized_squared_error", "scaled_squared_error"]
