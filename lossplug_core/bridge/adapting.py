"""The targets of a training set, batch by batch, from whatever `fit` accepts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

import keras
import numpy as np

from lossplug_core.bridge.named import main_target
from lossplug_core.errors import DataError

__all__ = ["target_batches"]


def target_batches(
    data: Any, *, output: str | int | None = None, steps: int | None = None
) -> Iterator[np.ndarray]:
    """The targets as NumPy arrays.

    Args:
        data: Targets: an array, a tensor, or a list of numbers; a dict of these, by output or, for
            a loss with several targets, by name. Or batches of `(x, y)` or `(x, y, sample_weight)`:
            a `tf.data.Dataset`, a `keras.utils.PyDataset`, a torch `DataLoader`, a generator.
        output: The output whose targets are wanted, if there are several: a name or a place.
        steps: How many batches to read; all if None, which an endless dataset does not have.

    Raises:
        DataError: There are no targets in it.
    """
    if isinstance(data, Mapping) or hasattr(data, "__array__") or _is_plain(data):
        yield _array(_target(data, output))
        return
    if isinstance(data, keras.utils.PyDataset):
        data = _batches_of(data)
    if not isinstance(data, Iterable):
        raise DataError(
            "This is not data to learn from.",
            expected="targets, or batches of (x, y)",
            received=type(data).__name__,
        )
    for batch in islice(data, steps):
        if not isinstance(batch, (tuple, list)) or len(batch) < 2:
            raise DataError(
                "A batch has no targets.",
                expected="(x, y) or (x, y, sample_weight)",
                received=type(batch).__name__,
            )
        yield _array(_target(batch[1], output))


def _batches_of(data: keras.utils.PyDataset) -> Iterator[Any]:
    if data.num_batches is None:
        data.on_epoch_begin()
        place = 0
        while True:
            yield data[place]
            place += 1
    for place in range(data.num_batches):
        yield data[place]


def _target(y: Any, output: str | int | None) -> Any:
    if output is not None:
        try:
            y = y[output]
        except (KeyError, IndexError, TypeError) as error:
            raise DataError(
                f"The data has no targets for the output {output!r}.",
                expected=f"some of {', '.join(map(str, y))}" if isinstance(y, Mapping) else None,
                received=output,
            ) from error
    y = main_target(y)
    if isinstance(y, (Mapping, tuple)):
        raise DataError(
            "The data has targets for several outputs.",
            expected="one array of targets",
            received=list(y) if isinstance(y, Mapping) else f"{len(y)} arrays",
            fix="loss.adapt(data, output=…), or model.adapt(data) of a TrainingModel.",
        )
    return y


def _array(y: Any) -> np.ndarray:
    if hasattr(y, "detach"):
        y = y.detach().cpu()
    array = np.asarray(y)
    if array.dtype.kind not in "biuf":
        raise DataError("The targets are not numbers.", expected="numbers", received=array.dtype)
    return array


def _is_plain(data: Any) -> bool:
    """Whether it is a list of numbers, or of lists of numbers."""
    while isinstance(data, list) and data:
        data = data[0]
    return isinstance(data, (int, float))
