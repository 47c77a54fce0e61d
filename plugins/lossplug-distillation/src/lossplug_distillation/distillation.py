"""Knowledge distillation: a student learns from the logits of a teacher, and from the labels."""

from __future__ import annotations

from typing import Any, Literal

from lossplug_core import DataError, Fraction, Network, Positive, loss, ops
from lossplug_distillation._inputs import exclusive, logits_like, outputs_of

__all__ = ["distillation", "precomputed_distillation"]

_Divergence = Literal["crossentropy", "kl"]

_PAPER = "arXiv:1503.02531"
_CONVENTIONS = {
    "keras-example": {"temperature": 3.0, "alpha": 0.9, "divergence": "kl"},
    "pytorch-tutorial": {"temperature": 2.0, "alpha": 0.25, "divergence": "kl"},
}


@loss(
    y_true="class_ids|one_hot",
    y_pred="logits",
    paper=_PAPER,
    conventions=_CONVENTIONS,
    targets=("inputs",),
    range=(0, None),
)
def distillation(
    y_true: Any,
    y_pred: Any,
    *,
    inputs: Any,
    teacher: Network,
    temperature: Positive = 2.0,
    alpha: Fraction = 0.5,
    divergence: _Divergence = "crossentropy",
) -> Any:
    r"""Knowledge distillation: crossentropy with a teacher's soft targets, and with the labels.

    The teacher is frozen, saved with the loss, and called as in inference on what the model is
    given. Soft targets make gradients of size $1/T^2$; as in the paper, their part is multiplied by
    $T^2$, so that the balance of the two parts stays when the temperature changes.

    Implementations disagree: the Keras example and the PyTorch tutorial take the Kullback-Leibler
    divergence from the teacher, which has the same gradient, and is 0 where both agree; DeiT also
    divides it by the number of classes. Keras's own `alpha` weighs the labels, here it weighs the
    teacher. The paper recommends "a considerably lower weight" on the labels; its experiments on
    speech take a temperature of 2 and equal weights, which are the defaults here.

    Formula:
        $$L = \alpha \, T^2 \, H(q^T, p^T) + (1 - \alpha) \, H(y, p^1), \qquad
        H(q, p) = -\sum_{k=1}^{K} q_k \log p_k$$

        where $p^T$ and $q^T$ are the softmax of the logits of the student and of the teacher, each
        divided by the temperature $T$, and $y$ is the target over $K$ classes. With
        `divergence="kl"`, $H(q^T, p^T) - H(q^T, q^T)$ takes the place of $H(q^T, p^T)$.

    Args:
        y_true: Class ids, shape `[batch, ...]` or `[batch, ..., 1]`; or one-hot or soft labels,
            shape `[batch, ..., classes]`.
        y_pred: The student's logits, shape `[batch, ..., classes]`. Half precision is computed in
            float32.
        inputs: What the teacher is given. `TrainingModel` fills it in with what the model is given;
            in a loop of your own it is a further target.
        teacher: A model that gives logits, shaped like the student's. One that ends in a softmax
            gives probabilities: take its output before.
        temperature: How soft the targets are; above 0. At 1 they are the teacher's probabilities.
        alpha: The weight of the teacher, from 0 to 1; the labels weigh `1 - alpha`.
        divergence: What compares student and teacher: their crossentropy, or the Kullback-Leibler
            divergence.

    Returns:
        One value per sample and position, shape `[batch, ...]`.

    Raises:
        DataError: The shapes of target, prediction and the teacher's output do not fit.

    Example:
        >>> from keras import ops
        >>> from lossplug_distillation import distillation
        >>> def teacher(inputs):
        ...     return ops.matmul(inputs, [[2.0, 1.0, -1.0]])
        >>> values = distillation([0], [[1.0, 1.0, 0.0]], inputs=[[1.0]], teacher=teacher)
        >>> [round(float(value), 4) for value in values]
        [2.469]

    Reference:
        Hinton, Vinyals, Dean, Distilling the Knowledge in a Neural Network, 2015, arXiv:1503.02531.
    """
    logits = outputs_of(teacher(inputs), "The teacher")
    if len(logits) != 1:
        raise DataError(
            "The teacher gives several outputs.",
            expected="one tensor of logits",
            received=len(logits),
            fix="keras.Model(teacher.input, teacher.outputs[…])",
        )
    source = "The teacher's output"
    return _distilled(y_true, y_pred, logits[0], source, temperature, alpha, divergence)


