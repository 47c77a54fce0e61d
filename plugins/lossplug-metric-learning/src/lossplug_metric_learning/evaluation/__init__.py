"""How good an embedding is: as a function, as Keras metrics, as a callback."""

from __future__ import annotations

from lossplug_metric_learning.evaluation.callback import RetrievalEvaluation
from lossplug_metric_learning.evaluation.metrics import MAPAtR, RecallAtK, RPrecision
from lossplug_metric_learning.evaluation.retrieval import retrieval_metrics

__all__ = ["MAPAtR", "RPrecision", "RecallAtK", "RetrievalEvaluation", "retrieval_metrics"]
