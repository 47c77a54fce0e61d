"""Files of pytest-benchmark, and how long they say that losses take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from lossplug_core.catalog.site.given import Part, document, each, validated

__all__ = ["Benchmark", "Benchmarks", "Timing", "read_benchmarks"]

_WHAT = "a file of pytest-benchmark"
_FIX = "pytest --benchmark-json file.json"

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Stats(Part):
    median: Seconds
    rounds: Annotated[int, Field(ge=1)]


class _One(Part):
    name: str
    group: str | None = None
    params: dict[str, Any] | None = None
    extra_info: dict[str, Any] = Field(default={})
    stats: _Stats

    def told(self, key: str) -> str:
        """What `extra_info` says, or else a parameter of the test."""
        for source in (self.extra_info, self.params or {}):
            if isinstance(source.get(key), (str, int, float)):
                return str(source[key])
        return ""


class _Machine(Part):
    system: str = ""
    machine: str = ""
    processor: str = ""
    cpu: Any = None

    def __str__(self) -> str:
        brand = self.cpu.get("brand_raw") if isinstance(self.cpu, Mapping) else None
        processor = brand if isinstance(brand, str) else self.processor
        return ", ".join(filter(None, [processor or self.machine, self.system]))


class _Document(Part):
    machine_info: _Machine = _Machine()
    datetime: str = ""
    benchmarks: list[Any]


@dataclass(frozen=True, slots=True)
class Benchmark:
    """What one benchmark measured.

    Attributes:
        loss: What it is about; empty if it does not say.
        name: What it is called.
        backend: Where it ran.
        size: How much data it had.
        median: Seconds.
        rounds: How many times it ran.
        machine: What it ran on, and on which day.
        is_baseline: Whether others are compared with it.
        group: What it can be compared with is equal in this.
    """

    loss: str
    name: str
    backend: str
    size: str
    median: float
    rounds: int
    machine: str
    is_baseline: bool
    group: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Timing:
    """A benchmark, and how it compares with the baseline of its group, or else with the fastest."""

    of: Benchmark
    ratio: str

    @property
    def median(self) -> str:
        """The median as people write it."""
        return _time(self.of.median)


def read_benchmarks(path: Path) -> list[Benchmark]:
    """The benchmarks of a file.

    Raises:
        LossplugError: The file is not one of pytest-benchmark.
    """
    head = validated(path, _Document, document(path, _WHAT, _FIX), _WHAT, _FIX)
    machine = ", ".join(filter(None, [str(head.machine_info), head.datetime[:10]]))
    rows = each(path, _One, head.benchmarks, _WHAT, _FIX, "benchmarks")
    return [_benchmark(one, machine, str(path)) for one in rows]


def _benchmark(one: _One, machine: str, path: str) -> Benchmark:
    backend, size = one.told("backend"), one.told("size")
    return Benchmark(
        one.told("loss"),
        one.name,
        backend,
        size,
        one.stats.median,
        one.stats.rounds,
        machine,
        one.extra_info.get("baseline") is True,
        (path, one.group, backend, size),
    )


class Benchmarks:
    """Several files, of which each group is compared within itself."""

    def __init__(self, benchmarks: Iterable[Benchmark]) -> None:
        self._groups: dict[tuple[Any, ...], list[Benchmark]] = {}
        self._of_loss: dict[str, list[Benchmark]] = {}
        for one in benchmarks:
            self._groups.setdefault(one.group, []).append(one)
            if one.loss:
                self._of_loss.setdefault(one.loss, []).append(one)

    @property
    def losses(self) -> set[str]:
        """What they are about."""
        return {*self._of_loss}

    def of(self, name: str) -> tuple[Timing, ...]:
        """What there is of a loss or preset."""
        return tuple(
            Timing(one, _ratio(one, self._groups[one.group])) for one in self._of_loss.get(name, ())
        )


def _ratio(one: Benchmark, group: Sequence[Benchmark]) -> str:
    if len(group) == 1:
        return ""
    baseline = next((other for other in group if other.is_baseline), None)
    other = baseline or min(group, key=lambda other: other.median)
    what = "baseline" if baseline else "fastest"
    if one is other:
        return f"the {what}"
    if not other.median:
        return ""
    return f"{one.median / other.median:.2f} × {other.loss or other.name}, the {what}"


def _time(seconds: float) -> str:
    """Seconds with the unit that suits them.

    Example:
        >>> _time(0.00123456), _time(0.9999), _time(7500.0)
        ('1.23 ms', '1 s', '7500 s')
    """
    units = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
    factor, unit = next((one for one in units if seconds >= 0.9995 * one[0]), units[-1])
    number = seconds / factor
    return f"{number:.0f} {unit}" if number >= 100 else f"{number:.3g} {unit}"
