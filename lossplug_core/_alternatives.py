"""Parameters of functions, and functions as values of parameters: what they are.

How values are read is told in `_reading`.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from lossplug_core._describe import describe, is_union
from lossplug_core.errors import SpecError
from lossplug_core.networks import is_network

__all__ = [
    "NAME",
    "REQUIRED",
    "Alternatives",
    "Choice",
    "Parameter",
    "alternatives_of",
    "type_of_default",
]

REQUIRED: Any = inspect.Parameter.empty
"""The default of a parameter that has none."""

NAME = "name"
"""The key under which data say which alternative is meant."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a loss, or of an alternative."""

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
        return describe(self.annotation)


def type_of_default(default: Any) -> Any:
    """The type of a parameter without annotation: Keras's own losses have only defaults."""
    return Any if default is REQUIRED or default is None else type(default)


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several functions, with its parameters: what a parameter of type `one_of` is.

    Attributes:
        name: Its name among the alternatives.
        function: The function.
        parameters: All its parameters by name.

    Example:
        >>> from lossplug_core import Positive, chosen, one_of
        >>> def capped(rows, *, limit: Positive = 1.0):
        ...     return [min(row, limit) for row in rows]
        >>> cap = chosen(one_of(capped), {"name": "capped", "limit": 2})
        >>> cap, cap([1, 3])
        (capped(limit=2.0), [1, 2.0])
    """

    name: str
    function: Callable[..., Any]
    # Not hashed: a value may be a list.
    parameters: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameters", MappingProxyType(dict(self.parameters)))

    def __call__(self, *arguments: Any, **further: Any) -> Any:
        """The function of these arguments, with the parameters of the choice."""
        return self.function(*arguments, **further, **self.parameters)

    def __repr__(self) -> str:
        given = (f"{name}={value!r}" for name, value in self.parameters.items())
        return f"{self.name}({', '.join(given)})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.name, self.function, dict(self.parameters))


@dataclass(frozen=True, slots=True)
class Alternatives:
    """Marks a parameter that is one of several functions, which `one_of` names.

    Attributes:
        functions: Each with its name.
    """

    functions: tuple[tuple[str, Callable[..., Any]], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all."""
        return tuple(name for name, _ in self.functions)

    @property
    def type_text(self) -> str:
        """All of them and their parameters, for people."""
        return ", or ".join(map(self._text, self.names))

    def parameters(self, name: str) -> Mapping[str, Parameter]:
        """The parameters of one: the arguments that its function takes by keyword only.

        Raises:
            SpecError: An annotation cannot be evaluated, or is that of a network.
        """
        function = dict(self.functions)[name]
        try:
            parameters = _keywords(function)
        except Exception as error:  # an annotation is any code
            raise SpecError(
                f"The signature of {name!r} cannot be read: {type(error).__name__}: {error}",
                fix="A mistake of the plugin's: the types that it names must be there at run time.",
            ) from error
        for parameter in parameters.values():
            if is_network(parameter.annotation):
                raise SpecError(
                    f"The parameter {parameter.name!r} of the alternative {name!r} is a network.",
                    fix="A mistake of the plugin's: only a parameter of the loss itself can be.",
                )
        return parameters

    def _text(self, name: str) -> str:
        given = [
            f"{p.name}: {p.type_text}" + ("" if p.required else f" = {p.default!r}")
            for p in self.parameters(name).values()
        ]
        return f"{name!r} ({', '.join(given)})" if given else repr(name)


@lru_cache(maxsize=1024)
def _keywords(function: Callable[..., Any]) -> Mapping[str, Parameter]:
    hints = typing.get_type_hints(function, include_extras=True)
    return MappingProxyType(
        {
            name: Parameter(name, hints.get(name, type_of_default(p.default)), p.default)
            for name, p in inspect.signature(function).parameters.items()
            if p.kind is inspect.Parameter.KEYWORD_ONLY
        }
    )


def alternatives_of(annotation: Any) -> Alternatives | None:
    """What a parameter of this type can be, if it is one of several functions.

    Raises:
        SpecError: It could also be something else, beside None.
    """
    arguments = typing.get_args(annotation)
    if typing.get_origin(annotation) is typing.Annotated:
        return next((mark for mark in arguments[1:] if isinstance(mark, Alternatives)), None)
    found = next(filter(None, map(alternatives_of, arguments)), None)
    others = [a for a in arguments if a is not type(None)]
    if found is not None and not (is_union(annotation) and len(others) == 1):
        raise SpecError(
            "A parameter that is one of several functions can be nothing else, beside None.",
            expected="one_of(…) or one_of(…) | None",
            received=annotation,
        )
    return found
