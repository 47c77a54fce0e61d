"""Writes tensorflow_addons.json: what TensorFlow Addons gives, values and gradients.

It is archived, and needs an environment of its own, with Python 3.11 or older:

    pip install tensorflow==2.15.1 tensorflow-addons==0.23.0
    python make_tensorflow_addons.py
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_addons as tfa

SIZES = [(8, 3, 2), (16, 2, 3), (32, 8, 5)]  # samples, features, classes


def computed(loss, y_true, y_pred) -> dict:
    """The arguments of a loss, its values, and the gradient of their sum."""
    y_pred = tf.constant(y_pred)
    with tf.GradientTape() as tape:
        tape.watch(y_pred)
        values = loss(y_true, y_pred)
    return {
        "y_true": y_true.tolist(),
        "y_pred": y_pred.numpy().tolist(),
        "values": np.atleast_1d(values.numpy()).tolist(),
        "gradient": tape.gradient(values, y_pred).numpy().tolist(),
    }


def main() -> None:
    """Compute all cases and write them beside this file."""
    random = np.random.default_rng(0)
    cases = {"triplet_semi_hard": [], "pair_contrastive": []}
    for samples, features, classes in SIZES:
        labels = random.integers(0, classes, samples)
        embeddings = random.normal(size=(samples, features)).astype("float32")
        for margin in (1.0, 5.0):
            loss = tfa.losses.TripletSemiHardLoss(margin=margin, distance_metric="L2")
            case = computed(loss, labels, embeddings)
            cases["triplet_semi_hard"].append({"margin": margin, **case})
    for margin in (0.5, 1.0):
        loss = tfa.losses.ContrastiveLoss(margin=margin, reduction=tf.keras.losses.Reduction.NONE)
        distances = random.uniform(0, 2, 16).astype("float32")
        case = computed(loss, random.integers(0, 2, 16), distances)
        cases["pair_contrastive"].append({"margin": margin, **case})
    text = json.dumps({"tensorflow-addons": tfa.__version__, **cases})
    Path(__file__).with_name("tensorflow_addons.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
