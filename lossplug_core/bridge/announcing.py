"""That a loss was built is told to those who observe it."""

from __future__ import annotations

import keras

from lossplug_core._app import registry
from lossplug_core.events import Event, emit, is_heard
from lossplug_core.presets import PresetRef
from lossplug_core.spec import LossSpec

__all__ = ["built", "combined"]


def built(loss: keras.losses.Loss, spec: LossSpec, preset: PresetRef | None = None) -> None:
    """Tell that a loss was built, by name or from a saved model."""
    hooks = registry.hooks
    hooks.call("lossplug_loss_built", loss=loss)
    if is_heard("built", hooks):
        by, version = (spec.provider.distribution, spec.provider.version) if spec.provider else _NO
        emit(Event("built", spec.id, by, version, *(preset or _NO)), hooks)


def combined(preset: PresetRef) -> None:
    """Tell that a combination was built from a preset."""
    if is_heard("built", registry.hooks):
        name, version = preset
        emit(Event("built", preset=name, preset_version=version), registry.hooks)


_NO = (None, None)
