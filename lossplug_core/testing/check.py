"""What a check is, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from lossplug_core.errors import LossplugError

if TYPE_CHECKING:
    from lossplug_core.spec import LossSpec
    from lossplug_core.testing.subject import Subject

__all__ = [
    "PROFILES",
    "Check",
    "ConformanceError",
    "Profile",
    "Result",
    "SkippedError",
    "Status",
    "check",
    "command_of",
]

Profile = Literal["quick", "thorough"]
PROFILES: tuple[Profile, ...] = get_args(Profile)

Status = Literal["passed", "failed", "skipped", "expected", "unexpected"]
"""What came of a check; `expected` is a failure that was announced, `unexpected` one that was not
there."""


class ConformanceError(LossplugError, AssertionError):
    """A loss does not do what it declares, or what every loss does."""


class SkippedError(Exception):
    """A check has nothing to look at; its text is the reason."""


def check(
    id: str,
    why: str,
    *,
    skip: Callable[[LossSpec], str | None] | None = None,
    needs: tuple[str, ...] = (),
    thorough: bool = False,
    backend: bool = True,
) -> Callable[[Callable[[Subject], None]], Check]:
    """Make a `Check` of the function below. Arguments as its attributes.

    Example:
        >>> @check("named-by-us", "So that it is found in the logs.")
        ... def named_by_us(subject):
        ...     assert subject.spec.name.startswith("acme_")
        >>> named_by_us.id
        'named-by-us'
    """
    return lambda run: Check(id, why, run, skip or _never, needs, thorough, backend)


def _never(spec: LossSpec) -> str | None:
    del spec
    return None


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that a loss must do.

    Attributes:
        id: Its name: words with hyphens.
        why: A sentence on why it matters.
        run: Raises if a loss does not do it. Any exception is a failure, but `SkippedError`.
        skip: The reason why a loss need not do it, from its spec alone; None if it must.
        needs: The checks without which this one says nothing: if one fails, it is skipped.
        thorough: Whether only the thorough profile runs it.
        backend: Whether it needs a backend.
    """

    id: str
    why: str
    run: Callable[[Subject], None]
    skip: Callable[[LossSpec], str | None] = _never
    needs: tuple[str, ...] = ()
    thorough: bool = False
    backend: bool = True


def command_of(loss: str, check: str, backend: str, profile: str = "quick", seed: int = 0) -> str:
    """The command that runs a check of a loss again, on the same examples."""
    more = "" if profile == "quick" else f" --profile {profile}"
    more += f" --seed {seed}" if seed else ""
    return f"lossplug check {loss} --check {check} --backend {backend}{more}"


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one check of one loss.

    Attributes:
        loss: The id of the loss.
        check: The id of the check.
        backend: The backend on which it ran.
        status: What came of it.
        message: Why it failed or was skipped.
        example: The smallest example on which it fails: a line of Python, if there is one.
        reproduce: A command that shows the failure again.
        seconds: How long it took.
    """

    loss: str
    check: str
    backend: str
    status: Status
    message: str = ""
    example: str = ""
    reproduce: str = ""
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether it is as it should be."""
        return self.status not in ("failed", "unexpected")

    def as_dict(self) -> dict[str, Any]:
        """Plain data, as JSON holds it."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Result:
        """The result that `as_dict` was made of."""
        return cls(**data)
