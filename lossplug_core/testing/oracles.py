"""What a convention is compared with: functions in NumPy, given by whoever tests."""

from __future__ import annotations

import runpy
from collections.abc import Callable, Mapping
from typing import Any

from lossplug_core.errors import ConfigError
from lossplug_core.names import is_name_of
from lossplug_core.spec import LossSpec

__all__ = ["Oracles", "of_loss", "read_oracles"]

Oracles = Mapping[str, Mapping[str | None, Callable[..., Any]]]
"""For a loss, by id or name: for a convention, or None, `(y_true, y_pred, **parameters)`."""


def of_loss(oracles: Oracles | None, loss: str | LossSpec) -> Mapping[str | None, Any]:
    """The oracles of one loss."""
    id = loss if isinstance(loss, str) else loss.id
    for name, given in (oracles or {}).items():
        if is_name_of(name, id):
            return given
    return {}


def read_oracles(path: str) -> Oracles:
    """The mapping `ORACLES` of a Python file, which is run.

    Raises:
        ConfigError: It has none.
    """
    found = runpy.run_path(path).get("ORACLES")
    if not isinstance(found, Mapping):
        raise ConfigError(
            f"{path} has no oracles.",
            expected="ORACLES = {'focal': {'torchvision': function}}",
            received=type(found).__name__,
        )
    return found
