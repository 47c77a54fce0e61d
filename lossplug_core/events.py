"""What happened to losses, for an audit: to Python's logging, and to a hook."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from lossplug_core.hooks import HookCaller

__all__ = ["LOGGER", "Event", "Kind", "emit", "is_heard", "unobserved"]

LOGGER = "lossplug.audit"
"""The name of the logger."""

Kind = Literal["built", "vetoed", "deprecated"]

_LEVELS: Mapping[Kind, int] = {"built": 20, "vetoed": 30, "deprecated": 30}  # INFO and WARNING


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a loss.

    Attributes:
        kind: `built`; `vetoed`, if it was asked for and a rule forbids it; or `deprecated`, if it
            was used and it, or its preset, is deprecated.
        id: Its id; None for a combination, whose parts have events of their own.
        distribution: Who provides it.
        version: The version of that distribution.
        preset: The preset by which it was asked for, if it was.
        preset_version: The version of that preset.
        reason: The rule that forbids it, or what is said of a deprecated one.
    """

    kind: Kind
    id: str | None = None
    distribution: str | None = None
    version: str | None = None
    preset: str | None = None
    preset_version: int | None = None
    reason: str | None = None

    @property
    def facts(self) -> dict[str, Any]:
        """What is known of it, by the names of attributes."""
        known = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in known.items() if value is not None}

    def __str__(self) -> str:
        what = self.id or "a combination"
        by = f" of {self.distribution} {self.version or ''}".rstrip() if self.distribution else ""
        preset = f", as the preset {self.preset} {self.preset_version}" if self.preset else ""
        return f"{self.kind}: {what}{by}{preset}{f': {self.reason}' if self.reason else ''}"


_is_use: ContextVar[bool] = ContextVar("_is_use", default=True)


@contextmanager
def unobserved() -> Iterator[None]:
    """While losses are only looked at, to check or to draw them: an audit is not told of it."""
    token = _is_use.set(False)
    try:
        yield
    finally:
        _is_use.reset(token)


def is_heard(kind: Kind, hooks: HookCaller) -> bool:
    """Whether anybody listens, so that the event has to be made."""
    return _is_use.get() and (hooks.has("lossplug_event") or _logger().isEnabledFor(_LEVELS[kind]))


def emit(event: Event, hooks: HookCaller) -> None:
    """Tell of an event.

    In the log record, its facts are the attributes `lossplug_kind`, `lossplug_id` and so on.
    """
    extra = {f"lossplug_{name}": value for name, value in event.facts.items()}
    _logger().log(_LEVELS[event.kind], "%s", event, extra=extra)
    hooks.call("lossplug_event", event=event)


def _logger() -> Any:
    import logging  # takes time, and Keras has paid for it when a loss is built

    above = logging.getLogger("lossplug")
    if not above.handlers:
        # Without a handler, Python writes warnings to stderr: whoever wants them says so.
        above.addHandler(logging.NullHandler())
    return logging.getLogger(LOGGER)
