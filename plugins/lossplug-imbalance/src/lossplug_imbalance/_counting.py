"""What the losses of yes-or-no outputs learn from the targets of a training set."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lossplug_core import DataError

__all__ = ["one_or_each", "positives"]


def positives(batches: Iterable[Any], parameter: str) -> tuple[Any, int]:
    """How many positives each output has, an array, and how many samples there are.

    Raises:
        DataError: There are no targets, they are not binary, or all of an output are alike.
    """
    counts: Any = 0.0
    samples = 0
    for batch in batches:
        rows = batch.reshape(-1, batch.shape[-1] if batch.ndim > 1 else 1)
        if rows.size and not (rows.min() >= 0 and rows.max() <= 1):
            raise DataError(
                "The targets are not binary.",
                expected="0 or 1, or a probability between them",
                received=f"numbers from {rows.min()} to {rows.max()}",
            )
        counts = counts + rows.sum(axis=0, dtype="float64")
        samples += len(rows)
    if not samples:
        raise DataError("There are no targets to count.", expected="at least one batch")
    for output, count in enumerate(counts.tolist()):
        if count in (0, samples):
            raise DataError(
                f"Output {output} has no {'negative' if count else 'positive'} in the data.",
                expected="positives and negatives of every output",
                received=f"{count:g} positives of {samples} samples",
                fix=f"Give {parameter} yourself.",
            )
    return counts, samples


def one_or_each(numbers: Any) -> float | tuple[float, ...]:
    """A parameter from an array: one number, or one per output if there are several."""
    values = numbers.tolist()
    return values[0] if len(values) == 1 else tuple(values)
