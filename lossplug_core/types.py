"""Types of parameters, with their bounds.

Plain `float`, `int`, `bool`, `str` and `Literal[…]` are types of parameters as well. Numbers are
always finite: NaN and infinity are refused everywhere.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Lt, MinLen, doc

__all__ = [
    "ClassCounts",
    "ClassWeights",
    "Dimension",
    "EmbeddingSize",
    "Fraction",
    "NonNegative",
    "NonNegativeInt",
    "NumClasses",
    "NumOutputs",
    "OpenFraction",
    "Positive",
    "PositiveInt",
    "Real",
]


@dataclass(frozen=True, slots=True)
class Dimension:
    """Marks the type of a parameter that goes with a dimension of the data.

    An integer is the size of that dimension; a sequence has one number for each of its places.
    So whoever makes data for a loss knows which data fit which parameters.

    Attributes:
        name: `"classes"`, or `"features"`, the last axis of the prediction.
    """

    name: Literal["classes", "features"]


Real = Annotated[float, doc("any finite number")]
"""Any finite number. A plain `float` is the same, but does not say that this is meant."""

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

NumClasses = Annotated[int, Ge(1), Dimension("classes")]
"""How many classes there are."""

EmbeddingSize = Annotated[int, Ge(1), Dimension("features")]
"""How many numbers an embedding has."""

NumOutputs = Annotated[int, Ge(1), Dimension("features")]
"""How many outputs a prediction has."""

ClassWeights = Annotated[tuple[NonNegative, ...], MinLen(1), Dimension("classes")]
"""One weight per class, each at least 0. Lists, arrays and tensors are accepted."""

ClassCounts = Annotated[tuple[Positive, ...], MinLen(1), Dimension("classes")]
"""How many samples each class has, each above 0. Lists, arrays and tensors are accepted."""
