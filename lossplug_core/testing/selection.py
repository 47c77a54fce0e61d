"""Which losses and which checks are meant."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from lossplug_core._app import registry
from lossplug_core.discovery import LOSSES, Entry
from lossplug_core.errors import IdentifierError, ParameterError, UnknownLossError
from lossplug_core.names import KERAS, normalized
from lossplug_core.spec import LossSpec, spec_of
from lossplug_core.testing.check import Check

__all__ = ["Loss", "checks", "select_checks", "select_losses"]

Loss = str | LossSpec | Callable[..., Any]
"""An id, a namespace or a distribution; a function marked `@loss`, or a spec."""


def checks(*, thorough: bool = True) -> dict[str, Check]:
    """The checks by id: ours, and those that hook plugins add."""
    from lossplug_core.testing._checks import CHECKS

    known = {check.id: check for check in CHECKS}
    for check in _added():
        if not isinstance(check, Check):
            raise ParameterError(
                "A hook plugin adds a check that is none.",
                expected="what lossplug_core.testing.check makes of a function",
                received=check,
            )
        if check.id in known:
            raise ParameterError(
                f"A hook plugin adds a check {check.id!r}, and there is one already.",
                fix="A name of its own, such as that of the organisation before it.",
            )
        known[check.id] = check
    return {id: check for id, check in known.items() if thorough or not check.thorough}


def _added() -> Iterator[Any]:
    """What hook plugins return, which may be anything."""
    for some in registry.hooks.call("lossplug_checks"):
        yield from some if isinstance(some, Iterable) else [some]


def select_losses(losses: Loss | Iterable[Loss]) -> list[str | LossSpec]:
    """Ids, namespaces, distributions, functions and specs as a list of ids and specs.

    Raises:
        LossplugError: One of them means no loss.
    """
    some = [losses] if isinstance(losses, (str, LossSpec)) or callable(losses) else losses
    return list(dict.fromkeys(found for loss in some for found in _selected(loss)))


def _selected(loss: Loss) -> list[str | LossSpec]:
    if isinstance(loss, LossSpec):
        return [loss]
    if not isinstance(loss, str):
        known = registry.identify(loss) if spec_of(loss) else None
        if known is None:
            raise IdentifierError(
                "This is not a loss.", expected="a name, or a function marked @loss", received=loss
            )
        return [known if known.provider is None else known.id]
    word = normalized(loss) if "/" not in loss else None
    owned = [e for e in registry.found.losses if word in (e.namespace, e.provider.distribution)]
    try:
        entries: list[Entry] = owned or [registry.entry(loss)]
    except UnknownLossError as error:
        raise _unknown(loss, error) from None
    if entries[0].namespace == KERAS:
        raise ParameterError(
            "Keras's own losses are not plugins.", expected="a loss of a plugin", received=loss
        )
    return [entry.id for entry in entries]


def _unknown(name: str, error: UnknownLossError) -> UnknownLossError:
    """The error of a name that means no loss, where it may mean a package."""
    if "/" in name:
        return error
    for distribution in (f"lossplug-{name}", name):
        with suppress(PackageNotFoundError):
            what = f"{distribution} {version(distribution)} is installed, and has no losses"
            problems = [f.problem for f in registry.found.findings if f.subject == distribution]
            return UnknownLossError(
                f"{what}: {problems[0]}" if problems else f"{what}.",
                expected=f"entry points in the group {LOSSES!r}",
                fix=f'[project.entry-points."{LOSSES}"] in its pyproject.toml; then install it '
                "again.",
            )
    namespaces = sorted({entry.namespace for entry in registry.found.losses} - {KERAS})
    near = [*difflib.get_close_matches(name, namespaces, n=1), *error.nearest]
    return UnknownLossError(error.what, expected=error.expected, nearest=near, fix=error.fix)


def select_checks(only: Iterable[str] | None, *, thorough: bool) -> list[str]:
    """The ids of the checks to run.

    Raises:
        ParameterError: There is no such check.
    """
    known = checks()
    for id in only or ():
        if id not in known:
            raise ParameterError(
                "There is no such check.",
                expected=f"one of {', '.join(known)}",
                received=id,
                nearest=difflib.get_close_matches(id, known, n=1),
            )
    wanted = set(only or checks(thorough=thorough))
    return [id for id in known if id in wanted]
