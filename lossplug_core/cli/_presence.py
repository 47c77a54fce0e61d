"""Whether a loss that a saved model needs is here, judged without Keras."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lossplug_core._app import registry
from lossplug_core.archive import SavedLoss
from lossplug_core.config import read
from lossplug_core.errors import ConfigError, ForbiddenLossError, LossplugError, ParameterError
from lossplug_core.names import KERAS, split
from lossplug_core.networks import is_network
from lossplug_core.params import parameters_of, validate
from lossplug_core.spec import Deprecation, LossSpec, Provider

__all__ = ["Presence", "look_up"]


@dataclass(frozen=True, slots=True)
class Presence:
    """What became of a saved loss on this machine.

    Attributes:
        state: `here`, `missing` if it cannot be loaded, `unknown` if that is not ours to know.
        problem: Why it is not here.
        fix: What to do about it.
        provider: The plugin that has it here.
        version: The version of its spec here.
        id: Its id here, if it had another when it was saved.
        changes: What changed since it was saved, a sentence each.
        deprecated: That it will be removed, if it will.
        forbidden: Whether it is installed, and missing because a rule forbids it.
    """

    state: str
    problem: str | None = None
    fix: str | None = None
    provider: Provider | None = None
    version: int | None = None
    id: str | None = None
    changes: tuple[str, ...] = ()
    deprecated: Deprecation | None = None
    forbidden: bool = False


def look_up(saved: SavedLoss) -> Presence:
    """Find a saved loss among what is installed. Its plugin is imported."""
    if saved.kind == "lambda":
        problem = "It is code inside the file, which load_model refuses."
        return Presence("unknown", problem, "Make it a plugin: a function marked @loss.")
    if saved.kind == "custom":
        problem = "It is a class or function of a program, which has to be there when it is loaded."
        return Presence("unknown", problem, "Import that program first, or pass custom_objects.")
    try:
        return _of_installed(saved)
    except LossplugError as error:
        forbidden = isinstance(error, ForbiddenLossError)
        return Presence("missing", error.what, error.fix, forbidden=forbidden)


def _of_installed(saved: SavedLoss) -> Presence:
    if split(saved.name)[0] == KERAS:
        return Presence("here", provider=registry.entry(saved.name).provider, version=1)
    try:
        found = read(saved.config, registry)
        spec = found.spec
        validate(spec, _without_networks(spec, found.parameters))
    except (ConfigError, ParameterError) as error:
        spec = registry.find(saved.name)
        return Presence("missing", error.what, error.fix, spec.provider, spec.version)
    return Presence(
        "here",
        provider=spec.provider,
        version=spec.version,
        id=None if found.formerly is None else spec.id,
        changes=found.changes,
        deprecated=spec.deprecated,
    )


def _without_networks(spec: LossSpec, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters with something in place of each network, which only Keras could make again."""
    declared = parameters_of(spec)
    return {
        name: _some_network
        if isinstance(value, Mapping) and name in declared and is_network(declared[name].annotation)
        else value
        for name, value in parameters.items()
    }


def _some_network(inputs: Any) -> Any:
    return inputs
