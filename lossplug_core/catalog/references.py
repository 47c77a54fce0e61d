"""What a preset is made of: the names in it, and where one preset leads to another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from lossplug_core.names import key

if TYPE_CHECKING:
    from lossplug_core.catalog.active import Catalogue, NamedPreset

__all__ = ["Order", "names_in", "ordered", "preset_of", "presets_in"]


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


class Order(NamedTuple):
    """The presets, and how they lead to each other.

    Attributes:
        presets: All of them, each after those that it is made of.
        cycles: Those that lead back to themselves, in the order in which they do.
    """

    presets: list[NamedPreset]
    cycles: list[list[NamedPreset]]


def ordered(catalogue: Catalogue) -> Order:
    """The presets, each after those that it is made of."""
    found: dict[str, NamedPreset] = {}
    cycles: list[list[NamedPreset]] = []
    for start in catalogue.presets.values():
        # No recursion: a chain of presets may be as long as a file.
        path: dict[str, NamedPreset] = {}
        waiting: list[Iterator[NamedPreset]] = [iter((start,))]
        while waiting:
            named = next(waiting[-1], None)
            if named is None:
                waiting.pop()
                if path:
                    found.update([path.popitem()])
            elif (word := key(named.name)) in path:
                words = list(path)
                cycles.append([path[other] for other in words[words.index(word) :]])
            elif word not in found:
                path[word] = named
                waiting.append(presets_in(named, catalogue))
    return Order([*found.values()], cycles)


def presets_in(named: NamedPreset, catalogue: Catalogue) -> Iterator[NamedPreset]:
    """The presets that a preset is made of."""
    for name in names_in(named.content.loss):
        if (inner := preset_of(name, catalogue)) is not None:
            yield inner


def _of_parts(parts: Any) -> Iterator[str]:
    if isinstance(parts, str):
        return
    if isinstance(parts, Mapping):
        yield from filter(lambda name: isinstance(name, str), parts)
    elif isinstance(parts, Sequence):
        for part in parts:
            pair = isinstance(part, Sequence) and not isinstance(part, str) and len(part) == 2
            yield from names_in(part[0] if pair else part)
