"""Failures that are announced, and fail when they pass."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import replace

from lossplug_core.errors import ParameterError
from lossplug_core.names import is_name_of
from lossplug_core.spec import LossSpec
from lossplug_core.testing.check import Result

__all__ = ["check_expected", "expected_reason", "judged"]


def expected_reason(expected: Mapping[str, str], loss: str, check: str) -> str | None:
    """Why a check is expected to fail for a loss, or None. Keys are `check` or `loss:check`."""
    for wish, reason in expected.items():
        whose, _, what = wish.rpartition(":")
        if what == check and (not whose or is_name_of(whose, loss)):
            return reason
    return None


def judged(result: Result, reason: str | None) -> Result:
    """A result in the light of what was expected; what is skipped stays so."""
    if reason is None or result.status == "skipped":
        return result
    if result.status == "failed":
        return replace(result, status="expected", message=f"{reason}\n{result.message}")
    return replace(
        result, status="unexpected", message=f"It was expected to fail, and passes: {reason}"
    )


def check_expected(
    expected: Mapping[str, str], losses: Iterable[str | LossSpec], checks: Iterable[str]
) -> None:
    """Refuse to expect failures of what there is not: a typo would hide a failure.

    Raises:
        ParameterError: A key names no check or none of the losses.
    """
    ids, known = [loss if isinstance(loss, str) else loss.id for loss in losses], list(checks)
    for wish in expected:
        whose, _, what = wish.rpartition(":")
        if what not in known or (whose and not any(is_name_of(whose, id) for id in ids)):
            near = difflib.get_close_matches(what, known, n=1)
            raise ParameterError(
                "An expected failure names no check of these losses.",
                expected="the id of a check, or 'loss:check'",
                received=wish,
                nearest=[] if what in known else near,
            )
