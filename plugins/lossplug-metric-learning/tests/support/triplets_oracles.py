"""Oracles of the losses of triplets and of ranked lists, each a function of one anchor."""

from __future__ import annotations

import numpy as np

from pair_reference import Anchor, closest, easy_positive, farthest, of_pairs


@of_pairs
def oracle_triplet_margin(anchor: Anchor, *, margin, triplets, smooth):
    if triplets == "hard":
        chosen = [(p, n) for p in farthest(anchor) for n in closest(anchor, anchor.negatives)]
    elif triplets == "easy_positive":
        one = easy_positive(anchor, "semi_hard")
        chosen = [(p, n) for p in one.positives for n in one.negatives]
    else:
        chosen = [(p, n) for p in anchor.positives for n in anchor.negatives]
    costs = []
    for p, n in chosen:
        gap = anchor.distances[n] - anchor.distances[p]
        if triplets == "semi_hard" and not 0 < gap <= margin:
            continue
        cost = np.logaddexp(0, margin - gap) if smooth else max(margin - gap, 0)
        alone = triplets in ("hard", "easy_positive")  # one triplet, which weighs 1
        costs.append((cost, 1.0 if alone else anchor.weight[p] * anchor.weight[n]))
    return costs


def log_sum(logits):
    return np.logaddexp.reduce(logits) if len(logits) else -np.inf


@of_pairs
def oracle_lifted_structure(anchor: Anchor, *, margin, positive_margin):
    costs = []
    for p in anchor.positives:
        partner = anchor.others[p]
        close = [*anchor.distances[anchor.negatives], *partner.distances[partner.negatives]]
        if close:
            gap = anchor.distances[p] - positive_margin + log_sum(margin - np.array(close))
            costs.append((max(gap, 0) ** 2 / 2, anchor.weight[p]))
    return costs


@of_pairs
def oracle_generalized_lifted(anchor: Anchor, *, margin, positive_margin):
    if not anchor.positives or not anchor.negatives:
        return []
    far = log_sum(anchor.distances[anchor.positives] - positive_margin)
    return [max(far + log_sum(margin - anchor.distances[anchor.negatives]), 0)]


def oracle_signal_to_noise(y_true, y_pred, **parameters):
    return _signal_to_noise(y_true, y_pred, distance="signal_to_noise", **parameters)


@of_pairs
def _signal_to_noise(anchor: Anchor, *, margin, positive_margin):
    far = [
        (max(anchor.distances[p] - positive_margin, 0), anchor.weight[p]) for p in anchor.positives
    ]
    close = [(max(margin - anchor.distances[n], 0), anchor.weight[n]) for n in anchor.negatives]
    return far, close


def on_sphere(oracle):
    """Squared Euclidean distances of embeddings of length 1."""

    def with_distance(y_true, y_pred, **parameters):
        return oracle(y_true, y_pred, distance="squared_euclidean", normalize=True, **parameters)

    return with_distance


@on_sphere
@of_pairs
def oracle_fast_ap(anchor: Anchor, *, num_bins):
    if not anchor.positives:
        return []
    edges = np.linspace(0, 4, num_bins + 1)

    def histogram(indices):
        apart = np.abs(anchor.distances[indices][:, None] - edges)
        return np.maximum(1 - apart / (4 / num_bins), 0).sum(axis=0)

    of_positives = histogram(anchor.positives)
    of_all = np.cumsum(histogram(anchor.positives + anchor.negatives))
    product = of_positives * np.cumsum(of_positives)
    precision = sum(product[i] / of_all[i] for i in range(num_bins + 1) if product[i] > 0)
    return [1 - precision / len(anchor.positives)]


@on_sphere
@of_pairs
def oracle_tuplet_margin(anchor: Anchor, *, margin, scale):
    angles = np.arccos(np.clip(1 - anchor.distances / 2, -1, 1))
    return [
        (
            np.logaddexp(
                0,
                log_sum(scale * (np.cos(angles[anchor.negatives]) - np.cos(angles[p] - margin))),
            ),
            anchor.weight[p],
        )
        for p in (anchor.positives if anchor.negatives else [])
    ]


@of_pairs
def oracle_ranked_list(
    anchor: Anchor,
    *,
    alpha,
    margin,
    positive_temperature,
    negative_temperature,
    balance,
    epsilon,
):
    if not anchor.positives and not anchor.negatives:
        return []

    def mean(costs, temperature):
        costs = [c for c in costs if c > 0]
        weights = np.exp(temperature * np.array(costs))
        divisor = weights.sum() + epsilon * len(anchor.distances)
        return sum(w * c for w, c in zip(weights, costs, strict=True)) / divisor if costs else 0.0

    far = mean(anchor.distances[anchor.positives] - (alpha - margin), positive_temperature)
    close = mean(alpha - anchor.distances[anchor.negatives], negative_temperature)
    return [(1 - balance) * far + balance * close]


def oracle_angular(y_true, y_pred, **parameters):
    return _angular(y_true, y_pred, distance="cosine", **parameters)


@of_pairs
def _angular(anchor: Anchor, *, angle):
    z, a, slope = anchor.embeddings, anchor.embeddings[anchor.index], np.tan(angle) ** 2
    return [
        (
            np.logaddexp(
                0,
                log_sum(
                    [
                        4 * slope * (a + z[p]) @ z[n] - 2 * (1 + slope) * a @ z[p]
                        for n in anchor.negatives
                    ]
                ),
            ),
            anchor.weight[p],
        )
        for p in (anchor.positives if anchor.negatives else [])
    ]


@of_pairs
def oracle_margin(anchor: Anchor, *, weights, num_classes, alpha, beta, nu):
    del beta
    boundary = weights["beta"][0 if num_classes is None else anchor.labels[anchor.index]]
    far = [(max(alpha + anchor.distances[p] - boundary, 0), p) for p in anchor.positives]
    close = [(max(alpha + boundary - anchor.distances[n], 0), n) for n in anchor.negatives]
    pairs = [(cost, anchor.weight[j]) for cost, j in far + close]
    return pairs, [nu * boundary] if pairs else []
