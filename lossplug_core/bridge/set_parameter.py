"""A callback that changes a number of a loss between epochs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras

from lossplug_core.bridge.stateful import StatefulLoss

__all__ = ["SetParameter"]


class SetParameter(keras.callbacks.Callback):  # type: ignore[misc]
    """Set an adjustable number of a loss at the beginning of each epoch.

    Args:
        loss: The loss, whose number was built as `Adjustable`.
        name: The name of the number: a parameter, or `PART_weight` of a combination.
        value: A function of the epoch, which counts from 0, and of the logs of the epoch before.

    Example:
        >>> from lossplug_core import get_loss
        >>> from lossplug_core.schedules import Adjustable
        >>> loss = get_loss("focal", gamma=Adjustable(0.0))
        >>> callback = SetParameter(loss, "gamma", lambda epoch, logs: 0.5 * epoch)
        >>> callback.on_epoch_begin(2)
        >>> loss.current()
        {'gamma': 1.0}
    """

    def __init__(
        self, loss: StatefulLoss, name: str, value: Callable[[int, Mapping[str, Any]], float]
    ) -> None:
        super().__init__()
        self.loss = loss
        self.name = name
        self.value = value
        self._logs: Mapping[str, Any] = {}

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Set the number."""
        del logs
        self.loss.assign(**{self.name: self.value(epoch, self._logs)})

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Remember the logs for the next epoch."""
        del epoch
        self._logs = dict(logs or {})
