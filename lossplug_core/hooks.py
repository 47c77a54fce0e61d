"""What plugins can do beside bringing losses: the hook specifications and their manager.

A plugin that registers under the entry-point group `lossplug.hooks` implements any of `Hooks`'s
methods with `@hookimpl`. One that fails, at import or when called, is left out and recorded.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pluggy

from lossplug_core.discovery import Finding
from lossplug_core.errors import BrokenPluginError, PluginWarning
from lossplug_core.settings import strict

if TYPE_CHECKING:
    from lossplug_core.events import Event
    from lossplug_core.spec import Provider
    from lossplug_core.testing.check import Check

__all__ = ["HookCaller", "Hooks", "hook_name", "hookimpl", "hookspec"]

PROJECT = "lossplug"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class Hooks:
    """The hooks that there are."""

    @hookspec
    def lossplug_veto(
        self, id: str, provider: Provider, ids: tuple[str, ...], formerly: tuple[str, ...]
    ) -> str | None:
        """Forbid a loss.

        Asked whenever a loss is looked up, before its plugin is imported: for its id, and then for
        each id that it had.

        Args:
            id: `namespace/name`.
            provider: The distribution, version and entry point that would be used.
            ids: The id that it has today, and the same with each of its aliases.
            formerly: The ids that it had.

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
    def lossplug_event(self, event: Event) -> None:
        """Observe what happens to losses, for an audit.

        Args:
            event: What happened; it is also logged, by the logger `lossplug.audit`.
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
    def lossplug_index(self) -> Mapping[str, Sequence[str]]:  # type: ignore[empty-body]
        """Tell of losses in packages that may not be installed, to say what to install.

        Returns:
            For the name of each distribution, the names of the losses in it.
        """

    @hookspec
    def lossplug_checks(self) -> Iterable[Check]:  # type: ignore[empty-body]
        """Add checks to the conformance kit.

        Returns:
            What `lossplug_core.testing.check` makes of functions.
        """


def hook_name(provider: Provider) -> str:
    """What the hook plugin of a distribution is called."""
    return f"{provider.distribution}:{provider.entry_point}"


class HookCaller:
    """Calls hooks, one plugin at a time, so that each fails alone."""

    def __init__(self) -> None:
        self.manager = pluggy.PluginManager(PROJECT)
        self.manager.add_hookspecs(Hooks)
        self.findings: list[Finding] = []
        self._callers: dict[str, list[tuple[str, Callable[..., list[Any]]]]] = {}
        self._lock = threading.RLock()
        self._constant: set[str] = set()
        self._changing: dict[tuple[str, ...], bool] = {}

    def load(self, providers: Iterable[Provider]) -> None:
        """Import and register the hook plugins of installed distributions."""
        for provider in providers:
            name = hook_name(provider)
            try:
                self.register(provider.load(), name)
            except (Exception, SystemExit) as error:
                self._failed(name, "could not be loaded", error)

    def register(self, plugin: object, name: str | None = None, *, constant: bool = False) -> None:
        """Add one plugin: a module or object with `@hookimpl` methods.

        Args:
            plugin: The plugin.
            name: What it is called.
            constant: Whether it always gives the same answer to the same question.
        """
        with self._lock:
            registered = self.manager.register(plugin, name)
            if constant and registered is not None:
                self._constant.add(registered)
            self._forget()
            try:
                self.manager.check_pending()
            except Exception:
                self.manager.unregister(plugin)
                raise

    def unregister(self, name: str) -> None:
        """Take a plugin out again, if it is there."""
        with self._lock:
            if self.manager.has_plugin(name):
                self.manager.unregister(name=name)
                self._forget()

    def _forget(self) -> None:
        self._callers.clear()
        self._changing.clear()

    def may_change(self, *hooks: str) -> bool:
        """Whether a plugin that implements one of these hooks may change its mind."""
        changing = self._changing.get(hooks)
        if changing is None:
            with self._lock:
                names = {name for hook in hooks for name, _ in self._of(hook)}
                changing = self._changing[hooks] = not names <= self._constant
        return changing

    def has(self, hook: str) -> bool:
        """Whether any plugin implements a hook."""
        return bool(self._of(hook))

    def call(self, hook: str, **arguments: Any) -> list[Any]:
        """The results of all plugins that have one, without those that fail."""
        return [result for _, result in self.named(hook, **arguments)]

    def named(self, hook: str, **arguments: Any) -> list[tuple[str, Any]]:
        """As `call`, each result with the name of the plugin that gave it."""
        results: list[tuple[str, Any]] = []
        for name, caller in self._of(hook):
            try:
                results += [(name, result) for result in caller(**arguments)]
            except Exception as error:
                self._failed(name, f"failed in {hook}", error)
        return results

    def _of(self, hook: str) -> list[tuple[str, Callable[..., list[Any]]]]:
        """For each plugin that implements a hook, a caller of that plugin alone."""
        callers = self._callers.get(hook)
        if callers is None:
            # Nobody registers meanwhile, who would then never be asked.
            with self._lock:
                callers = self._callers[hook] = self._one_by_one(hook)
        return callers

    def _one_by_one(self, hook: str) -> list[tuple[str, Callable[..., list[Any]]]]:
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
        self._record(Finding("broken-hook", distribution, message, fix))

    def leave_out(self, provider: Provider, why: str, fix: str) -> None:
        """Record that a hook plugin is not used, and why."""
        message = f"The hook plugin {hook_name(provider)!r} is not approved: {why}"
        self._record(Finding("forbidden-hook", provider.distribution, message, fix))

    def _record(self, finding: Finding) -> None:
        if finding not in self.findings:
            self.findings.append(finding)
            message = f"{finding.problem}. It is left out. {finding.fix}"
            warnings.warn(PluginWarning(message), stacklevel=5)
