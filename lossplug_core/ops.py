"""`keras.ops`, loaded at first use.

A plugin that writes `from lossplug_core import ops` stays light: importing it does not import
Keras, so a loss can be listed, shown and checked without a backend.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keras.ops import *  # noqa: F403


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # Named indirectly: the module is Keras's, and nothing here may need it before this moment.
    value = getattr(importlib.import_module("keras.ops"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return dir(importlib.import_module("keras.ops"))
