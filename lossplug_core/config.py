"""The config of a saved loss: what is written, and how it is read where plugins may differ.

Nothing in a config is ever imported: it can only name losses that are installed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lossplug_core._failures import pip_install
from lossplug_core.errors import (
    ConfigError,
    FutureVersionError,
    LossNotInstalledError,
    UnknownLossError,
)
from lossplug_core.names import is_distribution, namespace_of, split
from lossplug_core.registry import Registry
from lossplug_core.spec import OPTIONS, LossSpec

__all__ = ["KEYS", "read", "written_by"]

KEYS = ("id", "spec_version", "parameters", "provider", *OPTIONS)


def written_by(spec: LossSpec) -> dict[str, str] | None:
    """The provider, for the config."""
    if spec.provider is None:
        return None
    return {"distribution": spec.provider.distribution, "version": spec.provider.version}


def read(
    config: Mapping[str, Any], registry: Registry
) -> tuple[LossSpec, dict[str, Any], dict[str, Any]]:
    """The spec that a config names, its parameters in today's meaning, and what every loss has.

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
    if not isinstance(version, int):
        raise ConfigError(
            "The version in the config of a loss is not an integer.", received=version
        )
    spec = _find(config, registry)
    common = {key: config[key] for key in OPTIONS if key in config}
    return spec, _migrated(config, spec, version, dict(parameters)), common


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
        return dict(spec.migrate(version, parameters))
    except Exception as error:
        raise ConfigError(
            f"The plugin cannot migrate {spec.id!r} from version {version} to {spec.version}: "
            f"{type(error).__name__}: {error}",
            received=parameters,
            fix=f"Tell the author of {distribution}.",
        ) from error
