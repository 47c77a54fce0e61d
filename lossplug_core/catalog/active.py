"""The catalogues of this process as one: what the registry asks.

They are layers, in this order: those of hook plugins, an organisation's; those that
`LOSSPLUG_CATALOG` names, in its order; the project's, the nearest `lossplug.toml`, or
`pyproject.toml` with `[tool.lossplug]`, above the working directory. Of presets, preferences and
the index, the last layer that has a name counts. Rules add up: no layer can allow what another
forbids.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from lossplug_core.catalog.reading import Layer, find_project_file, from_mapping, read
from lossplug_core.errors import CatalogError
from lossplug_core.hooks import HookCaller, hookimpl
from lossplug_core.names import is_name_of, key, namespace_of, normalized
from lossplug_core.settings import switches_off

if TYPE_CHECKING:
    from lossplug_core.catalog.model import Preset
    from lossplug_core.spec import Provider

__all__ = ["Catalogue", "NamedPreset", "activate", "layers", "within"]

VARIABLE = "LOSSPLUG_CATALOG"
_OFF = ("", "0", "none", "off")


class NamedPreset(NamedTuple):
    """A preset, its name as it is written, and the layer that has it."""

    name: str
    content: Preset
    layer: Layer

    @property
    def place(self) -> str:
        """Where it stands, `path:line`."""
        return self.layer.place("presets", self.name)


class Catalogue:
    """Several layers as one; the hooks of the registry, answered."""

    def __init__(self, layers: Iterable[Layer]) -> None:
        self.layers = tuple(layers)

    @cached_property
    def presets(self) -> Mapping[str, NamedPreset]:
        """The presets by what their names have in common; the last layer's counts."""
        return {
            key(name): NamedPreset(name, preset, layer)
            for layer in self.layers
            for name, preset in layer.content.presets.items()
        }

    @cached_property
    def index(self) -> Mapping[str, tuple[str, ...]]:
        """The losses of distributions that may not be installed."""
        return {
            normalized(distribution): tuple(names)
            for layer in self.layers
            for distribution, names in layer.content.index.items()
        }

    @hookimpl
    def lossplug_veto(self, id: str, provider: Provider) -> str | None:
        """Why a loss is forbidden, or None."""
        return next(self.reasons(id, provider), None)

    @hookimpl
    def lossplug_preset(self, name: str) -> NamedPreset | None:
        """The preset of this name, or None."""
        return self.presets.get(key(name)) if "/" not in name else None

    @hookimpl
    def lossplug_prefer(self, name: str) -> str | None:
        """Which namespace or id is meant by a bare name, or None."""
        for layer in reversed(self.layers):
            for preferred, word in layer.content.prefer.items():
                if key(preferred) == key(name):
                    return word
        return None

    def reasons(self, id: str, provider: Provider) -> Iterator[str]:
        """All that is against a loss, with the place that says so."""
        namespace, _, name = id.rpartition("/")
        distribution = normalized(provider.distribution)
        for layer in self.layers:
            policy = layer.content.policy
            for word in policy.deny:
                if switches_off(word, namespace, name, distribution):
                    yield f"{layer.place('policy', 'deny')} denies {word!r}"
            if policy.allow is not None and not any(
                switches_off(word, namespace, name, distribution) for word in policy.allow
            ):
                yield f"{layer.place('policy', 'allow')} does not allow it"
            for required, versions in layer.content.requires.items():
                if normalized(required) == distribution and not within(provider.version, versions):
                    place = layer.place("requires", required)
                    yield f"{place} requires {required} {versions}, and {provider.version} is here"

    def is_about(self, word: str, id: str) -> bool:
        """Whether a word of `prefer` means a loss."""
        if "/" in word:
            return is_name_of(word, id)
        return namespace_of(word) == id.rpartition("/")[0]


def activate(hooks: HookCaller) -> Catalogue:
    """Read the catalogues of this process, and let them answer the registry's questions."""
    catalogue = Catalogue(layers(hooks))
    if catalogue.layers:
        hooks.register(catalogue, "the catalogue")
    return catalogue


def layers(hooks: HookCaller | None = None, folder: Path | None = None) -> Iterator[Layer]:
    """The layers, the organisation's first and the project's last.

    Raises:
        CatalogError: One of them cannot be read.
    """
    if hooks is not None:
        for given in hooks.call("lossplug_catalog"):
            yield _given(given)
    text = os.environ.get(VARIABLE)
    if text is not None and text.strip().casefold() in _OFF:
        return
    seen = set()
    for word in (text or "").split(os.pathsep):
        if word.strip():
            path = Path(word.strip()).expanduser()
            if not path.is_file():
                raise CatalogError(
                    f"{VARIABLE} names a catalogue that is not there.",
                    expected="paths of files, separated by " + repr(os.pathsep),
                    received=str(path),
                    path=str(path),
                    line=None,
                )
            seen.add(path.resolve())
            yield read(path)
    project = find_project_file(folder or Path.cwd())
    if project is not None and project.resolve() not in seen:
        yield read(project)


def _given(given: Any) -> Layer:
    """The catalogue of a hook plugin: a path, or a mapping as TOML would be."""
    if isinstance(given, Mapping):
        return from_mapping(given, str(given.get("name") or "a hook plugin"))
    return read(Path(given))


def within(version: str, versions: str) -> bool:
    """Whether an installed version is one of those that are approved."""
    from packaging.specifiers import SpecifierSet
    from packaging.version import InvalidVersion

    try:
        return SpecifierSet(versions).contains(version, prereleases=True)
    except InvalidVersion:
        return False
