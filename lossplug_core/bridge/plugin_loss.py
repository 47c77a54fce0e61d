"""The one class that lossplug registers with Keras."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import keras

from lossplug_core._app import registry
from lossplug_core.bridge.targets import as_tensor, marked, prepare
from lossplug_core.config import read, written_by
from lossplug_core.errors import ParameterError, PluginWarning
from lossplug_core.names import KERAS
from lossplug_core.params import dump, parameters_of, validate
from lossplug_core.spec import LossSpec

__all__ = ["PluginLoss"]

REDUCTIONS = ("sum_over_batch_size", "mean", "mean_with_sample_weight", "sum", "none", None)


@keras.saving.register_keras_serializable(package="lossplug")
class PluginLoss(keras.losses.Loss):  # type: ignore[misc]
    """A loss of a plugin, with its parameters, as Keras wants it.

    `get_loss` makes these. Reduction, sample weights and masks are Keras's own.

    Args:
        spec: What `@loss` made of the function.
        parameters: Those that differ from the defaults.
        convention: A key of `spec.conventions`, whose parameters replace the defaults.
        reduction: As in `keras.losses.Loss`.
        name: As in `keras.losses.Loss`; the loss's own name if None.
        dtype: As in `keras.losses.Loss`; Keras's `floatx` if None.

    Raises:
        ParameterError: A parameter is unknown, missing, of the wrong type, or out of bounds.
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
    ) -> None:
        parameters = validate(spec, parameters, convention=convention)
        check_common(reduction, name, dtype)
        try:
            super().__init__(name=name or spec.name, reduction=reduction, dtype=dtype)
        except (ValueError, TypeError) as error:
            raise ParameterError(
                f"Keras refuses the dtype of {spec.id!r}: {error}",
                received=dtype,
                parameter="dtype",
            ) from error
        self.spec = spec
        self.parameters = MappingProxyType(parameters)
        self._function = _function(spec, parameters)
        registry.hooks.call("lossplug_loss_built", loss=self)

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The reduced loss. Integer targets stay integers; shapes are never broadcast."""
        y_pred = as_tensor(y_pred, "y_pred")
        target = prepare(self.spec, y_true, y_pred, self.dtype)

        def values(y_pred: Any) -> Any:
            values = self.call(target.y_true, y_pred)
            return marked(target.y_true, y_pred, values) if target.unseen else values

        weighing = _Weighing(values, self.reduction, self.name, self.dtype)
        # Keras would cast the target; it is given the prediction, whose mask it honours, twice.
        return weighing(y_pred, y_pred, sample_weight)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """One value per sample, or per position."""
        return self._function(y_true, y_pred)

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
        spec, parameters, common = read(config, registry)
        return cls(spec, parameters, **common)

    def __repr__(self) -> str:
        differing = ", ".join(
            f"{name}={value!r}"
            for name, value in self.parameters.items()
            if value != parameters_of(self.spec)[name].default
        )
        provider = self.spec.provider or "no installed plugin"
        return f"<{type(self).__name__} {self.spec.id}({differing}) from {provider}>"

    def __reduce__(self) -> tuple[Any, ...]:
        common = {"reduction": self.reduction, "name": self.name, "dtype": self.dtype}
        return _rebuild, (self.spec.function, self.spec.id, dict(self.parameters), common)


class _Weighing(keras.losses.Loss):  # type: ignore[misc]
    """Keras's own weighting, masking and reduction of values that a function computes."""

    def __init__(
        self, values: Callable[[Any], Any], reduction: str | None, name: str, dtype: str
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self._values = values

    def call(self, y_true: Any, y_pred: Any) -> Any:
        del y_true
        return self._values(y_pred)


def check_common(reduction: Any, name: Any, dtype: Any) -> None:
    """Refuse what no loss can have as reduction, name or dtype."""
    if not (reduction is None or isinstance(reduction, str)) or reduction not in REDUCTIONS:
        raise ParameterError(
            "There is no such reduction.",
            expected=f"one of {', '.join(map(repr, REDUCTIONS))}",
            received=reduction,
            parameter="reduction",
        )
    if not (name is None or isinstance(name, str)):
        raise ParameterError(
            "The name of a loss is a text.",
            expected="a str or None",
            received=name,
            parameter="name",
        )
    # Keras would also take a config, and look for the class that it names.
    if not (dtype is None or isinstance(dtype, (str, keras.DTypePolicy))):
        raise ParameterError(
            "The dtype of a loss is a text or a policy.",
            expected="'float32', say, or a keras.DTypePolicy",
            received=dtype,
            parameter="dtype",
        )


def _function(spec: LossSpec, parameters: Mapping[str, Any]) -> Callable[[Any, Any], Any]:
    if spec.namespace == KERAS:
        return spec.function(**parameters).call  # type: ignore[no-any-return]

    def function(y_true: Any, y_pred: Any) -> Any:
        return spec.function(y_true, y_pred, **parameters)

    return function


def _rebuild(
    function: Callable[..., Any], id: str, parameters: dict[str, Any], common: dict[str, Any]
) -> PluginLoss:
    spec = registry.identify(function) or registry.find(id)
    return PluginLoss(spec, parameters, **common)
