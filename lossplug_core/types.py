"""Types of parameters, with their bounds.

Plain `float`, `int`, `bool`, `str` and `Literal[…]` are types of parameters as well. Numbers are
always finite: NaN and infinity are refused everywhere.
"""

from typing import Annotated

from annotated_types import Ge, Gt, Le, Lt, MinLen

__all__ = [
    "ClassCounts",
    "ClassWeights",
    "Fraction",
    "NonNegative",
    "NonNegativeInt",
    "OpenFraction",
    "Positive",
    "PositiveInt",
]

NonNegative = Annotated[float, Ge(0)]
"""A number that is at least 0."""

Positive = Annotated[float, Gt(0)]
"""A number above 0."""

Fraction = Annotated[float, Ge(0), Le(1)]
"""A number from 0 to 1, both included."""

OpenFraction = Annotated[float, Gt(0), Lt(1)]
"""A number between 0 and 1, both excluded."""

NonNegativeInt = Annotated[int, Ge(0)]
"""An integer that is at least 0."""

PositiveInt = Annotated[int, Ge(1)]
"""An integer that is at least 1."""

ClassWeights = Annotated[tuple[NonNegative, ...], MinLen(1)]
"""One weight per class, each at least 0. Lists, arrays and tensors are accepted."""

ClassCounts = Annotated[tuple[Positive, ...], MinLen(1)]
"""How many samples each class has, each above 0. Lists, arrays and tensors are accepted."""
