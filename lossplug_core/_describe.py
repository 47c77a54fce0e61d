"""Types of parameters in words."""

from __future__ import annotations

import typing
from typing import Any

__all__ = ["admits_float", "describe", "is_union"]

_SYMBOLS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}


def describe(annotation: Any) -> str:
    """A type and its bounds, for people: `float ≥ 0, or None`."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _annotated(arguments[0], arguments[1:])
    if origin is typing.Literal:
        return " or ".join(repr(choice) for choice in arguments)
    if is_union(annotation):
        return ", or ".join(describe(choice) for choice in arguments)
    if origin in (tuple, list):
        return f"sequence of {describe(arguments[0])}"
    if annotation is type(None):
        return "None"
    return "network" if annotation is Any else getattr(annotation, "__name__", str(annotation))


def _annotated(annotation: Any, marks: tuple[Any, ...]) -> str:
    for mark in marks:
        if isinstance(own := getattr(mark, "type_text", None), str):
            return own
    # `Annotated` also flattens groups such as `Interval` into one object with several bounds.
    bounds = [
        f"{symbol} {bound:g}"
        for mark in marks
        for key, symbol in _SYMBOLS.items()
        if (bound := getattr(mark, key, None)) is not None
    ]
    text = describe(annotation)
    return f"{text} {' and '.join(bounds)}" if bounds else text


def admits_float(annotation: Any) -> bool:
    """Whether a float is among the types of a parameter."""
    if typing.get_origin(annotation) is typing.Annotated:
        return admits_float(typing.get_args(annotation)[0])
    if is_union(annotation):
        return any(map(admits_float, typing.get_args(annotation)))
    return annotation is float


def is_union(annotation: Any) -> bool:
    """Whether it is several types, of which a value has one."""
    return typing.get_origin(annotation) in (typing.Union, type(int | str))
