"""Losses for rare classes: focal, class-balanced, weighted crossentropies, margins."""

from lossplug_imbalance.adjusted import (
    balanced_softmax,
    binary_logit_adjusted,
    logit_adjusted,
    vector_scaling,
)
from lossplug_imbalance.asymmetric import asymmetric, asymmetric_single_label
from lossplug_imbalance.auc import pairwise_auc
from lossplug_imbalance.average_precision import smooth_average_precision
from lossplug_imbalance.balanced import class_balanced
from lossplug_imbalance.bootstrapping import bootstrapped_crossentropy
from lossplug_imbalance.confidence import confidence_penalty, jsd
from lossplug_imbalance.cost import cost_sensitive_crossentropy
from lossplug_imbalance.early_learning import early_learning_regularisation
from lossplug_imbalance.equalization import equalization
from lossplug_imbalance.f_beta import categorical_f_beta, soft_f_beta
from lossplug_imbalance.focal import categorical_focal, focal
from lossplug_imbalance.forward import forward_correction
from lossplug_imbalance.generalized import generalized_crossentropy
from lossplug_imbalance.ghm import ghm
from lossplug_imbalance.hinge import margin_hinge, multiclass_margin_hinge
from lossplug_imbalance.ldam import ldam
from lossplug_imbalance.mcc import soft_mcc
from lossplug_imbalance.poly import poly1_crossentropy, poly1_focal
from lossplug_imbalance.reduced_focal import reduced_focal
from lossplug_imbalance.running import running_class_balanced
from lossplug_imbalance.seesaw import seesaw
from lossplug_imbalance.smoothing import smoothed_binary_crossentropy, smoothed_crossentropy
from lossplug_imbalance.symmetric import active_passive, symmetric_crossentropy
from lossplug_imbalance.weighted import (
    weighted_binary_crossentropy,
    weighted_categorical_crossentropy,
)

__all__ = [
    "active_passive",
    "asymmetric",
    "asymmetric_single_label",
    "balanced_softmax",
    "binary_logit_adjusted",
    "bootstrapped_crossentropy",
    "categorical_f_beta",
    "categorical_focal",
    "class_balanced",
    "confidence_penalty",
    "cost_sensitive_crossentropy",
    "early_learning_regularisation",
    "equalization",
    "focal",
    "forward_correction",
    "generalized_crossentropy",
    "ghm",
    "jsd",
    "ldam",
    "logit_adjusted",
    "margin_hinge",
    "multiclass_margin_hinge",
    "pairwise_auc",
    "poly1_crossentropy",
    "poly1_focal",
    "reduced_focal",
    "running_class_balanced",
    "seesaw",
    "smooth_average_precision",
    "smoothed_binary_crossentropy",
    "smoothed_crossentropy",
    "soft_f_beta",
    "soft_mcc",
    "symmetric_crossentropy",
    "vector_scaling",
    "weighted_binary_crossentropy",
    "weighted_categorical_crossentropy",
]
