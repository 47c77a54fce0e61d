"""Oracles of losses on two outputs, loops from their definitions."""

from __future__ import annotations

import numpy as np

from pair_reference import REGULARIZERS, unit


def log_sum_exp(logits):
    """Minus infinity for no logits."""
    return np.logaddexp.reduce(np.array([-np.inf, *logits]))


def oracle_info_nce(y_true, queries, documents, *, temperature, normalize, symmetric, chunk):
    del chunk  # which must not change anything
    if normalize:
        queries, documents = unit(queries), unit(documents)
    documents = documents if documents.ndim == 3 else documents[:, None]
    own, hard = documents[:, 0], documents[:, 1:].reshape(-1, documents.shape[-1])

    def found(left, right, further):
        values = []
        for i, a in enumerate(left):
            negatives = [b for j, b in enumerate(right) if y_true[j] != y_true[i]]
            logits = [a @ b / temperature for b in [*negatives, *further]]
            right_one = a @ right[i] / temperature
            values.append(np.logaddexp(right_one, log_sum_exp(logits)) - right_one)
        return np.array(values)

    values = found(queries, own, hard)
    return (values + found(own, queries, [])) / 2 if symmetric else values


def oracle_siglip(y_true, images, texts, *, weights, initial_scale, initial_bias, chunk):
    del initial_scale, initial_bias, chunk
    images, texts = unit(images), unit(texts)
    scale, bias = np.exp(weights["log_scale"]), weights["bias"]
    values = []
    for i, x in enumerate(images):
        value = np.logaddexp(0, -(scale * x @ texts[i] + bias))
        for j, y in enumerate(texts):
            if y_true[i] != y_true[j]:
                value += np.logaddexp(0, scale * x @ y + bias)
        values.append(value)
    return np.array(values)


def oracle_n_pairs(y_true, anchors, positives, *, normalize, regularizer, chunk):
    del chunk
    values, raw = [], (anchors, positives)
    if normalize:
        anchors, positives = unit(anchors), unit(positives)
    for i, a in enumerate(anchors):
        logits = positives @ a
        shared = np.array([common(y_true[i], other) for other in y_true], "float64")
        if shared.sum() == 0:
            shared[i] = 1
        values.append(shared / shared.sum() @ (log_sum_exp(logits) - logits))
    if regularizer is not None:
        regularize = REGULARIZERS[regularizer.name]
        both = [regularize(z, **regularizer.parameters) for z in raw]
        return np.array(values) + np.mean(both, axis=0)
    return np.array(values)


def common(a, b):
    """How many labels two samples share."""
    return np.sum((a > 0) & (b > 0)) if np.size(a) > 1 else float(np.all(a == b))
