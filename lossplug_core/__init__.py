"""Losses for Keras that are installed, and found by name."""

from lossplug_core import ops
from lossplug_core.spec import LossSpec, loss
from lossplug_core.types import (
    ClassCounts,
    ClassWeights,
    Fraction,
    NonNegative,
    NonNegativeInt,
    OpenFraction,
    Positive,
    PositiveInt,
)

__all__ = [
    "ClassCounts",
    "ClassWeights",
    "Fraction",
    "LossSpec",
    "NonNegative",
    "NonNegativeInt",
    "OpenFraction",
    "Positive",
    "PositiveInt",
    "loss",
    "ops",
]
