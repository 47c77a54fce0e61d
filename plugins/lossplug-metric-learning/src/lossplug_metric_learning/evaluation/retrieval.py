"""How well embeddings find what is of their class."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from lossplug_core import ops
from lossplug_core.errors import DataError
from lossplug_core.tensors import at_least_float32
from lossplug_metric_learning._inputs import unit
from lossplug_metric_learning.evaluation._checks import check_distance, check_positive
from lossplug_metric_learning.evaluation._clusters import cluster_scores
from lossplug_metric_learning.evaluation._neighbours import (
    Distance,
    Nearest,
    Space,
    nearest,
    of_one_class,
    space_of,
)
from lossplug_metric_learning.evaluation._scores import CLUSTERINGS, Score, scores_of

__all__ = ["DEFAULT_METRICS", "retrieval_metrics"]

DEFAULT_METRICS = ("recall_at_1", "r_precision", "map_at_r")


def retrieval_metrics(
    embeddings: Any,
    labels: Any,
    *,
    reference_embeddings: Any = None,
    reference_labels: Any = None,
    metrics: Sequence[str] = DEFAULT_METRICS,
    distance: Distance = "euclidean",
    normalize: bool = False,
    chunk: int = 1024,
    seed: int = 0,
) -> dict[str, float]:
    r"""How well embeddings find what is of their class.

    Each embedding is a query; all others, or the references if there are any, are ordered by how
    near they are to it. A query of whose class there is nothing to find is left out, and what is
    left is averaged. If nothing is left, or an embedding is infinite or NaN, the result is NaN.

    Of references that are equally far (to rounding), those of other classes come first: the result
    does not depend on the order of the data, and a network that maps all to one point scores 0.
    Libraries that leave this to their search give such a network anything between 0 and 1.

    Formula:
        $$\text{recall@}k = \frac{1}{Q} \sum_q \max_{i \le k} h_{qi} \qquad
        \text{R-precision} = \frac{1}{Q} \sum_q \frac{1}{R_q} \sum_{i=1}^{R_q} h_{qi} \qquad
        \text{MAP@R} = \frac{1}{Q} \sum_q \frac{1}{R_q} \sum_{i=1}^{R_q} h_{qi}
        \frac{1}{i} \sum_{j=1}^{i} h_{qj}$$

        where $h_{qi}$ is 1 if the $i$-th nearest reference of query $q$ is of its class and else 0,
        $R_q$ is how many references are of its class, and $Q$ is the number of queries with
        $R_q > 0$.

    Args:
        embeddings: Shape `[samples, features]`, NumPy or tensors. Half precision is computed in
            float32.
        labels: One label per sample, `[samples]` or `[samples, 1]`, of any type that can be
            compared; or several, `[samples, labels]`, 0 or 1: then samples that share a label are
            of one class.
        reference_embeddings: Where to search, `[references, features]`. None: among the embeddings
            themselves, of which none finds itself.
        reference_labels: Their labels, like `labels`.
        metrics: Any of `"recall_at_K"` for any K (`"precision_at_1"` is `"recall_at_1"`),
            `"r_precision"`, `"map_at_r"`, and `"nmi"` and `"ami"`: the mutual information of the
            classes and k-means clusters of `embeddings`, as many as there are classes, normalised
            by the mean of the entropies or adjusted for chance. These two need scikit-learn.
        distance: What is near: `"euclidean"`, `"cosine"`, or a large `"inner_product"`.
        normalize: Scale each embedding to length 1 first.
        chunk: How many queries to compare at once: memory is O(chunk × references).
        seed: Of the k-means clusters.

    Returns:
        A value for each metric, by name, in the order of `metrics`.

    Raises:
        ParameterError: There is no such metric or distance, or `chunk` is not positive.
        DataError: Embeddings and labels do not fit each other.
        BackendError: scikit-learn is missing, and needed.

    Example:
        >>> embeddings = [[0.0, 0.0], [0.0, 1.0], [3.0, 0.0], [0.0, 1.5], [3.0, 1.0]]
        >>> values = retrieval_metrics(embeddings, ["a", "a", "b", "b", "c"])
        >>> {name: round(value, 4) for name, value in values.items()}
        {'recall_at_1': 0.25, 'r_precision': 0.25, 'map_at_r': 0.25}

    Reference:
        Musgrave, Belongie, Lim: A Metric Learning Reality Check, 2020, arXiv:2003.08505
    """
    scores = scores_of(metrics)
    names = (metrics,) if isinstance(metrics, str) else tuple(metrics)
    check_distance(distance)
    check_positive(chunk=chunk)
    data = _data(embeddings, labels, reference_embeddings, reference_labels, normalize)
    found = dict.fromkeys(names, math.nan)
    if not data.finite:
        return found
    found |= _retrieved(data, scores, distance, chunk)
    if clusterings := [name for name in names if name in CLUSTERINGS]:
        found |= _clustered(data, clusterings, distance, seed)
    return found


class _Data(NamedTuple):
    """Embeddings as tensors; labels as NumPy, ids or rows of 0 and 1."""

    embeddings: Any
    labels: Any
    references: Any
    reference_labels: Any
    among_themselves: bool

    @property
    def finite(self) -> bool:
        sets = (self.embeddings, self.references)
        return all(bool(ops.convert_to_numpy(ops.all(ops.isfinite(one)))) for one in sets)


def _retrieved(
    data: _Data, scores: Mapping[str, Score], distance: Distance, chunk: int
) -> dict[str, float]:
    relevant = _relevant(data, chunk)
    queries = np.flatnonzero(relevant)
    if not scores or not len(queries):
        return {}
    spaces = space_of(data.embeddings, data.references, distance=distance)
    largest = int(relevant.max())
    count = max(score.nearest or largest for score in scores.values())
    values: dict[str, list[Any]] = {name: [] for name in scores}
    for start in range(0, len(queries), chunk):
        rows = queries[start : start + chunk].astype("int32")
        hits = _hits(data, spaces, rows, count)
        totals = ops.convert_to_tensor(relevant[rows].astype("int32"))
        for name, score in scores.items():
            values[name].append(ops.convert_to_numpy(score.function(hits, totals)))
    return {name: float(np.concatenate(x).mean(dtype="float64")) for name, x in values.items()}


def _hits(data: _Data, spaces: list[Space], rows: Any, count: int) -> Any:
    """Which of the nearest of some queries are of their class: of `count`, or of all there are."""
    places = ops.convert_to_tensor(rows)
    found = _nearest(spaces[0].at(places), spaces[1], count + int(data.among_themselves))
    labels, others = (ops.convert_to_tensor(x) for x in (data.labels[rows], data.reference_labels))
    same = of_one_class(labels, others, found.places)
    itself = ops.equal(found.places, places[:, None])
    compared = ops.logical_not(itself) if data.among_themselves else ops.ones_like(same)
    return found.hits(same, compared)


def _nearest(queries: Space, references: Space, count: int) -> Nearest:
    """The `count` nearest, and more: no references that are equally far are cut apart."""
    total, asked = references.vectors.shape[0], count + max(8, count // 8)
    while asked < total:
        found = nearest(queries, references, asked)
        if bool(found.decided(count)):
            return found
        asked *= 2
    return nearest(queries, references, total)


def _relevant(data: _Data, chunk: int) -> Any:
    """How many references are of each query's class."""
    own, others = data.labels, data.reference_labels
    if own.ndim == 1:
        counts = np.bincount(others, minlength=int(own.max(initial=0)) + 1)[own]
        itself = np.ones(len(own), int)
    else:
        starts = range(0, len(own), chunk)
        rows = [np.sum(own[i : i + chunk] @ others.T > 0.5, axis=1) for i in starts]
        counts = np.concatenate([np.zeros(0, int), *rows])
        itself = own.any(axis=1).astype(int)
    return counts - itself if data.among_themselves else counts


