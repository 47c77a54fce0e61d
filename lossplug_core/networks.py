"""Keras models, layers and functions as parameters of a loss: a teacher, a feature extractor.

Keras is imported when one of them is read or written, and not before.
"""

from __future__ import annotations

import importlib
import typing
from collections.abc import Mapping
from typing import Any

from lossplug_core.errors import ConfigError, ParameterError

__all__ = ["Network", "dump", "is_network", "read"]


class _Marker:
    """What tells a network from other types of parameters."""

    def __repr__(self) -> str:
        return "network"


Network = typing.Annotated[Any, _Marker()]
"""A Keras model, layer, or function that Keras can save; frozen, and saved with the loss."""


def is_network(annotation: Any) -> bool:
    """Whether a parameter of this type is a network, or can be."""
    if typing.get_origin(annotation) is typing.Annotated:
        return any(isinstance(part, _Marker) for part in annotation.__metadata__)
    return any(map(is_network, typing.get_args(annotation)))


def read(value: Any, what: str) -> Any:
    """A network as it was given, or from what `dump` made of it.

    Args:
        value: A model, layer or function, or Keras's config of one.
        what: What it is for, to say in an error.

    Raises:
        ParameterError: It is none of these.
        ConfigError: Keras cannot make a network of the config.
    """
    if isinstance(value, Mapping) and "class_name" in value:
        try:
            value = importlib.import_module("keras").saving.deserialize_keras_object(dict(value))
        except Exception as error:  # whatever the network's own class may raise
            raise ConfigError(
                f"{what} cannot be made again: {type(error).__name__}: {error}",
                fix="If its class or function is your own, import what registers it with Keras "
                "first: @keras.saving.register_keras_serializable()",
            ) from error
    if not callable(value) or isinstance(value, type):
        raise ParameterError(
            f"{what} is not a network.",
            expected="a Keras model or layer, or a function",
            received=value,
        )
    return value


def dump(network: Any) -> Any:
    """A network as plain data; its weights are not in it.

    Raises:
        ConfigError: Keras cannot save it.
    """
    if network is None:
        return None
    if getattr(network, "__name__", "") == "<lambda>":
        raise ConfigError(
            "A lambda cannot be saved with a loss.",
            fix="Write a function, and register it: @keras.saving.register_keras_serializable()",
        )
    return importlib.import_module("keras").saving.serialize_keras_object(network)
