"""balanced-loss: the mean over the batch of each form; its sigmoid averages the classes too."""

import numpy as np
import pytest

from lossplug_core import get_loss
from lossplug_core.bridge.autodiff import value_and_gradient

pytest.importorskip("torch")
balanced_loss = pytest.importorskip("balanced_loss")

COUNTS = (5000, 300, 20, 1)


@pytest.mark.parametrize(
    ("crossentropy", "loss_type"),
    [("softmax", "cross_entropy"), ("sigmoid", "binary_cross_entropy"), ("focal", "focal_loss")],
)
@pytest.mark.parametrize("beta", [None, 0.9])
def test_class_balanced(crossentropy, loss_type, beta):
    import torch

    rng = np.random.default_rng(0)
    logits, class_ids = rng.normal(0, 3, (16, 4)).astype("float32"), rng.integers(0, 4, 16)
    given = {} if beta is None else {"beta": beta}
    peer = balanced_loss.Loss(
        loss_type, samples_per_class=list(COUNTS), class_balanced=True, fl_gamma=2, **given
    )
    at = torch.tensor(logits, device="cpu", requires_grad=True)
    theirs = peer(at, torch.tensor(class_ids, device="cpu"))
    theirs.backward()
    loss = get_loss(
        "class_balanced",
        convention="balanced-loss",
        samples_per_class=COUNTS,
        crossentropy=crossentropy,
        from_logits=True,
        **given,
    )
    mean, gradient = value_and_gradient(lambda x: loss(class_ids, x), logits)
    assert float(mean) == pytest.approx(float(theirs.detach()), rel=1e-5)
    np.testing.assert_allclose(gradient, at.grad.numpy(), rtol=1e-4, atol=1e-6)
