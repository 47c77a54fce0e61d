"""Warnings of losses that have changed: each once, and at the user's own line."""

from __future__ import annotations

import sys
import warnings
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import FrameType

import keras

from lossplug_core._app import registry
from lossplug_core.errors import ChangedLossWarning, DeprecatedLossWarning
from lossplug_core.events import Event, emit, is_heard
from lossplug_core.presets import PresetRef

__all__ = ["together", "warn"]

_OURS = frozenset({"keras", "lossplug_core"})
_told: ContextVar[set[str] | None] = ContextVar("_told", default=None)
_told_for: weakref.WeakKeyDictionary[keras.Model, set[str]] = weakref.WeakKeyDictionary()


@contextmanager
def together() -> Iterator[None]:
    """Losses that are built or loaded as one: what holds for several of them is said once."""
    if _told.get() is not None:
        yield
        return
    token = _told.set(set())
    try:
        yield
    finally:
        _told.reset(token)


def warn(warning: ChangedLossWarning | None, preset: PresetRef | None = None) -> None:
    """Warn, unless it was said already for the model or the combination that is being loaded.

    Args:
        warning: The warning, if there is one.
        preset: The preset that it is about, if it is not about a loss.
    """
    if warning is None:
        return
    told, depth = _audience()
    if str(warning) not in told:
        told.add(str(warning))
        if isinstance(warning, DeprecatedLossWarning):
            _record(warning, preset)
        warnings.warn(warning, stacklevel=depth + 2)


def _record(warning: DeprecatedLossWarning, preset: PresetRef | None) -> None:
    """The use of something deprecated, for the audit."""
    hooks = registry.hooks
    if is_heard("deprecated", hooks):
        name, version = preset or (None, None)
        id = warning.id if preset is None else None
        reason = f"{warning.what} {warning.fix or ''}".rstrip()
        emit(Event("deprecated", id, preset=name, preset_version=version, reason=reason), hooks)


def _audience() -> tuple[set[str], int]:
    """What was said already, and how far up the stack the user's own code is.

    Keras does not tell a loss for which model it is loaded, so the frames of the stack are asked:
    for the name of a public method only.
    """
    told, depth = _told.get(), 0
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] in _OURS:
        if frame.f_code.co_name == "compile_from_config":
            model = frame.f_locals.get("self")
            if isinstance(model, keras.Model):
                told = _told_for.setdefault(model, set())
        frame, depth = frame.f_back, depth + 1
    return set() if told is None else told, depth
