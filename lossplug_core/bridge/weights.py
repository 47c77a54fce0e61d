"""The weights of a loss as a layer: what Keras trains, saves and restores."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from lossplug_core.bridge.replicas import agreed, check_replicated
from lossplug_core.errors import ConfigError, SpecError
from lossplug_core.spec import Weight

__all__ = ["LossLayers", "LossWeights"]


class LossWeights(keras.layers.Layer):  # type: ignore[misc]
    """The weights of one loss, and the frozen networks that it uses.

    Args:
        owner: The name of the loss, to say in errors.
        weights: What it declares.
        networks: Keras layers and models among its parameters. They are frozen.

    Raises:
        SpecError: Keras refuses what is declared.
    """

    def __init__(
        self, owner: str, weights: Mapping[str, Weight], networks: Iterable[keras.layers.Layer] = ()
    ) -> None:
        super().__init__(dtype="float32")
        self.owner = owner
        self.variable_of = {name: self._add(name, weight) for name, weight in weights.items()}
        self.networks = list(networks)
        for network in self.networks:
            network.trainable = False
        self.refused: ConfigError | None = None
        self.build(None)

    def build(self, input_shape: Any) -> None:
        """Nothing is left to build. Keras makes parameters of the variables, on torch."""
        del input_shape
        self.built = True

    @property
    def own(self) -> list[keras.Variable]:
        """Its variables without those of its networks."""
        return list(self.variable_of.values())

    def read(self, name: str) -> Any:
        """The value of a weight, which does not change when the weight does."""
        variable = self.variable_of[name]
        check_replicated(self.owner, variable)
        return _tensor(ops.convert_to_tensor(variable), variable.trainable)

    def keep(self, updates: Mapping[str, Any]) -> None:
        """Take new values of states."""
        for name, value in updates.items():
            variable = self.variable_of.get(name)
            if variable is None or variable.trainable:
                states = [key for key, v in self.variable_of.items() if not v.trainable]
                raise SpecError(
                    f"The loss {self.owner!r} returns a new value for what is no state of it.",
                    expected=f"some of {', '.join(states)}" if states else "no new values",
                    received=name,
                )
            value = ops.cast(ops.stop_gradient(value), variable.dtype)
            variable.assign(agreed(value))

    def save_own_variables(self, store: Any) -> None:
        """Write the weights under their names."""
        for name, variable in self.variable_of.items():
            store[name] = ops.convert_to_numpy(variable)

    def load_own_variables(self, store: Any) -> None:
        """Read the weights by their names.

        Raises:
            ConfigError: The file has other weights, or of other shapes.
        """
        try:
            self._load(store)
        except ConfigError as error:
            # Keras tries again wherever else it meets this layer, and finds nothing there.
            if store.keys() or self.refused is None:
                self.refused = error
            raise self.refused from None
        self.refused = None

    def _load(self, store: Any) -> None:
        if self.variable_of and not store.keys():
            raise ConfigError(
                f"The file has no weights of the loss {self.owner!r}.",
                expected=", ".join(self.variable_of),
                received="none",
                fix="model.load_weights(path, skip_mismatch=True) leaves them as they are.",
            )
        if set(store.keys()) != set(self.variable_of):
            raise ConfigError(
                f"The weights in the file are not those of the loss {self.owner!r}.",
                expected=f"{', '.join(self.variable_of) or 'no weights'}",
                received=", ".join(store.keys()),
            )
        for name, variable in self.variable_of.items():
            value = np.asarray(store[name])
            if value.shape != tuple(variable.shape):
                raise ConfigError(
                    f"The weight {name!r} of {self.owner!r} has another shape in the file.",
                    expected=str(tuple(variable.shape)),
                    received=value.shape,
                    fix="Build the loss with the parameters with which the file was saved.",
                )
            variable.assign(value)

    def _add(self, name: str, weight: Weight) -> keras.Variable:
        initializer = weight.initializer
        if isinstance(initializer, (int, float)):
            initializer = keras.initializers.Constant(initializer)
        is_float = "float" in weight.dtype
        try:
            return self.add_weight(
                shape=weight.shape,
                initializer=initializer,
                trainable=weight.trainable,
                dtype=weight.dtype,
                name=name,
                autocast=False,
                # Replicas that see parts of a batch agree on the mean of what they saw.
                aggregation="mean" if is_float else "only_first_replica",
            )
        except (ValueError, TypeError) as error:
            raise SpecError(
                f"The weight {name!r} of the loss {self.owner!r} cannot be made: {error}",
                received=weight,
            ) from error


class LossLayers(keras.layers.Layer):  # type: ignore[misc]
    """The layers of a model's losses, which change when it is compiled again.

    A layer of its own, because Keras adds no state to a model that is built.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name=name)
        self.layers: list[LossWeights] = []
        self.built = True

    def replace(self, layers: Iterable[LossWeights]) -> None:
        """Hold these layers, and no others."""
        if keras.backend.backend() == "torch":
            for name, _ in list(self.named_children()):
                delattr(self, name)
        self.layers.clear()
        self.layers.extend(layers)
        if keras.backend.backend() == "torch":
            for place, layer in enumerate(self.layers):
                self.add_module(f"loss_{place}", layer)


def _tensor(value: Any, trainable: bool) -> Any:
    backend = keras.backend.backend()
    if backend == "tensorflow":
        # Keras gives the variable itself. As an argument of what is calculated again for the
        # gradient, TensorFlow would count it twice: as an argument, and as a variable.
        return ops.copy(value)
    if backend != "torch" or trainable:
        return value
    import torch

    # Torch writes in place, and would spoil what backward() still needs. Compiled, the copy would
    # be left out.
    return torch.compiler.disable(torch.clone)(value)
