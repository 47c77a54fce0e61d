"""The losses that Keras ships, so that they can be listed without importing Keras.

A test compares this table with the installed Keras, name by name and parameter by parameter.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from lossplug_core.names import KERAS
from lossplug_core.spec import LossSpec, Provider

__all__ = ["KERAS_LOSSES", "KerasLoss", "of_class"]


@dataclass(frozen=True, slots=True)
class KerasLoss:
    """One class of `keras.losses`.

    Attributes:
        class_name: Its name in `keras.losses`.
        name: Its name in lossplug, which is that of Keras's function.
        y_true: The forms of target.
        y_pred: The forms of prediction.
        aliases: Keras's shorthands.
        types: Types of parameters which their default does not tell.
    """

    class_name: str
    name: str
    y_true: tuple[str, ...]
    y_pred: tuple[str, ...]
    aliases: tuple[str, ...] = ()
    types: dict[str, Any] = field(default_factory=dict, hash=False)

    @property
    def summary(self) -> str:
        """What `keras.losses` says of it is known only to Keras."""
        return f"Keras's {self.class_name}."

    def provider(self, version: str) -> Provider:
        """Keras, as if it had entry points."""
        return Provider(KERAS, version, self.name, f"keras.losses:{self.class_name}")

    def spec(self, loss_class: type, provider: Provider) -> LossSpec:
        """The description of Keras's class."""
        return LossSpec(
            function=loss_class,
            name=self.name,
            y_true=self.y_true,
            y_pred=self.y_pred,
            aliases=self.aliases,
            namespace=KERAS,
            provider=provider,
            parameter_types=tuple(self.types.items()),
        )


_LOGITS = ("logits", "probabilities")
_AXES = int | tuple[int, ...] | None

KERAS_LOSSES: tuple[KerasLoss, ...] = (
    KerasLoss("BinaryCrossentropy", "binary_crossentropy", ("binary",), _LOGITS, ("bce",)),
    KerasLoss("BinaryFocalCrossentropy", "binary_focal_crossentropy", ("binary",), _LOGITS),
    KerasLoss("CTC", "ctc", ("sequences",), ("logits",)),
    KerasLoss("CategoricalCrossentropy", "categorical_crossentropy", ("one_hot",), _LOGITS),
    KerasLoss(
        "CategoricalFocalCrossentropy",
        "categorical_focal_crossentropy",
        ("one_hot",),
        _LOGITS,
        types={"alpha": float | tuple[float, ...]},
    ),
    KerasLoss(
        "CategoricalGeneralizedCrossEntropy",
        "categorical_generalized_cross_entropy",
        ("class_ids",),
        ("probabilities",),
    ),
    KerasLoss("CategoricalHinge", "categorical_hinge", ("one_hot",), ("scores",)),
    KerasLoss("Circle", "circle", ("labels",), ("embeddings",)),
    KerasLoss(
        "CosineSimilarity", "cosine_similarity", ("values",), ("values",), types={"axis": _AXES}
    ),
    KerasLoss("Dice", "dice", ("binary", "one_hot"), ("probabilities",), types={"axis": _AXES}),
    KerasLoss("Hinge", "hinge", ("signs",), ("scores",)),
    KerasLoss("Huber", "huber", ("values",), ("values",)),
    KerasLoss(
        "KLDivergence",
        "kl_divergence",
        ("probabilities",),
        ("probabilities",),
        ("kld", "kullback_leibler_divergence"),
    ),
    KerasLoss("LogCosh", "log_cosh", ("values",), ("values",), ("logcosh",)),
    KerasLoss("MeanAbsoluteError", "mean_absolute_error", ("values",), ("values",), ("mae",)),
    KerasLoss(
        "MeanAbsolutePercentageError",
        "mean_absolute_percentage_error",
        ("values",),
        ("values",),
        ("mape",),
    ),
    KerasLoss("MeanSquaredError", "mean_squared_error", ("values",), ("values",), ("mse",)),
    KerasLoss(
        "MeanSquaredLogarithmicError",
        "mean_squared_logarithmic_error",
        ("values",),
        ("values",),
        ("msle",),
    ),
    KerasLoss("Poisson", "poisson", ("values",), ("values",)),
    KerasLoss(
        "SparseCategoricalCrossentropy",
        "sparse_categorical_crossentropy",
        ("class_ids",),
        _LOGITS,
        types={"ignore_class": int | None},
    ),
    KerasLoss("SquaredHinge", "squared_hinge", ("signs",), ("scores",)),
    KerasLoss(
        "Tversky", "tversky", ("binary", "one_hot"), ("probabilities",), types={"axis": _AXES}
    ),
)


def of_class(class_name: str) -> KerasLoss | None:
    """The loss that is a class of `keras.losses`, if it is one."""
    return next((row for row in KERAS_LOSSES if row.class_name == class_name), None)
