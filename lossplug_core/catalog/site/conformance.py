"""Reports of the conformance kit, as `lossplug check --json` writes them, and what they tell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from lossplug_core._backend import BACKENDS
from lossplug_core.catalog.site.given import Part, document, each, validated

__all__ = [
    "FAILS",
    "PASSES",
    "UNCHECKED",
    "Conformance",
    "Ran",
    "Report",
    "Reports",
    "chips",
    "choices",
    "read_report",
]

PASSES, FAILS, UNCHECKED = "passes", "fails", "not checked"

_WHAT, _FIX = "a report of conformance", "lossplug check --json > report.json"

Backend = Annotated[str, Field(pattern=r"^[a-z0-9_.-]{1,40}$")]
Short = Annotated[str, Field(max_length=300)]


class Ran(Part):
    """What came of one check of one loss on one backend."""

    loss: Short
    check: Short
    backend: Backend
    status: Literal["passed", "failed", "skipped", "expected", "unexpected"]
    message: str = ""
    example: str = ""
    reproduce: str = ""

    @property
    def ok(self) -> bool:
        """Whether it is as it should be."""
        return self.status not in ("failed", "unexpected")

    @property
    def words(self) -> str:
        """What came of it, for people."""
        return {"expected": "fails as announced", "unexpected": "passes unannounced"}.get(
            self.status, self.status
        )


class _Document(Part):
    schema_version: Literal[1]
    profile: Short | None = None
    seed: int | None = None
    only: list[Short] = Field(default=[])
    versions: dict[Short, Short | None] | None = None
    results: list[Any]


@dataclass(frozen=True, slots=True)
class Report:
    """One file.

    Attributes:
        results: What came of the checks.
        versions: The versions of what was examined, and with what; None if it does not say.
        whole: Whether all checks of a profile ran.
        profile: Which checks that were.
        seed: Which examples were drawn.
    """

    results: tuple[Ran, ...]
    versions: Mapping[str, str | None] | None = None
    whole: bool = True
    profile: str | None = None
    seed: int | None = None

    def made_with(self, distribution: str, backend: str) -> str:
        """What it says of how it was made."""
        told = [
            f"{name} {version}"
            for name in dict.fromkeys((distribution, "keras", backend, "lossplug-core"))
            if (version := (self.versions or {}).get(name))
        ]
        profile = () if self.profile is None else (f"profile {self.profile}",)
        seed = () if self.seed is None else (f"seed {self.seed}",)
        return ", ".join([*told, *profile, *seed])


def read_report(path: Path) -> Report:
    """A report.

    Raises:
        LossplugError: The file is not one.
    """
    head = validated(path, _Document, document(path, _WHAT, _FIX), _WHAT, _FIX)
    return Report(
        tuple(each(path, Ran, head.results, _WHAT, _FIX, "results")),
        head.versions,
        not head.only,
        head.profile,
        head.seed,
    )


@dataclass(frozen=True, slots=True)
class Conformance:
    """What the reports say of one loss.

    Attributes:
        backends: Where it was checked.
        rows: Each check, with what came of it on each of the backends.
        verdicts: Whether it passes, by backend.
        made_with: How each backend's report was made, by backend.
        remarks: What is to be known of the reports.
    """

    backends: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Ran | None, ...]], ...]
    verdicts: Mapping[str, str]
    made_with: Mapping[str, str]
    remarks: tuple[str, ...]


def chips(verdicts: Mapping[str, str]) -> list[tuple[str, str]]:
    """Each verdict that some backend has, and the words for it.

    Example:
        >>> chips({"jax": "passes", "torch": "passes"})
        [('passes', 'passes on jax, torch')]
    """
    found: dict[str, list[str]] = {}
    for backend, verdict in verdicts.items():
        found.setdefault(verdict, []).append(backend)
    return [
        (verdict, f"{verdict} on {', '.join(found[verdict])}")
        for verdict in (PASSES, FAILS, UNCHECKED)
        if verdict in found
    ]


def choices(verdicts: Mapping[str, str]) -> list[str]:
    """What a loss is found by."""
    everywhere = len(verdicts) > 1 and {*verdicts.values()} == {PASSES}
    each_one = [f"{verdict} on {backend}" for backend, verdict in verdicts.items()]
    return [*each_one, f"{PASSES} on all"] if everywhere else each_one


class Reports:
    """Several reports; of two about the same check, the later one counts.

    Args:
        reports: The reports, in their order.
    """

    def __init__(self, reports: Iterable[Report]) -> None:
        self._found: dict[tuple[str, str], list[tuple[Report, list[Ran]]]] = {}
        for report in reports:
            own: dict[tuple[str, str], list[Ran]] = {}
            for ran in report.results:
                own.setdefault((ran.loss, ran.backend), []).append(ran)
            for key, results in own.items():
                self._found.setdefault(key, []).append((report, results))
        backends = {backend for _, backend in self._found}
        known = [name for name in BACKENDS if name in backends]
        self.backends = (*known, *sorted(backends.difference(known)))

    @property
    def losses(self) -> set[str]:
        """What they are about."""
        return {loss for loss, _ in self._found}

    def of(self, loss: str, distribution: str, version: str) -> Conformance:
        """What they say of a loss.

        Args:
            loss: Its id.
            distribution: What installs it.
            version: The version of that.
        """
        results: dict[str, dict[str, Ran]] = {}
        verdicts, made_with = {}, {}
        remarks: list[str] = []
        for backend in self.backends:
            found = self._found.get((loss, backend), [])
            about = f"{distribution} {version}"
            current = [one for one in found if _told(one[0], distribution) in (None, version)]
            used = current or found
            results[backend] = {ran.check: ran for _, own in used for ran in own}
            verdicts[backend] = _verdict(results[backend].values(), current)
            if used:
                made_with[backend] = used[-1][0].made_with(distribution, backend)
                remarks += _remarks(backend, used, distribution, about, bool(current))
        checked = tuple(backend for backend in self.backends if results[backend])
        checks = dict.fromkeys(check for backend in checked for check in results[backend])
        rows = ((check, tuple(results[one].get(check) for one in checked)) for check in checks)
        return Conformance(checked, tuple(rows), verdicts, made_with, tuple(remarks))


def _told(report: Report, distribution: str) -> str | None:
    """The version that a report is about, if it says."""
    return (report.versions or {}).get(distribution)


def _verdict(results: Iterable[Ran], reports: Sequence[tuple[Report, Any]]) -> str:
    """What current reports tell; a few checks can show that a loss fails, not that it passes."""
    if not reports:
        return UNCHECKED
    statuses = [*results]
    if not all(ran.ok for ran in statuses):
        return FAILS
    passed = any(ran.status in ("passed", "expected") for ran in statuses)
    return PASSES if passed and any(report.whole for report, _ in reports) else UNCHECKED


def _remarks(
    backend: str,
    used: Sequence[tuple[Report, Any]],
    distribution: str,
    about: str,
    current: bool,
) -> Iterator[str]:
    told = _told(used[-1][0], distribution)
    if not current:
        yield (
            f"The report on {backend} is about {distribution} {told}, but {about} is installed: "
            "it decides nothing."
        )
    elif told is None:
        yield f"The report on {backend} does not say which version of {distribution} it is about."
    if not any(report.whole for report, _ in used):
        yield f"On {backend} some checks ran, not all: that cannot tell that the loss passes."
