"""Whether a loss that a saved model needs is here, judged without Keras."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lossplug_core._app import registry
from lossplug_core._failures import pip_install
from lossplug_core.archive import SavedLoss
from lossplug_core.errors import LossplugError, UnknownLossError
from lossplug_core.names import KERAS, namespace_of, split
from lossplug_core.params import validate
from lossplug_core.spec import Provider

__all__ = ["Presence", "look_up"]

_DISTRIBUTION = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_VERSION = re.compile(r"[0-9][A-Za-z0-9.!+]*")


@dataclass(frozen=True, slots=True)
class Presence:
    """What became of a saved loss on this machine.

    Attributes:
        state: `here`, `missing` if it cannot be loaded, `unknown` if that is not ours to know.
        problem: Why it is not here.
        fix: What to do about it.
        provider: The plugin that has it here.
        version: The version of its spec here.
    """

    state: str
    problem: str | None = None
    fix: str | None = None
    provider: Provider | None = None
    version: int | None = None


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
    except UnknownLossError as error:
        return Presence("missing", error.what, _pip_command(saved) or error.fix)
    except LossplugError as error:
        return Presence("missing", error.what, error.fix)


def _of_installed(saved: SavedLoss) -> Presence:
    if split(saved.name)[0] is None:
        problem = "It was a function that no plugin provided when the model was saved."
        return Presence("missing", problem, "Publish it in a plugin, and save the model again.")
    resolution = registry.resolve(saved.name)
    winner = resolution.winner
    if winner is None:
        raise registry.explain(resolution)
    if winner.namespace == KERAS:
        return Presence("here", provider=winner.provider, version=1)
    spec, distribution = registry.find(winner.id), winner.provider.distribution
    version = saved.version or 1
    if version > spec.version:
        problem = f"It was saved as version {version}; here is version {spec.version}."
        fix = f"pip install --upgrade {distribution}"
        return Presence("missing", problem, fix, winner.provider, spec.version)
    if version < spec.version and spec.migrate is None:
        problem = f"It was saved as version {version}; version {spec.version} here cannot read it."
        fix = _pip_command(saved) or f"Install an older version of {distribution}."
        return Presence("missing", problem, fix, winner.provider, spec.version)
    if version == spec.version:
        validate(spec, saved.parameters)
    return Presence("here", provider=winner.provider, version=spec.version)


def _pip_command(saved: SavedLoss) -> str | None:
    """How to install what saved the loss, if a distribution of that name can own its id.

    A file may claim anything, and the command is there to be pasted into a shell.
    """
    distribution, version = saved.distribution or "", saved.distribution_version or ""
    owner = _DISTRIBUTION.fullmatch(distribution) and namespace_of(distribution)
    if not owner or owner != split(saved.name)[0]:
        return None
    return pip_install(distribution, version if _VERSION.fullmatch(version) else None)
