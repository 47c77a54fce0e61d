"""tf.nn, also where Keras runs on another backend."""

import keras
import numpy as np
import pytest

from lossplug_imbalance import weighted_binary_crossentropy

tf = pytest.importorskip("tensorflow")


def test_weighted_cross_entropy_with_logits():
    rng = np.random.default_rng(0)
    y_true = rng.integers(0, 2, (16, 5)).astype("float32")
    logits = rng.normal(0, 4, (16, 5)).astype("float32")
    theirs = tf.nn.weighted_cross_entropy_with_logits(y_true, logits, pos_weight=7.0)
    ours = weighted_binary_crossentropy(y_true, logits, positive_weight=7.0, from_logits=True)
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(ours), theirs.numpy().mean(-1), rtol=1e-5, atol=1e-6
    )
