"""What to say when a name does not lead to one loss: a typo, a clash, a rule, a missing package."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Iterable, Mapping, Sequence

from packaging.version import InvalidVersion, Version

from lossplug_core._index import Loser, Resolution
from lossplug_core._known import KNOWN_LOSSES
from lossplug_core.discovery import Entry, Finding
from lossplug_core.errors import (
    AmbiguousLossError,
    BrokenPluginError,
    ForbiddenLossError,
    LossNotInstalledError,
    LossplugError,
    UnknownLossError,
)
from lossplug_core.names import key, namespace_of, split

__all__ = ["failure", "not_allowed", "pip_install"]

Known = Mapping[str, Sequence[str]]


def pip_install(distribution: str, version: str | None = None) -> str:
    """The command that installs a distribution, safe to paste into a shell."""
    try:
        requirement = f"{distribution}=={Version(version or '')}"
    except InvalidVersion:
        requirement = distribution
    return f"pip install {shlex.quote(requirement)}"


def failure(
    resolution: Resolution,
    installed: Sequence[Entry],
    allowed: Sequence[Entry],
    findings: Sequence[Finding],
    known: Iterable[Known] = (),
) -> LossplugError:
    """The error of a resolution that nobody won.

    Args:
        resolution: How the name was looked for.
        installed: The entries of all losses.
        allowed: Those of them that no rule forbids, which alone are worth naming.
        findings: What is wrong with the installation.
        known: Losses of distributions that may not be installed, beside those of `KNOWN_LOSSES`.
    """
    if candidates := [loser.entry for loser in resolution.losers if not loser.forbidden]:
        return _ambiguous(resolution, candidates)
    if resolution.losers:
        return not_allowed(resolution.losers[0])
    known = [*known, KNOWN_LOSSES]
    return _not_found(resolution.identifier, installed, allowed, findings, known)


def _not_found(
    identifier: str,
    installed: Sequence[Entry],
    allowed: Sequence[Entry],
    findings: Sequence[Finding],
    known: Iterable[Known],
) -> LossplugError:
    namespace, name = split(identifier)
    have = {entry.provider.distribution for entry in installed}
    known_in = [
        distribution
        for some in known
        for distribution, names in some.items()
        if namespace in (None, namespace_of(distribution)) and key(name) in map(key, names)
    ]
    for finding in (finding for finding in findings if finding.kind.startswith("malformed")):
        if finding.subject in known_in or namespace_of(finding.subject) == namespace:
            return BrokenPluginError(
                f"{finding.subject} is installed, but: {finding.problem}",
                fix=finding.fix,
                id=identifier,
                distribution=finding.subject,
            )
    for distribution in known_in:
        if distribution not in have:
            return _not_installed(identifier, distribution)
    if namespace is not None and namespace not in {entry.namespace for entry in installed}:
        namespaces = {entry.namespace for entry in allowed}
        return _no_such_namespace(identifier, namespace, name, namespaces)
    return UnknownLossError(
        f"No installed loss is called {identifier!r}.",
        nearest=_nearest(namespace, name, allowed),
        fix="`lossplug list` shows what is installed; after an installation in a running session, "
        "lossplug_core.refresh().",
        identifier=identifier,
    )


def _not_installed(identifier: str, distribution: str) -> LossNotInstalledError:
    return LossNotInstalledError(
        f"The loss {identifier!r} is in the package {distribution}, which is not installed.",
        fix=f"{pip_install(distribution)}  (in a running session, then lossplug_core.refresh())",
        identifier=identifier,
        distribution=distribution,
    )


def _no_such_namespace(
    identifier: str, namespace: str, name: str, namespaces: Iterable[str]
) -> LossNotInstalledError:
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


def _ambiguous(resolution: Resolution, candidates: Sequence[Entry]) -> AmbiguousLossError:
    identifier = resolution.identifier
    ids = sorted({entry.id for entry in candidates})
    if len(ids) > 1:
        fix = f"get_loss({ids[0]!r})"
    else:
        others = " or ".join(sorted(entry.provider.distribution for entry in candidates))
        fix = f"Uninstall one, or set LOSSPLUG_DISABLE to {others}."
    if resolution.formerly:
        what = f"Several installed losses say that they were called {identifier!r}."
        fix = f"{fix}  To load a model: LOSSPLUG_DISABLE={ids[-1]}" if len(ids) > 1 else fix
    else:
        what = f"Several installed losses are called {identifier!r}."
    return AmbiguousLossError(
        what,
        expected="one of "
        + ", ".join(sorted(f"{entry.id} (from {entry.provider})" for entry in candidates)),
        received=identifier,
        fix=fix,
        candidates=tuple(ids),
    )


def not_allowed(loser: Loser) -> ForbiddenLossError:
    """The error of a loss that a rule forbids."""
    entry = loser.entry
    return ForbiddenLossError(
        f"{entry.id!r} of {entry.provider} is forbidden by {loser.reason}.",
        fix=f"Use another loss, or ask whoever set this rule: `lossplug why {entry.id}`.",
        id=entry.id,
        distribution=entry.provider.distribution,
        rule=loser.reason,
    )


def _nearest(namespace: str | None, name: str, allowed: Sequence[Entry]) -> list[str]:
    by_key: dict[str, str] = {}
    for entry in allowed:
        if namespace in (None, entry.namespace):
            for other in (entry.name, *entry.aliases):
                by_key.setdefault(
                    key(other), other if namespace is None else f"{namespace}/{other}"
                )
    return [by_key[near] for near in difflib.get_close_matches(key(name), by_key, n=3)]
