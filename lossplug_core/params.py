"""A signature turned into validated parameters.

The annotations of a loss are read by pydantic, which is imported when the first parameter is
validated and not before.
"""

from __future__ import annotations

import difflib
import inspect
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from lossplug_core import networks
from lossplug_core.errors import (
    ParameterError,
    SpecError,
    UnknownConventionError,
    UnknownParameterError,
)
from lossplug_core.schedules import Schedule, as_schedule
from lossplug_core.spec import OPTIONS, LossSpec

if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError

__all__ = [
    "REQUIRED",
    "Parameter",
    "admits_float",
    "coerce",
    "dump",
    "parameters_of",
    "refusals",
    "validate",
]

REQUIRED: Any = inspect.Parameter.empty
"""The default of a parameter that has none."""

_OF_EVERY_LOSS = frozenset({"self", "y_true", "y_pred", *OPTIONS})
_SYMBOLS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a loss."""

    name: str
    annotation: Any
    default: Any

    @property
    def required(self) -> bool:
        """Whether it has to be given."""
        return self.default is REQUIRED

    @property
    def type_text(self) -> str:
        """Its type and bounds, for people: `float ≥ 0, or None`."""
        return _describe(self.annotation)


@lru_cache(maxsize=1024)
def _signature(
    function: Callable[..., Any], types: tuple[tuple[str, Any], ...], given: frozenset[str]
) -> Mapping[str, Parameter]:
    init = function.__init__ if isinstance(function, type) else function  # type: ignore[misc]
    hints = {**typing.get_type_hints(init, include_extras=True), **dict(types)}
    return {
        name: Parameter(name, hints.get(name, _type_of(parameter.default)), parameter.default)
        for name, parameter in inspect.signature(init).parameters.items()
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
    parameters = parameters_of(spec)
    if unknown := [name for name in values if name not in parameters]:
        raise _unknown_parameter(spec, unknown[0], values[unknown[0]], parameters)
    given = {**_convention(spec, convention), **values}
    complete = {}
    for name, parameter in parameters.items():
        value = given.get(name, parameter.default)
        if value is REQUIRED and name in spec.adapts:
            continue
        if value is REQUIRED:
            raise ParameterError(
                f"{spec.id!r} needs the parameter {name!r}, which has no default.",
                expected=f"{name}: {parameter.type_text}",
                fix=f"get_loss({spec.id!r}, {name}=…)",
                parameter=name,
            )
        complete[name] = coerce(spec, parameter, value)
    return complete


def refusals(spec: LossSpec) -> Iterator[tuple[str, str]]:
    """Defaults and parameters of conventions that the loss itself refuses: whose, and why.

    Raises:
        SpecError: The signature cannot be read.
    """
    parameters = parameters_of(spec)
    defaults = {name: p.default for name, p in parameters.items() if not p.required}
    for what, values in (("default", defaults), *spec.conventions.items()):
        for name, value in values.items():
            try:
                coerce(spec, parameters[name], value)
            except ParameterError as error:
                yield what, f"{error.what} Received {value!r}."
            except SpecError as error:
                yield what, f"{name!r}: {error.what}"


def dump(spec: LossSpec, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as plain data that JSON and TOML can hold; `validate` reads them back."""
    annotations = {name: p.annotation for name, p in parameters_of(spec).items()}
    return {name: _dumped(annotations[name], value) for name, value in parameters.items()}


def _dumped(annotation: Any, value: Any) -> Any:
    if isinstance(value, Schedule):
        return value.as_data()
    if networks.is_network(annotation):
        return networks.dump(value)
    return _adapter(annotation).dump_python(value, mode="json")


@lru_cache(maxsize=1024)
def _adapter(annotation: Any) -> TypeAdapter[Any]:
    from pydantic import ConfigDict, TypeAdapter
    from pydantic.errors import PydanticUserError

    try:
        return TypeAdapter(annotation, config=ConfigDict(allow_inf_nan=False))
    except PydanticUserError as error:
        raise SpecError(
            f"A parameter has a type that cannot be checked: {annotation!r}.",
            expected="numbers, texts, choices, and sequences of them",
            fix="A mistake of the plugin's: see the types in lossplug_core.types.",
        ) from error


