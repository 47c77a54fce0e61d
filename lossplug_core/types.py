"""Types of parameters, with their bounds.

Plain `float`, `int`, `bool`, `str` and `Literal[…]` are types of parameters as well. Numbers are
always finite: NaN and infinity are refused everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, Lt, MinLen, doc

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler
    from pydantic_core import CoreSchema

__all__ = [
    "ClassCounts",
    "ClassWeights",
    "CostMatrix",
    "Dimension",
    "EmbeddingSize",
    "Fraction",
    "Matrix",
    "NonNegative",
    "NonNegativeInt",
    "NumClasses",
    "NumOutputs",
    "OpenFraction",
    "Positive",
    "PositiveInt",
    "Real",
    "TransitionMatrix",
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


@dataclass(frozen=True, slots=True)
class Matrix:
    """Marks a sequence of sequences as a square matrix, of as many rows as columns.

    Attributes:
        distributions: Whether each row sums to 1.
        hollow: Whether its diagonal is 0.
    """

    distributions: bool = False
    hollow: bool = False

    @property
    def type_text(self) -> str:
        """What such a parameter is, for people."""
        if self.distributions:
            return "square matrix of float ≥ 0 and ≤ 1, whose rows sum to 1"
        return f"square matrix of float ≥ 0{', with 0 on the diagonal' if self.hollow else ''}"

    def check(self, rows: tuple[tuple[float, ...], ...]) -> tuple[tuple[float, ...], ...]:
        """The rows, or a ValueError that says what is wrong with them."""
        for number, row in enumerate(rows):
            if len(row) != len(rows):
                raise ValueError(
                    f"row {number} has {len(row)} numbers, and there are {len(rows)} rows"
                )
            if self.distributions and abs(sum(row) - 1) > _ROUNDED:
                raise ValueError(f"row {number} sums to {sum(row):g}")
            if self.hollow and row[number] != 0:
                raise ValueError(f"row {number} has {row[number]:g} on the diagonal")
        return rows

    def __get_pydantic_core_schema__(
        self, annotation: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        from pydantic_core import core_schema

        return core_schema.no_info_after_validator_function(self.check, handler(annotation))


_ROUNDED = 1e-3
"""How far a sum may be from 1, so that rows can be written with three digits."""

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

CostMatrix = Annotated[
    tuple[ClassWeights, ...], MinLen(1), Dimension("classes"), Matrix(hollow=True)
]
"""What each mistake costs: a row for each class that is right, a column for each that is predicted.

What is right costs 0. Nested lists, arrays and tensors are accepted.
"""

TransitionMatrix = Annotated[
    tuple[Annotated[tuple[Fraction, ...], MinLen(1), Dimension("classes")], ...],
    MinLen(1),
    Dimension("classes"),
    Matrix(distributions=True),
]
"""A row per class: with which probability it becomes each class. Each row sums to 1, up to 0.001.

Nested lists, arrays and tensors are accepted.
"""