@loss(
    y_true="class_ids|one_hot",
    y_pred="logits",
    paper=_PAPER,
    conventions=_CONVENTIONS,
    targets=("teacher_logits",),
    range=(0, None),
)
def precomputed_distillation(
    y_true: Any,
    y_pred: Any,
    *,
    teacher_logits: Any,
    temperature: Positive = 2.0,
    alpha: Fraction = 0.5,
    divergence: _Divergence = "crossentropy",
) -> Any:
    r"""Knowledge distillation where the teacher's logits were computed beforehand.

    The same as `distillation`, to which it is what a lookup is to a calculation: a large teacher
    runs once over the data instead of once an epoch, and need not be there when the student is
    trained. Data augmentation has to come before the teacher, too.

    Formula:
        $$L = \alpha \, T^2 \, H(q^T, p^T) + (1 - \alpha) \, H(y, p^1), \qquad
        H(q, p) = -\sum_{k=1}^{K} q_k \log p_k$$

        where $p^T$ and $q^T$ are the softmax of the logits of the student and of the teacher, each
        divided by the temperature $T$, and $y$ is the target over $K$ classes. With
        `divergence="kl"`, $H(q^T, p^T) - H(q^T, q^T)$ takes the place of $H(q^T, p^T)$.

    Args:
        y_true: Class ids, shape `[batch, ...]` or `[batch, ..., 1]`; or one-hot or soft labels,
            shape `[batch, ..., classes]`.
        y_pred: The student's logits, shape `[batch, ..., classes]`. Half precision is computed in
            float32.
        teacher_logits: The teacher's logits, shape `[batch, ..., classes]`.
        temperature: How soft the targets are; above 0. At 1 they are the teacher's probabilities.
        alpha: The weight of the teacher, from 0 to 1; the labels weigh `1 - alpha`.
        divergence: What compares student and teacher: their crossentropy, or the Kullback-Leibler
            divergence.

    Returns:
        One value per sample and position, shape `[batch, ...]`.

    Raises:
        DataError: The shapes of target, prediction and the teacher's logits do not fit.

    Example:
        >>> from lossplug_distillation import precomputed_distillation
        >>> values = precomputed_distillation(
        ...     [0, 2], [[1.0, 1.0, 0.0]] * 2, teacher_logits=[[2.0, 1.0, -1.0], [0.0, 0.0, 5.0]]
        ... )
        >>> [round(float(value), 4) for value in values]
        [2.469, 3.706]

    Reference:
        Hinton, Vinyals, Dean, Distilling the Knowledge in a Neural Network, 2015, arXiv:1503.02531.
    """
    source = "teacher_logits"
    return _distilled(y_true, y_pred, teacher_logits, source, temperature, alpha, divergence)


def _distilled(
    y_true: Any,
    y_pred: Any,
    teacher_logits: Any,
    source: str,
    temperature: Any,
    alpha: Any,
    divergence: _Divergence,
) -> Any:
    one_hot, student = exclusive(y_true, y_pred)
    teacher = logits_like(student, teacher_logits, source)
    log_q = ops.log_softmax(teacher / temperature, axis=-1)
    log_p = ops.log_softmax(student / temperature, axis=-1)
    surprise = -log_p if divergence == "crossentropy" else log_q - log_p
    soft = temperature**2 * ops.sum(ops.exp(log_q) * surprise, axis=-1)
    hard = -ops.sum(one_hot * ops.log_softmax(student, axis=-1), axis=-1)
    return alpha * soft + (1 - alpha) * hard
