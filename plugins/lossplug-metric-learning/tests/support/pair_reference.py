"""What pair losses are in NumPy and float64: loops over anchors, written from the definitions.

`of_pairs` makes an oracle of a function of one `Anchor`, as `pair_loss` makes a loss of a function
of rows: distances, mining, matching, averages and regularisers are calculated here, once.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Anchor:
    """One anchor among the others.

    Attributes:
        index: Which sample it is.
        embeddings: All embeddings, as they are compared.
        labels: All labels.
        distances: Its distance to every sample.
        similarities: Its similarity to every sample.
        positives: Indices of its positives.
        negatives: Indices of its negatives.
        weight: How much each pair counts.
        others: All anchors of the batch, itself included.
    """

    index: int
    embeddings: np.ndarray
    labels: np.ndarray
    distances: np.ndarray
    similarities: np.ndarray
    positives: list[int]
    negatives: list[int]
    weight: np.ndarray
    others: list[Anchor] = field(default_factory=list)

    def to(self, indices: list[int]) -> np.ndarray:
        """Distances to some samples."""
        return self.distances[indices]


def of_pairs(function: Callable[..., Any]) -> Callable[..., np.ndarray]:
    """An oracle, from a function of one anchor and a loss's own parameters.

    The function returns the anchor's terms: a list of numbers, or of pairs of number and weight; or
    a tuple of such lists, which are averaged apart.
    """

    def oracle(
        y_true: np.ndarray,
        y_pred: np.ndarray,
        *,
        distance: str,
        normalize: bool = True,
        average: str = "anchors",
        mining: Any = None,
        matching: Any = None,
        regularizer: Any = None,
        chunk: int | None = None,
        **own: Any,
    ) -> np.ndarray:
        del chunk  # which must not change anything
        embeddings = unit(y_pred) if normalize or distance == "cosine" else y_pred
        anchors = compared(y_true, embeddings, distance, matching)
        if mining is not None:
            mine = MINING[mining.name]
            anchors = [mine(anchor, **mining.parameters) for anchor in anchors]
        anchors = [replace(anchor, others=anchors) for anchor in anchors]
        per_anchor = [groups(function(anchor, **own)) for anchor in anchors]
        values = np.zeros(len(anchors))
        for group in range(len(per_anchor[0]) if per_anchor else 0):
            of_group = [each[group] for each in per_anchor]
            values += averaged(of_group, average, class_sizes(y_true, matching))
        if regularizer is not None:
            values += REGULARIZERS[regularizer.name](y_pred, **regularizer.parameters)
        return values

    oracle.__name__ = function.__name__
    return oracle


def unit(vectors: np.ndarray) -> np.ndarray:
    """Rows of length 1; zero vectors stay zero."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(length > 0, length, 1)


def groups(result: Any) -> list[list[tuple[float, float]]]:
    """Lists of terms with their weights."""
    lists = result if isinstance(result, tuple) else (result,)
    return [[t if isinstance(t, tuple) else (t, 1.0) for t in terms] for terms in lists]


# Distances: (name) -> distance, similarity