def coerce(spec: LossSpec, parameter: Parameter, value: Any) -> Any:
    """A value as the type of its parameter; a number may also be a schedule.

    Raises:
        ParameterError: It has the wrong type or is out of bounds.
        SpecError: The type is not one that can be checked.
    """
    from pydantic import ValidationError

    optional = type(None) in typing.get_args(parameter.annotation)
    if networks.is_network(parameter.annotation) and not (value is None and optional):
        return networks.read(value, f"The parameter {parameter.name!r} of {spec.id!r}")
    if (schedule := as_schedule(value)) is not None:
        return _checked(spec, parameter, schedule)
    try:
        return _adapter(parameter.annotation).validate_python(_plain(value))
    except ValidationError as error:
        raise ParameterError(
            f"The parameter {parameter.name!r} of {spec.id!r} {_reason(error)}.",
            expected=f"{parameter.name}: {parameter.type_text}",
            received=value,
            fix=f"`lossplug show {spec.id}` lists the parameters.",
            parameter=parameter.name,
        ) from None


def _checked(spec: LossSpec, parameter: Parameter, schedule: Schedule) -> Schedule:
    """A schedule that never leaves the bounds of its parameter."""
    if not admits_float(parameter.annotation):
        raise ParameterError(
            f"The parameter {parameter.name!r} of {spec.id!r} cannot be a schedule.",
            expected=f"{parameter.name}: {parameter.type_text}",
            received=schedule,
            fix="Only a parameter that is a float can change during training.",
            parameter=parameter.name,
        )
    for number in schedule.extremes():
        try:
            coerce(spec, parameter, number)
        except ParameterError as error:
            raise ParameterError(
                f"A schedule for {parameter.name!r} of {spec.id!r} leaves the bounds.",
                expected=f"{parameter.name}: {parameter.type_text}, at every step",
                received=number,
                fix=f"Choose other numbers for {schedule!r}.",
                parameter=parameter.name,
            ) from error
    return schedule


def admits_float(annotation: Any) -> bool:
    """Whether a float is among the types of a parameter."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return admits_float(arguments[0])
    if origin in (typing.Union, type(int | str)):
        return any(map(admits_float, arguments))
    return annotation is float


def _plain(value: Any) -> Any:
    """Arrays and tensors of any framework as Python numbers and lists."""
    if isinstance(value, type):
        return value
    for method in ("tolist", "numpy"):
        if callable(convert := getattr(value, method, None)):
            try:
                return _plain(convert())
            except Exception:  # a symbolic tensor, say: pydantic will refuse it by name
                return value
    return value


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


def _unknown_parameter(
    spec: LossSpec, name: str, value: Any, parameters: Mapping[str, Parameter]
) -> UnknownParameterError:
    return UnknownParameterError(
        f"{spec.id!r} has no parameter {name!r}.",
        expected=f"some of {', '.join(parameters)}" if parameters else "no parameters",
        received={name: value},
        nearest=difflib.get_close_matches(str(name), parameters, n=1),
        fix=f"`lossplug show {spec.id}` lists the parameters.",
        parameter=name,
    )


def _reason(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    place = "".join(f"[{part}]" for part in first["loc"] if isinstance(part, int))
    message = first["msg"].removeprefix("Value error, ")
    return f"{place + ' ' if place else ''}is not valid: {message[:1].lower()}{message[1:]}"


def _type_of(default: Any) -> Any:
    """The type of a parameter without annotation: Keras's own losses have only defaults."""
    return Any if default is REQUIRED or default is None else type(default)


def _describe(annotation: Any) -> str:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        # `Annotated` also flattens groups such as `Interval` into one object with several bounds.
        bounds = [
            f"{symbol} {bound:g}"
            for constraint in arguments[1:]
            for key, symbol in _SYMBOLS.items()
            if (bound := getattr(constraint, key, None)) is not None
        ]
        text = _describe(arguments[0])
        return f"{text} {' and '.join(bounds)}" if bounds else text
    if origin is typing.Literal:
        return " or ".join(repr(choice) for choice in arguments)
    if origin in (typing.Union, type(int | str)):
        return ", or ".join(_describe(choice) for choice in arguments)
    if origin in (tuple, list):
        return f"sequence of {_describe(arguments[0])}"
    if annotation is type(None):
        return "None"
    return "network" if annotation is Any else getattr(annotation, "__name__", str(annotation))
