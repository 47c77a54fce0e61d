"""Options that are wrong are told at once."""

from __future__ import annotations

from typing import Any, get_args

from lossplug_core.errors import ParameterError
from lossplug_metric_learning.evaluation._neighbours import Distance

__all__ = ["check_distance", "check_positive"]


def check_distance(distance: Any) -> None:
    """Raise a `ParameterError` unless there is this distance."""
    if distance not in get_args(Distance):
        raise ParameterError(
            "There is no such distance.",
            expected=" or ".join(map(repr, get_args(Distance))),
            received=distance,
        )


def check_positive(**numbers: Any) -> None:
    """Raise a `ParameterError` unless these are integers above 0."""
    for name, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ParameterError(
                f"{name} must be a number of things.",
                expected=f"an integer {name} above 0",
                received=value,
            )
