"""A loss as the dict that `get_loss` reads, for JSON and TOML files that people write."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from lossplug_core._app import registry
from lossplug_core._keras_table import of_class
from lossplug_core.bridge.build import DEFAULTS
from lossplug_core.bridge.combined import CombinedLoss
from lossplug_core.bridge.plugin_loss import PluginLoss
from lossplug_core.bridge.weighting import weighting_data
from lossplug_core.errors import IdentifierError
from lossplug_core.names import KERAS
from lossplug_core.params import differs, dump, parameters_of
from lossplug_core.schedules import Schedule
from lossplug_core.spec import LossSpec

__all__ = ["as_dict"]


def as_dict(loss: keras.losses.Loss) -> dict[str, Any]:
    """A loss as plain data: what `get_loss` needs to make it again.

    Only what differs from the defaults is in it, so that it holds no None, which TOML has not.

    Args:
        loss: A loss of `get_loss` or `combine`, or one of Keras's own.

    Returns:
        A dict with the `name` and `params` of the loss, or with what it must `combine`.

    Raises:
        IdentifierError: It is a loss of another kind.

    Example:
        >>> from lossplug_core import combine, get_loss
        >>> as_dict(get_loss("focal", gamma=3))
        {'name': 'imbalance/focal', 'params': {'gamma': 3.0}}
        >>> as_dict(combine({"mse": 1.0, "imbalance/focal": 0.5}))["combine"][1]
        {'loss': {'name': 'imbalance/focal'}, 'weight': 0.5}
    """
    if isinstance(loss, CombinedLoss):
        return _combination(loss)
    if isinstance(loss, PluginLoss):
        options = {name: getattr(loss, name) for name in DEFAULTS}
        return _plain(loss.spec, loss.parameters, options)
    row = of_class(type(loss).__name__)
    if row is None or type(loss) is not getattr(keras.losses, row.class_name):
        raise IdentifierError(
            "This loss cannot be described by a name.",
            expected="a loss of get_loss or combine, or one of Keras's own",
            received=loss,
        )
    config, spec = loss.get_config(), registry.find(f"{KERAS}/{row.name}")
    parameters = {name: config[name] for name in parameters_of(spec) if name in config}
    return _plain(spec, parameters, {name: config[name] for name in DEFAULTS if name in config})


def _plain(
    spec: LossSpec, parameters: Mapping[str, Any], options: Mapping[str, Any]
) -> dict[str, Any]:
    differing = {name: value for name, value in parameters.items() if differs(spec, name, value)}
    params = dump(spec, differing)
    if options.get("name", spec.name) != spec.name:
        params["name"] = options["name"]
    implied = {**DEFAULTS, "dtype": keras.config.floatx(), "name": options.get("name")}
    unlike = {name: value for name, value in options.items() if value != implied[name]}
    return {"name": spec.id, **({"params": params} if params else {}), **unlike}


def _combination(loss: CombinedLoss) -> dict[str, Any]:
    parts = []
    for part in loss.parts:
        data: dict[str, Any] = {"loss": as_dict(part.loss)}
        weight = part.weight
        data["weight"] = weight.as_data() if isinstance(weight, Schedule) else weight
        if part.name != part.loss.name:
            data["name"] = part.name
        if part.output is not None:
            data["output"] = part.output
        parts.append(data)
    described: dict[str, Any] = {"combine": parts}
    if loss.weighting is not None:
        described["weighting"] = weighting_data(loss.weighting)
    if loss.name != "combined":
        described["name"] = loss.name
    return described
