"""What is wrong with a catalogue, before it surprises anybody."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from datetime import date
from typing import TYPE_CHECKING, Any

from lossplug_core.catalog import _presets, _rules
from lossplug_core.catalog.remarks import Remark, of_error, remark
from lossplug_core.errors import LossplugError

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
    found = [*_presets.remarks(catalogue, registry, today), *_rules.remarks(catalogue, registry)]
    if build is not None:
        wrong = {remark.subject for remark in found if remark.severity == "error"}
        for named in catalogue.presets.values():
            if named.name not in wrong:
                found += _built(named, build)
    order = {layer.source: number for number, layer in enumerate(catalogue.layers)}
    return sorted(found, key=lambda remark: (order.get(remark.path, -1), remark.line or 0))


def _built(named: NamedPreset, build: Build) -> Iterator[Remark]:
    """What keeps a preset from being built."""
    at = (named.layer, ("presets", named.name, "loss"))
    try:
        with warnings.catch_warnings():
            # That a loss is deprecated, say, is known already.
            warnings.simplefilter("ignore")
            build(named.name)
    except LossplugError as error:
        yield of_error("build", at, named.name, error)
    except Exception as error:  # whatever a plugin does
        problem = f"It cannot be built: {type(error).__name__}: {error}"
        yield remark("error", "build", at, named.name, problem)
