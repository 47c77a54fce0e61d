"""From the terms of a loss to one value per anchor: what the parameter `average` can be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

from lossplug_core import ops
from lossplug_metric_learning._rows import Terms

__all__ = ["Average", "Sums", "averaged", "counted", "renamed_average"]

Average = Literal["anchors", "terms", "nonzero", "classes"]
"""What the mean over the batch is a mean of."""


class Sums(NamedTuple):
    """What an average needs of the terms of each anchor: their sum, their number."""

    total: Any
    number: Any


def counted(of: Terms, average: str) -> Sums:
    """The sum and the number of terms, as an average counts them."""
    return Sums(of.total, (of.nonzero if average == "nonzero" else of.number)())


def averaged(groups: Sequence[Sums], average: str, alike: Any) -> Any:
    """One value per anchor, whose mean over the batch is the average that is wished.

    Args:
        groups: Terms that are averaged apart, and then added.
        average: See `Average`.
        alike: How many samples are of the anchor's class, itself included.
    """
    return sum(_averaged(group, average, alike) for group in groups)


def _averaged(of: Sums, average: str, alike: Any) -> Any:
    batch = ops.cast(ops.shape(of.total)[0], of.total.dtype)
    if average in ("terms", "nonzero"):
        in_all = ops.sum(of.number)
        return of.total * (batch / ops.where(in_all > 0, in_all, 1.0))
    values = of.total / ops.where(of.number > 0, of.number, 1.0)
    if average == "anchors":
        return values
    # Each class as much as any other: each anchor as much as its part of its class.
    part = ops.where(of.number > 0, 1.0 / alike, 0.0)
    return values * (batch * part / ops.maximum(ops.sum(part), 1e-30))


def renamed_average(old: str, new: Average) -> Callable[[int, dict[str, Any]], dict[str, Any]]:
    """The migration of a loss whose first version had another name for an average."""

    def migrate(version: int, parameters: dict[str, Any]) -> dict[str, Any]:
        del version
        same = parameters.get("average", "anchors") != old
        return parameters if same else {**parameters, "average": new}

    return migrate
