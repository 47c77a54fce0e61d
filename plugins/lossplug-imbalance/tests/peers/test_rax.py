"""rax: PolyLoss, as rax 0.4.0 gave it in float64.

Its values are written down, so that nothing of it need be installed: they are those of
`rax.poly1_softmax_loss(logits, one_hot, reduce_fn=None)`, and the gradients of their sum.
"""

import numpy as np

from lossplug_core.bridge.autodiff import value_and_gradient
from lossplug_core.params import validate
from lossplug_core.spec import spec_of
from lossplug_imbalance import poly1_crossentropy

LOGITS = np.array([[-6.0, -1.5, 0.25], [3.0, -0.75, 8.0], [-2.0, 0.0, 1.0]], "float32")
CLASS_IDS = np.array([0, 2, 1])
VALUES = [7.410225499924, 0.013721910496, 2.089515756426]
GRADIENT = [
    [-0.999997303983, 0.148046798894, 0.851950505089],
    [0.013337761977, 0.000313674096, -0.013651436073],
    [0.044232290146, -0.932661587070, 0.888429296924],
]


def test_poly1_softmax_loss():
    spec = spec_of(poly1_crossentropy)
    parameters = validate(spec, {"from_logits": True}, convention="rax")
    values, gradient = value_and_gradient(
        lambda y_pred: poly1_crossentropy(CLASS_IDS, y_pred, **parameters), LOGITS
    )
    np.testing.assert_allclose(values, VALUES, rtol=1e-5)
    np.testing.assert_allclose(gradient, GRADIENT, rtol=1e-5)
