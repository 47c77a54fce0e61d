"""Retrieval during `fit`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np

from lossplug_core import TrainingModel, ops
from lossplug_core.errors import DataError
from lossplug_metric_learning.evaluation._checks import check_distance, check_positive
from lossplug_metric_learning.evaluation._neighbours import Distance
from lossplug_metric_learning.evaluation._scores import scores_of
from lossplug_metric_learning.evaluation.retrieval import DEFAULT_METRICS, retrieval_metrics

__all__ = ["RetrievalEvaluation"]


class RetrievalEvaluation(keras.callbacks.Callback):  # type: ignore[misc]
    """Embeds data after an epoch and adds to the epoch's logs how well it is retrieved.

    Callbacks that monitor these numbers (`EarlyStopping`, `ModelCheckpoint`, `CSVLogger`,
    `ReduceLROnPlateau`) must come after this one in the list, and need `mode="max"`. What `fit`
    prints and returns as history has them anyway.

    Args:
        data: `(x, labels)`, arrays or tensors, `x` in any structure that the model takes; or
            batches of that: a `keras.utils.PyDataset`, a `tf.data.Dataset`, a torch `DataLoader`,
            or anything else that can be read again and again. Labels are as in
            `retrieval_metrics`.
        reference_data: Where to search, likewise. None: in the data itself.
        metrics: As in `retrieval_metrics`.
        every: Evaluate after the first epoch, then after each `every`-th, and after the last. In
            between, the logs repeat the last values, so that all epochs have them.
        prefix: What the names in the logs begin with.
        batch_size: How many samples to embed at once, if the data are not batches yet.
        embedder: The model that makes the embeddings, such as one that shares layers with the model
            that is trained. None: that model; of a `TrainingModel`, its `inference_model`.
        distance: As in `retrieval_metrics`.
        normalize: As in `retrieval_metrics`.
        chunk: As in `retrieval_metrics`.
        seed: As in `retrieval_metrics`.
        verbose: 1 shows a progress bar, 0 nothing, `"auto"` what `fit` shows.

    Raises:
        ParameterError: There is no such metric or distance, or a number is not positive.
        DataError: During training: the data are none of these, are empty, or the model makes no
            embeddings of them.

    Example:
        >>> import keras, numpy as np
        >>> x, labels = np.eye(4), np.array([0, 0, 1, 1])
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
        >>> model.compile("sgd", "mse")
        >>> evaluation = RetrievalEvaluation((x, labels), metrics=["recall_at_3"])
        >>> history = model.fit(x, x[:, :2], epochs=2, callbacks=[evaluation], verbose=0)
        >>> history.history["val_recall_at_3"]
        [1.0, 1.0]
    """

    def __init__(
        self,
        data: Any,
        *,
        reference_data: Any = None,
        metrics: Sequence[str] = DEFAULT_METRICS,
        every: int = 1,
        prefix: str = "val_",
        batch_size: int = 256,
        embedder: keras.Model | None = None,
        distance: Distance = "euclidean",
        normalize: bool = False,
        chunk: int = 1024,
        seed: int = 0,
        verbose: int | str = "auto",
    ) -> None:
        super().__init__()
        scores_of(metrics)  # tells what is no metric before there was an epoch
        check_distance(distance)
        check_positive(every=every, batch_size=batch_size, chunk=chunk)
        self.data, self.reference_data = data, reference_data
        self.every, self.prefix, self.batch_size = every, prefix, batch_size
        self.embedder, self.verbose = embedder, verbose
        self._options: dict[str, Any] = {
            "metrics": metrics,
            "distance": distance,
            "normalize": normalize,
            "chunk": chunk,
            "seed": seed,
        }
        self._last: dict[str, float] = {}

    def on_train_begin(self, logs: Any = None) -> None:  # noqa: ARG002
        """Forget the numbers of an earlier training."""
        self._last = {}

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Add the metrics to the logs.

        Args:
            epoch: Which epoch has ended, from 0.
            logs: Gets the metrics, their names beginning with the prefix.
        """
        last = epoch + 1 == self.params.get("epochs")
        if not self._last or (epoch + 1) % self.every == 0 or last:
            self._last = self.evaluate()
        if logs is not None:
            logs.update({self.prefix + name: value for name, value in self._last.items()})

    def evaluate(self) -> dict[str, float]:
        """The metrics of the model as it is."""
        references = {}
        embeddings, labels = self._embedded(self.data)
        if self.reference_data is not None:
            values = self._embedded(self.reference_data)
            references = dict(
                zip(("reference_embeddings", "reference_labels"), values, strict=True)
            )
        return retrieval_metrics(embeddings, labels, **references, **self._options)

    def _embedded(self, data: Any) -> tuple[Any, Any]:
        model = self.embedder
        if model is None:
            own = self.model
            model = own.inference_model if isinstance(own, TrainingModel) else own
        batches = _Batches(data, self.batch_size)
        progress = self._progress(batches.count)
        embeddings, labels = [], []
        for done, (x, y) in enumerate(batches, start=1):
            embedding = model.predict_on_batch(keras.tree.map_structure(_of_this_backend, x))
            if not hasattr(embedding, "shape") or len(embedding.shape) != 2:
                raise DataError(
                    f"The model {model.name!r} makes no embeddings of the data.",
                    expected="one output of shape [batch, features]",
                    received=keras.tree.map_structure(np.shape, embedding),
                    fix="RetrievalEvaluation(…, embedder=keras.Model(model.input, embedding))",
                )
            embeddings.append(embedding)
            labels.append(y)
            if progress is not None:
                progress.update(done, finalize=done == batches.count)
        if not embeddings:
            raise DataError(
                "There are no data to evaluate.",
                expected="data that can be read after every epoch",
                received=type(data).__name__,
                fix="A generator can be read once: make it a keras.utils.PyDataset or a list.",
            )
        return np.concatenate(embeddings), np.concatenate(labels)

    def _progress(self, count: int | None) -> Any:
        verbose = self.params.get("verbose", 1) if self.verbose == "auto" else self.verbose
        if verbose != 1:
            return None
        print("\nEmbedding")  # `fit` has not ended its own line yet
        return keras.utils.Progbar(count, unit_name="batch")


