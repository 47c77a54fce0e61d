"""The formulas of the papers' authors, as in Active-Passive-Losses at commit 0c207f7, in float64.

It is no package: its functions were transcribed, and what they give is written down here, values
and gradients of `SCELoss`, `NCEandRCE`, `NCEandMAE` and `NFLandRCE` on the data below. The gradient
of the last is left out: the code takes a part of it for constant.
"""

import keras
import numpy as np
import pytest

from lossplug_core.bridge.autodiff import value_and_gradient
from lossplug_core.params import validate
from lossplug_core.spec import spec_of
from lossplug_imbalance import active_passive, symmetric_crossentropy

LOGITS = np.array([[2.0, -1.0, 0.5], [0.25, 0.75, -3.0], [-0.5, 4.0, 1.0]], "float32")
IDS = np.array([0, 2, 1])

SCE = [
    [-0.52425928, 0.095638274, 0.428621007],
    [0.028884817, 0.047623012, -0.076507828],
    [0.030651902, -0.168024194, 0.137372293],
]
SCE_6 = [
    [-0.480517182, 0.087658599, 0.392858584],
    [0.745835468, 1.229674801, -1.975510269],
    [0.023972953, -0.131412273, 0.10743932],
]
NCE_RCE = [
    [-0.534792535, 0.099431941, 0.435360594],
    [0.033152637, 0.026605003, -0.05975764],
    [0.031081305, -0.169214096, 0.138132791],
]
NCE_MAE = [
    [-0.073824798, 0.01533966, 0.058485138],
    [0.018460419, 0.002381631, -0.02084205],
    [0.004068539, -0.021138511, 0.017069971],
]

CASES = {
    "SCE": (symmetric_crossentropy, {}, 4.0115879071, SCE),
    "SCE, 6 and 0.1": (symmetric_crossentropy, {"alpha": 6, "beta": 0.1}, 9.4640984803, SCE_6),
    "NCE+RCE": (active_passive, {}, 4.1254366099, NCE_RCE),
    "NCE+MAE": (
        active_passive,
        {"passive": "absolute_error", "beta": 0.5},
        0.6842751741,
        NCE_MAE,
    ),
    "NFL+RCE": (active_passive, {"active": "focal", "alpha": 10, "beta": 0.1}, 3.1177202098, None),
}


@pytest.mark.parametrize(("loss", "parameters", "value", "slopes"), CASES.values(), ids=CASES)
def test_authors(loss, parameters, value, slopes):
    parameters = {**parameters, "from_logits": True}
    parameters = validate(spec_of(loss), parameters, convention="authors")
    at = keras.ops.convert_to_tensor(LOGITS)
    found, gradient = value_and_gradient(lambda y_pred: loss(IDS, y_pred, **parameters), at)
    np.testing.assert_allclose(found.mean(), value, rtol=1e-5)
    if slopes is not None:
        np.testing.assert_allclose(gradient / 3, slopes, rtol=1e-4, atol=1e-6)
