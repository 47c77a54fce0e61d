"""Values of parameters: coerced to their types, refused with a reason, and written as plain data.

pydantic is imported when the first value is read, and not before.
"""

from __future__ import annotations

import difflib
import typing
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from lossplug_core import networks
from lossplug_core._alternatives import NAME, Alternatives, Choice, Parameter, alternatives_of
from lossplug_core._describe import admits_float
from lossplug_core.errors import ParameterError, SpecError, UnknownParameterError
from lossplug_core.schedules import Schedule, as_schedule

if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError

__all__ = ["Owner", "coerce", "dumped", "missing", "read_choice", "unknown_parameter"]


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose parameters are read, to say in errors.

    Attributes:
        whose: The loss.
        fix: What tells more of its parameters.
        prefix: The parameter that these belong to, and a dot, if they are those of a choice.
    """

    whose: str
    fix: str | None = None
    prefix: str = ""

    def path(self, name: str) -> str:
        """The whole name of a parameter."""
        return f"{self.prefix}{name}"

    def subject(self, name: str) -> str:
        """The beginning of a sentence on a parameter."""
        return f"The parameter {self.path(name)!r} of {self.whose}"

    def error(
        self, what: str, parameter: Parameter, received: Any, fix: str | None = None
    ) -> ParameterError:
        """The error for a value that a parameter cannot have."""
        path = self.path(parameter.name)
        return ParameterError(
            f"{self.subject(parameter.name)} {what}.",
            expected=f"{path}: {parameter.type_text}",
            received=received,
            fix=fix or self.fix,
            parameter=path,
        )


def coerce(owner: Owner, parameter: Parameter, value: Any) -> Any:
    """A value as the type of its parameter; a number may also be a schedule.

    Raises:
        ParameterError: It has the wrong type or is out of bounds.
        SpecError: The type is not one that can be checked.
    """
    from pydantic import ValidationError

    given = value is not None or type(None) not in typing.get_args(parameter.annotation)
    if given and networks.is_network(parameter.annotation):
        return networks.read(value, owner.subject(parameter.name))
    # Without assignments in conditions: where a loss is traced, AutoGraph warns of them.
    schedule = as_schedule(value)
    if schedule is not None:
        return _checked(owner, parameter, schedule)
    alternatives = alternatives_of(parameter.annotation)
    if given and alternatives:
        within = replace(owner, prefix=f"{owner.path(parameter.name)}.")
        return read_choice(alternatives, value, owner.subject(parameter.name), within)
    try:
        return _adapter(parameter.annotation).validate_python(_plain(value))
    except ValidationError as error:
        raise owner.error(_reason(error), parameter, value) from None


def read_choice(alternatives: Alternatives, value: Any, what: str, owner: Owner) -> Choice:
    """One of several functions with its parameters, from its name or a mapping.

    Args:
        alternatives: The functions.
        value: A name; a mapping of `name` and parameters; or a choice.
        what: What it is for, to say in an error.
        owner: Whose the parameters of the choice are.

    Raises:
        ParameterError: There is no such function, or a parameter is wrong.
    """
    functions = dict(alternatives.functions)
    if isinstance(value, Choice):
        if functions.get(value.name) == value.function:
            return value
        value = {**value.parameters, NAME: value.name}
    given = {NAME: value} if isinstance(value, str) else value
    whole = owner.prefix.removesuffix(".") or None
    if not isinstance(given, Mapping) or not isinstance(given.get(NAME), str):
        raise ParameterError(
            f"{what} does not name an alternative.",
            expected=alternatives.type_text,
            received=value,
            fix=owner.fix,
            parameter=whole,
        )
    name = given[NAME]
    if name not in functions:
        raise ParameterError(
            f"{what} has no alternative {name!r}.",
            expected=alternatives.type_text,
            received=name,
            nearest=difflib.get_close_matches(name, functions, n=1),
            fix=owner.fix,
            parameter=whole,
        )
    values = {key: given[key] for key in given if key != NAME}
    parameters = _complete(owner, name, alternatives.parameters(name), values)
    return Choice(name, functions[name], parameters)


def _complete(
    owner: Owner, name: str, declared: Mapping[str, Parameter], given: Mapping[str, Any]
) -> dict[str, Any]:
    """All parameters of an alternative."""
    for key in given:
        if key not in declared:
            raise unknown_parameter(owner, f"The alternative {name!r}", key, given[key], declared)
    complete = {}
    for parameter in declared.values():
        value = given.get(parameter.name, parameter.default)
        if parameter.required and parameter.name not in given:
            raise missing(owner, f"The alternative {name!r}", parameter, owner.fix)
        if as_schedule(value) is not None:
            raise owner.error(
                f"cannot be a schedule: it is one of the alternative {name!r}",
                parameter,
                value,
                "Only a float parameter of the loss itself can change during training.",
            )
        complete[parameter.name] = coerce(owner, parameter, value)
    return complete


def missing(owner: Owner, what: str, parameter: Parameter, fix: str | None) -> ParameterError:
    """The error for a parameter that has no default and is not given."""
    path = owner.path(parameter.name)
    return ParameterError(
        f"{what} needs the parameter {parameter.name!r}, which has no default.",
        expected=f"{path}: {parameter.type_text}",
        fix=fix,
        parameter=path,
    )


def unknown_parameter(
    owner: Owner, what: str, name: str, value: Any, known: Mapping[str, Parameter]
) -> UnknownParameterError:
    """The error for a parameter that does not exist."""
    return UnknownParameterError(
        f"{what} has no parameter {name!r}.",
        expected=f"some of {', '.join(known)}" if known else "no parameters",
        received={name: value},
        nearest=difflib.get_close_matches(str(name), known, n=1),
        fix=owner.fix,
        parameter=owner.path(name),
    )


def dumped(annotation: Any, value: Any) -> Any:
    """A value as plain data that JSON and TOML can hold; `coerce` reads it back."""
    if isinstance(value, Schedule):
        return value.as_data()
    if networks.is_network(annotation):
        return networks.dump(value)
    if isinstance(value, Choice) and (alternatives := alternatives_of(annotation)):
        declared = alternatives.parameters(value.name)
        inner = {name: dumped(declared[name].annotation, v) for name, v in value.parameters.items()}
        return {NAME: value.name, **inner} if inner else value.name
    return _adapter(annotation).dump_python(value, mode="json")


def _checked(owner: Owner, parameter: Parameter, schedule: Schedule) -> Schedule:
    """A schedule that never leaves the bounds of its parameter."""
    if not admits_float(parameter.annotation):
        fix = "Only a parameter that is a float can change during training."
        raise owner.error("cannot be a schedule", parameter, schedule, fix)
    for number in schedule.extremes():
        try:
            coerce(owner, parameter, number)
        except ParameterError as error:
            raise ParameterError(
                f"A schedule for {parameter.name!r} of {owner.whose} leaves the bounds.",
                expected=f"{parameter.name}: {parameter.type_text}, at every step",
                received=number,
                fix=f"Choose other numbers for {schedule!r}.",
                parameter=parameter.name,
            ) from error
    return schedule


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


def _plain(value: Any) -> Any:
    """Arrays and tensors of any framework as Python numbers and lists."""
    if isinstance(value, type):
        return value
    for method in ("tolist", "numpy"):
        convert = getattr(value, method, None)
        if callable(convert):
            try:
                return _plain(convert())
            except Exception:  # a symbolic tensor, say: pydantic will refuse it by name
                return value
    return value


def _reason(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    place = "".join(f"[{part}]" for part in first["loc"] if isinstance(part, int))
    message = first["msg"].removeprefix("Value error, ")
    return f"{place + ' ' if place else ''}is not valid: {message[:1].lower()}{message[1:]}"