class _Batches:
    """Batches of inputs and labels, however the data are given."""

    def __init__(self, data: Any, batch_size: int) -> None:
        self.data, self.batch_size = data, batch_size
        self.arrays = isinstance(data, tuple) and len(data) == 2
        if self.arrays:
            self.count: int | None = -(-len(_numpy(data[1])) // batch_size)
        elif isinstance(data, keras.utils.PyDataset):
            self.count = data.num_batches
        else:
            self.count = _length(data)

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        if self.arrays:
            yield from self._slices(*self.data)
            return
        indexed = isinstance(self.data, keras.utils.PyDataset)
        for batch in (self.data[i] for i in range(self.count or 0)) if indexed else self.data:
            if not isinstance(batch, (tuple, list)) or len(batch) not in (2, 3):
                raise DataError(
                    "The data must be inputs with labels.",
                    expected="(x, labels), or batches of (x, labels)",
                    received=type(batch).__name__,
                )
            yield batch[0], _numpy(batch[1])

    def _slices(self, x: Any, labels: Any) -> Iterator[tuple[Any, Any]]:
        labels = _numpy(labels)
        lengths = {len(one) for one in keras.tree.flatten(x)}
        if lengths != {len(labels)}:
            raise DataError(
                "There must be as many labels as inputs.",
                expected=f"{' or '.join(map(str, sorted(lengths)))} labels",
                received=len(labels),
            )
        for start in range(0, len(labels), self.batch_size):
            some = slice(start, start + self.batch_size)
            yield keras.tree.map_structure(lambda one, at=some: one[at], x), labels[some]


def _of_this_backend(x: Any) -> Any:
    """A tensor of another framework, such as of the one that reads the data, as NumPy."""
    return x if ops.is_tensor(x) else np.asarray(x)


def _numpy(x: Any) -> Any:
    return ops.convert_to_numpy(x) if ops.is_tensor(x) else np.asarray(x)


def _length(data: Any) -> int | None:
    try:
        return len(data)
    except TypeError:  # a dataset that does not know
        return None
