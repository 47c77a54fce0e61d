"""Losses of published plugins, so that a missing one can be answered with a pip command.

Brought up to date at every release of the core; a test holds that nothing untrue is in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["KNOWN_LOSSES"]

KNOWN_LOSSES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "lossplug-distillation": ("distillation", "perceptual", "precomputed_distillation"),
        "lossplug-imbalance": (
            "active_passive",
            "asl",
            "asl_single_label",
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
            "sigmoid_focal",
            "smooth_average_precision",
            "smoothed_binary_crossentropy",
            "smoothed_crossentropy",
            "soft_f_beta",
            "soft_mcc",
            "softmax_focal",
            "symmetric_crossentropy",
            "vector_scaling",
            "weighted_binary_crossentropy",
            "weighted_categorical_crossentropy",
        ),
        "lossplug-metric-learning": (
            "angular",
            "arcface",
            "center",
            "circle",
            "contrastive",
            "cosface",
            "cross_batch_memory",
            "fast_ap",
            "generalized_lifted",
            "info_nce",
            "lifted_structure",
            "margin",
            "multi_similarity",
            "multiple_negatives_ranking",
            "n_pairs",
            "nca",
            "norm_softmax",
            "normalized_softmax",
            "nt_xent",
            "pair_contrastive",
            "pn",
            "proxy_anchor",
            "proxy_nca",
            "ranked_list",
            "siglip",
            "signal_to_noise",
            "soft_nearest_neighbour",
            "soft_triple",
            "sphereface",
            "subcenter_arcface",
            "supcon",
            "supervised_contrastive",
            "triplet_margin",
            "triplet_semi_hard",
            "tuplet_margin",
        ),
        "lossplug-regression": (
            "gaussian_nll",
            "normalized_squared_error",
            "scaled_squared_error",
        ),
    }
)
"""Distribution -> the names of its losses."""
