"""Which losses and which checks are meant."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from typing import Any

from lossplug_core._app import registry
from lossplug_core.discovery import Entry
from lossplug_core.errors import IdentifierError, ParameterError
from lossplug_core.names import KERAS, normalized
from lossplug_core.spec import LossSpec, spec_of
from lossplug_core.testing.check import Check

__all__ = ["Loss", "checks", "select_checks", "select_losses"]

Loss = str | LossSpec | Callable[..., Any]
"""An id, a namespace or a distribution; a function marked `@loss`, or a spec."""


def checks(*, thorough: bool = True) -> dict[str, Check]:
    """The checks by id: ours, and those that hook plugins add."""
    from lossplug_core.testing.checks import CHECKS

    added = [check for some in registry.hooks.call("lossplug_checks") for check in some]
    if wrong := [check for check in added if not isinstance(check, Check)]:
        raise ParameterError(
            "A hook plugin adds a check that is none.",
            expected="what lossplug_core.testing.check makes of a function",
            received=wrong[0],
        )
    return {check.id: check for check in (*CHECKS, *added) if thorough or not check.thorough}


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
    entries: list[Entry] = owned or [registry.entry(loss)]
    if entries[0].namespace == KERAS:
        raise ParameterError(
            "Keras's own losses are not plugins.", expected="a loss of a plugin", received=loss
        )
    return [entry.id for entry in entries]


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
