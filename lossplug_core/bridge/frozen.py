"""Networks among the parameters of a loss, as the loss may call them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import keras

from lossplug_core.networks import is_network
from lossplug_core.params import parameters_of
from lossplug_core.spec import LossSpec

__all__ = ["frozen", "networks_of"]


def networks_of(spec: LossSpec, parameters: Mapping[str, Any]) -> dict[str, Callable[..., Any]]:
    """The networks among the parameters, by name."""
    declared = parameters_of(spec)
    return {
        name: value
        for name, value in parameters.items()
        if value is not None and is_network(declared[name].annotation)
    }


def frozen(network: Callable[..., Any]) -> Callable[..., Any]:
    """A network as a loss may call it: as in inference, whatever the model around it does."""
    if not isinstance(network, keras.layers.Layer):
        return network
    return partial(network, training=False)
