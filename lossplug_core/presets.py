"""A preset followed to the loss that it leads to, over other presets.

What a preset is, is said by whoever answers the hook `lossplug_preset`: the catalogue, say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from lossplug_core.errors import CatalogError

if TYPE_CHECKING:
    from lossplug_core.catalog.active import NamedPreset

__all__ = ["Lead", "PresetRef", "cycle", "follow"]

_OF_TABLES = frozenset({"name", "params", "convention", "reduction", "dtype", "global_batch"})


class PresetRef(NamedTuple):
    """The preset that a loss was made from, as it is saved with the loss."""

    name: str
    version: int


class Lead(NamedTuple):
    """Where a preset leads.

    Attributes:
        presets: The preset, and those that it is made of, one after the other.
        loss: The name of a loss; or a table that describes a combination.
        arguments: What `get_loss` is given with that name: parameters, and what every loss has.
    """

    presets: tuple[NamedPreset, ...]
    loss: str | Mapping[str, Any]
    arguments: Mapping[str, Any]

    @property
    def ref(self) -> PresetRef:
        """The preset that was asked for."""
        return PresetRef(self.presets[0].name, self.presets[0].content.version)

    @property
    def text(self) -> str:
        """The presets, each with its place."""
        return ", which is ".join(f"the preset {p.name!r} ({p.place})" for p in self.presets)


def follow(name: str, preset_of: Callable[[str], NamedPreset | None]) -> Lead | None:
    """Where a name leads, if it is that of a preset.

    The parameters of a preset count over those of the preset that it is made of.

    Args:
        name: A name in any spelling.
        preset_of: Finds a preset.

    Raises:
        CatalogError: It leads to itself, or its table describes no loss.
    """
    found = preset_of(name)
    if found is None:
        return None
    chain: list[NamedPreset] = []
    arguments: dict[str, Any] = {}
    loss: str | Mapping[str, Any] = name
    while found is not None:
        if found in chain:
            raise cycle([*chain, found])
        chain.append(found)
        loss, own = _content(found)
        arguments = {**own, **arguments}
        found = preset_of(loss) if isinstance(loss, str) else None
    return Lead(tuple(chain), loss, arguments)


def cycle(chain: list[NamedPreset]) -> CatalogError:
    """The error of a preset that leads to itself, the last of a chain."""
    first = chain.index(chain[-1])
    path = " -> ".join(preset.name for preset in chain[first:])
    layer, name = chain[-1].layer, chain[-1].name
    return CatalogError(
        f"The preset {name!r} leads to itself: {path}.",
        fix=f"{chain[-2].place}: write an id, 'namespace/name', if a loss is meant.",
        path=layer.source,
        line=layer.line("presets", name),
    )


def _content(preset: NamedPreset) -> tuple[str | Mapping[str, Any], dict[str, Any]]:
    """What a preset is made of, and what it adds to that."""
    content = preset.content
    if isinstance(content.loss, str):
        common = {"convention": content.convention, "reduction": content.reduction}
        given = {name: value for name, value in common.items() if value is not None}
        return content.loss, {**given, **content.params}
    table = content.loss
    if "combine" in table:
        return table, {}
    name, params = table.get("name"), table.get("params", {})
    if isinstance(name, str) and isinstance(params, Mapping) and set(table) <= _OF_TABLES:
        common = {key: table[key] for key in table if key not in ("name", "params")}
        return name, {**common, **params}
    raise CatalogError(
        f"The table of the preset {preset.name!r} ({preset.place}) does not describe a loss.",
        expected="{name = …, params = {…}} or {combine = […]}, as `as_dict` writes them",
        received=dict(table),
        path=preset.layer.source,
        line=preset.layer.line("presets", preset.name, "loss"),
    )
