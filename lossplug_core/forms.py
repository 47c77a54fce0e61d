"""The forms that a target and a prediction can have: what a loss declares, and is found by."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from lossplug_core.errors import SpecError

__all__ = ["ANY", "PREDICTIONS", "TARGETS", "read"]

ANY = "any"
"""The form of a loss that does not say what it takes."""

TARGETS: Mapping[str, str] = MappingProxyType(
    {
        ANY: "whatever the loss expects: it is given as it is, and no shape is checked",
        "binary": "0 or 1, or a probability between them; shaped like the prediction",
        "class_ids": "one integer per prediction: which class is right",
        "labels": "one integer per sample: equal integers mean the same class",
        "multi_hot": "one row of 0 and 1 per sample: the labels that it has",
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
        ANY: "whatever the loss expects",
        "distances": "one non-negative distance per pair",
        "embeddings": "one vector per sample",
        "logits": "real numbers, before the sigmoid or softmax",
        "probabilities": "numbers between 0 and 1, after the sigmoid or softmax",
        "scales": "positive numbers, such as a variance",
        "scores": "real numbers whose sign is the decision",
        "values": "real numbers",
    }
)
"""The forms that a prediction can have, and what each means."""


def read(loss: str, argument: str, text: str) -> tuple[str, ...]:
    """The forms that a loss declares for an argument, joined by `|`.

    Raises:
        SpecError: A form is unknown.
    """
    known = TARGETS if argument in ("y_true", "targets") else PREDICTIONS
    forms = tuple(part.strip() for part in text.split("|"))
    for form in forms:
        if form not in known:
            raise SpecError(
                f"The loss {loss!r} declares an unknown form of {argument}.",
                expected=f"one or more of {', '.join(known)}, joined by '|'",
                received=form,
            )
    return forms
