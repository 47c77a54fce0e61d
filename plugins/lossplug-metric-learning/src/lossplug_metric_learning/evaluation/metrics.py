"""Retrieval as Keras metrics."""

from __future__ import annotations

import warnings
from typing import Any

import keras

from lossplug_core import ops
from lossplug_core.errors import DataError
from lossplug_metric_learning._inputs import nan_unless
from lossplug_metric_learning.evaluation._checks import check_distance, check_positive
from lossplug_metric_learning.evaluation._neighbours import (
    Distance,
    Space,
    nearest,
    of_one_class,
    space_of,
)
from lossplug_metric_learning.evaluation._scores import Score, map_at_r, r_precision, recall_at

__all__ = ["MAPAtR", "RPrecision", "RecallAtK"]

_PACKAGE = "lossplug_metric_learning"

_register = keras.saving.register_keras_serializable(package=_PACKAGE)


class _Retrieval(keras.metrics.Metric):  # type: ignore[misc]
    """Holds what it is given, up to `size` samples, and searches in it."""

    def __init__(
        self,
        score: Score,
        size: int,
        embedding_size: int,
        distance: Distance,
        chunk: int,
        name: str,
        dtype: Any,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        check_distance(distance)
        check_positive(size=size, embedding_size=embedding_size, chunk=chunk)
        self.size, self.embedding_size = size, embedding_size
        self.distance, self.chunk = distance, chunk
        self._score = score
        held = "float64" if self.dtype == "float64" else "float32"
        # JAX has no more bits unless asked; elsewhere large ids stay apart.
        ids = "int32" if keras.backend.backend() == "jax" else "int64"
        # One more row than there are samples, for those that are too many.
        self._embeddings = self._state((size + 1, embedding_size), held, "embeddings")
        self._labels = self._state((size + 1,), ids, "labels")
        self._seen = self._state((), "int32", "seen")

    def _state(self, shape: tuple[int, ...], dtype: str, name: str) -> Any:
        return self.add_variable(shape, initializer="zeros", dtype=dtype, name=name)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Hold a batch.

        Args:
            y_true: Integer labels, `[batch]` or `[batch, 1]`.
            y_pred: Embeddings, `[batch, embedding_size]`.
            sample_weight: None: a sample is there or is not.

        Raises:
            DataError: Labels or embeddings have other shapes, or there are weights.
        """
        labels, embeddings = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
        self._check(tuple(labels.shape), tuple(embeddings.shape), sample_weight)
        batch = ops.shape(embeddings)[0]
        places = self._seen + ops.arange(batch, dtype="int32")
        # Not below 0: Keras tries out metrics on torch with variables that have no value yet.
        places = ops.clip(places, 0, self.size)[:, None]
        for variable, new in (
            (self._embeddings, ops.stop_gradient(embeddings)),
            (self._labels, ops.reshape(labels, (-1,))),
        ):
            new = ops.cast(new, variable.dtype)
            variable.assign(ops.scatter_update(variable.value, places, new))
        self._seen.assign_add(ops.cast(batch, "int32"))

    def result(self) -> Any:
        """The mean over the queries that have something to find, NaN if none has.

        NaN too if more samples than `size` have come, with a warning where that can be known.
        """
        self._warn_if_too_many()
        held = ops.arange(self.size) < self._seen
        labels, embeddings = self._labels[: self.size], self._embeddings[: self.size]
        # What is not there must not decide where the others are placed.
        embeddings = ops.where(held[:, None], embeddings, embeddings[:1])
        (space,) = space_of(embeddings, distance=self.distance, kept=held)
        total = count = 0.0
        for start in range(0, self.size, self.chunk):
            rows = ops.arange(start, min(start + self.chunk, self.size))
            values, searching = self._scores_of(rows, space, labels, held)
            total += ops.sum(ops.where(searching, values, 0.0))
            count += ops.sum(ops.cast(searching, values.dtype))
        known = ops.logical_and(self._seen <= self.size, ops.all(ops.isfinite(embeddings)))
        known = ops.logical_and(known, count > 0)
        return ops.cast(nan_unless(known, total / ops.maximum(count, 1.0)), self.dtype)

    def get_config(self) -> dict[str, Any]:
        """What makes this metric again."""
        own = ("size", "embedding_size", "distance", "chunk")
        return {**super().get_config(), **{name: getattr(self, name) for name in own}}

    def _scores_of(self, rows: Any, space: Space, labels: Any, held: Any) -> tuple[Any, Any]:
        """The scores of some queries, and which of them have something to find."""
        own = ops.take(labels, rows, axis=0)
        found = nearest(space.at(rows), space, self.size)
        same = of_one_class(own, labels, found.places)
        others = ops.not_equal(found.places, rows[:, None])
        compared = ops.logical_and(others, ops.take(held, found.places, axis=0))
        relevant = ops.sum(ops.cast(ops.logical_and(same, compared), "int32"), axis=1)
        values = self._score.function(found.hits(same, compared), relevant)
        return values, ops.logical_and(relevant > 0, ops.take(held, rows, axis=0))

    def _check(self, labels: Any, embeddings: Any, sample_weight: Any) -> None:
        if sample_weight is not None:
            raise DataError(
                f"{self.name} takes no sample weights.",
                fix="compile(metrics=[…]) instead of weighted_metrics=[…]",
            )
        if len(embeddings) != 2 or embeddings[1] not in (self.embedding_size, None):
            raise DataError(
                f"{self.name} was built for other embeddings.",
                expected=f"y_pred of shape [batch, {self.embedding_size}]",
                received=embeddings,
            )
        if not (len(labels) == 1 or (len(labels) == 2 and labels[1] in (1, None))):
            raise DataError(
                "Labels must be one integer per sample.",
                expected="y_true of shape [batch] or [batch, 1]",
                received=labels,
                fix="retrieval_metrics and RetrievalEvaluation take several labels per sample.",
            )

    def _warn_if_too_many(self) -> None:
        try:
            seen = int(ops.convert_to_numpy(self._seen))
        except (
            Exception
        ):  # while a graph is traced there is no number; each backend says so its way
            return
        if seen > self.size:
            warnings.warn(
                f"{self.name} was given more than the {self.size} samples it can hold: it is NaN.\n"
                "  Next: a size of all samples, or RetrievalEvaluation, which needs none.",
                stacklevel=3,
            )


@_register
class RecallAtK(_Retrieval):
    """The fraction of samples of which one of the `k` nearest is of their class.

    It holds the samples of a whole evaluation, because what is near a sample may be in another
    batch, and starts anew with the next. Keras asks for the result after every batch: that compares
    all with all that are held: this is for `evaluate` and loops of your own with some thousand
    samples. During `fit`, use `RetrievalEvaluation`; for more, and for NMI, which clusters and
    cannot be compiled, too.

    The definition is that of `retrieval_metrics`.

    Args:
        k: How many of the nearest count.
        size: How many samples it holds. If more come, the result is NaN: over some of them, it
            would be another number.
        embedding_size: The number of features of an embedding.
        distance: `"euclidean"`, `"cosine"`, or `"inner_product"`.
        chunk: How many samples to compare at once: memory is O(chunk × size).
        name: Its name; `"recall_at_…"` if None.
        dtype: As in Keras.

    Raises:
        ParameterError: There is no such distance, or a number is not positive.

    Example:
        >>> metric = RecallAtK(1, size=100, embedding_size=2)
        >>> metric.update_state([0, 0, 1], [[0.0, 0.0], [0.0, 1.0], [3.0, 0.0]])
        >>> metric.update_state([1, 2], [[0.0, 1.5], [3.0, 1.0]])
        >>> float(metric.result())
        0.25
    """

    def __init__(
        self,
        k: int = 1,
        *,
        size: int,
        embedding_size: int,
        distance: Distance = "euclidean",
        chunk: int = 1024,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        check_positive(k=k)
        name = name or f"recall_at_{k}"
        super().__init__(recall_at(k), size, embedding_size, distance, chunk, name, dtype)
        self.k = k

    def get_config(self) -> dict[str, Any]:
        """What makes this metric again."""
        return {**super().get_config(), "k": self.k}


@_register
class MAPAtR(_Retrieval):
    """MAP@R: the precision at each hit among the R nearest, R being the size of the class.

    How it works, and its cost, are as in `RecallAtK`.

    Args:
        size: How many samples it holds. If more come, the result is NaN.
        embedding_size: The number of features of an embedding.
        distance: `"euclidean"`, `"cosine"`, or `"inner_product"`.
        chunk: How many samples to compare at once: memory is O(chunk × size).
        name: Its name.
        dtype: As in Keras.

    Raises:
        ParameterError: There is no such distance, or a number is not positive.

    Example:
        >>> metric = MAPAtR(size=100, embedding_size=1)
        >>> metric.update_state([0, 0, 1, 0], [[0.0], [1.0], [2.5], [4.5]])
        >>> round(float(metric.result()), 4)
        0.4167
    """

    def __init__(
        self,
        *,
        size: int,
        embedding_size: int,
        distance: Distance = "euclidean",
        chunk: int = 1024,
        name: str = "map_at_r",
        dtype: Any = None,
    ) -> None:
        super().__init__(Score(map_at_r), size, embedding_size, distance, chunk, name, dtype)


@_register
class RPrecision(_Retrieval):
    """R-precision: the fraction of hits among the R nearest, R being the size of the class.

    How it works, and its cost, are as in `RecallAtK`.

    Args:
        size: How many samples it holds. If more come, the result is NaN.
        embedding_size: The number of features of an embedding.
        distance: `"euclidean"`, `"cosine"`, or `"inner_product"`.
        chunk: How many samples to compare at once: memory is O(chunk × size).
        name: Its name.
        dtype: As in Keras.

    Raises:
        ParameterError: There is no such distance, or a number is not positive.

    Example:
        >>> metric = RPrecision(size=100, embedding_size=1)
        >>> metric.update_state([0, 0, 1, 0], [[0.0], [1.0], [2.5], [4.5]])
        >>> round(float(metric.result()), 4)
        0.5
    """

    def __init__(
        self,
        *,
        size: int,
        embedding_size: int,
        distance: Distance = "euclidean",
        chunk: int = 1024,
        name: str = "r_precision",
        dtype: Any = None,
    ) -> None:
        super().__init__(Score(r_precision), size, embedding_size, distance, chunk, name, dtype)
