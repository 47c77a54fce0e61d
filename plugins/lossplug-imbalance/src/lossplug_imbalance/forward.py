"""Forward correction: the model learns the true labels, and the loss adds the noise."""

from __future__ import annotations

from typing import Any

from lossplug_core import DataError, TransitionMatrix, loss, ops
from lossplug_imbalance._crossentropy import softmax_logs
from lossplug_imbalance._entropy import crossentropy
from lossplug_imbalance._inputs import exclusive

__all__ = ["forward_correction"]

_TINY = 1e-30
_IMPOSSIBLE = -1e5


@loss(
    y_true="class_ids|one_hot",
    y_pred="logits|probabilities",
    paper="arXiv:1609.03683",
    range=(0, None),
)
def forward_correction(
    y_true: Any,
    y_pred: Any,
    *,
    transitions: TransitionMatrix,
    from_logits: bool = False,
) -> Any:
    r"""Forward correction: crossentropy of the noisy labels that the prediction would lead to.

    The prediction is of the true class; the matrix says which label each class is given, and how
    often. Where it is right, the model that fits the noisy labels best is the one that fits the
    true ones best. Use it where it is known how labels go wrong: from labels that were given twice,
    or from a few that were checked. A wrong matrix teaches its own mistakes; `np.eye(classes)` is
    crossentropy. The paper also takes it from the predictions of a model that was trained without
    it, on samples that it is surest of.

    A label that the matrix gives to no class costs `1e5`, and has no gradient. For soft labels,
    probabilities of noisy labels are taken to be at least 1e-30; for class ids and one-hot labels
    there is no such bound.

    Cost: that of crossentropy with two exponentials per class more, and a product with the matrix.

    Formula:
        $$L = -\sum_{j=1}^{K} y_j \log \sum_{i=1}^{K} p_i \, T_{ij}$$

        where $y_j$ is the target, noisy label $j$ of $K$, $p_i$ the predicted probability of the
        true class $i$, and $T_{ij}$ that with which class $i$ is given the label $j$.

    Args:
        y_true: Class ids, shape `[batch, ...]` or `[batch, ..., 1]`; or one-hot or soft labels,
            shape `[batch, ..., classes]`. An id that is no class gives 0; `get_loss` refuses it,
            and in compiled code, which cannot, makes it NaN.
        y_pred: Logits or probabilities, shape `[batch, ..., classes]`. Probabilities are divided by
            their sum, then clipped to `[1e-7, 1 - 1e-7]`. Half precision is computed in float32.
        transitions: For each true class a row: the probabilities of the labels that its samples are
            given, which sum to 1.
        from_logits: Whether `y_pred` are logits.

    Returns:
        One value per sample and position, shape `[batch, ...]`.

    Raises:
        DataError: The shapes of target and prediction do not fit, or `transitions` does not have a
            row and a column per class.

    Example:
        >>> from lossplug_imbalance import forward_correction
        >>> values = forward_correction(
        ...     [0, 1], [[0.9, 0.1], [0.9, 0.1]], transitions=((0.8, 0.2), (0.0, 1.0))
        ... )
        >>> [round(float(value), 4) for value in values]
        [0.3285, 1.273]

    Reference:
        Patrini et al., Making Deep Neural Networks Robust to Label Noise: a Loss Correction
        Approach, 2017, arXiv:1609.03683.
    """
    y_true, y_pred = exclusive(y_true, y_pred)
    transitions = _square(transitions, y_pred)
    log_p = softmax_logs(y_pred, from_logits=from_logits)
    noisy = ops.matmul(ops.exp(log_p), transitions)
    soft = crossentropy(y_true, ops.log(ops.maximum(noisy, _TINY)))
    # With one label the sum over the classes can be one of logarithms, where nothing underflows.
    labels = ops.sum(ops.cast(y_true > 0, y_pred.dtype), axis=-1)
    reached = ops.take(ops.transpose(transitions), ops.argmax(y_true, axis=-1), axis=0)
    log_reached = ops.where(reached > 0, ops.log(ops.maximum(reached, _TINY)), _IMPOSSIBLE)
    most = ops.max(log_reached, axis=-1, keepdims=True)
    log_noisy = ops.logsumexp(log_p + (log_reached - most), axis=-1) + most[..., 0]
    return ops.where(labels == 1, -ops.sum(y_true, axis=-1) * log_noisy, soft)


def _square(transitions: Any, y_pred: Any) -> Any:
    """The matrix as a tensor; its rows, which may be rounded, sum to 1."""
    transitions = ops.cast(ops.convert_to_tensor(transitions), y_pred.dtype)
    shape, classes = tuple(transitions.shape), y_pred.shape[-1]
    if len(shape) != 2 or shape[0] != shape[1] or classes not in (None, shape[0]):
        raise DataError(
            "The parameter 'transitions' does not fit the prediction.",
            expected=f"a row and a column per class, for y_pred of shape {tuple(y_pred.shape)}",
            received=shape,
            fix="give the probabilities of all labels for each true class, in the same order.",
        )
    return transitions / ops.maximum(ops.sum(transitions, axis=-1, keepdims=True), _TINY)
