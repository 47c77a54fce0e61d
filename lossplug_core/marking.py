"""All that an author needs: the decorator `@loss`.

A loss is a plain function `(y_true, y_pred, *, parameters) -> one value per sample`. Its signature
is the single source of truth for its parameters, its docstring for its documentation.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Literal, TypeVar

from lossplug_core import forms, migration
from lossplug_core.errors import SpecError
from lossplug_core.spec import ATTRIBUTE, OPTIONS, Deprecation, LossSpec, Memory, Weight

__all__ = ["describe", "loss"]

_RESERVED = frozenset({"convention", *OPTIONS})
_F = TypeVar("_F", bound=Callable[..., Any])


def loss(
    *,
    y_true: str,
    y_pred: str,
    paper: str | None = None,
    aliases: Iterable[str] = (),
    conventions: Mapping[str, Mapping[str, Any]] | None = None,
    version: int = 1,
    migrate: Callable[[int, dict[str, Any]], dict[str, Any]] | Mapping[str, str] | None = None,
    history: Mapping[int, str] | None = None,
    formerly: Iterable[str] = (),
    deprecated: Deprecation | None = None,
    weights: Mapping[str, Weight] | Callable[..., Mapping[str, Weight]] | None = None,
    targets: Iterable[str] | Mapping[str, str] = (),
    outputs: Iterable[str] | Mapping[str, str] = (),
    adapts: Mapping[str, Callable[..., Any]] | None = None,
    range: tuple[float | None, float | None] = (None, None),
    at_target: Literal["zero", "minimum"] | None = None,
    compares_samples: bool | Callable[[Mapping[str, Any]], bool] | None = None,
    memory: Memory | None = None,
    stops_gradient: bool | Callable[[Mapping[str, Any]], bool] = False,
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
        migrate: `(version, parameters) -> parameters`: turns such a config into one of today. Or a
            mapping from the old names of parameters to the new ones; `{}` if they are the same.
        history: For each version after the first, what changed with it: a sentence for users.
        formerly: Old names, which are found with a warning: `old_name`, or `namespace/name` if
            another distribution had it. Each also needs an entry point in `lossplug.formerly`.
        deprecated: `deprecated(replaced_by=…, removed_in=…)`: that the loss will be removed.
        weights: The weights that it owns: `Weight`s by name, or a function that returns them and
            whose arguments are some of the parameters. The function takes `weights`, a mapping.
        targets: Names of further targets (a mask, a teacher's logits), each of which is a keyword
            argument of the function. `inputs` is what the model was given. A mapping also tells
            their forms, keys of `TARGETS`; else they are real numbers shaped like the prediction.
        outputs: Names of the outputs that it compares, if they are several. A mapping also tells
            their forms, keys of `PREDICTIONS`; else each is a `y_pred`.
        adapts: For a parameter that can be learned from data before training, a function of an
            iterable of batches of targets, such as `lossplug_core.statistics.class_counts`.
        range: Bounds of its values, None where there is none: what it promises, and the conformance
            kit checks, as those that follow.
        at_target: `"zero"` or `"minimum"`: what its value is where the prediction is the target.
        compares_samples: Whether a sample's value depends on the others of its batch. None means
            that losses on labels or embeddings do. A function of the parameters, if it depends on
            them.
        memory: How the largest tensor that it makes grows: with the `"batch"`, or with
            `"batch**2"`, which None means for a loss that compares samples.
        stops_gradient: Whether it takes something that depends on the prediction for a constant. A
            function of the parameters, if it depends on them.

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
        spec = describe(
            function,
            function.__name__,
            y_true=y_true,
            y_pred=y_pred,
            paper=paper,
            aliases=aliases,
            conventions=conventions,
            version=version,
            migrate=migrate,
            history=history,
            formerly=formerly,
            deprecated=deprecated,
            weights=weights,
            targets=targets,
            outputs=outputs,
            adapts=adapts,
            range=range,
            at_target=at_target,
            compares_samples=compares_samples,
            memory=memory,
            stops_gradient=stops_gradient,
        )
        setattr(function, ATTRIBUTE, spec)
        return function

    return mark


def describe(
    function: Callable[..., Any],
    name: str,
    *,
    y_true: str,
    y_pred: str,
    parameter_types: Mapping[str, Any] | None = None,
    **declared: Any,
) -> LossSpec:
    """The spec of a function, from what is declared of it as in `loss`.

    Raises:
        SpecError: The signature is not `(y_true, y_pred, *, parameters)`, or something that is
            declared does not fit.
    """
    true, pred = forms.read(name, "y_true", y_true), forms.read(name, "y_pred", y_pred)
    compares = declared.pop("compares_samples", None)
    if compares is None:
        compares = not {"labels", "multi_hot"}.isdisjoint(true) or "embeddings" in pred
    memory: Memory = declared.pop("memory", None) or ("batch**2" if compares is True else "batch")
    declared["forms"] = {
        **_forms_of(name, "targets", declared.get("targets")),
        **_forms_of(name, "outputs", declared.get("outputs")),
    }
    for key, plain in _PLAIN.items():
        if key in declared:
            declared[key] = plain(declared[key])
    spec = LossSpec(
        function=function,
        name=name,
        y_true=true,
        y_pred=pred,
        compares_samples=compares,
        memory=memory,
        parameter_types=tuple((parameter_types or {}).items()),
        **declared,
    )
    _check_signature(spec)
    return spec


def _forms_of(name: str, argument: str, declared: Any) -> Mapping[str, str]:
    """The forms of targets or outputs, where they are told."""
    found = declared if isinstance(declared, Mapping) else {}
    for form in found.values():
        forms.read(name, argument, form)
    return found


def _copied(value: Any) -> Any:
    """A mapping that stays as it is; a function, or None, as it is."""
    return MappingProxyType(dict(value)) if isinstance(value, Mapping) else value


def _migration(value: Any) -> Any:
    return migration.Renaming(tuple(value.items())) if isinstance(value, Mapping) else value


def _frozen(conventions: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Mapping[str, Any]]:
    return MappingProxyType({key: MappingProxyType(dict(conventions[key])) for key in conventions})


_PLAIN: Mapping[str, Callable[[Any], Any]] = {
    "aliases": tuple,
    "conventions": lambda value: _frozen(value or {}),
    "migrate": _migration,
    "history": lambda value: _copied(value or {}),
    "formerly": tuple,
    "weights": _copied,
    "targets": tuple,
    "outputs": tuple,
    "adapts": lambda value: _copied(value or {}),
}
"""How what is declared becomes what a spec holds, where that is not the same."""


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
    migration.check(spec, names)
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