def apart(name: str, a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """How far b is from the anchor a, and how similar."""
    if name in ("cosine", "inner_product"):
        product = float(a @ b)
        return (1.0 if name == "cosine" else 0.0) - product, product
    if name == "signal_to_noise":
        d = float(np.var(a - b) / np.var(a)) if np.var(a) > 0 else 0.0
    else:
        d = float(np.linalg.norm(a - b)) ** (2 if name == "squared_euclidean" else 1)
    return d, -d


# Who is compared with whom


def relation(a: np.ndarray, b: np.ndarray, matching: Any) -> str | None:
    """Whether two labels mean one class, two classes, or are not compared."""
    a, b = np.atleast_1d(a), np.atleast_1d(b)
    if len(a) == 1:
        return "positive" if a[0] == b[0] else "negative"
    common, union = np.sum((a > 0) & (b > 0)), np.sum((a > 0) | (b > 0))
    if common == 0:
        return "negative"
    if matching is not None and matching.name == "jaccard":
        return "positive" if common / union >= matching.parameters["threshold"] else None
    return "positive"


def compared(
    y_true: np.ndarray, embeddings: np.ndarray, distance: str, matching: Any
) -> list[Anchor]:
    """All anchors of a batch, before mining."""
    anchors = []
    for i, a in enumerate(embeddings):
        pairs = [apart(distance, a, b) for b in embeddings]
        related = [
            relation(y_true[i], label, matching) if i != j else None
            for j, label in enumerate(y_true)
        ]
        anchors.append(
            Anchor(
                i,
                embeddings,
                y_true,
                np.array([d for d, _ in pairs]),
                np.array([s for _, s in pairs]),
                [j for j, r in enumerate(related) if r == "positive"],
                [j for j, r in enumerate(related) if r == "negative"],
                np.ones(len(embeddings)),
            )
        )
    return anchors


def class_sizes(y_true: np.ndarray, matching: Any) -> list[int]:
    """How many samples are of each sample's class, itself included."""
    n = len(y_true)
    same = [
        [relation(y_true[i], y_true[j], matching) == "positive" for j in range(n) if j != i]
        for i in range(n)
    ]
    return [1 + sum(row) for row in same]


# Averages


def averaged(terms: list[list[tuple[float, float]]], average: str, sizes: list[int]) -> np.ndarray:
    """One value per anchor, whose mean over the batch is the average."""
    totals = np.array([sum(v * w for v, w in each) for each in terms])
    counts = np.array([sum(w for _, w in each) for each in terms], "float64")
    if average in ("terms", "nonzero"):
        if average == "nonzero":
            counts = np.array([sum(w for v, w in each if v > 0) for each in terms], "float64")
        return totals * len(terms) / (counts.sum() or 1.0)
    means = totals / np.where(counts > 0, counts, 1.0)
    if average == "classes":
        part = np.where(counts > 0, 1.0 / np.array(sizes), 0.0)
        return means * len(terms) * part / (part.sum() or 1.0)
    return means


# Mining


def hard(anchor: Anchor) -> Anchor:
    return replace(anchor, positives=farthest(anchor), negatives=closest(anchor, anchor.negatives))


def semi_hard(anchor: Anchor) -> Anchor:
    return beyond(anchor, farthest(anchor))


def easy_positive(anchor: Anchor, negatives: str) -> Anchor:
    positives = closest(anchor, anchor.positives)
    if negatives == "semi_hard":
        return beyond(anchor, positives)
    return replace(anchor, positives=positives, negatives=closest(anchor, anchor.negatives))


def multi_similarity(anchor: Anchor, epsilon: float) -> Anchor:
    s = anchor.similarities
    least = min(s[anchor.positives], default=math.inf)
    most = max(s[anchor.negatives], default=-math.inf)
    return replace(
        anchor,
        positives=[p for p in anchor.positives if s[p] < most + epsilon],
        negatives=[n for n in anchor.negatives if s[n] > least - epsilon],
    )


def pair_margin(anchor: Anchor, positive: float, negative: float) -> Anchor:
    d = anchor.distances
    return replace(
        anchor,
        positives=[p for p in anchor.positives if d[p] > positive],
        negatives=[n for n in anchor.negatives if d[n] < negative],
    )


def angular(anchor: Anchor, angle: float) -> Anchor:
    positives, a, kept = farthest(anchor), anchor.embeddings[anchor.index], []
    for p in positives:
        partner = anchor.embeddings[p]
        for n in anchor.negatives:
            to_middle = np.linalg.norm(anchor.embeddings[n] - (a + partner) / 2)
            if np.arctan2(np.linalg.norm(a - partner), 2 * to_middle) > angle:
                kept.append(n)
    return replace(anchor, positives=positives if kept else [], negatives=kept)


def distance_weighted(anchor: Anchor, cutoff: float, farthest: float) -> Anchor:
    a, features = anchor.embeddings[anchor.index], anchor.embeddings.shape[1]
    share = np.zeros(len(anchor.weight))
    kept = [n for n in anchor.negatives if np.linalg.norm(a - anchor.embeddings[n]) < farthest]
    for n in kept:
        d = np.clip(np.linalg.norm(a - anchor.embeddings[n]), cutoff, 2 - 1e-3)
        share[n] = 1 / (d ** (features - 2) * (1 - d**2 / 4) ** ((features - 3) / 2))
    share *= len(anchor.positives) / (share.sum() or 1.0)
    share[anchor.positives] = 1.0
    return replace(anchor, negatives=kept, weight=share)


def farthest(anchor: Anchor) -> list[int]:
    return [max(anchor.positives, key=lambda j: anchor.distances[j])] if anchor.positives else []


def closest(anchor: Anchor, indices: list[int]) -> list[int]:
    return [min(indices, key=lambda j: anchor.distances[j])] if indices else []


def beyond(anchor: Anchor, positives: list[int]) -> Anchor:
    limit = max(anchor.to(positives), default=math.inf)
    negatives = closest(anchor, [n for n in anchor.negatives if anchor.distances[n] > limit])
    return replace(anchor, positives=positives if negatives else [], negatives=negatives)


MINING: dict[str, Callable[..., Anchor]] = {
    "angular": angular,
    "distance_weighted": distance_weighted,
    "easy_positive": easy_positive,
    "hard": hard,
    "multi_similarity": multi_similarity,
    "pair_margin": pair_margin,
    "semi_hard": semi_hard,
}

REGULARIZERS: dict[str, Callable[..., np.ndarray]] = {
    "length": lambda z, weight, norm, power: weight * np.linalg.norm(z, norm, axis=1) ** power,
    "zero_mean": lambda z, weight: weight * np.abs(z.sum(axis=1)),
}
