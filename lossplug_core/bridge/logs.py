"""What `fit` logs of a loss beside its value: its parts, and its numbers that change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from lossplug_core.bridge.stateful import StatefulLoss

__all__ = ["trackers_of"]


def trackers_of(loss: Any, output_names: Sequence[str] | None = None) -> list[keras.metrics.Metric]:
    """Metrics that the losses of a model keep up to date from now on.

    Args:
        loss: What `compile` was given: a loss, or a list or dict of them.
        output_names: The names of the model's outputs.
    """
    if isinstance(loss, StatefulLoss):
        return loss.track(loss.log_prefix)
    if isinstance(loss, Mapping):
        named = list(loss.items())
    elif isinstance(loss, (list, tuple)):
        names = (
            output_names if output_names and len(output_names) == len(loss) else range(len(loss))
        )
        named = list(zip(map(str, names), loss, strict=True))
    else:
        return []
    return [
        metric
        for name, one in named
        if isinstance(one, StatefulLoss)
        for metric in one.track(f"{name}_{one.log_prefix}")
    ]
