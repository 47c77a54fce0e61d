"""What `fit` logs of a loss beside its value: its parts, and its numbers that change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from lossplug_core.bridge.stateful import StatefulLoss

__all__ = ["Trackers", "trackers_of"]


@dataclass(frozen=True)
class Trackers:
    """Metrics of the losses that a model is compiled with now.

    In an object that Keras does not look into: it would keep those of earlier losses as well.
    """

    metrics: tuple[keras.metrics.Metric, ...] = ()


def trackers_of(loss: Any, output_names: Sequence[str] | None = None) -> Trackers:
    """Metrics that the losses of a model keep up to date from now on.

    A loss of one output, if there are several, has the output's name before its own.

    Args:
        loss: What `compile` was given: a loss, or a list or dict of them.
        output_names: The names of the model's outputs.
    """
    named = [
        (name, one) for name, one in _named(loss, output_names) if isinstance(one, StatefulLoss)
    ]
    times = Counter(id(one) for _, one in named)
    losses = {id(one): (name, one) for name, one in named}
    metrics: list[keras.metrics.Metric] = []
    for key, (name, one) in losses.items():
        output = f"{name}_" if name is not None and times[key] == 1 else ""
        metrics.extend(one.track(f"{output}{one.log_prefix}"))
    return Trackers(tuple(metrics))


def _named(loss: Any, output_names: Sequence[str] | None) -> Iterator[tuple[str | None, Any]]:
    """The losses, each with the name of its output if there are several."""
    if isinstance(loss, Mapping):
        yield from loss.items()
    elif isinstance(loss, (list, tuple)):
        known = output_names if output_names and len(output_names) == len(loss) else None
        yield from zip(map(str, known or range(len(loss))), loss, strict=True)
    else:
        yield None, loss
