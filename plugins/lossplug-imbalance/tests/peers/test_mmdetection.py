"""mmdetection: seesaw loss, and equalization loss v2, which its authors wrote for it.

Neither can be installed here, so what they give for two batches in float64 is written down: the
values of `seesaw_ce_loss` and the gradient of their sum, and the mean of `EQLv2` and its gradient.
Both have a further output for objects against background, which was given a cost of 0.
"""

import keras
import numpy as np
import pytest

from lossplug_core import get_loss
from lossplug_core.bridge.autodiff import value_and_gradient

LOGITS = [
    [[0.38, -0.4, 1.92], [0.31, -1.61, 1.08], [3.91, 2.84, -2.11], [-3.8, -1.87, 0.12]],
    [[-6.98, -0.66, -3.74], [-2.2, -1.63, -0.95], [1.23, 3.13, -0.39], [4.1, -2.0, 1.05]],
]
IDS = [[0, 2, 1, 0], [0, 0, 2, 0]]

SEESAW_COUNTS = [[2.0, 1.0, 1.0], [5.0, 1.0, 2.0]]
SEESAW = [
    [4.0869221, 0.4258519, 3.2498383, 11.2080468],
    [14.1496522, 3.1335331, 10.0113359, 0.0231035],
]
SEESAW_GRADIENTS = [
    [
        [-0.983209, 0.004421, 0.978788],
        [0.302446, 0.044341, -0.346787],
        [0.960945, -0.96122, 0.000275],
        [-0.999986, 0.002548, 0.997439],
    ],
    [
        [-0.999999, 0.99983, 0.000169],
        [-0.956436, 0.066465, 0.889972],
        [0.005792, 0.994163, -0.999955],
        [-0.022839, 0.000605, 0.022234],
    ],
]

EQUALIZATION = [3.3117724, 6.1171331]
EQUALIZATION_GRADIENTS = [
    [
        [-0.101532, 0.100328, 0.218035],
        [0.144221, 0.041647, -0.063377],
        [0.245088, -0.0138, 0.027032],
        [-0.24453, 0.033385, 0.132491],
    ],
    [
        [-0.505518, 1.5e-05, 3e-06],
        [-0.455516, 7e-06, 3.5e-05],
        [0.143933, 4.2e-05, -0.745051],
        [-0.008249, 5e-06, 9.4e-05],
    ],
]
EQUALIZATION_STATES = {
    "positive_gradients": [5.261375, 0.055201, 3.233709],
    "negative_gradients": [2.132969, 0.701718, 1.51076],
}


@pytest.mark.parametrize("batch", [0, 1])
def test_seesaw(batch):
    loss = get_loss(
        "imbalance/seesaw",
        num_classes=3,
        convention="mmdetection",
        reduction=None,
        from_logits=True,
    )
    loss.layer.load_own_variables({"counts": np.array(SEESAW_COUNTS[batch])})  # with the batch
    values, gradient = value_and_gradient(
        lambda y_pred: loss(IDS[batch], y_pred), np.array(LOGITS[batch], "float32")
    )
    np.testing.assert_allclose(values, SEESAW[batch], rtol=1e-5)
    np.testing.assert_allclose(gradient, SEESAW_GRADIENTS[batch], rtol=1e-4, atol=2e-6)


def test_equalization():
    loss = get_loss("imbalance/equalization", num_classes=3, reduction="mean", from_logits=True)
    for batch in (0, 1):
        value, gradient = value_and_gradient(
            lambda y_pred, y_true=IDS[batch]: keras.ops.reshape(loss(y_true, y_pred), (1,)),
            np.array(LOGITS[batch], "float32"),
        )
        np.testing.assert_allclose(value, EQUALIZATION[batch], rtol=1e-5)
        np.testing.assert_allclose(gradient, EQUALIZATION_GRADIENTS[batch], rtol=1e-4, atol=2e-6)
    for name, expected in EQUALIZATION_STATES.items():
        np.testing.assert_allclose(loss.values()[name], expected, rtol=1e-5, atol=1e-6)
