"""timm 1.0.31: its losses, as they gave values and gradients in float64.

It needs torchvision, which does not go with every build of torch, so its numbers are written down
here. They are those of `timm.loss` on the data below: `JsdCrossEntropy` on the three views one
after the other, as it splits them; `BinaryCrossEntropy`; `LabelSmoothingCrossEntropy`.
"""

import keras
import numpy as np
import pytest

from lossplug_core.bridge.autodiff import value_and_gradient
from lossplug_core.params import validate
from lossplug_core.spec import spec_of
from lossplug_imbalance import jsd, smoothed_binary_crossentropy, smoothed_crossentropy

VIEWS = np.array(
    [
        [[2.0, -1.0, 0.5], [0.25, 0.75, -3.0]],
        [[1.5, 0.0, 0.5], [-0.5, 2.0, -1.0]],
        [[3.0, -2.0, -0.25], [0.0, 0.0, 1.25]],
    ],
    "float32",
)
IDS = np.array([0, 2])
ONE_HOT = np.array([[1.0, 0, 0], [0, 0, 1]])
DENSE = np.array([[1.0, 0, 1], [0, 0, 1]])

JSD_AUGMENTED = [
    [
        [-0.380924493629, 0.2084566605, 0.172467833129],
        [-0.190237372178, 0.358592304978, -0.1683549328],
    ],
    [
        [0.141918248802, -0.030671233747, -0.111247015056],
        [-0.200441102144, -0.559422607151, 0.759863709295],
    ],
]
ITS_DEFAULTS = (
    4.389862314357,
    [
        [
            [-0.094447268141, -0.033632115343, 0.128079383484],
            [0.427007436457, 0.1191824084, -0.546189844857],
        ],
        *JSD_AUGMENTED,
    ],
)
NO_SMOOTHING = (
    4.431528981024,
    [
        [
            [-0.127780601474, -0.016965448677, 0.144746050151],
            [0.443674103123, 0.135849075067, -0.57952317819],
        ],
        *JSD_AUGMENTED,
    ],
)
BINARY_OF_IDS = (
    1.057055187829,
    [
        [-0.008756042559, 0.039268014673, 0.098187666311],
        [0.088140527925, 0.107640894307, -0.147651243359],
    ],
)
BINARY_DENSE = (
    0.983444076718,
    [
        [-0.011533820337, 0.036490236895, -0.054590111466],
        [0.085362750148, 0.104863116529, -0.150429021137],
    ],
)
LABEL_SMOOTHING = (
    2.198293837185,
    [
        [-0.073868149372, 0.002889619969, 0.070978529403],
        [0.169380157968, 0.290072690454, -0.459452848422],
    ],
)


def assert_same(loss, y_true, at, theirs, convention=None, **parameters):
    """timm gives the mean over the batch, of 2 samples."""
    parameters = {**parameters, "from_logits": True}
    parameters = validate(spec_of(loss), parameters, convention=convention)

    def values(y_pred):
        if loss is jsd:
            y_pred = dict(zip(spec_of(jsd).outputs, y_pred, strict=True))
        return loss(y_true, y_pred, **parameters)

    found, gradient = value_and_gradient(values, keras.ops.convert_to_tensor(at))
    np.testing.assert_allclose(found.mean(), theirs[0], rtol=1e-6)
    np.testing.assert_allclose(gradient / 2, theirs[1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("convention", "theirs"),
    [("timm", ITS_DEFAULTS), (None, NO_SMOOTHING)],
    ids=["its defaults", "smoothing=0"],
)
def test_jsd(convention, theirs):
    assert_same(jsd, IDS, VIEWS, theirs, convention)


def test_binary_of_class_ids():
    assert_same(smoothed_binary_crossentropy, ONE_HOT, VIEWS[0], BINARY_OF_IDS, "timm")


def test_binary_with_smooth_dense():
    assert_same(smoothed_binary_crossentropy, DENSE, VIEWS[0], BINARY_DENSE)


def test_label_smoothing():
    assert_same(smoothed_crossentropy, IDS, VIEWS[0], LABEL_SMOOTHING)
