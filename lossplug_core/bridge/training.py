"""The Keras model that trains a model and its losses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import keras

from lossplug_core.bridge.build import get_loss
from lossplug_core.bridge.combined import CombinedLoss
from lossplug_core.bridge.logs import trackers_of
from lossplug_core.bridge.named import Named, main_target
from lossplug_core.bridge.phase import in_phase
from lossplug_core.bridge.plugin_loss import PluginLoss
from lossplug_core.bridge.stateful import StatefulLoss
from lossplug_core.errors import ConfigError, ParameterError

__all__ = ["TrainingModel"]


@keras.saving.register_keras_serializable(package="lossplug")
class TrainingModel(keras.Model):  # type: ignore[misc]
    """A model together with the losses that train it, and with whatever these own.

    It compiles, fits, saves, loads and resumes as the model itself does. What is shipped is
    `inference_model`, which holds nothing of the losses.

    Args:
        model: The model to train.
        name: Its name; Keras makes one if None.

    Raises:
        ConfigError: What it is given is no model.

    Example:
        >>> import keras, numpy as np
        >>> model = TrainingModel(keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]))
        >>> model.compile("adam", loss="mse")
        >>> history = model.fit(np.zeros((8, 4)), np.zeros((8, 3)), verbose=0)
        >>> history.history["loss"]
        [0.0]
    """

    def __init__(self, model: keras.Model, *, name: str | None = None, **options: Any) -> None:
        if not isinstance(model, keras.Model):
            raise ConfigError(
                "There is no model to train.", expected="a keras.Model", received=model
            )
        options.setdefault("dtype", model.dtype_policy)
        super().__init__(name=name, **options)
        self.inference_model = model
        self.loss_layers: list[keras.layers.Layer] = []
        self._trackers: list[keras.metrics.Metric] = []
        self.built = True  # the inner model is what has to be built

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """What the model gives."""
        return self.inference_model(inputs, training=training)

    @property
    def output_names(self) -> list[str]:
        """The names of the model's outputs."""
        return self.inference_model.output_names  # type: ignore[no-any-return]

    def compile(
        self, optimizer: Any = "rmsprop", loss: Any = None, *args: Any, **options: Any
    ) -> None:
        """As `keras.Model.compile`, but a loss may be any name that `get_loss` knows.

        Args:
            optimizer: As in Keras.
            loss: A loss, its name, or a list or dict of these, one for each output.
            *args: As in Keras.
            **options: As in Keras.
        """
        loss = keras.tree.map_structure(_as_loss, loss)
        self._take_over(loss)
        super().compile(optimizer, loss, *args, **options)

    def _take_over(self, loss: Any) -> None:
        """Hold the weights of the losses as weights of this model."""
        owned = [one for one in keras.tree.flatten(loss) if isinstance(one, StatefulLoss)]
        layers = {id(layer): layer for one in owned for layer in one.layers}
        self._refuse_shared_networks(layers.values())
        for place, old in enumerate(self.loss_layers):
            if keras.backend.backend() == "torch":
                delattr(self, f"loss_layer_{place}")
            del old
        self.loss_layers.clear()
        self.loss_layers.extend(layers.values())
        if keras.backend.backend() == "torch":
            for place, layer in enumerate(self.loss_layers):
                self.add_module(f"loss_layer_{place}", layer)
        self._trackers = trackers_of(loss, getattr(self, "output_names", None))

    def adapt(self, data: Any, *, steps: int | None = None) -> None:
        """Let each loss learn from the targets of its output what it can learn from them.

        Args:
            data: Targets, in the structure that `fit` takes, or batches of `(x, y)`; see
                `PluginLoss.adapt`.
            steps: How many batches to read; all if None.

        Raises:
            ParameterError: No loss of this model learns from data.
        """
        adaptable = list(_adaptable(getattr(self, "loss", None), None, self))
        if not adaptable:
            raise ParameterError("No loss of this model learns anything from data before training.")
        for loss, output in adaptable:
            loss.adapt(data, output=output, steps=steps)
        self._take_over(self.loss)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """As in Keras, whose own refuses classes with a `compile` of their own."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.optimizer is not None and self.inference_model.built:
            self.optimizer.build(self.trainable_variables)

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """Keras's, the parts of combined losses, and the numbers that change."""
        return [*super().metrics, *self._trackers]

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """As in Keras; the losses know whether this is training, and what the inputs are."""
        with in_phase(training, inputs=x):
            loss = getattr(self, "loss", None)
            y, y_pred = _named_targets(loss, y), _named_outputs(loss, y_pred, self)
            return super().compute_loss(x, y, y_pred, sample_weight, training)

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """As in Keras; metrics are given the target itself, out of several."""
        y = _main_targets(getattr(self, "loss", None), y)
        return super().compute_metrics(x, y, y_pred, sample_weight)

    def get_config(self) -> dict[str, Any]:
        """The model, from which another process makes this one."""
        return {
            "model": keras.saving.serialize_keras_object(self.inference_model),
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> TrainingModel:
        """The training model of a config."""
        model = keras.saving.deserialize_keras_object(
            config["model"], custom_objects=custom_objects
        )
        return cls(model, name=config.get("name"))

    def _refuse_shared_networks(self, layers: Any) -> None:
        """A network of a loss is frozen: the model would be, without a word."""
        own = {id(v) for v in self.inference_model.variables}
        for layer in layers:
            for network in layer.networks:
                if any(id(v) in own for v in network.variables):
                    raise ConfigError(
                        f"The network {network.name!r} of the loss {layer.owner!r} shares weights "
                        "with the model that is to be trained, and has frozen them.",
                        fix="Give the loss a copy: copy = keras.models.clone_model(network); "
                        "copy.set_weights(network.get_weights()); and set "
                        "model.trainable = True.",
                    )


def _adaptable(loss: Any, output: Any, model: keras.Model) -> Iterator[tuple[PluginLoss, Any]]:
    """The losses that learn from data, each with the output whose targets it takes."""
    if isinstance(loss, CombinedLoss):
        for part in loss.parts:
            yield from _adaptable(part.loss, output, model)
    elif isinstance(loss, PluginLoss):
        if loss.spec.adapts:
            yield loss, output
    elif isinstance(loss, Mapping):
        for name, one in loss.items():
            yield from _adaptable(one, name, model)
    elif isinstance(loss, (list, tuple)):
        for place, one in enumerate(loss):
            yield from _adaptable(one, place, model)


def _as_loss(loss: Any) -> Any:
    return loss if loss is None or isinstance(loss, keras.losses.Loss) else get_loss(loss)


def _named_targets(loss: Any, y: Any) -> Any:
    """The targets, in which those of one loss are one thing to Keras."""
    if isinstance(loss, StatefulLoss):
        return Named(y) if isinstance(y, Mapping) and _takes_names(loss, y) else y
    return _by_output(_named_targets, loss, y)


def _main_targets(loss: Any, y: Any) -> Any:
    if isinstance(loss, StatefulLoss):
        return main_target(y)
    return _by_output(_main_targets, loss, y)


def _by_output(function: Any, loss: Any, y: Any) -> Any:
    if isinstance(loss, Mapping) and isinstance(y, Mapping):
        return {name: function(loss.get(name), y[name]) for name in y}
    if isinstance(loss, (list, tuple)) and isinstance(y, (list, tuple)) and len(loss) == len(y):
        return type(y)([function(one, target) for one, target in zip(loss, y, strict=True)])
    return y


def _takes_names(loss: StatefulLoss, y: Mapping[str, Any]) -> bool:
    return bool(loss.targets) or "y_true" in y


def _named_outputs(loss: Any, y_pred: Any, model: keras.Model) -> Any:
    """The predictions, which are one thing to Keras if one loss compares them."""
    if not isinstance(loss, StatefulLoss) or not loss.outputs:
        return y_pred
    if isinstance(y_pred, (list, tuple)):
        y_pred = dict(zip(model.output_names, y_pred, strict=True))
    return Named(y_pred) if isinstance(y_pred, Mapping) else y_pred
