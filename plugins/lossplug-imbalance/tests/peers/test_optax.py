"""optax: sigmoid focal loss, of each output."""

import keras
import numpy as np
import pytest
from lossplug_imbalance import focal

optax = pytest.importorskip("optax")


@pytest.mark.parametrize("alpha", [None, 0.25])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_sigmoid_focal_loss(gamma, alpha):
    rng = np.random.default_rng(0)
    y_true = rng.integers(0, 2, (16, 5)).astype("float32")
    logits = rng.normal(0, 6, (16, 5)).astype("float32")
    theirs = optax.losses.sigmoid_focal_loss(logits, y_true, gamma=gamma, alpha=alpha)
    ours = focal(y_true, logits, gamma=gamma, alpha=alpha, from_logits=True)
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(ours), np.asarray(theirs).mean(-1), rtol=1e-5, atol=1e-6
    )
