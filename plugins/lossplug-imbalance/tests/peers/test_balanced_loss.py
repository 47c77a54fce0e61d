"""balanced-loss: the mean over the batch of each form, but its sigmoid averages the classes too."""

import keras
import numpy as np
import pytest

from lossplug_imbalance import class_balanced

pytest.importorskip("torch")
balanced_loss = pytest.importorskip("balanced_loss")

COUNTS = (5000, 300, 20, 1)


@pytest.mark.parametrize(
    ("crossentropy", "loss_type", "ratio"),
    [
        ("softmax", "cross_entropy", 1),
        ("sigmoid", "binary_cross_entropy", len(COUNTS)),
        ("focal", "focal_loss", 1),
    ],
)
@pytest.mark.parametrize("beta", [0.9, 0.999])
def test_class_balanced(crossentropy, loss_type, ratio, beta):
    import torch

    rng = np.random.default_rng(0)
    logits, class_ids = rng.normal(0, 3, (16, 4)).astype("float32"), rng.integers(0, 4, 16)
    peer = balanced_loss.Loss(
        loss_type, beta=beta, fl_gamma=2, samples_per_class=list(COUNTS), class_balanced=True
    )
    theirs = peer(torch.tensor(logits, device="cpu"), torch.tensor(class_ids, device="cpu"))
    ours = class_balanced(
        class_ids,
        logits,
        samples_per_class=COUNTS,
        beta=beta,
        crossentropy=crossentropy,
        gamma=2.0,
        from_logits=True,
    )
    mean = float(keras.ops.mean(ours))
    assert mean == pytest.approx(ratio * float(theirs), rel=1e-5)
