"""Which map undoes which loss. One row a loss; a loss that has none is not undone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from lossplug_core import DataError, ops
from lossplug_imbalance._balance import class_weights
from lossplug_imbalance._links import Array, binary_logits, class_logs, sigmoid, softmax
from lossplug_imbalance.calibration import (
    categorical_focal_probabilities,
    focal_probabilities,
    undo_binary_weights,
    undo_class_weights,
)

__all__ = ["undo"]

Parameters = Mapping[str, Any]
Map = Callable[[Any, Parameters], Array]


def undo(loss: Any, y_pred: Any) -> Array:
    """The probabilities that a prediction means if this loss was trained with."""
    name, parameters = _described(loss)
    if name not in _MAPS:
        raise DataError(
            f"No function is known that turns predictions of {name!r} into probabilities.",
            expected=f"one of {', '.join(sorted(_MAPS))}",
            received=loss,
            fix="fit one on validation data, such as sklearn's CalibratedClassifierCV or"
            " temperature scaling.",
        )
    return _MAPS[name](y_pred, parameters)


def _described(loss: Any) -> tuple[str, Parameters]:
    """The id of a loss, and its parameters as they are now."""
    spec = getattr(loss, "spec", None)
    if spec is not None:
        return spec.id, {**loss.parameters, **loss.current()}
    if type(loss).__module__.partition(".")[0] == "keras":
        return f"keras/{type(loss).__name__}", loss.get_config()
    return getattr(loss, "name", None) or repr(loss), {}


def _binary(y_pred: Any, parameters: Parameters) -> Array:
    p = sigmoid(binary_logits(y_pred, from_logits=parameters["from_logits"]))
    return _sharp(p, parameters.get("label_smoothing", 0.0), 2)


def _exclusive(y_pred: Any, parameters: Parameters) -> Array:
    p = softmax(class_logs(y_pred, from_logits=parameters["from_logits"]))
    return _sharp(p, parameters.get("label_smoothing", 0.0), p.shape[-1])


def _sharp(p: Array, smoothing: float, classes: int) -> Array:
    """Without the smoothing of labels: what the targets were before."""
    sharp = np.clip((p - smoothing / classes) / (1 - smoothing), 0.0, 1.0) if smoothing else p
    return np.asarray(sharp if classes == 2 else sharp / sharp.sum(axis=-1, keepdims=True))


def _class_balanced(y_pred: Any, parameters: Parameters) -> Array:
    """An output of a sigmoid form answers for its class, among samples that count by weight."""
    counts = ops.convert_to_tensor(parameters["samples_per_class"], dtype="float32")
    weights = ops.convert_to_numpy(class_weights(counts, parameters["beta"])).tolist()
    if parameters["crossentropy"] == "softmax":
        return undo_class_weights(y_pred, weights, from_logits=parameters["from_logits"])
    gamma = parameters["gamma"] if parameters["crossentropy"] == "focal" else 0.0
    p = focal_probabilities(y_pred, gamma=gamma, from_logits=parameters["from_logits"])
    return undo_class_weights(p, weights)


def _keras_binary_focal(y_pred: Any, parameters: Parameters) -> Array:
    alpha = parameters["alpha"] if parameters["apply_class_balancing"] else None
    return _focal(focal_probabilities, y_pred, {**parameters, "alpha": alpha})


def _keras_categorical_focal(y_pred: Any, parameters: Parameters) -> Array:
    return _focal(categorical_focal_probabilities, y_pred, parameters)


def _focal(function: Callable[..., Array], y_pred: Any, parameters: Parameters) -> Array:
    if parameters["label_smoothing"]:
        raise DataError(
            "No function is known that undoes focal loss of smoothed labels.",
            expected="label_smoothing=0",
            received=parameters["label_smoothing"],
        )
    return _given(function, "gamma", "alpha")(y_pred, parameters)


def _given(function: Callable[..., Array], *names: str) -> Map:
    """A public function, given these parameters of the loss."""

    def undo(y_pred: Any, parameters: Parameters) -> Array:
        return function(y_pred, **{name: parameters[name] for name in (*names, "from_logits")})

    return undo


_MAPS: dict[str, Map] = {
    "imbalance/focal": _given(focal_probabilities, "gamma", "alpha"),
    "imbalance/categorical_focal": _given(categorical_focal_probabilities, "gamma", "alpha"),
    "imbalance/weighted_binary_crossentropy": _given(
        undo_binary_weights, "positive_weight", "negative_weight"
    ),
    "imbalance/weighted_categorical_crossentropy": _given(undo_class_weights, "class_weights"),
    "imbalance/class_balanced": _class_balanced,
    "keras/BinaryCrossentropy": _binary,
    "keras/BinaryFocalCrossentropy": _keras_binary_focal,
    "keras/CategoricalCrossentropy": _exclusive,
    "keras/CategoricalFocalCrossentropy": _keras_categorical_focal,
    "keras/SparseCategoricalCrossentropy": _exclusive,
}
