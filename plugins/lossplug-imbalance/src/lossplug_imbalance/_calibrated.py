"""Which map turns the predictions of which loss back. One row a loss; without one there is none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from lossplug_core import DataError, ops
from lossplug_imbalance._balance import class_weights
from lossplug_imbalance._inverses import (
    categorical_focal_probabilities,
    focal_probabilities,
    undo_binary_weights,
    undo_class_weights,
)
from lossplug_imbalance._links import (
    Array,
    array,
    asymmetric_logits,
    binary_logits,
    class_logs,
    focal_logits,
    log_of,
    margin_logs,
    poly_logs,
    sigmoid,
    softmax,
)

__all__ = ["calibrated"]

Parameters = Mapping[str, Any]
Map = Callable[[Any, Parameters], Array]


def calibrated(loss: Any, y_pred: Any) -> Array:
    r"""The probabilities that a prediction means, if the model was trained with this loss.

    It reads the parameters of the loss and applies the function that undoes it.
    Parameters that change during training count as they are now: of a loss that has been trained
    with, as at the end.

    The classes are as frequent as in training, also where the loss made the model forget it, as
    `logit_adjusted` does; `correct_prior` changes that. `focal`, `poly1_focal`, `ldam`,
    `asymmetric` and the weighted crossentropies have maps, as have those of logit adjustment, of
    label smoothing, and Keras's crossentropies. Losses that compare samples, such as
    `pairwise_auc`, say nothing of probabilities.

    Args:
        loss: What `get_loss` gave, or a crossentropy of Keras.
        y_pred: What the model predicts, as the loss takes it: logits if its `from_logits` is true,
            else probabilities. A tensor or an array.

    Returns:
        Probabilities of the shape of `y_pred`.

    Raises:
        DataError: No function is known that undoes this loss.

    Example:
        >>> from lossplug_core import get_loss
        >>> loss = get_loss("weighted_binary_crossentropy", positive_weight=9.0)
        >>> calibrated(loss, [0.5, 0.9]).round(4).tolist()
        [0.1, 0.5]
    """
    name, parameters = _described(loss)
    if name not in _MAPS:
        raise _unknown(name, loss)
    return _MAPS[name](y_pred, parameters)


def _unknown(name: str, received: Any) -> DataError:
    return DataError(
        f"No function is known that turns predictions of {name!r} into probabilities.",
        expected=f"one of {', '.join(sorted(_MAPS))}",
        received=received,
        fix="fit one on validation data: Platt scaling, isotonic regression.",
    )


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
    p = _sharp(p, parameters.get("label_smoothing", 0.0), p.shape[-1])
    return np.asarray(p / p.sum(axis=-1, keepdims=True))


def _sharp(p: Array, smoothing: float, classes: int) -> Array:
    """Without the smoothing of labels: what the targets were before."""
    if smoothing == 1:
        raise _unknown("a loss with smoothing=1", smoothing)
    return np.asarray(np.clip((p - smoothing / classes) / (1 - smoothing), 0.0, 1.0))


def _class_balanced(y_pred: Any, parameters: Parameters) -> Array:
    """An output of a sigmoid form answers for its class, among samples that count by weight."""
    weights = _effective(parameters).tolist()
    if parameters["crossentropy"] == "softmax":
        return undo_class_weights(y_pred, weights, from_logits=parameters["from_logits"])
    gamma = parameters["gamma"] if parameters["crossentropy"] == "focal" else 0.0
    p = focal_probabilities(y_pred, gamma=gamma, from_logits=parameters["from_logits"])
    return undo_class_weights(p, weights)


def _effective(parameters: Parameters) -> Array:
    counts = ops.convert_to_tensor(parameters["samples_per_class"], dtype="float32")
    return array(ops.convert_to_numpy(class_weights(counts, parameters["beta"])))


def _ldam(y_pred: Any, parameters: Parameters) -> Array:
    counts = array(parameters["samples_per_class"])
    margins = parameters["max_margin"] * (counts.min() / counts) ** 0.25
    log_p = class_logs(parameters["scale"] * array(y_pred), from_logits=True)
    weights = log_of("the weights", _effective(parameters))
    return softmax(margin_logs(log_p, parameters["scale"] * margins) - weights)


def _logit_adjusted(y_pred: Any, parameters: Parameters) -> Array:
    log_p = class_logs(y_pred, from_logits=parameters["from_logits"])
    return softmax(log_p + parameters["tau"] * log_of("class_priors", parameters["class_priors"]))


def _balanced_softmax(y_pred: Any, parameters: Parameters) -> Array:
    adjusted = {"class_priors": parameters["samples_per_class"], "tau": 1.0}
    return _logit_adjusted(y_pred, {**parameters, **adjusted})


def _binary_logit_adjusted(y_pred: Any, parameters: Parameters) -> Array:
    prior = array(parameters["positive_prior"])
    z = binary_logits(y_pred, from_logits=parameters["from_logits"])
    return sigmoid(z + parameters["tau"] * (np.log(prior) - np.log1p(-prior)))


def _vector_scaling(y_pred: Any, parameters: Parameters) -> Array:
    counts, weights = array(parameters["samples_per_class"]), parameters["class_weights"]
    factors = (counts / counts.max()) ** parameters["gamma"]
    scores = factors * array(y_pred) + parameters["tau"] * np.log(counts)
    return softmax(scores if weights is None else scores - log_of("class_weights", weights))


def _poly1_crossentropy(y_pred: Any, parameters: Parameters) -> Array:
    log_p = class_logs(y_pred, from_logits=parameters["from_logits"])
    scores = poly_logs(log_p, parameters["epsilon"])
    smoothed = softmax(scores - log_of("class_weights", parameters["class_weights"]))
    return _sharp(smoothed, parameters["label_smoothing"], smoothed.shape[-1])


def _poly1_focal(y_pred: Any, parameters: Parameters) -> Array:
    gamma, epsilon, alpha = (parameters[name] for name in ("gamma", "epsilon", "alpha"))
    z = binary_logits(y_pred, from_logits=parameters["from_logits"])
    logits = focal_logits(z, gamma=gamma, epsilon=epsilon)
    if alpha is not None:
        logits = logits + log_of("1 - alpha", 1 - alpha) - log_of("alpha", alpha)
    return sigmoid(logits)


def _asymmetric(y_pred: Any, parameters: Parameters) -> Array:
    logits = asymmetric_logits(
        binary_logits(y_pred, from_logits=parameters["from_logits"]),
        gamma_positive=parameters["gamma_positive"],
        gamma_negative=parameters["gamma_negative"],
        clip=parameters["clip"],
        constant=parameters["constant_weights"],
    )
    return sigmoid(logits)


def _generalized(y_pred: Any, parameters: Parameters) -> Array:
    """Of (1 - p^q) / q: eta is proportional to p^(1-q)."""
    if parameters["truncation"] or parameters["q"] == 1:
        raise _unknown("generalized_crossentropy with truncation or q=1", parameters)
    log_p = class_logs(y_pred, from_logits=parameters["from_logits"])
    return softmax((1 - parameters["q"]) * log_p)


def _symmetric(y_pred: Any, parameters: Parameters) -> Array:
    """The exchanged part is linear in p, as the term of poly-1 is."""
    if parameters["alpha"] == 0:
        raise _unknown("symmetric_crossentropy without crossentropy", parameters)
    log_p = class_logs(y_pred, from_logits=parameters["from_logits"])
    linear = -parameters["log_zero"] * parameters["beta"] / parameters["alpha"]
    return softmax(poly_logs(log_p, linear))


def _confidence_penalty(y_pred: Any, parameters: Parameters) -> Array:
    """The derivative of the expected loss is 0 where eta_k = p_k (1 + beta (log p_k + H(p)))."""
    if parameters["threshold"] is not None:
        raise _unknown("confidence_penalty with a threshold", parameters)
    log_p = class_logs(y_pred, from_logits=parameters["from_logits"])
    p = np.exp(log_p)
    above = log_p - (p * log_p).sum(axis=-1, keepdims=True)
    eta = np.clip(p * (1 + parameters["beta"] * above), 0.0, 1.0)
    return np.asarray(eta / eta.sum(axis=-1, keepdims=True))


def _smoothed_binary(y_pred: Any, parameters: Parameters) -> Array:
    p, smoothing = _binary(y_pred, parameters), parameters["smoothing"]
    classes = 2 if parameters["towards"] == "half" else p.shape[-1]
    return _sharp(p, smoothing, classes)


def _keras_binary_focal(y_pred: Any, parameters: Parameters) -> Array:
    alpha = parameters["alpha"] if parameters["apply_class_balancing"] else None
    return _focal(focal_probabilities, y_pred, {**parameters, "alpha": alpha})


def _keras_categorical_focal(y_pred: Any, parameters: Parameters) -> Array:
    return _focal(categorical_focal_probabilities, y_pred, parameters)


def _focal(function: Callable[..., Array], y_pred: Any, parameters: Parameters) -> Array:
    if parameters["label_smoothing"]:
        raise _unknown("focal loss of smoothed labels", parameters)
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
    "imbalance/ldam": _ldam,
    "imbalance/logit_adjusted": _logit_adjusted,
    "imbalance/balanced_softmax": _balanced_softmax,
    "imbalance/binary_logit_adjusted": _binary_logit_adjusted,
    "imbalance/vector_scaling": _vector_scaling,
    "imbalance/poly1_crossentropy": _poly1_crossentropy,
    "imbalance/poly1_focal": _poly1_focal,
    "imbalance/asymmetric": _asymmetric,
    "imbalance/generalized_crossentropy": _generalized,
    "imbalance/symmetric_crossentropy": _symmetric,
    "imbalance/confidence_penalty": _confidence_penalty,
    "imbalance/smoothed_crossentropy": lambda y_pred, parameters: _exclusive(
        y_pred, {**parameters, "label_smoothing": parameters["smoothing"]}
    ),
    "imbalance/smoothed_binary_crossentropy": _smoothed_binary,
    # Its prediction is of the true class, and noise is added in training.
    "imbalance/forward_correction": _exclusive,
    "keras/BinaryCrossentropy": _binary,
    "keras/BinaryFocalCrossentropy": _keras_binary_focal,
    "keras/CategoricalCrossentropy": _exclusive,
    "keras/CategoricalFocalCrossentropy": _keras_categorical_focal,
    "keras/SparseCategoricalCrossentropy": _exclusive,
}
