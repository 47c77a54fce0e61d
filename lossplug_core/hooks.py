"""What plugins can do beside bringing losses: the hook specifications and their manager.

A plugin that registers under the entry-point group `lossplug.hooks` implements any of `Hooks`'s
methods with `@hookimpl`. One that fails, at import or when called, is left out and recorded.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import pluggy

from lossplug_core.discovery import Finding
from lossplug_core.errors import BrokenPluginError, PluginWarning
from lossplug_core.settings import strict

if TYPE_CHECKING:
    from lossplug_core.spec import Provider
    from lossplug_core.testing.check import Check

__all__ = ["HookCaller", "Hooks", "hookimpl", "hookspec"]

PROJECT = "lossplug"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class Hooks:
    """The hooks that there are."""

    @hookspec
    def lossplug_veto(self, id: str, provider: Provider) -> str | None:
        """Forbid a loss.

        Asked whenever a loss is looked up, before its plugin is imported.

        Args:
            id: `namespace/name`.
            provider: The distribution, version and entry point that would be used.

        Returns:
            The reason, a sentence for the user; None to allow the loss.
        """

    @hookspec
    def lossplug_loss_built(self, loss: Any) -> None:
        """Observe a loss that was just built, by name or from a saved model.

        Args:
            loss: The `keras.losses.Loss`.
        """

    @hookspec
    def lossplug_catalog(self) -> Any:
        """Bring a catalogue: that of the organisation, in its internal plugin.

        Returns:
            The path of a TOML file, or a mapping that says the same.
        """

    @hookspec
    def lossplug_preset(self, name: str) -> Any:
        """Say what a preset is. Asked before any loss is looked for.

        Args:
            name: A bare name, in any spelling.

        Returns:
            A `lossplug_core.catalog.active.NamedPreset`, or None.
        """

    @hookspec
    def lossplug_prefer(self, name: str) -> str | None:
        """Choose between plugins that have a loss of the same name.

        Args:
            name: A bare name, in any spelling.

        Returns:
            The namespace or the id that is meant, or None.
        """

    @hookspec
    def lossplug_checks(self) -> Iterable[Check]:  # type: ignore[empty-body]
        """Add checks to the conformance kit.

        Returns:
            What `lossplug_core.testing.check` makes of functions.
        """


class HookCaller:
    """Calls hooks, one plugin at a time, so that each fails alone."""

    def __init__(self) -> None:
        self.manager = pluggy.PluginManager(PROJECT)
        self.manager.add_hookspecs(Hooks)
        self.findings: list[Finding] = []
        self._callers: dict[str, list[tuple[str, Callable[..., list[Any]]]]] = {}
        self._lock = threading.RLock()

    def load(self, providers: Iterable[Provider]) -> None:
        """Import and register the hook plugins of installed distributions."""
        for provider in providers:
            name = f"{provider.distribution}:{provider.entry_point}"
            try:
                self.register(provider.load(), name)
            except (Exception, SystemExit) as error:
                self._failed(name, "could not be loaded", error)

    def register(self, plugin: object, name: str | None = None) -> None:
        """Add one plugin: a module or object with `@hookimpl` methods."""
        with self._lock:
            self.manager.register(plugin, name)
            self._callers.clear()
            try:
                self.manager.check_pending()
            except Exception:
                self.manager.unregister(plugin)
                raise

    def has(self, hook: str) -> bool:
        """Whether any plugin implements a hook."""
        return bool(self._of(hook))

    def call(self, hook: str, **arguments: Any) -> list[Any]:
        """The results of all plugins that have one, without those that fail."""
        results = []
        for name, caller in self._of(hook):
            try:
                results += caller(**arguments)
            except Exception as error:
                self._failed(name, f"failed in {hook}", error)
        return results

    def _of(self, hook: str) -> list[tuple[str, Callable[..., list[Any]]]]:
        """For each plugin that implements a hook, a caller of that plugin alone."""
        callers = self._callers.get(hook)
        if callers is None:
            callers = self._callers[hook] = self._one_by_one(hook)
        return callers

    def _one_by_one(self, hook: str) -> list[tuple[str, Callable[..., list[Any]]]]:
        with self._lock:
            plugins = [impl.plugin for impl in getattr(self.manager.hook, hook).get_hookimpls()]
            everyone = self.manager.get_plugins()
            return [
                (
                    self.manager.get_name(plugin) or repr(plugin),
                    self.manager.subset_hook_caller(
                        hook, [other for other in everyone if other is not plugin]
                    ),
                )
                for plugin in plugins
            ]

    def _failed(self, name: str, what: str, error: BaseException) -> None:
        distribution = name.partition(":")[0]
        message = f"The hook plugin {name!r} {what}: {type(error).__name__}: {error}"
        fix = f"pip install --upgrade {distribution}, or LOSSPLUG_DISABLE={distribution}"
        if strict():
            raise BrokenPluginError(message, fix=fix, distribution=distribution) from error
        finding = Finding("broken-hook", distribution, message, fix)
        if finding not in self.findings:
            self.findings.append(finding)
            warnings.warn(PluginWarning(f"{message}. It is left out. {fix}"), stacklevel=4)
