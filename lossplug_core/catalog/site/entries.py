"""What gets a page: each loss that is installed and allowed, and each preset."""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from lossplug_core.bridge import get_loss
from lossplug_core.catalog.references import names_in
from lossplug_core.catalog.site.benchmarks import Timing
from lossplug_core.catalog.site.conformance import Conformance
from lossplug_core.catalog.site.figures import figure_of
from lossplug_core.catalog.site.sums import figure_of_sum
from lossplug_core.errors import LossplugError
from lossplug_core.events import unobserved
from lossplug_core.migration import fate, instead
from lossplug_core.portrait.document import document_of
from lossplug_core.presets import Lead
from lossplug_core.registry import Registry

if TYPE_CHECKING:
    from lossplug_core.catalog.active import Catalogue, NamedPreset
    from lossplug_core.discovery import Entry

__all__ = ["Item", "items"]

_SAFE = re.compile(r"[a-z0-9_]+(?:[-.][a-z0-9_]+)*")
_OPTIONS = ("convention", "reduction", "dtype", "global_batch", "name")
"""What `get_loss` takes beside parameters."""


@dataclass(frozen=True, slots=True)
class Item:
    """A loss or a preset, with all that its page shows.

    Attributes:
        kind: `loss` or `preset`.
        name: The id of a loss, the name of a preset.
        path: Its page, without the `.html`.
        summary: What it is, a sentence; Markdown for a loss, mere text for a preset.
        plugin: The distribution that it comes from.
        document: What `lossplug show --json` says of the loss; of a preset, of the loss behind it.
        status: Whether to use it; empty where nobody said.
        owner: Whom to ask.
        also: Other words to find it by.
        given: The parameters that a preset sets.
        figure: The numbers of its picture.
        why_no_figure: Why it has none.
        problem: Why it cannot be used.
        deprecation: What to use instead, and until when.
        preset: The preset, as its catalogue has it.
        place: Where that stands.
        leads_to: What a preset is made of: other presets, then losses.
        parts: What `lossplug show --json` says of the losses that a combination is made of.
        conformance: What reports say of a loss.
        verdicts: Whether a loss passes, or all losses of a preset do, by backend.
        timings: What benchmarks say.
    """

    kind: str
    name: str
    path: str
    summary: str
    plugin: str = ""
    document: Mapping[str, Any] | None = None
    status: str = ""
    owner: str = ""
    also: tuple[str, ...] = ()
    given: Mapping[str, Any] = field(default_factory=dict)
    figure: Mapping[str, Any] | None = None
    why_no_figure: str = ""
    problem: str = ""
    deprecation: str = ""
    preset: NamedPreset | None = None
    place: str = ""
    leads_to: tuple[str, ...] = ()
    parts: tuple[Mapping[str, Any], ...] = ()
    conformance: Conformance | None = None
    verdicts: Mapping[str, str] = field(default_factory=dict)
    timings: tuple[Timing, ...] = ()

    @property
    def tasks(self) -> tuple[str, ...]:
        """What it is for."""
        return _common([document["tasks"] for document in self._documents])

    @property
    def y_true(self) -> tuple[str, ...]:
        """The forms of target that it takes."""
        return _common([document["y_true"]["forms"] for document in self._documents])

    @property
    def y_pred(self) -> tuple[str, ...]:
        """The forms of prediction that it takes."""
        return _common([document["y_pred"]["forms"] for document in self._documents])

    @property
    def has_weights(self) -> bool:
        """Whether it, or a part of it, owns weights."""
        return any(document["weights"] for document in self._documents)

    @property
    def _documents(self) -> tuple[Mapping[str, Any], ...]:
        return self.parts if self.document is None else (self.document,)

    @property
    def namespace(self) -> str:
        """The namespace of a loss."""
        return self.name.rpartition("/")[0] if self.kind == "loss" else ""


def items(registry: Registry, catalogue: Catalogue) -> Iterator[Item]:
    """All presets, then all losses, each sorted by name."""
    for named in sorted(catalogue.presets.values(), key=lambda named: named.name):
        yield _preset(named, registry, catalogue)
    for entry in registry.entries():
        yield _loss(entry, registry)


