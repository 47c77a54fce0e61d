"""All that an author needs: the `@loss` decorator, and the description that it makes.

A loss is a plain function `(y_true, y_pred, *, parameters) -> one value per sample`. Its signature
is the single source of truth for its parameters, its docstring for its documentation.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from types import MappingProxyType
from typing import Any, TypeVar

from lossplug_core.errors import SpecError
from lossplug_core.forms import PREDICTIONS, TARGETS

__all__ = ["OPTIONS", "LossSpec", "Provider", "Weight", "loss", "spec_of"]

OPTIONS = ("reduction", "dtype", "name", "global_batch")
"""What every loss is given beside its parameters."""

_INTEGER_TARGETS = frozenset({"class_ids", "labels", "sequences"})
MAIN_TARGET = "y_true"
"""What the main target is called where there are several."""

_RESERVED = frozenset({"convention", *OPTIONS})
_WEIGHTS = "weights"
_ATTRIBUTE = "__loss_spec__"
_F = TypeVar("_F", bound=Callable[..., Any])


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
        weights: The weights that it owns, by name, or a function of its parameters that tells them.
        targets: The names of further targets, which the function takes as keyword arguments.
        outputs: The names of the outputs that it compares, if they are several: `y_pred` is then a
            mapping from them.
        adapts: The parameters that `adapt` can learn from data, each with the function that does.
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
    weights: Mapping[str, Weight] | Callable[..., Mapping[str, Weight]] | None = field(
        default=None, hash=False
    )
    targets: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    adapts: Mapping[str, Callable[..., Any]] = field(default_factory=dict, hash=False)
    namespace: str | None = None
    provider: Provider | None = None
    parameter_types: tuple[tuple[str, Any], ...] = ()

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


def loss(
    *,
    y_true: str,
    y_pred: str,
    paper: str | None = None,
    aliases: Iterable[str] = (),
    conventions: Mapping[str, Mapping[str, Any]] | None = None,
    version: int = 1,
    migrate: Callable[[int, dict[str, Any]], dict[str, Any]] | None = None,
    weights: Mapping[str, Weight] | Callable[..., Mapping[str, Weight]] | None = None,
    targets: Iterable[str] = (),
    outputs: Iterable[str] = (),
    adapts: Mapping[str, Callable[..., Any]] | None = None,
) -> Callable[[_F], _F]:
    """Mark a function as a loss. The function itself stays as it is.

    Args:
        y_true: The forms of target that it accepts, joined by `|`: keys of `TARGETS`.
        y_pred: The forms of prediction that it accepts, joined by `|`: keys of `PREDICTIONS`.
        paper: The reference that defines it: `arXiv:…`, `doi:…` or an address.
        aliases: Other names. Each also needs an entry point, so that it is found without an import.
        conventions: For a well-known implementation's name, the parameters that make this loss
            agree with it.
        version: Raise it when a config saved earlier would mean something else now.
        migrate: `(version, parameters) -> parameters`: turns such a config into one of today.
        weights: The weights that it owns: `Weight`s by name, or a function that returns them and
            whose arguments are some of the parameters. The function takes `weights`, a mapping.
        targets: Names of further targets (a mask, a teacher's logits), each of which is a keyword
            argument of the function. `inputs` is what the model was given.
        outputs: Names of the outputs that it compares, if they are several.
        adapts: For a parameter that can be learned from data before training, a function of an
            iterable of batches of targets, such as `lossplug_core.statistics.class_counts`.

    Returns:
        A decorator that returns the function unchanged, described by a `LossSpec`.

    Raises:
        SpecError: The signature is not `(y_true, y_pred, *, parameters)`, or a form is unknown.

    Example:
        >>> @loss(y_true="values", y_pred="values")
        ... def squared_error(y_true, y_pred, *, scale: float = 1.0):
        ...     "Squared error."
        ...     return scale * (y_true - y_pred) ** 2
        >>> squared_error(1.0, 3.0, scale=0.5)
        2.0
    """

    def mark(function: _F) -> _F:
        name = function.__name__
        spec = LossSpec(
            function=function,
            name=name,
            y_true=_forms(name, "y_true", y_true, TARGETS),
            y_pred=_forms(name, "y_pred", y_pred, PREDICTIONS),
            paper=paper,
            aliases=tuple(aliases),
            conventions=_frozen(conventions or {}),
            version=version,
            migrate=migrate,
            weights=weights if weights is None or callable(weights) else dict(weights),
            targets=tuple(targets),
            outputs=tuple(outputs),
            adapts=MappingProxyType(dict(adapts or {})),
        )
        _check_signature(spec)
        setattr(function, _ATTRIBUTE, spec)
        return function

    return mark


def spec_of(obj: object) -> LossSpec | None:
    """The spec that `@loss` gave to a function, or None."""
    spec = getattr(obj, _ATTRIBUTE, None)
    # `functools.wraps` copies the spec to a wrapper, which is another function.
    return spec if isinstance(spec, LossSpec) and spec.function is obj else None


def _forms(name: str, argument: str, text: str, known: Mapping[str, str]) -> tuple[str, ...]:
    forms = tuple(part.strip() for part in text.split("|"))
    for form in forms:
        if form not in known:
            raise SpecError(
                f"The loss {name!r} declares an unknown form of {argument}.",
                expected=f"one or more of {', '.join(known)}, joined by '|'",
                received=form,
            )
    return forms


def _frozen(conventions: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Mapping[str, Any]]:
    return MappingProxyType({key: MappingProxyType(dict(conventions[key])) for key in conventions})


def _check_signature(spec: LossSpec) -> None:
    parameters = list(inspect.signature(spec.function).parameters.values())
    if taken := _RESERVED.intersection(p.name for p in parameters):
        raise SpecError(
            f"The loss {spec.name!r} has a parameter that every loss has already.",
            expected=f"names other than {', '.join(sorted(_RESERVED))}",
            received=sorted(taken)[0],
        )
    leading, rest = parameters[:2], parameters[2:]
    if [p.name for p in leading] != ["y_true", "y_pred"] or any(
        p.kind is not p.KEYWORD_ONLY for p in rest
    ):
        raise SpecError(
            f"The signature of the loss {spec.name!r} does not say what its parameters are.",
            expected="(y_true, y_pred, *, parameter: type = default, …)",
            received=str(inspect.signature(spec.function)),
        )
    names = {p.name for p in rest} - spec.given
    if missing := sorted(spec.given - {p.name for p in rest}):
        raise SpecError(
            f"The loss {spec.name!r} declares what its function does not take.",
            expected=f"a keyword argument {missing[0]!r}",
            received=str(inspect.signature(spec.function)),
        )
    asked = inspect.signature(spec.weights).parameters if callable(spec.weights) else ()
    for kind, unknown in (
        ("The weights", sorted(set(asked) - names)),
        ("What adapts", sorted(set(spec.adapts) - names)),
    ):
        if unknown:
            raise SpecError(
                f"{kind} of {spec.name!r} name a parameter that it does not have.",
                expected=f"some of {', '.join(sorted(names))}",
                received=unknown[0],
            )
    for convention, values in spec.conventions.items():
        if unknown := sorted(set(values) - names):
            raise SpecError(
                f"The convention {convention!r} of {spec.name!r} sets an unknown parameter.",
                expected=f"some of {', '.join(sorted(names))}",
                received=unknown[0],
            )
