"""Losses that shape an embedding: of pairs and triplets, with class prototypes, with a memory."""

from __future__ import annotations

from lossplug_metric_learning.arcface import arcface, subcenter_arcface
from lossplug_metric_learning.centers import center
from lossplug_metric_learning.circle import circle
from lossplug_metric_learning.contrastive import contrastive, pair_contrastive
from lossplug_metric_learning.cosine_softmax import cosface, norm_softmax, sphereface
from lossplug_metric_learning.memory import cross_batch_memory
from lossplug_metric_learning.multi_similarity import multi_similarity
from lossplug_metric_learning.n_pairs import n_pairs
from lossplug_metric_learning.neighbours import nca, soft_nearest_neighbour
from lossplug_metric_learning.nt_xent import nt_xent
from lossplug_metric_learning.proxies import proxy_anchor, proxy_nca
from lossplug_metric_learning.soft_triple import soft_triple
from lossplug_metric_learning.supcon import supcon
from lossplug_metric_learning.triplet import triplet_semi_hard
from lossplug_metric_learning.triplet_margin import triplet_margin
from lossplug_metric_learning.views import info_nce, siglip

__all__ = [
    "arcface",
    "center",
    "circle",
    "contrastive",
    "cosface",
    "cross_batch_memory",
    "info_nce",
    "multi_similarity",
    "n_pairs",
    "nca",
    "norm_softmax",
    "nt_xent",
    "pair_contrastive",
    "proxy_anchor",
    "proxy_nca",
    "siglip",
    "soft_nearest_neighbour",
    "soft_triple",
    "sphereface",
    "subcenter_arcface",
    "supcon",
    "triplet_margin",
    "triplet_semi_hard",
]
