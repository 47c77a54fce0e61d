"""A loss by name, where Keras is started only if the loss is Keras's own."""

from __future__ import annotations

from lossplug_core._app import registry
from lossplug_core.names import KERAS
from lossplug_core.spec import LossSpec

__all__ = ["find"]


def find(name: str) -> tuple[LossSpec, tuple[str, ...]]:
    """The spec of a loss, and its other names.

    Raises:
        LossplugError: No loss is meant, or it cannot be loaded, or Keras cannot start.
    """
    entry = registry.entry(name)
    if entry.namespace == KERAS:
        from lossplug_core.cli._machine import start_keras

        start_keras()
    return registry.find(name), entry.aliases
