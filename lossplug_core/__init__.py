"""Losses for Keras that are installed, and found by name.

Importing this package imports neither Keras nor any plugin. When Keras is imported, before or
after, `keras.models.load_model` learns to read models that were saved with lossplug's losses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wrapt import when_imported

from lossplug_core import ops
from lossplug_core.errors import (
    AmbiguousLossError,
    BackendError,
    BrokenPluginError,
    CatalogError,
    ChangedLossWarning,
    ConfigError,
    DataError,
    DeprecatedLossWarning,
    ForbiddenLossError,
    FutureVersionError,
    IdentifierError,
    LossNotInstalledError,
    LossplugError,
    ParameterError,
    PluginWarning,
    SpecError,
    UnknownConventionError,
    UnknownLossError,
    UnknownParameterError,
    UntrainedLossError,
)
from lossplug_core.existing import from_callable, from_keras_loss
from lossplug_core.forms import PREDICTIONS, TARGETS
from lossplug_core.marking import loss
from lossplug_core.migration import deprecated
from lossplug_core.networks import Network
from lossplug_core.spec import LossSpec, Provider, Weight
from lossplug_core.types import (
    ClassCounts,
    ClassWeights,
    CostMatrix,
    EmbeddingSize,
    Fraction,
    NonNegative,
    NonNegativeInt,
    NumClasses,
    NumOutputs,
    OpenFraction,
    Positive,
    PositiveInt,
    Real,
    TransitionMatrix,
)

if TYPE_CHECKING:
    from lossplug_core._app import find_spec, list_losses, refresh
    from lossplug_core.bridge import (
        CombinedLoss,
        PluginLoss,
        SetParameter,
        TrainingModel,
        as_dict,
        combine,
        get_loss,
    )
    from lossplug_core.choices import Choice, chosen, one_of
    from lossplug_core.hooks import hookimpl

__all__ = [
    "PREDICTIONS",
    "TARGETS",
    "AmbiguousLossError",
    "BackendError",
    "BrokenPluginError",
    "CatalogError",
    "ChangedLossWarning",
    "Choice",
    "ClassCounts",
    "ClassWeights",
    "CombinedLoss",
    "ConfigError",
    "CostMatrix",
    "DataError",
    "DeprecatedLossWarning",
    "EmbeddingSize",
    "ForbiddenLossError",
    "Fraction",
    "FutureVersionError",
    "IdentifierError",
    "LossNotInstalledError",
    "LossSpec",
    "LossplugError",
    "Network",
    "NonNegative",
    "NonNegativeInt",
    "NumClasses",
    "NumOutputs",
    "OpenFraction",
    "ParameterError",
    "PluginLoss",
    "PluginWarning",
    "Positive",
    "PositiveInt",
    "Provider",
    "Real",
    "SetParameter",
    "SpecError",
    "TrainingModel",
    "TransitionMatrix",
    "UnknownConventionError",
    "UnknownLossError",
    "UnknownParameterError",
    "UntrainedLossError",
    "Weight",
    "as_dict",
    "chosen",
    "combine",
    "deprecated",
    "find_spec",
    "from_callable",
    "from_keras_loss",
    "get_loss",
    "hookimpl",
    "list_losses",
    "loss",
    "one_of",
    "ops",
    "refresh",
]

# What these modules need takes time to import: metadata and hooks the one, Keras the other.
_AT_FIRST_USE = {
    "Choice": "choices",
    "CombinedLoss": "bridge",
    "PluginLoss": "bridge",
    "SetParameter": "bridge",
    "TrainingModel": "bridge",
    "as_dict": "bridge",
    "chosen": "choices",
    "combine": "bridge",
    "find_spec": "_app",
    "get_loss": "bridge",
    "hookimpl": "hooks",
    "list_losses": "_app",
    "one_of": "choices",
    "refresh": "_app",
}


def __getattr__(name: str) -> Any:
    if name not in _AT_FIRST_USE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    from lossplug_core._backend import starting_keras

    with starting_keras():
        value = getattr(import_module(f"{__name__}.{_AT_FIRST_USE[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_AT_FIRST_USE})


@when_imported("keras")
def _register_with_keras(_keras: object) -> None:
    import lossplug_core.bridge  # noqa: F401
