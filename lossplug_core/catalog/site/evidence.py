"""What reports and benchmarks say, beside each loss and preset."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lossplug_core.catalog.references import names_in
from lossplug_core.catalog.site.benchmarks import Benchmarks, read_benchmarks
from lossplug_core.catalog.site.conformance import FAILS, PASSES, UNCHECKED, Reports, read_report
from lossplug_core.errors import LossplugError

if TYPE_CHECKING:
    from lossplug_core.catalog.active import Catalogue
    from lossplug_core.catalog.site.entries import Item
    from lossplug_core.registry import Registry

__all__ = ["Evidence", "read_evidence"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a build is given beside the losses themselves.

    Attributes:
        reports: Reports of conformance.
        benchmarks: Files of benchmarks.
    """

    reports: Reports
    benchmarks: Benchmarks

    def about(self, items: Iterable[Item], registry: Registry) -> list[Item]:
        """The items, with what there is about each."""
        found = [*items]
        by_name = {item.name: item for item in found}
        with_own = {item.name: self._of_loss(item) for item in found if item.kind == "loss"}
        return [
            with_own.get(item.name) or self._of_preset(item, registry, by_name | with_own)
            for item in found
        ]

    def unknown(self, registry: Registry, catalogue: Catalogue) -> list[str]:
        """What they are about that has no page."""
        losses = {entry.id for entry in registry.entries()}
        presets = {named.name for named in catalogue.presets.values()}
        return sorted((self.reports.losses | self.benchmarks.losses) - losses - presets)

    def _of_loss(self, item: Item) -> Item:
        timings = self.benchmarks.of(item.name)
        if not self.reports.backends:
            return replace(item, timings=timings)
        distribution, _, version = item.plugin.rpartition(" ")
        told = self.reports.of(item.name, distribution, version)
        return replace(item, timings=timings, conformance=told, verdicts=told.verdicts)

    def _of_preset(self, item: Item, registry: Registry, by_name: Mapping[str, Item]) -> Item:
        losses = [] if item.problem else [*dict.fromkeys(_losses_of(item.name, registry, {}))]
        behind = [by_name[name] for name in losses if name in by_name]
        parts = [one.document for one in behind if one.document is not None]
        verdicts = {
            backend: _joint([one.verdicts[backend] for one in behind])
            for backend in self.reports.backends
        }
        return replace(
            item,
            leads_to=tuple(_as_shown(name, registry) for name in item.leads_to),
            parts=() if item.document else tuple(parts),
            verdicts=verdicts,
            timings=self.benchmarks.of(item.name),
        )


def read_evidence(reports: Sequence[Path] = (), benchmarks: Sequence[Path] = ()) -> Evidence:
    """What files say.

    Args:
        reports: Reports of conformance.
        benchmarks: Files of pytest-benchmark.

    Raises:
        LossplugError: A file is something else.
    """
    return Evidence(
        Reports(map(read_report, reports)),
        Benchmarks(one for path in benchmarks for one in read_benchmarks(path)),
    )


def _losses_of(name: str, registry: Registry, seen: dict[str, Any]) -> Iterator[str]:
    """The ids of the losses that a name leads to: several if it is a combination."""
    if name in seen:
        return
    seen[name] = None
    try:
        lead = registry.lead(name)
        loss = name if lead is None else lead.loss
        if isinstance(loss, str):
            yield registry.entry(loss).id
    except LossplugError:
        return
    if not isinstance(loss, str):
        for part in names_in(loss):
            yield from _losses_of(part, registry, seen)


def _as_shown(name: str, registry: Registry) -> str:
    """The name of the page of what is called so, in whichever spelling."""
    lead = registry.lead(name)
    return registry.entry(name).id if lead is None else lead.ref.name


def _joint(verdicts: Sequence[str]) -> str:
    """Whether all pass."""
    if FAILS in verdicts:
        return FAILS
    return PASSES if verdicts and {*verdicts} == {PASSES} else UNCHECKED
