"""The Keras model that trains a model and its losses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import keras

from lossplug_core.bridge.build import get_loss
from lossplug_core.bridge.combined import CombinedLoss
from lossplug_core.bridge.logs import Trackers, trackers_of
from lossplug_core.bridge.named import Named, main_target
from lossplug_core.bridge.phase import in_phase
from lossplug_core.bridge.plugin_loss import PluginLoss
from lossplug_core.bridge.stateful import StatefulLoss
from lossplug_core.bridge.weights import LossLayers, LossWeights
from lossplug_core.errors import ConfigError, IdentifierError, ParameterError

__all__ = ["TrainingModel"]

_STEPS = ("train_step", "test_step", "compute_loss", "compute_metrics")


@keras.saving.register_keras_serializable(package="lossplug")
class TrainingModel(keras.Model):  # type: ignore[misc]
    """A model together with the losses that train it, and with whatever these own.

    It compiles, fits, saves, loads and resumes as the model itself does. What is shipped is
    `inference_model`, which holds nothing of the losses.

    Args:
        model: The model to train.
        name: Its name; Keras makes one if None.

    Raises:
        ConfigError: What it is given is no model, or one that defines its own steps of training.

    Example:
        >>> import keras, numpy as np
        >>> model = TrainingModel(keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]))
        >>> model.compile("adam", loss="mse")
        >>> history = model.fit(np.zeros((8, 4)), np.zeros((8, 3)), verbose=0)
        >>> history.history["loss"]
        [0.0]
    """

    def __init__(self, model: keras.Model, *, name: str | None = None) -> None:
        if not isinstance(model, keras.Model):
            raise ConfigError(
                "There is no model to train.", expected="a keras.Model", received=model
            )
        if isinstance(model, TrainingModel):
            raise ConfigError(
                f"{model.name!r} is a TrainingModel already.",
                fix="model.compile(loss=…): it may be compiled again with other losses.",
            )
        if own := [name for name in _STEPS if _is_own(model, name)]:
            raise ConfigError(
                f"{type(model).__name__} has its own {own[0]!r}, which a TrainingModel would not "
                "call.",
                expected=f"a model that trains as Keras does, without its own {', '.join(own)}",
                fix="Let your model hold what the loss owns: self.of_the_loss = loss.layer. Then "
                "compile and fit it as it is.",
            )
        super().__init__(name=name, dtype=model.dtype_policy)
        self.inference_model = model
        # Keras saves attributes in the order of their names: this one before a model that was
        # compiled with the same losses itself.
        self.held_losses = LossLayers(name="losses")
        self._trackers = Trackers()
        self.built = model.built

    @property
    def loss_layers(self) -> tuple[LossWeights, ...]:
        """The layers that hold what the losses own, in the order of the losses."""
        return tuple(self.held_losses.layers)

    def build(self, input_shape: Any) -> None:
        """Build the model itself.

        Args:
            input_shape: The shape of its inputs, with None as the size of the batch.
        """
        if not self.inference_model.built:
            self.inference_model(keras.tree.map_shape_structure(keras.KerasTensor, input_shape))

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
            loss: A loss, its name, or a list or dict of these, one for each output. None leaves
                the losses as they are.
            *args: As in Keras.
            **options: As in Keras.

        Raises:
            UnknownLossError: No installed loss has a name that is given.
        """
        loss = keras.tree.map_structure(_as_loss, loss)
        self._take_over(getattr(self, "loss", None) if loss is None else loss)
        super().compile(optimizer, loss, *args, **options)

    def _take_over(self, loss: Any) -> None:
        """Hold the weights of the losses as weights of this model."""
        owned = [one for one in keras.tree.flatten(loss) if isinstance(one, StatefulLoss)]
        layers = {id(layer): layer for one in owned for layer in one.layers}
        self._refuse_shared_networks(layers.values())
        self.held_losses.replace(layers.values())
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
        adaptable = list(_adaptable(getattr(self, "loss", None)))
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
        return [*super().metrics, *self._trackers.metrics]

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

    def load_weights(self, filepath: Any, skip_mismatch: bool = False, **options: Any) -> None:
        """As in Keras, whose own error would hide that of a loss.

        Args:
            filepath: As in Keras.
            skip_mismatch: As in Keras.
            **options: As in Keras.

        Raises:
            ConfigError: The file has no weights of the losses, or has others.
        """
        for layer in self.loss_layers:
            layer.refused = None
        try:
            super().load_weights(filepath, skip_mismatch, **options)
        except ValueError as error:
            raise next((x.refused for x in self.loss_layers if x.refused), error) from None

    def export(self, *args: Any, **options: Any) -> None:
        """As in Keras; of the model itself, without its losses.

        Args:
            *args: As in Keras.
            **options: As in Keras.
        """
        self.inference_model.export(*args, **options)

    def get_config(self) -> dict[str, Any]:
        """The model, from which another process makes this one."""
        model = keras.saving.serialize_keras_object(self.inference_model)
        # How it was compiled by itself, before, is not what it is trained with.
        return {"model": {**model, "compile_config": None}, "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> TrainingModel:
        """The training model of a config."""
        model = keras.saving.deserialize_keras_object(
            config["model"], custom_objects=custom_objects
        )
        return cls(model, name=config.get("name"))

    def __repr__(self) -> str:
        owners = ", ".join(layer.owner for layer in self.loss_layers)
        losses = f", with what the losses own: {owners}" if owners else ""
        return f"<TrainingModel of {self.inference_model.name!r}{losses}>"

    if keras.backend.backend() == "torch":

        def named_parameters(self, *args: Any, **options: Any) -> Iterator[tuple[str, Any]]:
            """As in torch; Keras would remember those of losses compiled earlier."""
            current = {id(variable.value) for variable in self.variables}
            for name, parameter in super().named_parameters(*args, **options):
                if id(parameter) in current:
                    yield name, parameter

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


def _adaptable(loss: Any, output: Any = None) -> Iterator[tuple[PluginLoss, Any]]:
    """The losses that learn from data, each with the output whose targets it takes."""
    if isinstance(loss, CombinedLoss):
        for part in loss.parts:
            yield from _adaptable(part.loss, output)
    elif isinstance(loss, PluginLoss):
        if loss.spec.adapts:
            yield loss, output
    elif isinstance(loss, (Mapping, list, tuple)):
        for place, one in loss.items() if isinstance(loss, Mapping) else enumerate(loss):
            yield from _adaptable(one, place)


def _is_own(model: keras.Model, name: str) -> bool:
    return getattr(type(model), name) is not getattr(keras.Model, name)


def _as_loss(loss: Any) -> Any:
    try:
        return get_loss(loss)
    except IdentifierError:
        if callable(loss):  # a function of the user's own, which Keras knows how to call
            return loss
        raise


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
