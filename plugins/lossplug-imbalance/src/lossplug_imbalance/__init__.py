"""Losses for rare classes: focal, class-balanced, weighted crossentropies, margins."""

from lossplug_imbalance.asymmetric import asymmetric, asymmetric_single_label
from lossplug_imbalance.balanced import class_balanced
from lossplug_imbalance.early_learning import early_learning_regularisation
from lossplug_imbalance.equalization import equalization
from lossplug_imbalance.focal import categorical_focal, focal
from lossplug_imbalance.ghm import ghm
from lossplug_imbalance.hinge import margin_hinge
from lossplug_imbalance.poly import poly1_crossentropy, poly1_focal
from lossplug_imbalance.reduced_focal import reduced_focal
from lossplug_imbalance.running import running_class_balanced
from lossplug_imbalance.seesaw import seesaw
from lossplug_imbalance.weighted import (
    weighted_binary_crossentropy,
    weighted_categorical_crossentropy,
)

__all__ = [
    "asymmetric",
    "asymmetric_single_label",
    "categorical_focal",
    "class_balanced",
    "early_learning_regularisation",
    "equalization",
    "focal",
    "ghm",
    "margin_hinge",
    "poly1_crossentropy",
    "poly1_focal",
    "reduced_focal",
    "running_class_balanced",
    "seesaw",
    "weighted_binary_crossentropy",
    "weighted_categorical_crossentropy",
]
