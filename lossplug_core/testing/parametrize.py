"""The checks as tests of a test file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from lossplug_core.spec import LossSpec
from lossplug_core.testing.check import ConformanceError, Profile, Result
from lossplug_core.testing.examine import Examination
from lossplug_core.testing.oracles import Oracles
from lossplug_core.testing.run import planned
from lossplug_core.testing.selection import Loss

__all__ = ["parametrize_with_checks", "report"]


def parametrize_with_checks(
    losses: Loss | Iterable[Loss],
    *,
    profile: Profile = "quick",
    only: Iterable[str] | None = None,
    expected_failures: Mapping[str, str] | None = None,
    oracles: Oracles | None = None,
    seed: int = 0,
) -> pytest.MarkDecorator:
    """Make one test of each check of each loss. Arguments as of `run_checks`.

    Returns:
        A decorator for a test `(loss, check)`, which calls `check(loss)`.

    Raises:
        LossplugError: A name means no loss, or there is no such check or profile.

    Example:
        >>> @parametrize_with_checks("imbalance")
        ... def test_conforms(loss, check):
        ...     check(loss)
    """
    rows = [
        pytest.param(
            examination.loss,
            _Bound(examination, id),
            id=f"{examination.id}-{id}",
            marks=[_fails(reason)] if reason else [],
        )
        for examination, id, reason in planned(
            losses, profile, only, expected_failures, oracles, seed
        )
    ]
    return pytest.mark.parametrize(("loss", "check"), rows)


def _fails(reason: str) -> pytest.MarkDecorator:
    return pytest.mark.xfail(reason=reason, raises=ConformanceError, strict=True)


@dataclass(frozen=True)
class _Bound:
    """One check of one loss, called with the loss, which it knows already."""

    examination: Examination
    id: str

    def __call__(self, loss: str | LossSpec | Callable[..., Any] | None = None) -> None:
        __tracebackhide__ = True
        del loss
        report(self.examination.result(self.id))


def report(result: Result) -> None:
    """Pass, skip or fail a test of pytest, as a check did."""
    __tracebackhide__ = True
    if result.status == "skipped":
        pytest.skip(result.message)
    if result.status == "failed":
        raise ConformanceError(text_of(result))


def text_of(result: Result) -> str:
    """A failure as people read it: what, the smallest example, and how to see it again."""
    lines = [f"{result.loss} fails {result.check!r} on {result.backend}.", result.message]
    if result.example:
        lines.append(f"Example: {result.example}")
    if result.reproduce:
        lines.append(f"Again: {result.reproduce}")
    return "\n  ".join(lines)
