"""mmdetection: gradient harmonizing, as `GHMC` of its `ghm_loss.py` gave it in float64.

It cannot be installed here, so its values are written down: those of `GHMC(bins)` without momentum,
which reduces to the mean over all outputs, and their gradients.
"""

import numpy as np
import pytest

from lossplug_core.bridge.autodiff import value_and_gradient
from lossplug_core.params import validate
from lossplug_core.spec import spec_of
from lossplug_imbalance import ghm

LOGITS = np.array([[-6.0, -1.5, 0.25], [3.0, -0.75, 8.0], [-2.0, 0.0, 1.0]], "float32")
TARGETS = np.array([[1, 0, 1], [1, 1, 0], [0, 0, 1]])
ITS_DEFAULTS = (
    1.419054690845,
    [
        [-0.071251955489, 0.013030394558, -0.062546214159],
        [-0.006775124740, -0.097025528454, 0.071404617848],
        [0.008514494430, 0.071428571429, -0.038420203053],
    ],
)
THIRTY_BINS = (
    1.262194185053,
    [
        [-0.062345461053, 0.022803190476, -0.054727937389],
        [-0.005928234147, -0.084897337397, 0.062479040617],
        [0.014900365253, 0.062500000000, -0.033617677671],
    ],
)


@pytest.mark.parametrize(
    ("parameters", "theirs"),
    [({}, ITS_DEFAULTS), ({"bins": 30}, THIRTY_BINS)],
    ids=["its defaults", "bins=30"],
)
def test_ghmc(parameters, theirs):
    given = {**parameters, "from_logits": True}
    given = validate(spec_of(ghm), given, convention="mmdetection")
    values, gradient = value_and_gradient(lambda y_pred: ghm(TARGETS, y_pred, **given), LOGITS)
    assert values.mean() == pytest.approx(theirs[0], rel=1e-5)
    np.testing.assert_allclose(gradient / len(LOGITS), theirs[1], rtol=1e-5)
