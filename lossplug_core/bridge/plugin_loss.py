"""A plugin's loss as a loss of Keras: the class that saved models name."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import keras
from keras import ops

from lossplug_core._app import registry
from lossplug_core.bridge.adapting import target_batches
from lossplug_core.bridge.announcing import built
from lossplug_core.bridge.frozen import frozen, networks_of
from lossplug_core.bridge.named import predictions, split
from lossplug_core.bridge.options import check_options
from lossplug_core.bridge.phase import in_phase
from lossplug_core.bridge.reduction import Reduction
from lossplug_core.bridge.replicas import check_unshared, over_whole_batch
from lossplug_core.bridge.stateful import StatefulLoss
from lossplug_core.bridge.targets import marked, prepare
from lossplug_core.bridge.telling import warn
from lossplug_core.config import preset_data, preset_in, read, written_by
from lossplug_core.errors import ParameterError, PluginWarning
from lossplug_core.names import KERAS
from lossplug_core.params import coerce, differs, dump, parameters_of, validate
from lossplug_core.presets import PresetRef
from lossplug_core.schedules import Schedule
from lossplug_core.spec import OPTIONS, LossSpec

__all__ = ["PluginLoss"]


@keras.saving.register_keras_serializable(package="lossplug")
class PluginLoss(StatefulLoss):
    """A loss of a plugin, with its parameters, as Keras wants it.

    `get_loss` makes these. Reduction, sample weights and masks are Keras's own.

    Args:
        spec: What `@loss` made of the function.
        parameters: Those that differ from the defaults.
        convention: A key of `spec.conventions`, whose parameters replace the defaults.
        reduction: As in `keras.losses.Loss`.
        name: As in `keras.losses.Loss`; the loss's own name if None.
        dtype: As in `keras.losses.Loss`; Keras's `floatx` if None.
        global_batch: Whether it sees the samples of all replicas, if there are several.
        preset: The preset that it is made from, if it is.

    Raises:
        ParameterError: A parameter is unknown, missing, of the wrong type, or out of bounds.
        ForbiddenLossError: A rule forbids the loss.
    """

    def __init__(
        self,
        spec: LossSpec,
        parameters: Mapping[str, Any] = MappingProxyType({}),
        *,
        convention: str | None = None,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
        global_batch: bool = False,
        preset: PresetRef | None = None,
    ) -> None:
        registry.permit(spec)
        parameters = validate(spec, parameters, convention=convention)
        check_options(reduction, name, dtype, global_batch)
        try:
            super().__init__(name=name or spec.name, reduction=reduction, dtype=dtype)
        except (ValueError, TypeError) as error:
            raise ParameterError(
                f"Keras refuses the dtype of {spec.id!r}: {error}",
                received=dtype,
                parameter="dtype",
            ) from error
        self.spec = spec
        self.global_batch = global_batch
        self.preset = preset
        self._configure(parameters)
        built(self, spec, preset)

    @property
    def targets(self) -> tuple[str, ...]:
        """The names of the further targets that it takes."""
        return self.spec.targets

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the outputs that it compares; none if it takes one prediction."""
        return self.spec.outputs

    def __call__(
        self, y_true: Any, y_pred: Any, sample_weight: Any = None, *, training: bool | None = None
    ) -> Any:
        """The reduced loss. Integer targets stay integers; shapes are never broadcast.

        Args:
            y_true: The target; or a mapping of it, as `y_true`, and of further targets by name.
            y_pred: The prediction; or a mapping of several, if the loss compares them.
            sample_weight: As in `keras.losses.Loss`.
            training: Whether states are kept and steps counted. None, in a loop of your own, means
                yes.
        """
        with in_phase(training) as phase:
            self._begin(phase)
            y_true, further = split(self, y_true, self._computed_in, phase.inputs)
            y_pred, measure = predictions(self, y_pred, self._computed_in)
            target = prepare(self.spec, y_true, y_pred, self._computed_in)

            def values(_: Any) -> Any:
                values, updates = self._compute(target.y_true, y_pred, further)
                if phase.training and updates and self.layer is not None:
                    if not self.global_batch:
                        states = [name for name in updates if name in self._of_whole_batch]
                        check_unshared(self.name, self.spec.id, states, y_pred)
                    self.layer.keep(updates)
                return marked(target.y_true, y_pred, values) if target.unseen else values

            reduction = Reduction(values, self.reduction, self.name, self.dtype)
            # Keras would cast the target; it is given the prediction, whose mask it honours, twice.
            return reduction(measure, measure, sample_weight)

    def call(self, y_true: Any, y_pred: Any, **further: Any) -> Any:
        """One value per sample, or per position. States stay as they are."""
        return self._compute(y_true, y_pred, further)[0]

    def _compute(
        self, y_true: Any, y_pred: Any, further: Mapping[str, Any]
    ) -> tuple[Any, Mapping[str, Any]]:
        """The values, and the new values of states."""
        if missing := [name for name in self.spec.adapts if name not in self.parameters]:
            raise ParameterError(
                f"{self.spec.id!r} needs the parameter {missing[0]!r}.",
                expected=f"{missing[0]}: {parameters_of(self.spec)[missing[0]].type_text}",
                fix=f"Give {missing[0]}=…, or learn it from the data: loss.adapt(y_train)",
                parameter=missing[0],
            )
        self._called = True
        if self.global_batch:
            return over_whole_batch(self._evaluate, y_true, y_pred, further)
        return self._evaluate(y_true, y_pred, further)

    def _evaluate(
        self, y_true: Any, y_pred: Any, further: Mapping[str, Any]
    ) -> tuple[Any, Mapping[str, Any]]:
        if self._kept is not None:
            return self._kept(y_true, y_pred), {}
        numbers = {name: self._wide(number) for name, number in self.numbers().items()}
        parameters = {**self.parameters, **numbers, **self._networks}
        if self.spec.namespace == KERAS:
            return self.spec.function(**parameters).call(y_true, y_pred), {}
        if self.layer is not None and self.spec.weights is not None:
            parameters["weights"] = {
                name: self._wide(self.layer.read(name)) for name in self._declared
            }
        result = self.spec.function(y_true, y_pred, **further, **parameters)
        return result if isinstance(result, tuple) else (result, {})

    @property
    def _computed_in(self) -> str:
        """The dtype of what the function is given: weights and numbers are not of half precision.

        TensorFlow refuses to calculate with two dtypes.
        """
        is_half = self.dtype in ("float16", "bfloat16")
        return "float32" if is_half and self.variables else self.dtype

    def _wide(self, value: Any) -> Any:
        """A weight or number in float64 if the loss is computed in it."""
        dtype = keras.backend.standardize_dtype(value.dtype)
        wide = self.dtype == "float64" and keras.backend.is_float_dtype(dtype)
        return ops.cast(value, "float64") if wide else value

    def _configure(self, parameters: Mapping[str, Any]) -> None:
        """Take parameters, and make the weights that go with them."""
        spec = self.spec
        self.parameters = MappingProxyType(dict(parameters))
        self._called = False
        networks = networks_of(spec, parameters)
        self._networks = {name: frozen(network) for name, network in networks.items()}
        changing = {name: v for name, v in parameters.items() if isinstance(v, Schedule)}
        fixed_keras = spec.namespace == KERAS and not changing
        self._kept = spec.function(**parameters).call if fixed_keras else None
        ready = not set(spec.adapts).difference(parameters)
        declared = spec.weights_with(parameters) if ready else {}
        self._declared = tuple(declared)
        self._of_whole_batch = {name for name, w in declared.items() if w.whole_batch}
        self.own(declared, changing, networks.values())

    def _checked(self, name: str, number: float) -> float:
        return coerce(self.spec, parameters_of(self.spec)[name], number)  # type: ignore[no-any-return]

    def adapt(
        self, data: Any, *, output: str | int | None = None, steps: int | None = None
    ) -> PluginLoss:
        """Learn from the targets of a training set what the loss can learn from them.

        What is learned are parameters: they are checked, shown and saved as if they were given.

        Args:
            data: Targets, or batches of `(x, y)`: an array, a `tf.data.Dataset`, a
                `keras.utils.PyDataset`, a torch `DataLoader`.
            output: The output whose targets it takes, if the data has several.
            steps: How many batches to read; all if None.

        Returns:
            The loss itself.

        Raises:
            ParameterError: Nothing of this loss is learned from data, or it is in use already.
            DataError: The data has no such targets.

        Example:
            >>> import numpy
            >>> from lossplug_core import get_loss
            >>> loss = get_loss("class_balanced").adapt(numpy.array([0, 0, 0, 1]))
            >>> loss.parameters["samples_per_class"]
            (3.0, 1.0)
        """
        if not self.spec.adapts:
            raise ParameterError(f"{self.spec.id!r} learns nothing from data before training.")
        if self._called:
            raise ParameterError(
                f"{self.spec.id!r} is in use already: what is compiled would not change.",
                fix="Adapt the loss before the first step.",
            )
        learned = dict(self.parameters)
        for name, learn in self.spec.adapts.items():
            learned[name] = learn(target_batches(data, output=output, steps=steps))
        self._configure(validate(self.spec, learned))
        return self

    def get_config(self) -> dict[str, Any]:
        """Everything that another process needs to build the same loss from its plugin."""
        if self.spec.provider is None:
            warnings.warn(
                PluginWarning(
                    f"The loss {self.spec.id!r} is not provided by an installed plugin: another "
                    "process cannot load what is saved with it. Give it an entry point."
                ),
                stacklevel=2,
            )
        return {
            "id": self.spec.id,
            "spec_version": self.spec.version,
            "parameters": dump(self.spec, self.parameters),
            "provider": written_by(self.spec),
            "reduction": self.reduction,
            "dtype": self.dtype,
            "name": self.name,
            **({"global_batch": True} if self.global_batch else {}),
            **preset_data(self.preset),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> PluginLoss:
        """The loss of a config, from the plugin that is installed here.

        Raises:
            ConfigError: The config is not one of `get_config`, or an older one that the plugin
                cannot migrate.
            FutureVersionError: It was saved by a newer version of the loss.
            LossNotInstalledError: The plugin is not installed.
        """
        saved = read(config, registry)
        loss = cls(saved.spec, saved.parameters, preset=preset_in(config), **saved.options)
        warn(saved.warning)
        return loss

    def __repr__(self) -> str:
        differing = ", ".join(
            f"{name}={value!r}"
            for name, value in self.parameters.items()
            if differs(self.spec, name, value)
        )
        provider = self.spec.provider or "no installed plugin"
        return f"<{type(self).__name__} {self.spec.id}({differing}) from {provider}>"

    def __reduce__(self) -> tuple[Any, ...]:
        common = {option: getattr(self, option) for option in (*OPTIONS, "preset")}
        made_of = (self.spec.function, self.spec.id, dict(self.parameters), common)
        return _rebuild, made_of, self.values()

    def __setstate__(self, values: Mapping[str, Any]) -> None:
        if self.layer is not None:
            self.layer.load_own_variables(values)


def _rebuild(
    function: Callable[..., Any], id: str, parameters: dict[str, Any], common: dict[str, Any]
) -> PluginLoss:
    spec = registry.identify(function)
    if spec is None or (spec.provider is None and "/" in id):
        spec = registry.find(id)
    return PluginLoss(spec, parameters, **common)
