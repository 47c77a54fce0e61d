"""What a query scores, from which of its nearest references are of its class."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from lossplug_core import ops
from lossplug_core.errors import ParameterError

__all__ = ["CLUSTERINGS", "Score", "map_at_r", "r_precision", "recall_at", "scores_of"]

CLUSTERINGS = ("nmi", "ami")
"""The metrics that compare clusters of the embeddings with the classes."""

_RECALL = re.compile(r"recall_at_([1-9][0-9]*)")


@dataclass(frozen=True)
class Score:
    """A score of queries.

    Attributes:
        function: From hits `[queries, nearest]` and how many references are of each query's class,
            `[queries]`, to one value per query.
        nearest: How many of the nearest it looks at; None if as many as are of the class.
    """

    function: Callable[[Any, Any], Any]
    nearest: int | None = None


def recall_at(k: int) -> Score:
    """Whether any of the `k` nearest is of the query's class."""
    return Score(lambda hits, _: ops.cast(ops.any(hits[:, :k], axis=1), "float32"), k)


def r_precision(hits: Any, relevant: Any) -> Any:
    """The fraction of hits among the R nearest, R being how many are of the class."""
    return ops.sum(_within_r(hits, relevant), axis=1) / _at_least_one(relevant)


def map_at_r(hits: Any, relevant: Any) -> Any:
    """The precision at each hit among the R nearest, added and divided by R."""
    found = _within_r(hits, relevant)
    rank = ops.arange(1, hits.shape[1] + 1, dtype="float32")
    precision = ops.cumsum(found, axis=1) / rank
    return ops.sum(precision * found, axis=1) / _at_least_one(relevant)


def scores_of(names: Iterable[str]) -> dict[str, Score]:
    """The scores of these names; those of clusters are left out.

    Raises:
        ParameterError: There is no metric of such a name.
    """
    if isinstance(names, str):
        names = (names,)
    return {name: _score(name) for name in names if name not in CLUSTERINGS}


def _score(name: str) -> Score:
    if match := _RECALL.fullmatch(str(name)):
        return recall_at(int(match[1]))
    known = {
        "map_at_r": Score(map_at_r),
        "precision_at_1": recall_at(1),
        "r_precision": Score(r_precision),
    }
    if name in known:
        return known[name]
    candidates = ["recall_at_1", *known, *CLUSTERINGS]
    raise ParameterError(
        "There is no such metric.",
        expected="recall_at_K for any K, precision_at_1, map_at_r, r_precision, nmi or ami",
        received=name,
        nearest=difflib.get_close_matches(str(name).lower(), candidates, n=2),
    )


def _within_r(hits: Any, relevant: Any) -> Any:
    first = ops.arange(hits.shape[1])[None, :] < ops.cast(relevant, "int32")[:, None]
    return ops.cast(ops.logical_and(hits, first), "float32")


def _at_least_one(relevant: Any) -> Any:
    return ops.maximum(ops.cast(relevant, "float32"), 1.0)
