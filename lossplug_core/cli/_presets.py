"""What the commands say of presets: as data, and as rows of text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lossplug_core.catalog.active import NamedPreset
    from lossplug_core.presets import Lead
    from lossplug_core.spec import LossSpec

__all__ = ["lead_json", "parameters_of", "preset_json", "rows_of", "target"]


def preset_json(preset: NamedPreset) -> dict[str, Any]:
    """A preset as its catalogue has it."""
    content = preset.content.model_dump(mode="json")
    layer, line = preset.layer, preset.layer.line("presets", preset.name)
    where = {"at": preset.place, "path": layer.source, "line": line}
    return {"name": preset.name, **where, **content}


def lead_json(lead: Lead) -> dict[str, Any]:
    """A preset, and where it leads."""
    own, *others = lead.presets
    return {
        **preset_json(own),
        "over": [other.name for other in others],
        "leads_to": lead.loss,
        "with": lead.arguments,
    }


def rows_of(lead: Lead) -> Iterator[tuple[str, str]]:
    """What people want to know of a preset."""
    own, *others = lead.presets
    content = own.content
    yield "preset", f"{own.name}, version {content.version}, {content.status}"
    if content.description:
        yield "for", " ".join(content.description.split())
    if content.owner:
        yield "owner", content.owner
    if content.replaced_by:
        yield "use instead", content.replaced_by
    if content.until:
        yield "until", str(content.until)
    for other in others:
        yield "made of", f"{other.name} ({other.place})"
    yield "loss", target(lead.loss)
    for name, value in lead.arguments.items():
        yield "with", f"{name}={value!r}"
    if content.tags:
        yield "tags", ", ".join(content.tags)
    for title, address in content.links.items():
        yield "see", f"{title}: {address}"
    yield "at", own.place


def target(loss: str | Mapping[str, Any]) -> str:
    """What a preset is made of, in a word or two."""
    name = loss if isinstance(loss, str) else loss.get("name")
    return name if isinstance(name, str) else "a combination"


def parameters_of(lead: Lead, spec: LossSpec) -> dict[str, Any]:
    """The parameters with which a preset builds its loss, beside the defaults."""
    from lossplug_core.spec import OPTIONS

    arguments = {name: value for name, value in lead.arguments.items() if name not in OPTIONS}
    convention = arguments.pop("convention", None)
    return {**spec.conventions.get(convention, {}), **arguments}
