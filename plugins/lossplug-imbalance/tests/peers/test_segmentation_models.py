"""Segmentation Models: reduced focal loss, of each output, as 0.6.0 gave it in float64.

It needs the very build of torch that torchvision was made for, so its values are written down here.
They are those of `focal_loss_with_logits(logits, targets, reduction="none", reduced_threshold=…)`
in `losses/_functional.py`, and the gradients of their sum.
"""

import numpy as np
import pytest

from lossplug_core.bridge.autodiff import value_and_gradient
from lossplug_imbalance import reduced_focal

LOGITS = np.array([[-6.0, -1.5, 0.25], [3.0, -0.75, 8.0], [-2.0, 0.0, 1.0]], "float32")
TARGETS = np.array([[1, 0, 1], [1, 1, 0], [0, 0, 1]])
HALF = (  # its defaults, gamma=2 and alpha=0.25, with reduced_threshold=0.5
    {"alpha": 0.25},
    [
        [1.500618921284, 0.020108540780, 0.110401491265],
        [0.000109283324, 0.284217751529, 6.000251554780],
        [0.005410688506, 0.519860385420, 0.022658057508],
    ],
    [
        [-0.249381844211, 0.051093315670, -0.208056379125],
        [-0.000314871846, -0.169794674794, 0.749748487402],
        [0.014612820586, 0.894860385420, -0.052581129978],
    ],
)
HIGH = (  # gamma=0.5, alpha=None, reduced_threshold=0.7
    {"gamma": 0.5, "threshold": 0.7},
    [
        [6.002475685138, 0.102821013078, 0.575939419879],
        [0.012646835649, 1.136871006115, 8.000335406373],
        [0.052378361104, 0.693147180560, 0.194172226715],
    ],
    [
        [-0.997527376843, 0.135159726393, -0.437823499114],
        [-0.018368037839, -0.679178699175, 0.999664649870],
        [0.072257864476, 0.500000000000, -0.237676374505],
    ],
)


@pytest.mark.parametrize(("parameters", "values", "gradient"), [HALF, HIGH], ids=["0.5", "0.7"])
def test_reduced_focal_loss(parameters, values, gradient):
    found = value_and_gradient(
        lambda y_pred: reduced_focal(TARGETS.ravel(), y_pred, from_logits=True, **parameters),
        LOGITS.ravel(),
    )
    np.testing.assert_allclose(found[0], np.ravel(values), rtol=1e-5)
    np.testing.assert_allclose(found[1], np.ravel(gradient), rtol=1e-5)
