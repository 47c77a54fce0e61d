"""What is wrong with a catalogue, before it surprises anybody."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from typing import TYPE_CHECKING, Any

from lossplug_core.catalog import _presets, _rules
from lossplug_core.catalog._presets import OF_DATES
from lossplug_core.catalog.references import ordered, presets_in
from lossplug_core.catalog.remarks import Remark, of_error, remark
from lossplug_core.errors import LossplugError
from lossplug_core.events import unobserved
from lossplug_core.names import key

if TYPE_CHECKING:
    from lossplug_core.catalog.active import Catalogue, NamedPreset
    from lossplug_core.registry import Registry

__all__ = ["check"]

Build = Callable[[str], Any]


def check(
    catalogue: Catalogue, registry: Registry, *, today: date, build: Build | None = None
) -> list[Remark]:
    """Look at all that a catalogue says.

    Args:
        catalogue: The layers.
        registry: What is installed, where this catalogue is the active one.
        today: The day on which nothing may be past its date.
        build: What makes a loss of the name of a preset; without it none is built.

    Returns:
        The remarks, layer by layer, in the order of the lines.
    """
    with unobserved():
        found = list(_presets.remarks(catalogue, registry, today))
        if build is not None:
            found += _built(catalogue, found, build)
        found += _rules.remarks(catalogue, registry)
    order = {layer.source: number for number, layer in enumerate(catalogue.layers)}
    return sorted(found, key=lambda remark: (order.get(remark.path, -1), remark.line or 0))


def _built(catalogue: Catalogue, found: Iterable[Remark], build: Build) -> Iterator[Remark]:
    """What keeps presets from being built, beside what was found already."""
    wrong = {
        key(one.subject) for one in found if one.severity == "error" and one.kind not in OF_DATES
    }
    for named in ordered(catalogue).presets:
        inner = {key(other.name) for other in presets_in(named, catalogue)}
        if key(named.name) not in wrong and inner.isdisjoint(wrong):
            failed = _failure(named, build)
            if failed is None:
                continue
            yield failed
        wrong.add(key(named.name))


def _failure(named: NamedPreset, build: Build) -> Remark | None:
    at = (named.layer, ("presets", named.name))
    try:
        with warnings.catch_warnings():
            # That a loss is deprecated, say, is known already.
            warnings.simplefilter("ignore")
            build(named.name)
    except LossplugError as error:
        return of_error("build", at, named.name, error)
    except Exception as error:  # whatever a plugin does
        problem = f"It cannot be built: {type(error).__name__}: {error}"
        return remark("error", "build", at, named.name, problem)
    return None
