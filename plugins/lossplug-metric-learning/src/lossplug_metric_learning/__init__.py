"""Losses that shape an embedding: of pairs and triplets, with class prototypes, with a memory."""

from __future__ import annotations

from lossplug_metric_learning.angular import angular
from lossplug_metric_learning.arcface import arcface, subcenter_arcface
from lossplug_metric_learning.centers import center
from lossplug_metric_learning.circle import circle
from lossplug_metric_learning.contrastive import contrastive, pair_contrastive
from lossplug_metric_learning.cosine_softmax import cosface, norm_softmax, sphereface
from lossplug_metric_learning.fast_ap import fast_ap
from lossplug_metric_learning.lifted_structure import generalized_lifted, lifted_structure
from lossplug_metric_learning.margin import margin
from lossplug_metric_learning.memory import cross_batch_memory
from lossplug_metric_learning.multi_similarity import multi_similarity
from lossplug_metric_learning.n_pairs import n_pairs
from lossplug_metric_learning.neighbours import nca, soft_nearest_neighbour
from lossplug_metric_learning.nt_xent import nt_xent
from lossplug_metric_learning.pn import pn
from lossplug_metric_learning.proxies import proxy_anchor, proxy_nca
from lossplug_metric_learning.ranked_list import ranked_list
from lossplug_metric_learning.signal_to_noise import signal_to_noise
from lossplug_metric_learning.soft_triple import soft_triple
from lossplug_metric_learning.supcon import supcon
from lossplug_metric_learning.triplet import triplet_semi_hard
from lossplug_metric_learning.triplet_margin import triplet_margin
from lossplug_metric_learning.tuplet_margin import tuplet_margin
from lossplug_metric_learning.views import info_nce, siglip

__all__ = [
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
    "n_pairs",
    "nca",
    "norm_softmax",
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
    "triplet_margin",
    "triplet_semi_hard",
    "tuplet_margin",
]
