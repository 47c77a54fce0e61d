"""A batch compared with the embeddings of earlier batches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lossplug_core import EmbeddingSize, PositiveInt, Weight, loss, ops
from lossplug_core.choices import Choice, chosen, one_of
from lossplug_metric_learning._inputs import labelled_embeddings, like, nan_unless
from lossplug_metric_learning._pair_loss import OF_DIRECTIONS, OF_PAIRS
from lossplug_metric_learning._pairs import Pairs
from lossplug_metric_learning.circle import circle
from lossplug_metric_learning.contrastive import contrastive
from lossplug_metric_learning.fast_ap import fast_ap
from lossplug_metric_learning.lifted_structure import generalized_lifted
from lossplug_metric_learning.multi_similarity import multi_similarity
from lossplug_metric_learning.neighbours import nca, soft_nearest_neighbour
from lossplug_metric_learning.nt_xent import nt_xent
from lossplug_metric_learning.pn import pn
from lossplug_metric_learning.ranked_list import ranked_list
from lossplug_metric_learning.signal_to_noise import signal_to_noise
from lossplug_metric_learning.supcon import supcon
from lossplug_metric_learning.triplet import triplet_semi_hard
from lossplug_metric_learning.triplet_margin import triplet_margin
from lossplug_metric_learning.tuplet_margin import tuplet_margin

__all__ = ["Inner", "cross_batch_memory"]

# All losses of pairs but those that compare references with each other, and one with weights.
_OF_PAIRS = (
    circle,
    contrastive,
    fast_ap,
    generalized_lifted,
    multi_similarity,
    nca,
    nt_xent,
    pn,
    ranked_list,
    signal_to_noise,
    soft_nearest_neighbour,
    supcon,
    triplet_margin,
    triplet_semi_hard,
    tuplet_margin,
)
Inner: Any = one_of(*(getattr(of, OF_PAIRS) for of in _OF_PAIRS))
"""The losses that can compare a batch with a memory."""


def _with_parameters(version: int, parameters: dict[str, Any]) -> dict[str, Any]:
    del version
    old = dict(parameters)
    margin, temperature = old.pop("margin", None), old.pop("temperature", None)
    name = old.get("loss", "contrastive")
    of_inner = {"temperature": temperature} if name == "supcon" else {"margin": margin}
    given = {key: value for key, value in of_inner.items() if value is not None}
    return {**old, "loss": {"name": name, **given}}


def _memory(memory_size: int, embedding_size: int) -> Mapping[str, Weight]:
    number = Weight((), 0, trainable=False, dtype="int32", whole_batch=True)
    return {
        "embeddings": Weight((memory_size, embedding_size), 0, trainable=False, whole_batch=True),
        "labels": replace(number, shape=(memory_size,)),
        "position": number,
        "filled": number,
    }


@loss(
    y_true="labels",
    y_pred="embeddings",
    paper="arXiv:1912.06798",
    weights=_memory,
    version=2,
    migrate=_with_parameters,
    history={2: "The parameters of the loss inside are given with its name."},
    stops_gradient=True,
    range=(0, None),
    memory="batch",
)
def cross_batch_memory(
    y_true: Any,
    y_pred: Any,
    *,
    weights: Mapping[str, Any],
    embedding_size: EmbeddingSize,
    memory_size: PositiveInt = 1024,
    loss: Inner = "contrastive",
    normalize: bool = True,
) -> tuple[Any, Mapping[str, Any]]:
    r"""A pair loss of each batch against the embeddings of the batches before it.

    As in the paper and in pytorch-metric-learning, the batch first enters the memory, where the
    oldest embeddings make room; then each sample of the batch is compared with all that the memory
    holds, but not with itself. Embeddings in the memory are constants: the gradient moves the batch
    only. Begin with it when the model no longer changes fast, and give `combine` the loss of the
    batch itself as a second part if you want it as the authors do.

    The memory is saved with the model, so that a resumed training goes on exactly. Evaluation
    compares with the memory, and leaves it as it is. Several replicas have to remember the same:
    there the loss is refused without `global_batch=True`.

    Formula:
        $$\ell_i = L\big(z_i;\ \{(z_j, y_j) : j \in M,\ j \ne i\}\big)$$

        where $L$ is the value of an anchor in the chosen loss, $z$ are embeddings, $y$ are labels,
        and $M$ are the last `memory_size` samples, those of the batch among them.

    Args:
        y_true: Integer labels, shape `[batch]` or `[batch, 1]`.
        y_pred: Embeddings, shape `[batch, embedding_size]`. Half precision is computed in float32.
        weights: The memory, none of which is trained: `embeddings`, shape
            `[memory_size, embedding_size]`; `labels`, shape `[memory_size]`, int32; `position`,
            where the next sample is written; `filled`, how many samples there are.
        embedding_size: How many numbers an embedding has.
        memory_size: How many samples are remembered. Of a larger batch, it is the last ones.
        loss: A loss of pairs of this package, by name, or with its parameters:
            `{"name": "supcon", "temperature": 0.05}`. Not those that compare references with each
            other (`angular`, `lifted_structure`), nor `margin`, which has weights of its own.
        normalize: Scale each embedding to length 1 first, as in the paper. Where the loss inside
            always does, so does this.

    Returns:
        One value per anchor, shape `[batch]`, and the memory with the batch in it. A value is NaN
        where a label does not fit into 32 bits.

    Raises:
        DataError: Labels and embeddings have other shapes than these.

    Example:
        >>> from lossplug_core import get_loss
        >>> loss = get_loss("cross_batch_memory", embedding_size=1, memory_size=4, normalize=False)
        >>> round(float(loss([0, 1], [[0.0], [0.5]])), 4)
        0.25
        >>> round(float(loss([0, 1], [[0.5], [1.0]])), 4)
        0.3333
        >>> loss.values()["labels"].tolist(), int(loss.values()["position"])
        ([0, 1, 0, 1], 0)

    Reference:
        Wang, Zhang, Huang, Scott: Cross-Batch Memory for Embedding Learning, 2019, arXiv:1912.06798
    """
    inner = chosen(Inner, loss)
    directions = normalize or _is_of_directions(inner)
    labels, embeddings = labelled_embeddings(
        y_true, y_pred, normalize=directions, size=embedding_size
    )
    stored = ops.cast(labels, "int32")
    source, position, filled = _enqueued(weights, ops.shape(labels)[0], memory_size)
    memory = {
        "embeddings": _written(weights["embeddings"], ops.stop_gradient(embeddings), source),
        "labels": _written(weights["labels"], stored, source),
        "position": position,
        "filled": filled,
    }
    pairs = Pairs(
        embeddings,
        memory["embeddings"],
        stored,
        memory["labels"],
        _places(weights["position"], ops.shape(labels)[0], memory_size),
        ops.arange(memory_size) < filled,
    )
    values = inner(pairs)
    return nan_unless(ops.equal(ops.cast(stored, labels.dtype), labels), values), memory


def _is_of_directions(inner: Choice) -> bool:
    of_directions: bool = getattr(inner.function, OF_DIRECTIONS)
    return of_directions or inner.parameters.get("distance") == "cosine"


def _places(position: Any, batch: Any, memory_size: int) -> Any:
    """Where each sample of a batch is written; -1 if a later one of the batch overwrites it."""
    samples = ops.arange(batch)
    place = ops.mod(samples + ops.convert_to_tensor(position, "int32"), memory_size)
    return ops.where(samples >= batch - memory_size, place, -1)


def _enqueued(weights: Mapping[str, Any], batch: Any, memory_size: int) -> tuple[Any, Any, Any]:
    """What a batch changes: the source of each slot, the next position, and how many are filled.

    The source is the last sample of the batch that is written to the slot, or -1 if none is. Told
    so, from the slot's side, nothing depends on how the batch and the memory differ in size.
    """
    position, filled = (ops.convert_to_tensor(weights[n], "int32") for n in ("position", "filled"))
    first = ops.mod(ops.arange(memory_size) - position, memory_size)
    rounds = ops.floor_divide(batch - 1 - first, memory_size)
    source = ops.where(first < batch, first + rounds * memory_size, -1)
    return source, ops.mod(position + batch, memory_size), ops.minimum(filled + batch, memory_size)


def _written(old: Any, batch: Any, source: Any) -> Any:
    """A memory in which each slot that has a source is replaced by it."""
    written = ops.greater_equal(source, 0)
    new = ops.take(batch, ops.maximum(source, 0), axis=0)
    written = ops.reshape(written, (-1,) + (1,) * (len(new.shape) - 1))
    return ops.where(written, new, like(old, batch))