def _loss(entry: Entry, registry: Registry) -> Item:
    path = f"losses/{_slug(entry.namespace)}/{_slug(entry.name)}"
    plugin = str(entry.provider)
    try:
        spec = registry.find(entry.id)
        document = document_of(spec, entry.aliases)
    except LossplugError as error:
        why = "It cannot be loaded."
        return Item("loss", entry.id, path, why, plugin, problem=str(error), why_no_figure=why)
    figure, why = _figure(lambda: figure_of(spec, {}))
    gone = spec.deprecated
    return Item(
        "loss",
        entry.id,
        path,
        document["summary"],
        plugin,
        document,
        status="deprecated" if gone else "",
        also=(*entry.aliases, *document["formerly"], *filter(None, [document["paper"]])),
        figure=figure,
        why_no_figure=why,
        deprecation="" if gone is None else f"{fate(gone)}. {instead(gone)}.",
    )


def _preset(named: NamedPreset, registry: Registry, catalogue: Catalogue) -> Item:
    content = named.content
    common: dict[str, Any] = {
        "kind": "preset",
        "name": named.name,
        "path": f"presets/{_slug(named.name)}",
        "summary": content.description,
        "status": content.status,
        "owner": content.owner or "",
        "also": tuple(content.tags),
        "deprecation": _deprecation(named),
        "preset": named,
        "place": _local(named.place, catalogue),
    }
    try:
        lead = registry.lead(named.name)
        if lead is None:
            raise LossplugError("It is not in force.", fix="lossplug catalog check")
        loss = _built(named.name)
        between = tuple(preset.name for preset in lead.presets[1:])
        if not isinstance(lead.loss, str):
            parts = tuple(dict.fromkeys(names_in(lead.loss)))
            figure, why = _figure(lambda: figure_of_sum(loss))
            return Item(**common, leads_to=(*between, *parts), figure=figure, why_no_figure=why)
        return _of_one_loss(common, lead, registry, between)
    except LossplugError as error:
        why = "It cannot be built."
        return Item(**common, problem=_local(str(error), catalogue), why_no_figure=why)


def _of_one_loss(
    common: Mapping[str, Any], lead: Lead, registry: Registry, between: tuple[str, ...]
) -> Item:
    spec = registry.find(str(lead.loss))
    given = {name: value for name, value in lead.arguments.items() if name not in _OPTIONS}
    convention = lead.arguments.get("convention")
    figure, why = _figure(lambda: figure_of(spec, given, convention=convention))
    return Item(
        **common,
        plugin=str(spec.provider or ""),
        document=document_of(spec),
        given=dict(lead.arguments),
        figure=figure,
        why_no_figure=why,
        leads_to=(*between, spec.id),
    )


def _figure(draw: Callable[[], dict[str, Any]]) -> tuple[dict[str, Any] | None, str]:
    """The numbers of a picture, or why there is none."""
    try:
        return draw(), ""
    except LossplugError as error:
        return None, str(error)


def _built(name: str) -> Any:
    """A preset's loss: what is wrong with it, its parts included, is raised."""
    with warnings.catch_warnings(), unobserved():
        warnings.simplefilter("ignore")
        return get_loss(name)


def _deprecation(named: NamedPreset) -> str:
    content = named.content
    if content.status != "deprecated":
        return ""
    until = f" It may be used until {content.until}." if content.until else ""
    other = f" Use {content.replaced_by!r} instead." if content.replaced_by else ""
    return f"This preset is deprecated.{until}{other}"


def _common(sets: Sequence[Iterable[str]]) -> tuple[str, ...]:
    """What all have, in the order of the first; what any has where they have nothing in common."""
    every = dict.fromkeys(one for part in sets for one in part)
    shared = tuple(one for one in every if all(one in {*part} for part in sets))
    return shared or tuple(every)


def _local(text: str, catalogue: Catalogue) -> str:
    """Text without the folders of the machine that built the page."""
    for layer in catalogue.layers:
        text = text.replace(layer.source, PurePath(layer.source).name)
    return text


def _slug(name: str) -> str:
    """A name as part of a path that every file system takes, and that no other name has."""
    if _SAFE.fullmatch(name) and len(name) <= 80:
        return name
    letters = re.sub(r"[^a-z0-9]+", "-", name.casefold())[:40].strip("-")
    return f"{letters or 'name'}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
