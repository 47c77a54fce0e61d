"""The parameters of a loss: its signature, validated values, and what is wrong with them."""

from __future__ import annotations

import difflib
import inspect
import typing
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from lossplug_core._alternatives import (
    REQUIRED,
    Alternatives,
    Choice,
    Parameter,
    alternatives_of,
    type_of_default,
)
from lossplug_core._describe import admits_float
from lossplug_core._reading import Owner, dumped, missing, unknown_parameter
from lossplug_core._reading import coerce as _coerce
from lossplug_core.errors import ParameterError, SpecError, UnknownConventionError
from lossplug_core.spec import OPTIONS, LossSpec

__all__ = [
    "REQUIRED",
    "Alternatives",
    "Choice",
    "Parameter",
    "admits_float",
    "alternatives_of",
    "coerce",
    "differs",
    "dump",
    "parameters_of",
    "refusals",
    "validate",
]

_OF_EVERY_LOSS = frozenset({"self", "y_true", "y_pred", *OPTIONS})


@lru_cache(maxsize=1024)
def _signature(
    function: Callable[..., Any], types: tuple[tuple[str, Any], ...], given: frozenset[str]
) -> Mapping[str, Parameter]:
    init = function.__init__ if isinstance(function, type) else function  # type: ignore[misc]
    hints = {**typing.get_type_hints(init, include_extras=True), **dict(types)}
    return {
        name: Parameter(name, hints.get(name, type_of_default(p.default)), p.default)
        for name, p in inspect.signature(init).parameters.items()
        if name not in _OF_EVERY_LOSS and name not in given
    }


def parameters_of(spec: LossSpec) -> Mapping[str, Parameter]:
    """The parameters of a loss by name, in the order of its signature.

    Raises:
        SpecError: An annotation cannot be evaluated.
    """
    try:
        return _signature(spec.function, spec.parameter_types, spec.given)
    except Exception as error:  # an annotation is any code
        raise SpecError(
            f"The signature of {spec.id!r} cannot be read: {type(error).__name__}: {error}",
            fix="A mistake of the plugin's: the types that it names must be there at run time.",
        ) from error


def validate(
    spec: LossSpec, values: Mapping[str, Any], *, convention: str | None = None
) -> dict[str, Any]:
    """Complete and coerce the parameters of a loss.

    Args:
        spec: The loss.
        values: The parameters that were given.
        convention: A key of `spec.conventions`, whose parameters replace the defaults.

    Returns:
        Every parameter of the loss by name, coerced to its type. One that has no default and is
        not given is left out if it can be learned from data.

    Raises:
        UnknownParameterError: The loss has no such parameter.
        UnknownConventionError: The loss has no such convention.
        ParameterError: A value is missing, has the wrong type, or is out of bounds.
    """
    parameters, owner, whose = parameters_of(spec), _owner(spec), repr(spec.id)
    for name, value in values.items():
        if name not in parameters:
            raise unknown_parameter(owner, whose, name, value, parameters)
    given = {**_convention(spec, convention), **values}
    complete = {}
    for name, parameter in parameters.items():
        value = given.get(name, parameter.default)
        if value is REQUIRED and name in spec.adapts:
            continue
        if value is REQUIRED:
            raise missing(owner, whose, parameter, f"get_loss({spec.id!r}, {name}=…)")
        complete[name] = _coerce(owner, parameter, value)
    return complete


def coerce(spec: LossSpec, parameter: Parameter, value: Any) -> Any:
    """A value as the type of its parameter; a number may also be a schedule.

    Raises:
        ParameterError: It has the wrong type or is out of bounds.
        SpecError: The type is not one that can be checked.
    """
    return _coerce(_owner(spec), parameter, value)


def differs(spec: LossSpec, name: str, value: Any) -> bool:
    """Whether a value that `validate` returned is not the default of its parameter."""
    parameter = parameters_of(spec)[name]
    if parameter.required or value == parameter.default:
        return parameter.required
    return not isinstance(value, Choice) or value != coerce(spec, parameter, parameter.default)


def refusals(spec: LossSpec) -> Iterator[tuple[str, str]]:
    """Defaults and parameters of conventions that the loss itself refuses: whose, and why.

    Raises:
        SpecError: The signature cannot be read.
    """
    parameters = parameters_of(spec)
    defaults = {name: p.default for name, p in parameters.items() if not p.required}
    for what, values in (("default", defaults), *spec.conventions.items()):
        for name, value in values.items():
            yield from _refused(_owner(spec), parameters[name], value, what)
    for parameter in parameters.values():
        yield from _refused_within(spec, parameter)


def _refused(
    owner: Owner, parameter: Parameter, value: Any, what: str
) -> Iterator[tuple[str, str]]:
    try:
        _coerce(owner, parameter, value)
    except ParameterError as error:
        yield what, f"{error.what} Received {value!r}."
    except SpecError as error:
        yield what, f"{owner.path(parameter.name)!r}: {error.what}"


def _refused_within(spec: LossSpec, parameter: Parameter) -> Iterator[tuple[str, str]]:
    """Defaults of alternatives that are refused: also of those that no default names."""
    alternatives = alternatives_of(parameter.annotation)
    if alternatives is None:
        return
    for name in alternatives.names:
        owner = Owner(repr(spec.id), prefix=f"{parameter.name}.{name}.")
        for inner in alternatives.parameters(name).values():
            if not inner.required:
                yield from _refused(owner, inner, inner.default, "default")


def dump(spec: LossSpec, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as plain data that JSON and TOML can hold; `validate` reads them back."""
    annotations = {name: p.annotation for name, p in parameters_of(spec).items()}
    return {name: dumped(annotations[name], value) for name, value in parameters.items()}


def _convention(spec: LossSpec, convention: str | None) -> Mapping[str, Any]:
    if convention is None:
        return {}
    if not isinstance(convention, str) or convention not in spec.conventions:
        known = sorted(spec.conventions)
        raise UnknownConventionError(
            f"{spec.id!r} has no convention {convention!r}.",
            expected=f"one of {', '.join(known)}" if known else "no convention: it has none",
            received=convention,
            nearest=difflib.get_close_matches(str(convention), known, n=1),
            fix=f"`lossplug show {spec.id}` lists the conventions.",
            convention=convention,
        )
    return spec.conventions[convention]


def _owner(spec: LossSpec) -> Owner:
    return Owner(repr(spec.id), f"`lossplug show {spec.id}` lists the parameters.")
