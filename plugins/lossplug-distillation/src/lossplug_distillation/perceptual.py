"""Images compared by what a network sees in them."""

from __future__ import annotations

from typing import Any

from lossplug_core import DataError, Network, NonNegative, loss, ops
from lossplug_core.tensors import at_least_float32, fits
from lossplug_distillation._inputs import outputs_of

__all__ = ["perceptual"]


@loss(
    y_true="values",
    y_pred="values",
    paper="arXiv:1603.08155",
    range=(0, None),
    at_target="zero",
)
def perceptual(
    y_true: Any,
    y_pred: Any,
    *,
    extractor: Network,
    layer_weights: tuple[NonNegative, ...] | None = None,
) -> Any:
    r"""Perceptual loss: the squared distance of two images in the features of a network.

    The paper's feature reconstruction loss; its style loss, of Gram matrices, is another. The
    extractor is frozen, saved with the loss, and called as in inference; the gradient flows through
    it into the prediction. Any network will do, and any data that it takes.

    Implementations disagree on the distance: the paper, and here, the mean of squares; Enhanced
    Super-Resolution GANs take absolute values; LPIPS scales each feature to length 1 first, and
    weighs channels by what people see.

    Formula:
        $$L = \sum_{l} w_l \, \frac{1}{N_l} \left\lVert \phi_l(\hat y) - \phi_l(y) \right\rVert^2$$

        where $\phi_l$ are the $N_l$ features of a sample in layer $l$ of the extractor, and $w_l$
        is the weight of the layer.

    Args:
        y_true: Images, shape `[batch, height, width, channels]`, or whatever the extractor takes.
        y_pred: Images of the same shape, in the same units. What the extractor expects of them,
            such as `keras.applications.vgg16.preprocess_input`, has to be part of it.
        extractor: A model that gives one tensor of features, or a list of one for each layer, of
            shape `[batch, ...]`. Half precision is compared in float32.
        layer_weights: One weight for each layer, at least 0. None weighs each by 1.

    Returns:
        One value per sample, shape `[batch]`.

    Raises:
        DataError: The shapes do not fit, a layer gives no features of each sample, or there is not
            one weight per layer.

    Example:
        >>> from lossplug_distillation import perceptual
        >>> def edges(images):
        ...     return [images[:, 1:] - images[:, :-1], images[:, :, 1:] - images[:, :, :-1]]
        >>> flat, step = [[[0.0, 0.0], [0.0, 0.0]]], [[[0.0, 1.0], [0.0, 1.0]]]
        >>> values = perceptual(flat, step, extractor=edges)
        >>> [round(float(value), 4) for value in values]
        [1.0]

    Reference:
        Johnson, Alahi, Fei-Fei, Perceptual Losses for Real-Time Style Transfer and
        Super-Resolution, 2016, arXiv:1603.08155.
    """
    y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
    if not fits(tuple(y_true.shape), tuple(y_pred.shape)):
        raise DataError(
            "The target does not fit the prediction.",
            expected=f"y_true of shape {tuple(y_pred.shape)}, as y_pred",
            received=tuple(y_true.shape),
            fix="compare the last layer of the model with the targets of the data set.",
        )
    wanted = outputs_of(extractor(y_true), "The extractor")
    found = outputs_of(extractor(y_pred), "The extractor")
    weights = (1.0,) * len(found) if layer_weights is None else layer_weights
    if len(weights) != len(found):
        raise DataError(
            "There is not one weight for each layer.",
            expected=f"{len(found)} layer_weights, as the extractor gives {len(found)} tensors",
            received=len(weights),
            fix="give them in the order of the extractor's outputs.",
        )
    pairs = zip(weights, wanted, found, strict=True)
    return sum(weight * _squared_distance(true, pred) for weight, true, pred in pairs)


def _squared_distance(wanted: Any, found: Any) -> Any:
    """The mean over the features of each sample."""
    wanted, found = at_least_float32(wanted), at_least_float32(found)
    rank = len(found.shape)
    if rank < 2:
        raise DataError(
            "The extractor gives no features of each sample.",
            expected="tensors of shape [batch, ...]",
            received=tuple(found.shape),
        )
    return ops.mean(ops.square(found - wanted), axis=tuple(range(1, rank)))
