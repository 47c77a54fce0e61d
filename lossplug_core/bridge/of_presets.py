"""What goes with building a loss from a preset: warnings, and errors that say where it stands."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from lossplug_core.errors import CatalogError, DeprecatedLossWarning, LossplugError
from lossplug_core.presets import Lead, PresetRef, cycle

if TYPE_CHECKING:
    from lossplug_core.catalog.active import NamedPreset

__all__ = ["inside", "warnings_of"]

_DEEPEST = 50
_around: ContextVar[tuple[NamedPreset, ...]] = ContextVar("_around", default=())


@contextmanager
def inside(lead: Lead) -> Iterator[None]:
    """While what a preset leads to is built, the parts of a combination among it.

    Raises:
        CatalogError: A combination contains the preset that it is.
    """
    chain = list(_around.get())
    for preset in lead.presets:
        chain.append(preset)
        if preset in chain[:-1]:
            raise cycle(chain)
    if len(chain) > _DEEPEST:
        raise CatalogError(
            f"The preset {chain[0].name!r} ({chain[0].place}) is made of presets of presets, "
            f"more than {_DEEPEST} deep.",
            path=chain[0].layer.source,
            line=chain[0].layer.line("presets", chain[0].name),
        )
    token = _around.set(tuple(chain))
    try:
        yield
    except LossplugError as error:
        raise error.asked_by(lead.text) from error.__cause__
    finally:
        _around.reset(token)


def warnings_of(lead: Lead) -> Iterator[tuple[DeprecatedLossWarning, PresetRef]]:
    """A warning for each deprecated preset, and which it is."""
    for preset in lead.presets:
        content = preset.content
        if content.status == "deprecated":
            until = f" It may be used until {content.until}." if content.until else ""
            other = content.replaced_by
            warning = DeprecatedLossWarning(
                f"The preset {preset.name!r} ({preset.place}) is deprecated.{until}",
                fix="Use another loss." if other is None else f"Use get_loss({other!r}).",
                id=preset.name,
            )
            yield warning, PresetRef(preset.name, content.version)
