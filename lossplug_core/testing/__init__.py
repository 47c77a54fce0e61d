"""The conformance kit: what every loss must do, checked in one way for all.

It needs the extra `lossplug-core[testing]`. Three ways lead to the same checks:
`lossplug check ID`, `pytest --lossplug ID` or `parametrize_with_checks`, and `run_checks`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lossplug_core.testing.check import Check, ConformanceError, Result, SkippedError, check

if TYPE_CHECKING:
    from lossplug_core.testing.parametrize import parametrize_with_checks
    from lossplug_core.testing.run import run_checks
    from lossplug_core.testing.selection import checks
    from lossplug_core.testing.subject import Subject, agree

__all__ = [
    "Check",
    "ConformanceError",
    "Result",
    "SkippedError",
    "Subject",
    "agree",
    "check",
    "checks",
    "parametrize_with_checks",
    "run_checks",
]

# What these need takes time to import: pytest finds its plugin here in every session.
_AT_FIRST_USE = {
    "Subject": "subject",
    "agree": "subject",
    "checks": "selection",
    "parametrize_with_checks": "parametrize",
    "run_checks": "run",
}


def __getattr__(name: str) -> Any:
    if name not in _AT_FIRST_USE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_AT_FIRST_USE[name]}"), name)
