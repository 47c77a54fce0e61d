"""torchvision: sigmoid focal loss, of each output, as torchvision 0.29.1 gave it in float64.

It needs the very build of torch that it was made for, so its values are written down here. They are
those of `torchvision.ops.sigmoid_focal_loss(logits, targets, …)`.
"""

import keras
import numpy as np
import pytest

from lossplug_core.params import validate
from lossplug_core.spec import spec_of
from lossplug_imbalance import focal

LOGITS = np.array([[-6.0, -1.5, 0.25], [3.0, -0.75, 8.0]], "float32")
TARGETS = np.array([[1, 0, 1], [1, 1, 0]])
ITS_DEFAULTS = [
    [1.493207165678, 0.005027135195, 0.027600372816],
    [0.000027320831, 0.131105017570, 5.996227859283],
]
ITS_ALPHA_OFF = [
    [5.995050161979, 0.086026231530, 0.381088934360],
    [0.010581101849, 0.936921530410, 7.998993837128],
]


@pytest.mark.parametrize(
    ("convention", "parameters", "values"),
    [("torchvision", {}, ITS_DEFAULTS), (None, {"gamma": 0.5}, ITS_ALPHA_OFF)],
    ids=["its defaults", "alpha=-1, gamma=0.5"],
)
def test_sigmoid_focal_loss(convention, parameters, values):
    parameters = {**parameters, "from_logits": True}
    parameters = validate(spec_of(focal), parameters, convention=convention)
    ours = focal(TARGETS.reshape(-1), LOGITS.reshape(-1), **parameters)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(ours), np.ravel(values), rtol=1e-5)
