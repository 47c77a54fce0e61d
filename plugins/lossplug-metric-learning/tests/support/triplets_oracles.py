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
