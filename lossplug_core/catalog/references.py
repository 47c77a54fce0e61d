"""What a preset is made of: the names in it, and where one preset leads to another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lossplug_core.names import key

if TYPE_CHECKING:
    from lossplug_core.catalog.active import Catalogue, NamedPreset

__all__ = ["cycles", "names_in", "preset_of"]


def names_in(loss: Any) -> Iterator[str]:
    """The names of losses in a preset's `loss`, as they are written, those of parts too."""
    if isinstance(loss, str):
        yield loss
    elif isinstance(loss, Mapping):
        if "combine" in loss:
            yield from _of_parts(loss["combine"])
        elif "loss" in loss:
            yield from names_in(loss["loss"])
        elif isinstance(name := loss.get("name"), str):
            yield name


def preset_of(name: str, catalogue: Catalogue) -> NamedPreset | None:
    """The preset that a name means, or None."""
    return None if "/" in name else catalogue.presets.get(key(name))


def cycles(catalogue: Catalogue) -> list[list[NamedPreset]]:
    """The presets that lead back to themselves, in the order in which they do, each cycle once."""
    found: list[list[NamedPreset]] = []
    done: set[str] = set()

    def walk(named: NamedPreset, above: list[NamedPreset]) -> None:
        word = key(named.name)
        words = [key(other.name) for other in above]
        if word in words:
            found.append(above[words.index(word) :])
        elif word not in done:
            for name in names_in(named.content.loss):
                if (inner := preset_of(name, catalogue)) is not None:
                    walk(inner, [*above, named])
            done.add(word)

    for named in catalogue.presets.values():
        walk(named, [])
    return found


def _of_parts(parts: Any) -> Iterator[str]:
    if isinstance(parts, str):
        return
    if isinstance(parts, Mapping):
        yield from filter(lambda name: isinstance(name, str), parts)
    elif isinstance(parts, Sequence):
        for part in parts:
            pair = isinstance(part, Sequence) and not isinstance(part, str) and len(part) == 2
            yield from names_in(part[0] if pair else part)
