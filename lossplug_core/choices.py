"""Parameters that are one of several functions, each with parameters of its own.

So losses are made of parts that their users choose by name: how triplets are mined, what a distance
is. A part is a plain function. What it takes by position is data; what it takes by keyword only are
parameters, which are checked, shown and saved like those of a loss.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from inspect import Parameter, signature
from typing import Annotated, Any, overload

from lossplug_core._alternatives import NAME, Alternatives, Choice, alternatives_of
from lossplug_core._reading import Owner, read_choice
from lossplug_core._schedule import KIND
from lossplug_core.errors import SpecError

__all__ = ["Choice", "chosen", "one_of"]


def one_of(*functions: Callable[..., Any], **named: Callable[..., Any]) -> Any:
    """The type of a parameter that is one of these functions, with its parameters.

    Type checkers know it for a type if it is marked `Any`: `Cap: Any = one_of(…)`. Beside it a
    parameter can be None: `Cap | None`.

    Args:
        *functions: Functions, called by their own names.
        **named: Functions under other names.

    Returns:
        An annotation.

    Raises:
        SpecError: Two have the same name, or one has a parameter called `name` or `schedule`.

    Example:
        >>> from typing import Any
        >>> from lossplug_core import Positive, chosen
        >>> def capped(rows, *, limit: Positive = 1.0):
        ...     return [min(row, limit) for row in rows]
        >>> def plain(rows):
        ...     return rows
        >>> Cap: Any = one_of(capped, none=plain)
        >>> def total(rows, *, cap: Cap = "none"):
        ...     return sum(chosen(Cap, cap)(rows))
        >>> total([1, 3]), total([1, 3], cap={"name": "capped", "limit": 2})
        (4, 3.0)
    """
    pairs = [*((_name(function), function) for function in functions), *named.items()]
    if not pairs:
        raise SpecError("There is nothing to choose from.", expected="functions")
    name, count = Counter(name for name, _ in pairs).most_common(1)[0]
    if count > 1:
        raise SpecError(
            f"Several alternatives are called {name!r}.", fix="one_of(…, another_name=function)"
        )
    for name, function in pairs:
        if taken := _keywords(function) & {NAME, KIND}:
            raise SpecError(
                f"The alternative {name!r} cannot have a parameter {min(taken)!r}.",
                fix="Data say so which alternative is meant: call the parameter something else.",
            )
    return Annotated[Any, Alternatives(tuple(pairs))]


@overload
def chosen(annotation: Any, value: None) -> None: ...
@overload
def chosen(annotation: Any, value: str | Mapping[str, Any] | Choice) -> Choice: ...
def chosen(annotation: Any, value: Any) -> Choice | None:
    """The function that a parameter names, with its parameters, ready to be called.

    A loss that `get_loss` makes is given a `Choice`, which is returned as it is; where somebody
    calls the loss's function, a name or mapping is read here.

    Args:
        annotation: What `one_of` returned.
        value: The name of an alternative; a mapping of its `name` and its parameters; a `Choice`;
            or None.

    Returns:
        The choice; None for None.

    Raises:
        ParameterError: There is no such alternative, or a parameter is unknown or wrong.
    """
    if value is None:
        return None
    alternatives = alternatives_of(annotation)
    if alternatives is None:
        raise SpecError("This is no type of one_of.", received=annotation)
    return read_choice(alternatives, value, "The choice", Owner("the choice"))


def _name(function: Callable[..., Any]) -> str:
    name = getattr(function, "__name__", None)
    if not callable(function) or not isinstance(name, str) or not name.isidentifier():
        raise SpecError(
            "An alternative is a function with a name.",
            received=function,
            fix="one_of(a_name=function)",
        )
    return name


def _keywords(function: Callable[..., Any]) -> set[str]:
    try:
        parameters = signature(function).parameters
    except (TypeError, ValueError) as error:
        raise SpecError(
            f"The signature of {function!r} cannot be read: {error}", expected="a plain function"
        ) from error
    return {name for name, p in parameters.items() if p.kind is Parameter.KEYWORD_ONLY}
