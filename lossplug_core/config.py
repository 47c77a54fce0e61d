"""The config of a saved loss: what is written, and how it is read where plugins may differ.

Nothing in a config is ever imported: it can only name losses that are installed.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, NamedTuple

from lossplug_core._failures import pip_install
from lossplug_core.errors import (
    ChangedLossWarning,
    ConfigError,
    FutureVersionError,
    LossNotInstalledError,
    UnknownLossError,
)
from lossplug_core.migration import changes_since, former_id, warning_for
from lossplug_core.names import is_distribution, namespace_of, split
from lossplug_core.params import parameters_of
from lossplug_core.presets import PresetRef
from lossplug_core.registry import Registry
from lossplug_core.spec import OPTIONS, LossSpec

__all__ = ["KEYS", "Saved", "preset_data", "preset_in", "read", "written_by"]

KEYS = ("id", "spec_version", "parameters", "provider", "preset", *OPTIONS)


def written_by(spec: LossSpec) -> dict[str, str] | None:
    """The provider, for the config."""
    if spec.provider is None:
        return None
    return {"distribution": spec.provider.distribution, "version": spec.provider.version}


def preset_data(preset: PresetRef | None) -> dict[str, Any]:
    """The preset that a loss was made from, for its config; nothing if there is none."""
    return {} if preset is None else {"preset": preset._asdict()}


def preset_in(config: Mapping[str, Any]) -> PresetRef | None:
    """The preset that the loss of a config was made from. It need not be known here.

    Raises:
        ConfigError: It is not what lossplug writes.
    """
    data = config.get("preset")
    if data is None:
        return None
    if not (
        isinstance(data, Mapping)
        and set(data) == {"name", "version"}
        and isinstance(data["name"], str)
        and type(data["version"]) is int
    ):
        raise ConfigError(
            "The preset in the config of a loss is not one that lossplug writes.",
            expected="{'name': …, 'version': …}",
            received=data,
        )
    return PresetRef(data["name"], data["version"])


class Saved(NamedTuple):
    """A saved loss as it is read here.

    Attributes:
        spec: The loss.
        parameters: Its parameters, in today's meaning.
        options: What every loss has.
        version: The version with which it was saved.
        formerly: The id that it had, if it has another today.
        changes: What changed since that version, a sentence each.
    """

    spec: LossSpec
    parameters: dict[str, Any]
    options: dict[str, Any]
    version: int
    formerly: str | None = None
    changes: tuple[str, ...] = ()

    @property
    def warning(self) -> ChangedLossWarning | None:
        """What whoever loads it must know, or None."""
        return warning_for(
            self.spec, formerly=self.formerly, saved_as=self.version, changes=self.changes
        )


def read(config: Mapping[str, Any], registry: Registry) -> Saved:
    """The loss that a config names, with its parameters in today's meaning.

    Raises:
        ConfigError: The config is not one that lossplug writes.
        FutureVersionError: It was written by a newer version of the loss.
        LossNotInstalledError: The plugin is not installed.
    """
    if unknown := sorted(map(str, set(config) - set(KEYS))):
        raise ConfigError(
            "The config of a loss holds what this version of lossplug-core does not know.",
            expected=f"the keys {', '.join(KEYS)}",
            received=unknown[0],
            fix="pip install --upgrade lossplug-core",
        )
    version, parameters = config.get("spec_version", 1), config.get("parameters") or {}
    if not isinstance(parameters, Mapping):
        raise ConfigError(
            "The parameters in the config of a loss are not a mapping.", received=parameters
        )
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise ConfigError(
            "The version in the config of a loss is not an integer that is at least 1.",
            received=version,
        )
    spec = _find(config, registry)
    migrated = _migrated(config, spec, version, dict(parameters))
    return Saved(
        spec,
        migrated,
        {key: config[key] for key in OPTIONS if key in config},
        version,
        former_id(config["id"], spec),
        changes_since(spec, version, parameters, migrated),
    )


def _find(config: Mapping[str, Any], registry: Registry) -> LossSpec:
    id = config.get("id")
    if not isinstance(id, str) or split(id)[0] is None:
        raise ConfigError(
            "The config of a loss does not name the loss of a plugin.",
            expected="'id': 'namespace/name'",
            received=id,
            fix="If the loss was a function of your own, publish it in a plugin: "
            "one entry point in the group lossplug.losses.",
        )
    try:
        return registry.find(id)
    except UnknownLossError as error:
        saver = _saver(config)
        if saver is None:
            raise
        raise LossNotInstalledError(
            f"The loss {id!r} was saved by {' '.join(saver)}, which is not installed here or has "
            "it no more.",
            fix=pip_install(*saver),
            identifier=id,
            distribution=saver[0],
        ) from error


def _saver(config: Mapping[str, Any]) -> tuple[str, str] | None:
    """The distribution and version that saved a config, if it can be believed.

    A file may claim anything: only a distribution that can own the id is worth naming.
    """
    provider = config.get("provider")
    if not isinstance(provider, Mapping):
        return None
    distribution, version = str(provider.get("distribution")), str(provider.get("version"))
    owns_id = is_distribution(distribution) and namespace_of(distribution) == split(config["id"])[0]
    return (distribution, version) if owns_id else None


def _migrated(
    config: Mapping[str, Any], spec: LossSpec, version: int, parameters: dict[str, Any]
) -> dict[str, Any]:
    if version == spec.version:
        return parameters
    distribution = spec.provider.distribution if spec.provider else "its plugin"
    if version > spec.version:
        raise FutureVersionError(
            f"The loss {spec.id!r} was saved by a newer version of it than the one installed.",
            expected=f"version {spec.version} or older",
            received=version,
            fix=f"pip install --upgrade {distribution}",
        )
    if spec.migrate is None:
        raise ConfigError(
            f"The loss {spec.id!r} was saved as version {version} and now is version "
            f"{spec.version}; its plugin does not say how to go from one to the other.",
            fix=pip_install(*saver)
            if (saver := _saver(config))
            else f"Install an older version of {distribution}.",
        )
    try:
        # A copy: it may be changed and returned, and what was saved is still to be told.
        return _checked(spec, spec.migrate(version, deepcopy(parameters)))
    except Exception as error:
        raise ConfigError(
            f"The plugin cannot migrate {spec.id!r} from version {version} to {spec.version}: "
            f"{type(error).__name__}: {error}",
            received=parameters,
            fix=f"Tell the author of {distribution}.",
        ) from error


def _checked(spec: LossSpec, migrated: Any) -> dict[str, Any]:
    """What `migrate` returned, if it can be parameters of the loss."""
    if not isinstance(migrated, Mapping):
        raise TypeError(f"it returned {migrated!r:.80}, not the parameters")
    if unknown := [name for name in migrated if name not in parameters_of(spec)]:
        raise ValueError(f"it returned the parameter {unknown[0]!r}, which there is not")
    return dict(migrated)
