"""What a loss is for, told from the forms that it declares and never from its name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from lossplug_core.networks import is_network
from lossplug_core.params import parameters_of
from lossplug_core.spec import LossSpec

__all__ = ["TASKS", "tasks_of"]

_DECISIONS = ("logits", "probabilities", "scores")
"""The predictions of a classifier."""

_OF_FORMS: tuple[tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]], ...] = (
    (("binary",), _DECISIONS, ("binary classification", "multilabel classification")),
    (("signs",), _DECISIONS, ("binary classification",)),
    (("multi_hot",), _DECISIONS, ("multilabel classification",)),
    (("class_ids", "one_hot", "probabilities"), _DECISIONS, ("multiclass classification",)),
    (("values",), ("values",), ("regression",)),
    (("values",), ("scales",), ("uncertainty estimation",)),
    (("sequences",), ("logits", "probabilities"), ("sequence labelling",)),
    (("binary", "labels", "multi_hot"), ("distances", "embeddings"), ("metric learning",)),
)
"""Forms of target, forms of prediction, and what a loss is for that has one of each."""

_DISTILLATION = "knowledge distillation"

TASKS: Mapping[str, str] = MappingProxyType(
    {
        "binary classification": "one of two classes",
        _DISTILLATION: "to agree with another network, the teacher, on classes",
        "metric learning": "embeddings of which the near ones mean the same",
        "multiclass classification": "one of several classes",
        "multilabel classification": "any number of several labels",
        "regression": "numbers",
        "sequence labelling": "a sequence of classes, not aligned with the prediction",
        "uncertainty estimation": "numbers, and how far off they may be",
    }
)
"""What a loss can be for, and what each means."""


def tasks_of(spec: LossSpec) -> tuple[str, ...]:
    """What a loss is for.

    Args:
        spec: The loss.

    Returns:
        Keys of `TASKS`, sorted; none where the forms do not tell.

    Raises:
        SpecError: The signature cannot be read.

    Example:
        >>> from lossplug_core import find_spec
        >>> tasks_of(find_spec("keras/hinge"))
        ('binary classification',)
    """
    predictions = {*spec.y_pred, *(spec.forms[name] for name in spec.outputs if name in spec.forms)}
    found = {
        task
        for targets, wanted, tasks in _OF_FORMS
        if not {*targets}.isdisjoint(spec.y_true) and not {*wanted}.isdisjoint(predictions)
        for task in tasks
    }
    of_classes = not {"binary", "class_ids", "one_hot"}.isdisjoint(spec.y_true)
    if of_classes and any(is_network(p.annotation) for p in parameters_of(spec).values()):
        found.add(_DISTILLATION)
    return tuple(sorted(found))
