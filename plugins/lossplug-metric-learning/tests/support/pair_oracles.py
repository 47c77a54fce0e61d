"""Oracles of the pair losses, each a function of one anchor."""

from __future__ import annotations

import numpy as np

from pair_reference import Anchor, of_pairs


def oracle_pair_contrastive(y_true, y_pred, *, margin, halved):
    return np.array(
        [
            (0.5 if halved else 1) * (y * d**2 + (1 - y) * max(margin - d, 0) ** 2)
            for y, d in zip(y_true.reshape(-1), y_pred.reshape(-1), strict=True)
        ]
    )


@of_pairs
def oracle_contrastive(anchor: Anchor, *, margin, positive_margin, squared, separate):
    power = 2 if squared else 1
    far = [max(d - positive_margin, 0) ** power for d in anchor.distances[anchor.positives]]
    close = [max(margin - d, 0) ** power for d in anchor.distances[anchor.negatives]]
    far = list(zip(far, anchor.weight[anchor.positives], strict=True))
    close = list(zip(close, anchor.weight[anchor.negatives], strict=True))
    return (far, close) if separate else far + close


@of_pairs
def oracle_triplet(anchor: Anchor, *, margin):
    costs, to_negatives = [], anchor.distances[anchor.negatives]
    for p in anchor.positives if anchor.negatives else []:
        to_positive = anchor.distances[p]
        chosen = min([d for d in to_negatives if d > to_positive], default=max(to_negatives))
        costs.append((max(to_positive - chosen + margin, 0), anchor.weight[p]))
    return costs


@of_pairs
def oracle_supcon(anchor: Anchor, *, temperature, base_temperature):
    if not anchor.positives:
        return []
    logits = anchor.similarities / temperature
    denominator = np.logaddexp.reduce(logits[anchor.positives + anchor.negatives])
    value = np.mean([denominator - logits[p] for p in anchor.positives])
    return [value * (1 if base_temperature is None else temperature / base_temperature)]
