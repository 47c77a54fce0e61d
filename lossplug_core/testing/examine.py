"""One loss, and what comes of its checks: what all three ways in have in common."""

from __future__ import annotations

import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from lossplug_core._app import registry
from lossplug_core._backend import backend
from lossplug_core.errors import LossplugError, ParameterError
from lossplug_core.spec import LossSpec
from lossplug_core.testing.check import (
    PROFILES,
    Check,
    Profile,
    Result,
    SkippedError,
    command_of,
)
from lossplug_core.testing.oracles import of_loss, read_oracles
from lossplug_core.testing.selection import checks

__all__ = ["Examination", "examine"]

_LOADS = "loads"
_ORACLE = "oracle"
_TIME_LIMIT = 180.0


class Examination:
    """One loss and what came of its checks, each of which runs once.

    Args:
        loss: Its id, or the spec of one that no plugin provides.
        profile: `"quick"` or `"thorough"`.
        seed: Decides which examples are drawn.
        oracles: For its conventions, what gives the same values.
        seconds: How long a check may take; None if another process looks after that.
    """

    def __init__(
        self,
        loss: str | LossSpec,
        *,
        profile: Profile = "quick",
        seed: int = 0,
        oracles: Mapping[str | None, Callable[..., Any]] | None = None,
        seconds: float | None = _TIME_LIMIT,
    ) -> None:
        if profile not in PROFILES:
            raise ParameterError(
                "There is no such profile.", expected=" or ".join(PROFILES), received=profile
            )
        self.loss, self.profile, self.seed = loss, profile, seed
        self._oracles, self._seconds = dict(oracles or {}), seconds
        self._checks = checks()
        self._results: dict[str, Result] = {}
        self._subject: Any = None

    @property
    def id(self) -> str:
        """The id of the loss."""
        return self.loss if isinstance(self.loss, str) else self.loss.id

    def believe(self, results: Iterable[Result]) -> None:
        """Take results for known."""
        for result in results:
            self._results.setdefault(result.check, result)

    def result(self, check: str) -> Result:
        """What came of a check, and first of those that it needs."""
        if check not in self._results:
            self._results[check] = self._run(self._checks[check])
        return self._results[check]

    def _run(self, check: Check) -> Result:
        begin = time.perf_counter()
        status, message, example = "passed", "", ""
        try:
            if check.id != _LOADS and not self.result(_LOADS).ok:
                raise SkippedError(f"it rests on {_LOADS!r}, which failed")
            if check.id == _ORACLE and not self._oracles:
                raise SkippedError("no oracle was given")
            subject = self._loaded()
            if reason := self._reason(check, subject.spec):
                raise SkippedError(reason)
            with _time_limit(self._seconds):
                check.run(subject)
        except SkippedError as error:
            status, message = "skipped", str(error)
        except (Exception, SystemExit, _OutOfTimeError) as error:
            status, message = "failed", _told(error)
            example = getattr(error, "example", "")
        return Result(
            loss=self.id,
            check=check.id,
            backend=_backend(),
            status=status,  # type: ignore[arg-type]
            message=message,
            example=example,
            reproduce=self._command(check.id) if status == "failed" else "",
            seconds=time.perf_counter() - begin,
        )

    def _loaded(self) -> Any:
        from lossplug_core.testing.subject import Subject

        if self._subject is None:
            spec = registry.find(self.loss) if isinstance(self.loss, str) else self.loss
            self._subject = Subject(spec, self.profile, self.seed, self._oracles)
        return self._subject

    def _reason(self, check: Check, spec: LossSpec) -> str | None:
        """Why a check is skipped, or None."""
        if (reason := check.skip(spec)) is not None:
            return reason
        for need in check.needs:
            if not (found := self.result(need)).ok:
                return f"it rests on {need!r}, which failed"
            if found.status == "skipped" and "rests on" in found.message:
                return found.message
        return None

    def _command(self, check: str) -> str:
        if not isinstance(self.loss, str):
            return ""
        return command_of(self.id, check, _backend(), self.profile, self.seed)


def examine(
    loss: str,
    check: str,
    profile: Profile,
    seed: int,
    oracles: str | None,
    known: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """The result of one check, as plain data: what a `Worker` is asked for.

    What came of the other checks of the loss is remembered, and what is known already, perhaps from
    a process that did not survive it, is believed.
    """
    examination = _examination(loss, profile, seed, oracles)
    examination.believe(Result.from_dict(result) for result in known.values())
    return examination.result(check).as_dict()


@lru_cache(maxsize=1)
def _examination(loss: str, profile: Profile, seed: int, oracles: str | None) -> Examination:
    given = of_loss(read_oracles(oracles) if oracles else None, loss)
    return Examination(loss, profile=profile, seed=seed, oracles=given, seconds=None)


class _OutOfTimeError(BaseException):
    """A check takes too long. No `Exception`: after one Hypothesis would try smaller examples."""


@contextmanager
def _time_limit(seconds: float | None) -> Iterator[None]:
    """Stop what takes too long, where the system has alarms and this is the main thread."""
    main = threading.current_thread() is threading.main_thread()
    if seconds is None or not main or not hasattr(signal, "setitimer"):
        yield
        return

    def stop(*_: Any) -> None:
        raise _OutOfTimeError(f"It does not end within {seconds:.0f} s.")

    handler = signal.signal(signal.SIGALRM, stop)
    others = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, *others)
        signal.signal(signal.SIGALRM, handler)


def _told(error: BaseException) -> str:
    """An error as a message: ours as they are, others with the place where they were raised."""
    if isinstance(error, (LossplugError, _OutOfTimeError)):
        return str(error)
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error}\n  at {place.filename}:{place.lineno}"


def _backend() -> str:
    return backend().name
