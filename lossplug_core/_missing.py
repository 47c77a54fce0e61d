"""What to say when no installed loss has a name: a typo, or a package to install."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Sequence

from lossplug_core._known import KNOWN_LOSSES
from lossplug_core.discovery import Entry, Finding
from lossplug_core.errors import (
    BrokenPluginError,
    LossNotInstalledError,
    LossplugError,
    UnknownLossError,
)
from lossplug_core.names import key, namespace_of, split

__all__ = ["not_found", "pip_install"]


def pip_install(distribution: str, version: str | None = None) -> str:
    """The command that installs a distribution, safe to paste into a shell."""
    requirement = distribution if version is None else f"{distribution}=={version}"
    return f"pip install {shlex.quote(requirement)}"


def not_found(
    identifier: str, installed: Sequence[Entry], findings: Sequence[Finding]
) -> LossplugError:
    """The error for a name that no installed loss has.

    Args:
        identifier: What was asked for.
        installed: The entries of all allowed losses.
        findings: What is wrong with the installation.
    """
    namespace, name = split(identifier)
    have = {entry.provider.distribution for entry in installed}
    known_in = [
        distribution
        for distribution, names in KNOWN_LOSSES.items()
        if namespace in (None, namespace_of(distribution))
        and key(name) in {key(known) for known in names}
    ]
    for finding in findings:
        if finding.subject in known_in or namespace_of(finding.subject) == namespace:
            return BrokenPluginError(
                f"{finding.subject} is installed, but: {finding.problem}",
                fix=finding.fix,
                id=identifier,
                distribution=finding.subject,
            )
    for distribution in known_in:
        if distribution not in have:
            return LossNotInstalledError(
                f"The loss {identifier!r} is in the package {distribution}, "
                "which is not installed.",
                fix=f"{pip_install(distribution)}  (in a running session, then "
                "lossplug_core.refresh())",
                identifier=identifier,
                distribution=distribution,
            )
    namespaces = {entry.namespace for entry in installed}
    if namespace is not None and namespace not in namespaces:
        near = difflib.get_close_matches(namespace, namespaces, n=3)
        return LossNotInstalledError(
            f"No installed plugin has the namespace {namespace!r}.",
            expected=f"one of {', '.join(sorted(namespaces)[:20])}",
            received=identifier,
            nearest=[f"{other}/{name}" for other in near],
            fix=f"Install the package of that namespace, which is called lossplug-{namespace} "
            f"or {namespace}, once you know that you trust it.",
            identifier=identifier,
            distribution=None,
        )
    return UnknownLossError(
        f"No installed loss is called {identifier!r}.",
        nearest=_nearest(namespace, name, installed),
        fix="`lossplug list` shows what is installed; after an installation in a running session, "
        "lossplug_core.refresh().",
        identifier=identifier,
    )


def _nearest(namespace: str | None, name: str, installed: Sequence[Entry]) -> list[str]:
    by_key: dict[str, str] = {}
    for entry in installed:
        if namespace in (None, entry.namespace):
            for other in (entry.name, *entry.aliases):
                by_key.setdefault(
                    key(other), other if namespace is None else f"{namespace}/{other}"
                )
    return [by_key[near] for near in difflib.get_close_matches(key(name), by_key, n=3)]
