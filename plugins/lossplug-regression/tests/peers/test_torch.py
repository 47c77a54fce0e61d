"""torch.nn.functional, also where Keras runs on another backend."""

import keras
import numpy as np
import pytest

from lossplug_core.bridge.autodiff import value_and_gradient
from lossplug_regression import gaussian_nll
from numerics import tensor

torch = pytest.importorskip("torch")

rng = np.random.default_rng(0)
Y_TRUE = rng.normal(size=(16, 5)).astype("float32")
MEAN = rng.normal(size=(16, 5)).astype("float32")
VARIANCE = rng.uniform(0, 2, (16, 5)).astype("float32")
VARIANCE[0] = [0, 1e-8, 1e-6, 1e-3, 1e4]  # at the floor, and below it


@pytest.mark.parametrize("parameters", [{}, {"full": True}, {"epsilon": 1e-2}], ids=str)
@pytest.mark.parametrize("at", ["mean", "variance"])
def test_gaussian_nll_loss(parameters, at):
    given = {"mean": MEAN, "variance": VARIANCE}
    theirs = {name: torch.tensor(given[name], device="cpu") for name in given}
    theirs[at].requires_grad_(True)
    options = {"eps" if name == "epsilon" else name: value for name, value in parameters.items()}
    values = torch.nn.functional.gaussian_nll_loss(
        theirs["mean"],
        torch.tensor(Y_TRUE, device="cpu"),
        theirs["variance"],
        reduction="none",
        **options,
    ).mean(-1)
    values.sum().backward()

    ours = {name: tensor(given[name]) for name in given}
    found = value_and_gradient(
        lambda x: gaussian_nll(tensor(Y_TRUE), {**ours, at: x}, **parameters), given[at]
    )
    np.testing.assert_allclose(found[0], values.detach().numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found[1], theirs[at].grad.numpy(), rtol=1e-4, atol=1e-5)


def test_mean_reduction_is_that_of_keras():
    loss = torch.nn.GaussianNLLLoss()
    theirs = loss(*(torch.tensor(x, device="cpu") for x in (MEAN, Y_TRUE, VARIANCE)))
    ours = gaussian_nll(Y_TRUE, {"mean": MEAN, "variance": VARIANCE})
    assert float(keras.ops.mean(ours)) == pytest.approx(float(theirs), rel=1e-5)
