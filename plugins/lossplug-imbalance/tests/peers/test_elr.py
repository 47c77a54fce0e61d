"""ELR: the code of the authors, `elr_loss` with lambda = 3 and beta = 0.7.

It has no package, so what it gives for two batches in float64 is written down.
"""

import keras
import numpy as np

from lossplug_core import get_loss
from lossplug_core.bridge.autodiff import value_and_gradient

LOGITS = [
    [[0.38, -0.4, 1.92], [0.31, -1.61, 1.08], [3.91, 2.84, -2.11], [-3.8, -1.87, 0.12]],
    [[-6.98, -0.66, -3.74], [-2.2, -1.63, -0.95], [1.23, 3.13, -0.39], [4.1, -2.0, 1.05]],
]
IDS = [[0, 2, 1, 0], [0, 0, 2, 0]]
INDEX = [[4, 1, 0, 2], [1, 4, 3, 0]]
VALUES = [1.2897011, 1.9396114]
GRADIENTS = [
    [
        [-0.188941, 0.029815, 0.159126],
        [0.093164, 0.01671, -0.109873],
        [0.159987, -0.160745, 0.000758],
        [-0.241985, 0.051738, 0.190246],
    ],
    [
        [-0.249163, 0.231788, 0.017375],
        [-0.188153, 0.104379, 0.083774],
        [0.054018, 0.184554, -0.238572],
        [-0.036702, 0.001553, 0.035149],
    ],
]
TARGETS = [
    [
        [0.222976, 0.076483, 0.000542],
        [0.090734, 0.013302, 0.195964],
        [0.005147, 0.035458, 0.259395],
        [0.0, 0.0, 0.0],
        [0.048996, 0.02246, 0.228544],
    ],
    [
        [0.441906, 0.054179, 0.013915],
        [0.064029, 0.295637, 0.150334],
        [0.005147, 0.035458, 0.259395],
        [0.038053, 0.254417, 0.007531],
        [0.082231, 0.100482, 0.327287],
    ],
]


def test_elr_loss():
    name = "imbalance/early_learning_regularisation"
    loss = get_loss(name, num_samples=5, num_classes=3, from_logits=True)
    for batch in (0, 1):
        target = {"y_true": IDS[batch], "index": INDEX[batch]}
        value, gradient = value_and_gradient(
            lambda y_pred, target=target: keras.ops.reshape(loss(target, y_pred), (1,)),
            np.array(LOGITS[batch], "float32"),
        )
        np.testing.assert_allclose(value, VALUES[batch], rtol=1e-5)
        np.testing.assert_allclose(gradient, GRADIENTS[batch], rtol=1e-4, atol=2e-6)
        np.testing.assert_allclose(loss.values()["targets"], TARGETS[batch], rtol=1e-5, atol=1e-6)