def _clustered(data: _Data, names: list[str], distance: Distance, seed: int) -> dict[str, float]:
    if data.labels.ndim != 1:
        raise DataError(
            f"{' and '.join(names)} compare clusters with classes, of which each sample has one.",
            expected="labels of shape [samples]",
            received=data.labels.shape,
            fix='metrics=("recall_at_1", "r_precision", "map_at_r")',
        )
    if not len(data.labels):
        return {}
    embeddings = unit(data.embeddings) if distance == "cosine" else data.embeddings
    return cluster_scores(names, ops.convert_to_numpy(embeddings), data.labels, seed)


def _data(
    embeddings: Any, labels: Any, reference_embeddings: Any, reference_labels: Any, normalize: bool
) -> _Data:
    if (reference_embeddings is None) != (reference_labels is None):
        missing = "embeddings" if reference_embeddings is None else "labels"
        raise DataError(
            f"The references have no {missing}.",
            expected="reference_embeddings and reference_labels, or neither",
            fix=f"Give reference_{missing} too.",
        )
    own, own_labels = _embeddings(embeddings, normalize), _array(labels)
    _check_lengths("embeddings", own, own_labels)
    if reference_embeddings is None:
        (codes,) = _encoded(own_labels)
        return _Data(own, codes, own, codes, True)
    others, other_labels = _embeddings(reference_embeddings, normalize), _array(reference_labels)
    _check_lengths("reference_embeddings", others, other_labels)
    if own.shape[1] != others.shape[1]:
        raise DataError(
            "Embeddings and references have different sizes.",
            expected=f"references of shape [references, {own.shape[1]}]",
            received=tuple(others.shape),
        )
    codes, other_codes = _encoded(own_labels, other_labels)
    return _Data(own, codes, others, other_codes, False)


def _embeddings(embeddings: Any, normalize: bool) -> Any:
    tensor = ops.stop_gradient(at_least_float32(embeddings))
    if len(tensor.shape) != 2:
        raise DataError(
            "Embeddings must be one vector per sample.",
            expected="shape [samples, features]",
            received=tuple(tensor.shape),
        )
    return unit(tensor) if normalize else tensor


def _array(labels: Any) -> Any:
    array = ops.convert_to_numpy(labels) if ops.is_tensor(labels) else np.asarray(labels)
    return array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array


def _encoded(*sets: Any) -> list[Any]:
    """Labels of any type as ids from 0; rows of 0 and 1 as they are, in float32."""
    if all(one.ndim == 1 for one in sets):
        codes = np.unique(np.concatenate(sets), return_inverse=True)[1].astype("int32")
        return np.split(codes, np.cumsum([len(one) for one in sets])[:-1])
    if len({one.shape[1:] for one in sets}) == 1 and all(_is_zero_or_one(one) for one in sets):
        return [one.astype("float32") for one in sets]
    raise DataError(
        "These are no labels.",
        expected="one label per sample, [samples], or rows of 0 and 1, [samples, labels]",
        received=" and ".join(str(one.shape) for one in sets),
    )


def _is_zero_or_one(labels: Any) -> bool:
    return labels.ndim == 2 and bool(np.all((labels == 0) | (labels == 1)))


def _check_lengths(name: str, embeddings: Any, labels: Any) -> None:
    if not labels.ndim or len(labels) != embeddings.shape[0]:
        raise DataError(
            f"There must be as many labels as {name}.",
            expected=f"{embeddings.shape[0]} labels",
            received=labels.shape,
        )
