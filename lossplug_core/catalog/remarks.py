"""What there is to say of a catalogue: one remark each, with its place and how much it matters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from lossplug_core.catalog._lines import place_of

if TYPE_CHECKING:
    from lossplug_core.catalog.reading import Layer
    from lossplug_core.errors import LossplugError

__all__ = ["SEVERITIES", "Remark", "Severity", "of_error", "remark", "without_fix"]

Severity = Literal["error", "warning", "note"]

SEVERITIES: dict[Severity, str] = {
    "error": "It does not work, or may not be used.",
    "warning": "It works today, and should not stay.",
    "note": "It may be meant so.",
}


@dataclass(frozen=True, slots=True)
class Remark:
    """Something about a catalogue.

    Attributes:
        severity: How much it matters.
        kind: What sort of thing it is, a word or two with hyphens.
        path: The path of the file, or what a person would call the place.
        line: The line in it, if it is known.
        subject: The preset, word or distribution that it is about.
        problem: What is wrong; the first line says it alone.
        fix: What to do about it, if that is known.
        called: What a person would call the place, if that is not the path.
    """

    severity: Severity
    kind: str
    path: str
    line: int | None
    subject: str
    problem: str
    fix: str | None = None
    called: str | None = None

    @property
    def place(self) -> str:
        """`path:line`."""
        return place_of(self.called or self.path, self.line)


def remark(
    severity: Severity,
    kind: str,
    at: tuple[Layer, tuple[str, ...]],
    subject: str,
    problem: str,
    fix: str | None = None,
) -> Remark:
    """A remark about a key of a layer."""
    layer, key = at
    line = layer.line(*key)
    return Remark(severity, kind, layer.source, line, subject, problem, fix, layer.called)


def of_error(
    kind: str, at: tuple[Layer, tuple[str, ...]], subject: str, error: LossplugError
) -> Remark:
    """A remark that repeats an error."""
    return remark("error", kind, at, subject, without_fix(error), error.fix)


def without_fix(error: LossplugError) -> str:
    """The message of an error, without the next step."""
    # Who asked for it may come after the next step.
    lines = str(error).replace(f"\n  Next: {error.fix}", "").splitlines()
    return "\n".join(line.strip() for line in lines)
