"""Losses for rare classes: focal, class-balanced, weighted crossentropies, margins."""

from lossplug_imbalance.balanced import class_balanced
from lossplug_imbalance.focal import categorical_focal, focal
from lossplug_imbalance.hinge import margin_hinge
from lossplug_imbalance.running import running_class_balanced
from lossplug_imbalance.weighted import (
    weighted_binary_crossentropy,
    weighted_categorical_crossentropy,
)

__all__ = [
    "categorical_focal",
    "class_balanced",
    "focal",
    "margin_hinge",
    "running_class_balanced",
    "weighted_binary_crossentropy",
    "weighted_categorical_crossentropy",
]
