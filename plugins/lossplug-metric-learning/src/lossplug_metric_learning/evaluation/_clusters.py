"""Clusters of the embeddings against the classes."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

from lossplug_core.errors import BackendError

__all__ = ["cluster_scores"]


def cluster_scores(names: Iterable[str], embeddings: Any, labels: Any, seed: int) -> dict[str, Any]:
    """How much k-means clusters, as many as there are classes, tell of the classes.

    Args:
        names: `"nmi"`, `"ami"`.
        embeddings: NumPy, `[samples, features]`.
        labels: NumPy, `[samples]`.
        seed: Of where the clusters begin.

    Raises:
        BackendError: scikit-learn is not installed.
    """
    try:
        from sklearn import cluster, exceptions, metrics
    except ImportError as error:
        raise BackendError(
            f"{' and '.join(names)} need scikit-learn, which is not installed.",
            fix='pip install "lossplug-metric-learning[evaluation]"',
        ) from error
    with warnings.catch_warnings():
        # Fewer distinct embeddings than classes: a result like any other.
        warnings.simplefilter("ignore", exceptions.ConvergenceWarning)
        kmeans = cluster.KMeans(len(set(labels.tolist())), random_state=seed, n_init=1)
        clusters = kmeans.fit_predict(embeddings)
    functions = {
        "nmi": metrics.normalized_mutual_info_score,
        "ami": metrics.adjusted_mutual_info_score,
    }
    return {name: float(functions[name](labels, clusters)) for name in names}
