"""The description of a loss, which `@loss` makes of a function."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Literal

__all__ = [
    "MAIN_TARGET",
    "OPTIONS",
    "Deprecation",
    "LossSpec",
    "Memory",
    "Provider",
    "Weight",
    "spec_of",
]

OPTIONS = ("reduction", "dtype", "name", "global_batch")
"""What every loss is given beside its parameters."""

_INTEGER_TARGETS = frozenset({"class_ids", "labels", "sequences"})
MAIN_TARGET = "y_true"
"""What the main target is called where there are several."""

ATTRIBUTE = "__loss_spec__"
"""Where a function that is marked `@loss` keeps its spec."""

_WEIGHTS = "weights"

Memory = Literal["batch", "batch**2"]
"""How the largest tensor that a loss makes grows."""


@dataclass(frozen=True, slots=True)
class Provider:
    """Where a spec comes from: a distribution, its version, and one of its entry points."""

    distribution: str
    version: str
    entry_point: str
    target: str

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}"

    def load(self) -> Any:
        """Import what the entry point names: a module, or an object in one."""
        module, _, attribute = self.target.partition(":")
        obj: Any = import_module(module)
        for part in filter(None, attribute.split(".")):
            obj = getattr(obj, part)
        return obj


@dataclass(frozen=True, slots=True)
class Weight:
    """A weight that a loss owns: trained with the model, or a state that it keeps across batches.

    Attributes:
        shape: Its shape; `()` is one number.
        initializer: What it starts as: a number, or what Keras accepts as an initializer.
        trainable: Whether the optimizer trains it. A weight that is not is a state: the function
            returns `(values, {name: new value})`, and in training the new value is kept.
        dtype: `float32`, or an integer type for states that count or hold labels.
        whole_batch: Whether a state is only right if each replica sees the batches of all: a
            queue of samples, say, of which there is no mean.

    Example:
        >>> Weight((10, 64), "he_uniform").trainable
        True
    """

    shape: tuple[int, ...] = ()
    initializer: Any = "glorot_uniform"
    trainable: bool = True
    dtype: str = "float32"
    whole_batch: bool = False


@dataclass(frozen=True, slots=True)
class Deprecation:
    """What `deprecated` says of a loss that will be removed.

    Attributes:
        replaced_by: The id of the loss to use instead, if there is one.
        removed_in: The version of the plugin that will not have it, if that is known.
    """

    replaced_by: str | None = None
    removed_in: str | None = None


@dataclass(frozen=True, slots=True)
class LossSpec:
    """The immutable description of a loss, made by `@loss`.

    Attributes:
        function: The loss itself: `(y_true, y_pred, *, parameters) -> one value per sample`.
        name: Its name, without the namespace.
        y_true: The forms of target that it accepts, keys of `TARGETS`.
        y_pred: The forms of prediction that it accepts, keys of `PREDICTIONS`.
        paper: The reference that defines it: `arXiv:…`, `doi:…` or an address.
        aliases: Other names, each of which is an entry point too.
        conventions: For a well-known implementation's name, the parameters that make this loss
            agree with it.
        version: Raised by the author when a saved config has to change its meaning.
        migrate: `(version, parameters) -> parameters`, for configs of older versions.
        history: What changed with each version, for the users of older ones.
        formerly: The names or ids that it had, which still find it.
        deprecated: That it will be removed, and what to use instead; None if it stays.
        weights: The weights that it owns, by name, or a function of its parameters that tells them.
        targets: The names of further targets, which the function takes as keyword arguments.
        outputs: The names of the outputs that it compares, if they are several: `y_pred` is then a
            mapping from them.
        forms: The forms of further targets and of outputs, by name, where they are told.
        adapts: The parameters that `adapt` can learn from data, each with the function that does.
        range: The bounds of its values; None where there is none.
        at_target: What its value is where the prediction is the target: `"zero"`, or the
            `"minimum"` over predictions; None if neither.
        compares_samples: Whether the value of a sample depends on the others of its batch, or a
            function of the parameters that tells it; `compares` asks either.
        memory: How the largest tensor that it makes grows with the batch.
        stops_gradient: Whether it takes something that depends on the prediction for a constant,
            or a function of the parameters that tells it.
        namespace: The namespace of the plugin; None until an installed plugin provides the loss.
        provider: Where the loss comes from; None until an installed plugin provides the loss.
        parameter_types: Types of parameters that the signature does not tell, as Keras's do not.
    """

    function: Callable[..., Any]
    name: str
    y_true: tuple[str, ...]
    y_pred: tuple[str, ...]
    paper: str | None = None
    aliases: tuple[str, ...] = ()
    conventions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, hash=False)
    version: int = 1
    migrate: Callable[[int, dict[str, Any]], dict[str, Any]] | None = None
    history: Mapping[int, str] = field(default_factory=dict, hash=False)
    formerly: tuple[str, ...] = ()
    deprecated: Deprecation | None = None
    weights: Mapping[str, Weight] | Callable[..., Mapping[str, Weight]] | None = field(
        default=None, hash=False
    )
    targets: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    forms: Mapping[str, str] = field(default_factory=dict, hash=False)
    adapts: Mapping[str, Callable[..., Any]] = field(default_factory=dict, hash=False)
    range: tuple[float | None, float | None] = (None, None)
    at_target: Literal["zero", "minimum"] | None = None
    compares_samples: bool | Callable[[Mapping[str, Any]], bool] = False
    memory: Memory = "batch"
    stops_gradient: bool | Callable[[Mapping[str, Any]], bool] = False
    namespace: str | None = None
    provider: Provider | None = None
    parameter_types: tuple[tuple[str, Any], ...] = ()

    def compares(self, parameters: Mapping[str, Any]) -> bool:
        """Whether, with these parameters, a sample's value depends on the others of its batch."""
        compares = self.compares_samples
        return compares(parameters) if callable(compares) else compares

    @property
    def id(self) -> str:
        """`namespace/name`, or the bare name of a loss that no plugin provides."""
        return self.name if self.namespace is None else f"{self.namespace}/{self.name}"

    @property
    def doc(self) -> str:
        """The docstring, without its indentation."""
        return inspect.getdoc(self.function) or ""

    @property
    def summary(self) -> str:
        """The first paragraph of the docstring, on one line."""
        return " ".join(self.doc.split("\n\n", 1)[0].split())

    @property
    def integer_target(self) -> bool:
        """Whether the target can be integers that must stay integers."""
        return not _INTEGER_TARGETS.isdisjoint(self.y_true)

    @property
    def given(self) -> frozenset[str]:
        """What the bridge gives to the function beside its parameters."""
        weights = () if self.weights is None else (_WEIGHTS,)
        return frozenset({*weights, *self.targets})

    def weights_with(self, parameters: Mapping[str, Any]) -> Mapping[str, Weight]:
        """The weights that the loss owns with these parameters, by name."""
        if not callable(self.weights):
            return self.weights or {}
        wanted = inspect.signature(self.weights).parameters
        return self.weights(**{name: parameters[name] for name in wanted})


def spec_of(obj: object) -> LossSpec | None:
    """The spec that `@loss` gave to a function, or None."""
    spec = getattr(obj, ATTRIBUTE, None)
    # `functools.wraps` copies the spec to a wrapper, which is another function.
    return spec if isinstance(spec, LossSpec) and spec.function is obj else None
