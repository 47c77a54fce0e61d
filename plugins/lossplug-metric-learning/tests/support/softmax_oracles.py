"""Oracles of losses that are softmaxes over the pairs of an anchor, from their definitions."""

from __future__ import annotations

import numpy as np

from pair_reference import Anchor, of_pairs


def log_sum_exp(logits):
    """Minus infinity for no logits."""
    return np.logaddexp.reduce(np.array([-np.inf, *logits]))


@of_pairs
def oracle_nt_xent(anchor: Anchor, *, temperature, doubled):
    logits = anchor.similarities / temperature
    negatives = log_sum_exp(logits[anchor.negatives])
    return [
        (2 if doubled else 1) * (np.logaddexp(logits[p], negatives) - logits[p])
        for p in anchor.positives
    ]


@of_pairs
def oracle_multi_similarity(anchor: Anchor, *, alpha, beta, base):
    if not anchor.positives + anchor.negatives:
        return []
    positives = [-alpha * (anchor.similarities[p] - base) for p in anchor.positives]
    negatives = [beta * (anchor.similarities[n] - base) for n in anchor.negatives]
    return [log_sum_exp([0, *positives]) / alpha + log_sum_exp([0, *negatives]) / beta]


@of_pairs
def oracle_circle(anchor: Anchor, *, margin, gamma, constant_weights, separate):
    del constant_weights  # which are so to the gradient
    if not (anchor.positives and anchor.negatives):
        return []
    positives, negatives = [], []
    for p in anchor.positives:
        s = anchor.similarities[p]
        positives.append(-gamma * max(1 + margin - s, 0) * (s - (1 - margin)))
    for n in anchor.negatives:
        s = anchor.similarities[n]
        negatives.append(gamma * max(s + margin, 0) * (s - margin))
    positives, negatives = log_sum_exp(positives), log_sum_exp(negatives)
    if separate:
        return [np.logaddexp(0, positives) + np.logaddexp(0, negatives)]
    return [np.logaddexp(0, positives + negatives)]


@of_pairs
def oracle_nca(anchor: Anchor, *, scale, objective):
    if not anchor.positives:
        return []
    positives = log_sum_exp(-scale * anchor.to(anchor.positives))
    log_probability = positives - log_sum_exp(-scale * anchor.to(others(anchor)))
    return [-log_probability if objective == "log_probability" else 1 - np.exp(log_probability)]


@of_pairs
def oracle_soft_nearest_neighbour(anchor: Anchor, *, temperature):
    if not anchor.positives:
        return []
    everyone = log_sum_exp(-anchor.to(others(anchor)) / temperature)
    return [everyone - log_sum_exp(-anchor.to(anchor.positives) / temperature)]


def others(anchor: Anchor):
    return anchor.positives + anchor.negatives


@of_pairs
def oracle_pn(anchor: Anchor, *, margin, positives, negatives, smooth):
    if not (anchor.positives and anchor.negatives):
        return []

    def to(j):
        return anchor.distances[j]

    p = (max if positives == "hard" else min)(anchor.positives, key=to)
    candidates = anchor.negatives
    if negatives == "semi_hard":
        limit = max(map(to, anchor.positives))
        candidates = [n for n in candidates if to(n) > limit] or [max(candidates, key=to)]
    n = (max if negatives == "easy" else min)(candidates, key=to)
    between = anchor.others[p].distances[n]
    gap = to(p) - min(to(n), between) + margin
    return [np.logaddexp(0, gap) if smooth else max(gap, 0)]
