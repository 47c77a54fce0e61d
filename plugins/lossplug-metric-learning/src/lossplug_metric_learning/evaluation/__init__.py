"""How good an embedding is: as a function, as Keras metrics, as a callback."""

from __future__ import annotations

from lossplug_metric_learning.evaluation.retrieval import retrieval_metrics

__all__ = ["retrieval_metrics"]
