"""What losses share that compare samples with trained vectors of the classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from lossplug_core import Weight, ops
from lossplug_metric_learning._inputs import (
    class_mask,
    labelled_embeddings,
    like,
    nan_unless,
    unit,
)
from lossplug_metric_learning._rows import log_sum_exp

__all__ = ["Classes", "classes_of", "directions", "prototypes"]


def prototypes(num_classes: int, embedding_size: int) -> Mapping[str, Weight]:
    """One direction per class, declared as weights of a loss."""
    return {"prototypes": Weight((num_classes, embedding_size), "glorot_uniform")}


class Classes(NamedTuple):
    """Which class each sample is of.

    Attributes:
        right: A mask `[batch, classes]`, all false where a class id is no class.
        known: Whether a class id is a class, `[batch]`.
        ids: The class ids, 0 where they are no class, `[batch]`.
    """

    right: Any
    known: Any
    ids: Any

    def rows(self, vectors: Any) -> Any:
        """Of one row per class, each sample's own."""
        return ops.take(vectors, self.ids, axis=0)

    def others(self, logits: Any) -> Any:
        """The log of the sum of exponentials of the logits of all classes but the own."""
        return log_sum_exp(logits, ops.logical_not(self.right))

    def own(self, logits: Any) -> Any:
        """Of one logit per class, each sample's own."""
        return ops.sum(ops.where(self.right, logits, 0.0), axis=1)

    def cross_entropy(self, logits: Any, own: Any) -> Any:
        """Minus the log of each sample's own share, where another logit replaces its own.

        NaN where a class id is no class.
        """
        return nan_unless(self.known, ops.softplus(self.others(logits) - own))


def classes_of(labels: Any, num_classes: int) -> Classes:
    """Class ids `[batch]`, looked at once."""
    right = class_mask(labels, num_classes)
    known = ops.any(right, axis=1)
    return Classes(right, known, ops.cast(ops.where(known, labels, 0), "int32"))


def directions(
    y_true: Any, y_pred: Any, vectors: Any, num_classes: int, embedding_size: int
) -> tuple[Classes, Any, Any]:
    """The classes, and embeddings and vectors of length 1: their products are cosines.

    Vectors may have axes for classes and for several of each; the result has one row for each.

    Raises:
        DataError: Class ids and embeddings have other shapes than `labelled_embeddings` says.
    """
    labels, embeddings = labelled_embeddings(y_true, y_pred, normalize=True, size=embedding_size)
    rows = ops.reshape(like(vectors, embeddings), (-1, embedding_size))
    return classes_of(labels, num_classes), embeddings, unit(rows)
