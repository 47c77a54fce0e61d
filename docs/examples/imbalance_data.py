"""The data sets of `imbalance.py`: made rare from balanced ones, or rare by nature.

Held-out classes of a thinned data set are as frequent as the data allow, and weighed down to the
frequencies of training. That measures the same as to throw most of them away, with far less noise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits, make_classification, make_moons
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

Array = np.ndarray


@dataclass(frozen=True)
class Part:
    """Samples, their class ids, and how often each counts."""

    x: Array
    y: Array
    weight: Array


@dataclass(frozen=True)
class Split:
    """One way to divide a data set. Of two classes, 1 is the rare one."""

    train: Part
    validation: Part
    test: Part

    @property
    def counts(self) -> Array:
        """How many samples each class has in training."""
        return np.bincount(self.train.y)


def digits(ratio: int, seed: int) -> Split:
    """Ten digits, the most frequent `ratio` times as frequent as the rarest; a seed says which."""
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(seed).permutation(10)
    y = order[y]
    shares = ratio ** (-np.arange(10) / 9)
    return thinned(x, y, shares, seed)


def breast_cancer(ratio: int, seed: int) -> Split:
    """Malignant tumours, made rare."""
    x, y = load_breast_cancer(return_X_y=True)
    y = 1 - y  # there, 1 is benign
    benign, malignant = np.bincount(y)
    return thinned(x, y, np.array([1.0, benign / ratio / malignant]), seed)


def hypercube(ratio: int, seed: int) -> Split:
    """Clusters at the corners of a cube, among features that say nothing; some labels are wrong."""
    x, y = make_classification(
        8000,
        n_features=20,
        n_informative=6,
        n_clusters_per_class=3,
        weights=[1 - 1 / (1 + ratio)],
        flip_y=0.01,
        class_sep=1.0,
        random_state=seed,
    )
    return natural(x, y, seed)


def moons(ratio: int, seed: int) -> Split:
    """Two half circles that overlap."""
    rare = 8000 // (1 + ratio)
    x, y = make_moons((8000 - rare, rare), noise=0.3, random_state=seed)
    return natural(x, y, seed)


DATA: Mapping[str, Callable[[int], Split]] = {
    "digits 1:10": lambda seed: digits(10, seed),
    "digits 1:50": lambda seed: digits(50, seed),
    "digits 1:100": lambda seed: digits(100, seed),
    "breast cancer 1:30": lambda seed: breast_cancer(30, seed),
    "hypercube 1:50": lambda seed: hypercube(50, seed),
    "moons 1:50": lambda seed: moons(50, seed),
}


def thinned(x: Array, y: Array, shares: Array, seed: int) -> Split:
    """Half to train on, of each class its share; the rest is held out, weighed like training."""
    random = np.random.default_rng(seed)
    half, rest = train_test_split(np.arange(len(y)), test_size=0.5, stratify=y, random_state=seed)
    own = [random.permutation(half[y[half] == k]) for k in range(len(shares))]
    kept = [rows[: max(1, round(s * len(rows)))] for rows, s in zip(own, shares, strict=True)]
    train = np.concatenate(kept)
    validation, test = train_test_split(rest, test_size=0.6, stratify=y[rest], random_state=seed)
    priors = np.bincount(y[train]) / len(train)
    return standardised(x, y, train, validation, test, priors)


def natural(x: Array, y: Array, seed: int) -> Split:
    """A quarter to train on, a quarter to choose thresholds on, half to test."""
    train, rest = train_test_split(np.arange(len(y)), test_size=0.75, stratify=y, random_state=seed)
    validation, test = train_test_split(rest, test_size=2 / 3, stratify=y[rest], random_state=seed)
    return standardised(x, y, train, validation, test, None)


def standardised(
    x: Array, y: Array, train: Array, validation: Array, test: Array, priors: Array | None
) -> Split:
    """Features with the mean 0 and the variance 1 that they have in training."""
    x = StandardScaler().fit(x[train]).transform(x).astype("float32")
    y = y.astype("int32")

    def part(rows: Array) -> Part:
        ids = y[rows]
        weight = np.ones(len(ids)) if priors is None else (priors / np.bincount(ids))[ids]
        return Part(x[rows], ids, weight * len(ids) / weight.sum())

    return Split(part(train), part(validation), part(test))
