"""The catalogues of this process as one: what the registry asks.

They are layers, in this order: those of hook plugins, an organisation's; those that
`LOSSPLUG_CATALOG` names, in its order; the project's, the nearest `lossplug.toml`, or
`pyproject.toml` with `[tool.lossplug]`, above the working directory. Of presets, preferences and
the index, the last layer that has a name counts. Rules add up: no layer can allow what another
forbids.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from lossplug_core.catalog.reading import Layer, find_project_file, from_mapping, read
from lossplug_core.errors import CatalogError
from lossplug_core.hooks import HookCaller, hook_name, hookimpl
from lossplug_core.names import is_name_of, key, namespace_of, normalized
from lossplug_core.settings import switches_off

if TYPE_CHECKING:
    from lossplug_core.catalog.model import Preset
    from lossplug_core.spec import Provider

__all__ = [
    "NAME",
    "Catalogue",
    "NamedPreset",
    "activate",
    "alone",
    "named_files",
    "within",
]

NAME = "the catalogue"
"""What the catalogue is called among the hook plugins."""

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
    def lossplug_veto(
        self, id: str, provider: Provider, ids: tuple[str, ...], formerly: tuple[str, ...]
    ) -> str | None:
        """Why a loss is forbidden, or None."""
        return next(self.reasons(id, provider, ids, formerly), None) if id in ids else None

    @hookimpl
    def lossplug_index(self) -> Mapping[str, Sequence[str]]:
        """Losses of distributions that may not be installed."""
        return self.index

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

    def reasons(
        self, id: str, provider: Provider, ids: Sequence[str] = (), formerly: Sequence[str] = ()
    ) -> Iterator[str]:
        """All that is against a loss, with the place that says so.

        Args:
            id: Its id.
            provider: Where it would come from.
            ids: Its ids, under all the names that it has.
            formerly: The ids that it had. To deny one of them is to deny the loss; to allow one is
                not to allow it, since any plugin may say that it had an id.
        """
        names = (id, *ids)
        distribution = normalized(provider.distribution)
        for layer in self.layers:
            policy = layer.content.policy
            for word in policy.deny:
                old = "/" in word and any(is_name_of(word, former) for former in formerly)
                if old or _is_about(word, names, distribution):
                    yield f"{layer.place('policy', 'deny')} denies {word!r}"
            if policy.allow is not None and not any(
                _is_about(word, names, distribution) for word in policy.allow
            ):
                yield f"{layer.place('policy', 'allow')} does not allow it"
        yield from (reason for reason, _ in self._wrong_versions(provider))

    def denies_hooks(self, provider: Provider) -> bool:
        """Whether a distribution is denied as a whole, so that its hooks are not loaded either.

        To allow losses says nothing about hooks: what forbids losses may itself be a hook plugin.
        """
        distribution = normalized(provider.distribution)
        words = (word for layer in self.layers for word in layer.content.policy.deny)
        return any(
            "/" not in word and normalized(word) in (distribution, namespace_of(distribution))
            for word in words
        )

    def wrong_version(self, provider: Provider) -> tuple[str, str] | None:
        """Why a distribution is not of an approved version, and what to do; None if it is."""
        return next(self._wrong_versions(provider), None)

    def _wrong_versions(self, provider: Provider) -> Iterator[tuple[str, str]]:
        distribution = normalized(provider.distribution)
        for layer in self.layers:
            for required, versions in layer.content.requires.items():
                if normalized(required) == distribution and not within(provider.version, versions):
                    yield (
                        f"{layer.place('requires', required)} requires {required} {versions}, "
                        f"and {provider.version} is here",
                        f"pip install {shlex.quote(required + versions)}",
                    )

    def is_about(self, word: str, id: str) -> bool:
        """Whether a word of `prefer` means a loss."""
        if "/" in word:
            return is_name_of(word, id)
        return namespace_of(word) == id.rpartition("/")[0]


def activate(hooks: HookCaller, plugins: Iterable[Provider]) -> None:
    """Read the catalogues of this process, and let them answer the registry's questions.

    Those outside of plugins are read first, so that hook plugins that they deny are not imported.

    Args:
        hooks: Where the catalogue will answer.
        plugins: The hook plugins that are installed.

    Raises:
        CatalogError: A catalogue cannot be read: then nothing is looked up.
    """
    plugins = tuple(plugins)
    own = Catalogue(_own_layers())
    hooks.load(plugin for plugin in plugins if not _kept_out(plugin, own, hooks))
    catalogue = Catalogue((*_given_layers(hooks, plugins), *own.layers))
    if not catalogue.layers:
        return
    if len(catalogue.layers) > len(own.layers):
        for plugin in plugins:
            if _kept_out(plugin, catalogue, hooks):
                hooks.unregister(hook_name(plugin))
    hooks.register(catalogue, NAME, constant=True)


def alone(catalogue: Catalogue) -> Callable[[HookCaller, Iterable[Provider]], None]:
    """What lets a catalogue answer the registry's questions, and no other, in place of `activate`.

    Args:
        catalogue: The catalogue, which may be in force nowhere.
    """

    def start(hooks: HookCaller, plugins: Iterable[Provider]) -> None:
        hooks.load(plugin for plugin in plugins if not _kept_out(plugin, catalogue, hooks))
        hooks.register(catalogue, NAME, constant=True)

    return start


def _kept_out(plugin: Provider, catalogue: Catalogue, hooks: HookCaller) -> bool:
    """Whether a catalogue is against a hook plugin. One that it wants otherwise is a finding."""
    if catalogue.denies_hooks(plugin):
        return True
    wrong = catalogue.wrong_version(plugin)
    if wrong is not None:
        hooks.leave_out(plugin, *wrong)
    return wrong is not None


def _given_layers(hooks: HookCaller, plugins: Iterable[Provider]) -> Iterator[Layer]:
    """The catalogues of hook plugins, in the order of their names."""
    providers = {hook_name(plugin): plugin for plugin in plugins}
    for name, given in sorted(hooks.named("lossplug_catalog"), key=lambda pair: pair[0]):
        if isinstance(given, Mapping):
            yield from_mapping(given, f"the hook plugin {name}")
        elif isinstance(given, (str, os.PathLike)):
            yield read(Path(given), _called(Path(given), providers.get(name)))
        else:
            raise CatalogError(
                f"The hook plugin {name} gives no catalogue.",
                expected="the path of a TOML file, or a mapping",
                received=given,
                path=name,
                line=None,
            )


def _called(path: Path, plugin: Provider | None) -> str | None:
    """What messages call a file that a hook plugin brings in its own package."""
    from lossplug_core.catalog._files import path_within

    within_it = plugin and path_within(plugin.target.partition(":")[0], path)
    return f"{plugin}: {within_it}" if within_it else None


def _own_layers() -> Iterator[Layer]:
    """The catalogues that `LOSSPLUG_CATALOG` names, and the project's."""
    text = os.environ.get(VARIABLE)
    if text is not None and text.strip().casefold() in _OFF:
        return
    seen: list[Path] = []
    for path in named_files():
        if not os.path.isfile(path):  # noqa: PTH113  pathlib's raises where nobody may look
            is_folder = os.path.isdir(path)  # noqa: PTH112
            what = "a folder" if is_folder else "a catalogue that is not there"
            raise CatalogError(
                f"{VARIABLE} names {what}.",
                expected="paths of files, separated by " + repr(os.pathsep),
                received=str(path),
                path=str(path),
                line=None,
            )
        seen.append(path)
        yield read(path)
    project = _project_file()
    if project is not None and not any(_is_same(project, path) for path in seen):
        yield read(project)


def named_files() -> list[Path]:
    """The files that `LOSSPLUG_CATALOG` names, whether they are there or not."""
    words = map(str.strip, os.environ.get(VARIABLE, "").split(os.pathsep))
    return [Path(word).expanduser() for word in words if word]


def _project_file() -> Path | None:
    try:
        return find_project_file(Path.cwd())
    except FileNotFoundError:  # the working directory is gone
        return None


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def _is_about(word: str, ids: Iterable[str], distribution: str) -> bool:
    """Whether a distribution, a namespace or an id means a loss."""
    parts = (id.rpartition("/") for id in ids)
    return any(switches_off(word, namespace, name, distribution) for namespace, _, name in parts)


def within(version: str, versions: str) -> bool:
    """Whether an installed version is one of those that are approved."""
    from packaging.specifiers import SpecifierSet
    from packaging.version import InvalidVersion

    try:
        return SpecifierSet(versions).contains(version, prereleases=True)
    except InvalidVersion:
        return False
