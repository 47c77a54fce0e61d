"""What a loss must know of the step in which it is called: is it training, on which inputs?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lossplug_core.bridge.stateful import StatefulLoss

__all__ = ["Phase", "current_phase", "in_phase"]


@dataclass(eq=False)
class Phase:
    """One step of training or evaluation.

    Attributes:
        training: Whether states are kept, and steps counted.
        inputs: What the model was given, for losses that ask for it.
        called: The losses whose step is over when this phase ends.
    """

    training: bool = True
    inputs: Any = None
    called: dict[int, StatefulLoss] = field(default_factory=dict)


_PHASE: ContextVar[Phase | None] = ContextVar("lossplug_phase", default=None)


def current_phase() -> Phase | None:
    """The step that is running, if anyone has said so."""
    return _PHASE.get()


@contextmanager
def in_phase(training: bool | None, inputs: Any = None) -> Iterator[Phase]:
    """A step, in which every loss called counts one step of training, however often it is called.

    Args:
        training: Whether it is a step of training; None means as in the step around it, and where
            there is none, yes.
        inputs: What the model was given.
    """
    outer = _PHASE.get()
    if outer is not None and training in (None, outer.training):
        yield outer
        return
    phase = Phase(training is not False, outer.inputs if inputs is None and outer else inputs)
    token = _PHASE.set(phase)
    try:
        yield phase
    finally:
        _PHASE.reset(token)
    if phase.training:
        for loss in phase.called.values():
            loss.advance()
