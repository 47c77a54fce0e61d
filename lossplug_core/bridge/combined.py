"""Several losses that are one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from lossplug_core._keras_table import of_class
from lossplug_core.bridge import announcing
from lossplug_core.bridge.latest import Latest
from lossplug_core.bridge.named import split
from lossplug_core.bridge.parts import Part, read_parts
from lossplug_core.bridge.phase import in_phase
from lossplug_core.bridge.plugin_loss import PluginLoss
from lossplug_core.bridge.replicas import replicas
from lossplug_core.bridge.stateful import StatefulLoss
from lossplug_core.bridge.telling import together
from lossplug_core.bridge.weighting import Weighted, weighting_data, weighting_of
from lossplug_core.bridge.weights import LossWeights
from lossplug_core.config import preset_data, preset_in
from lossplug_core.errors import ConfigError, DataError, ParameterError
from lossplug_core.presets import PresetRef
from lossplug_core.schedules import Schedule
from lossplug_core.spec import MAIN_TARGET

__all__ = ["CombinedLoss", "combine", "from_mapping"]

_CLASSES = frozenset({"binary", "class_ids", "labels", "multi_hot", "one_hot"})


@keras.saving.register_keras_serializable(package="lossplug")
class CombinedLoss(StatefulLoss):
    """A weighted sum of losses. `combine` makes it.

    Each part weighs, masks and reduces its values as it would alone. In a `TrainingModel`, `fit`
    logs each as `NAME_loss`, before it is weighted.

    Args:
        parts: The losses, each with a name, a weight, and perhaps an output.
        weighting: How weights are found in training: `"uncertainty"`, `"dwa"`, `"ema"`, or a dict
            with a `name` and its arguments. None leaves them as they are given.
        name: Its name in Keras's logs.
        preset: The preset that it is made from, if it is.

    Raises:
        ParameterError: There are no parts, or two have one name.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        *,
        weighting: Any = None,
        name: str = "combined",
        preset: PresetRef | None = None,
    ) -> None:
        super().__init__(name=name)
        self.preset = preset
        self.parts = tuple(parts)
        if not self.parts:
            raise ParameterError(
                "A combination of no losses is no loss.",
                expected="at least one part",
                fix="combine({'mse': 1.0, 'imbalance/focal': 0.5})",
            )
        self.weighting = weighting_of(weighting)
        own = self.weighting.weights(len(self.parts)) if self.weighting else {}
        self._over_classes = [_over_classes(part.loss) for part in self.parts]
        self.own(own, {p.weight_name: p.weight for p in parts if isinstance(p.weight, Schedule)})
        if preset is not None:
            announcing.combined(preset)
        self._means: list[keras.metrics.Metric] = []
        self._learned: list[keras.metrics.Metric] = []

    @property
    def layers(self) -> tuple[LossWeights, ...]:
        """The layers that hold the weights of the parts, and its own."""
        found = {id(layer): layer for layer in super().layers}
        for part in self.parts:
            if isinstance(part.loss, StatefulLoss):
                found |= {id(layer): layer for layer in part.loss.layers}
        return tuple(found.values())

    @property
    def targets(self) -> tuple[str, ...]:
        """The names of the further targets that its parts take."""
        return tuple(dict.fromkeys(t for p in self.parts for t in getattr(p.loss, "targets", ())))

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the outputs that its parts take; none if all take one prediction."""
        names = [
            name
            for part in self.parts
            for name in ([part.output] if part.output else getattr(part.loss, "outputs", ()))
        ]
        return tuple(dict.fromkeys(names))

    @property
    def log_prefix(self) -> str:
        """The names of its parts are enough."""
        return ""

    def track(self, prefix: str) -> list[keras.metrics.Metric]:
        """Metrics of the parts, of what changes in them, and of weights that are learned."""
        self._means = [keras.metrics.Mean(name=f"{prefix}{p.name}_loss") for p in self.parts]
        inner = [
            metric
            for part in self.parts
            if isinstance(part.loss, StatefulLoss)
            for metric in part.loss.track(f"{prefix}{part.name}_")
        ]
        learned = self.parts if self.weighting else ()
        self._learned = [Latest(name=f"{prefix}{part.weight_name}") for part in learned]
        changing = [] if self.weighting else super().track(prefix)
        return [*self._means, *inner, *self._learned, *changing]

    def __call__(
        self, y_true: Any, y_pred: Any, sample_weight: Any = None, *, training: bool | None = None
    ) -> Any:
        """The weighted sum of the parts. Arguments as in `PluginLoss`."""
        with in_phase(training) as phase:
            self._begin(phase)
            y_true, further = split(self, y_true, "float32", phase.inputs)
            values = [
                ops.cast(self._value(part, y_true, further, y_pred, sample_weight), "float32")
                for part in self.parts
            ]
            self._log(self._means, values, y_pred)
            weights = [self._weight(part) for part in self.parts]
            weighted = [value * weight for value, weight in zip(values, weights, strict=True)]
            if self.weighting is None:
                return sum(weighted[1:], weighted[0])
            result = self._balanced(weighted)
            if phase.training and result.updates and self.layer is not None:
                self.layer.keep(result.updates)
            return result.total

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The weighted sum of the parts."""
        return self(y_true, y_pred, training=False)

    def get_config(self) -> dict[str, Any]:
        """The parts, each as Keras writes it."""
        return {
            "parts": [
                {
                    "name": part.name,
                    "loss": keras.losses.serialize(part.loss),
                    "weight": part.weight.as_data()
                    if isinstance(part.weight, Schedule)
                    else part.weight,
                    "output": part.output,
                }
                for part in self.parts
            ],
            "weighting": weighting_data(self.weighting),
            "name": self.name,
            **preset_data(self.preset),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> CombinedLoss:
        """The combination of a config.

        Raises:
            ConfigError: The config is not one of `get_config`.
        """
        if not isinstance(config.get("parts"), list):
            raise ConfigError("The config of a combined loss has no parts.", received=config)
        with together():
            return cls(
                read_parts(config["parts"]),
                weighting=config.get("weighting"),
                name=config.get("name", "combined"),
                preset=preset_in(config),
            )

    def __repr__(self) -> str:
        parts = ", ".join(f"{part.name}: {part.weight!r}" for part in self.parts)
        weighting = f", weighting={weighting_data(self.weighting)}" if self.weighting else ""
        return f"<{type(self).__name__} {parts}{weighting}>"

    def _value(
        self, part: Part, y_true: Any, further: Mapping[str, Any], y_pred: Any, sample_weight: Any
    ) -> Any:
        if part.output is not None:
            y_pred = _output(self, part, y_pred)
        if not isinstance(part.loss, StatefulLoss):
            return part.loss(y_true, y_pred, sample_weight)
        wanted = {name: further[name] for name in part.loss.targets}
        y_true = {MAIN_TARGET: y_true, **wanted} if wanted else y_true
        if part.loss.outputs and isinstance(y_pred, Mapping):
            y_pred = {name: y_pred[name] for name in y_pred if name in part.loss.outputs}
        return part.loss(y_true, y_pred, sample_weight)

    def _weight(self, part: Part) -> Any:
        if isinstance(part.weight, Schedule):
            return self._now(part.weight_name, part.weight)
        return part.weight

    def _balanced(self, weighted: Sequence[Any]) -> Weighted:
        assert self.weighting is not None
        assert self.layer is not None
        values = ops.stack([ops.sum(value) for value in weighted])
        result = self.weighting.apply(values, self._over_classes, self.layer.read)
        for place, latest in enumerate(self._learned):
            latest.update_state(result.weights[place])
        return result

    def _log(self, means: Sequence[Any], values: Sequence[Any], y_pred: Any) -> None:
        batch = ops.shape(
            keras.tree.flatten(dict(y_pred) if isinstance(y_pred, Mapping) else y_pred)[0]
        )
        for mean, value in zip(means, values, strict=False):
            mean.update_state(ops.mean(value) * replicas(), sample_weight=batch[0])


def combine(parts: Any, *, weighting: Any = None, name: str = "combined") -> CombinedLoss:
    """Several losses as one: their weighted sum.

    Args:
        parts: A dict from names of losses to weights; or a list, in which a loss may stand twice,
            of names, losses, pairs `(loss, weight)`, or dicts with `loss`, `weight`, `name` and
            `output`. A loss is anything that `get_loss` accepts, another combination included. A
            weight is a number or a schedule of `lossplug_core.schedules`.
        weighting: How weights are found in training: `"uncertainty"` (learned), `{"name": "dwa",
            "every": steps}`, `"ema"` (each part divided by its running mean), or None.
        name: Its name in Keras's logs.

    Returns:
        A `keras.losses.Loss`. If anything in it changes during training, it is for a
        `TrainingModel`, whose `fit` logs the parts in any case.

    Raises:
        ParameterError: There are no parts, or what is given is not a part.
        ConfigError: A combination contains itself.
        UnknownLossError: No installed loss has a name that is given.

    Example:
        >>> combine({"mse": 1.0, "imbalance/focal": 0.5})
        <CombinedLoss mean_squared_error: 1.0, focal: 0.5>
        >>> combine(["mae", ("focal", 2.0), {"loss": "focal", "name": "second"}])
        <CombinedLoss mean_absolute_error: 1.0, focal: 2.0, second: 1.0>
    """
    with together():
        return CombinedLoss(read_parts(parts), weighting=weighting, name=name)


def from_mapping(config: Mapping[str, Any], preset: PresetRef | None = None) -> CombinedLoss:
    """The combination of `{"combine": parts, "weighting": …, "name": …}`."""
    if unknown := sorted(set(config) - {"combine", "weighting", "name"}):
        raise ConfigError(
            "This dict does not describe a combined loss.",
            expected="{'combine': parts, 'weighting': …, 'name': …}",
            received=unknown[0],
        )
    arguments = {key: config[key] for key in ("weighting", "name") if key in config}
    with together():
        return CombinedLoss(read_parts(config["combine"]), preset=preset, **arguments)


def _over_classes(loss: keras.losses.Loss) -> bool:
    described = loss.spec if isinstance(loss, PluginLoss) else of_class(type(loss).__name__)
    return described is not None and not _CLASSES.isdisjoint(described.y_true)


def _output(loss: CombinedLoss, part: Part, y_pred: Any) -> Any:
    if not isinstance(y_pred, Mapping) or part.output not in y_pred:
        raise DataError(
            f"The part {part.name!r} of the loss {loss.name!r} takes the output {part.output!r}.",
            expected=f"y_pred with {', '.join(loss.outputs)}",
            received=", ".join(y_pred) if isinstance(y_pred, Mapping) else type(y_pred).__name__,
            fix=f"keras.Model(inputs, {{{part.output!r}: …}})",
        )
    return y_pred[part.output]
