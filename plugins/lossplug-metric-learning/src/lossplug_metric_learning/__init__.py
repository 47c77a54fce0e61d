"""Losses that shape an embedding: contrastive, triplet, supervised contrastive."""

from __future__ import annotations

from lossplug_metric_learning.contrastive import contrastive, pair_contrastive
from lossplug_metric_learning.supcon import supcon
from lossplug_metric_learning.triplet import triplet_semi_hard

__all__ = ["contrastive", "pair_contrastive", "supcon", "triplet_semi_hard"]
