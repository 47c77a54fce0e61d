"""The forms that a target and a prediction can have: what a loss declares, and is found by."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["PREDICTIONS", "TARGETS"]

TARGETS: Mapping[str, str] = MappingProxyType(
    {
        "binary": "0 or 1, or a probability between them; shaped like the prediction",
        "class_ids": "one integer per prediction: which class is right",
        "labels": "one integer per sample: equal integers mean the same class",
        "one_hot": "one number per class: one-hot, or soft labels that sum to 1",
        "probabilities": "a distribution over the last axis",
        "sequences": "a sequence of integers per sample",
        "signs": "-1 or 1, or 0 or 1, which mean the same",
        "values": "real numbers; shaped like the prediction",
    }
)
"""The forms that a target can have, and what each means."""

PREDICTIONS: Mapping[str, str] = MappingProxyType(
    {
        "distances": "one non-negative distance per pair",
        "embeddings": "one vector per sample",
        "logits": "real numbers, before the sigmoid or softmax",
        "probabilities": "numbers between 0 and 1, after the sigmoid or softmax",
        "scores": "real numbers whose sign is the decision",
        "values": "real numbers",
    }
)
"""The forms that a prediction can have, and what each means."""
