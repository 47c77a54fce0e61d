"""Losses that draw samples to a trained centre of their class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lossplug_core import EmbeddingSize, NumClasses, Weight, loss, ops
from lossplug_metric_learning._classes import classes_of
from lossplug_metric_learning._inputs import labelled_embeddings, like, nan_unless

__all__ = ["center"]


def _centers(num_classes: int, embedding_size: int) -> Mapping[str, Weight]:
    return {"centers": Weight((num_classes, embedding_size), "glorot_uniform")}


@loss(
    y_true="labels",
    y_pred="embeddings",
    paper="doi:10.1007/978-3-319-46478-7_31",
    weights=_centers,
    range=(0, None),
    compares_samples=False,
)
def center(
    y_true: Any,
    y_pred: Any,
    *,
    weights: Mapping[str, Any],
    num_classes: NumClasses,
    embedding_size: EmbeddingSize,
) -> Any:
    r"""Squared distance of each sample to the trained centre of its class.

    It makes classes compact, and does not keep them apart: the paper adds it, with a small factor,
    to a cross-entropy. Alone it is smallest where all embeddings and centres are the same.

    Here the optimizer trains the centres by the gradient, as it trains the model: give it a higher
    learning rate to move them faster. In the paper each step moves a centre by a fraction of the
    mean difference to the batch's samples of its class, $\sum_i (c_j - x_i) / (1 + n_j)$, whatever
    the loss's factor. The popular PyTorch code trains by gradient, too, and leaves out the half:
    its values are twice these.

    Formula:
        $$\ell_i = \tfrac{1}{2} \lVert x_i - c_{y_i} \rVert^2$$

        where $x_i$ is the embedding of sample $i$, $y_i$ its class, and $c_j$ the centre of class
        $j$.

    Args:
        y_true: Class ids from 0 to `num_classes - 1`, shape `[batch]` or `[batch, 1]`.
        y_pred: Embeddings, shape `[batch, embedding_size]`. Their length counts. Half precision is
            computed in float32.
        weights: `centers`, shape `[num_classes, embedding_size]`: one per class, which is trained.
        num_classes: How many classes there are.
        embedding_size: How many numbers an embedding has.

    Returns:
        One value per sample, shape `[batch]`. It is NaN where a class id is no class, because
        compiled code cannot raise.

    Raises:
        DataError: Class ids and embeddings have other shapes than these.

    Example:
        >>> from keras import ops
        >>> weights = {"centers": [[1.0, 0.0], [0.0, 1.0]]}
        >>> embeddings = [[3.0, 4.0], [3.0, 4.0]]
        >>> values = center([0, 1], embeddings, weights=weights, num_classes=2, embedding_size=2)
        >>> [round(value, 4) for value in ops.convert_to_numpy(values).tolist()]
        [10.0, 9.0]

    Reference:
        Wen, Zhang, Li, Qiao: A Discriminative Feature Learning Approach for Deep Face Recognition,
        2016, doi:10.1007/978-3-319-46478-7_31
    """
    labels, embeddings = labelled_embeddings(y_true, y_pred, normalize=False, size=embedding_size)
    classes = classes_of(labels, num_classes)
    own = classes.rows(like(weights["centers"], embeddings))
    return nan_unless(classes.known, 0.5 * ops.sum(ops.square(embeddings - own), axis=1))
