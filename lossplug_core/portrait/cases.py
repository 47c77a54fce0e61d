"""What a picture is drawn over: an axis, and along it one line of predictions for each curve."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Array", "Case", "View"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Case:
    """One curve of a view: predictions on a line, which the numbers of the axis go along.

    Attributes:
        label: What it shows.
        y_true: The target of one batch: one sample, or those that are compared.
        start: The prediction for it, where the axis is 0.
        slope: How much it changes where the axis goes on by 1.
    """

    label: str
    y_true: Array
    start: Array
    slope: Array


@dataclass(frozen=True, slots=True)
class View:
    """How a loss is drawn.

    Attributes:
        axis: What runs along the axis.
        unit: The name of that in a derivative.
        span: From where to where, unless the user says so.
        cases: The curves.
        alone: Whether each number makes a batch of its own, of whose values the first counts.
        mean: Whether of such a batch the mean counts.
        through: What makes predictions of the points on the line, if they are not they.
    """

    axis: str
    unit: str
    span: tuple[float, float]
    cases: tuple[Case, ...]
    alone: bool = False
    mean: bool = False
    through: Callable[[Any], Any] | None = None
