"""Sigmoid focal loss where the peer cannot be installed beside others: its values, written down.

torchvision 0.29.1 (`torchvision.ops.sigmoid_focal_loss`), fvcore 0.1.5
(`fvcore.nn.sigmoid_focal_loss`), TensorFlow Addons 0.23 (`sigmoid_focal_crossentropy`) and KerasCV
0.9 (`FocalLoss`) gave them in float64 for these logits. MMDetection divides what torchvision
returns by the number of positives: `avg_factor`.
"""

import keras
import numpy as np
import pytest

from lossplug_core import get_loss
from lossplug_core.bridge.autodiff import value_and_gradient

LOGITS = np.array([[-6.0, -1.5, 0.25], [3.0, -0.75, 8.0]], "float32")
TARGETS = np.array([[1, 0, 1], [1, 1, 0]])
ALPHA = np.array(
    [
        [1.493207165678, 0.005027135195, 0.027600372816],
        [0.000027320831, 0.131105017570, 5.996227859283],
    ]
)
NO_ALPHA = np.array(
    [[5.97282866, 0.00670284693, 0.110401491], [0.000109283324, 0.524420070, 7.99497048]]
)
NO_ALPHA_HALF = np.array(
    [
        [5.995050161979, 0.086026231530, 0.381088934360],
        [0.010581101849, 0.936921530410, 7.998993837128],
    ]
)
SUMS = np.array([1.52583467, 6.1273602])
GRADIENT_OF_SUMS = np.array(
    [
        [-2.55534391e-01, 1.27733289e-02, -5.20140948e-02],
        [-7.87179616e-05, -1.62446081e-01, 7.53267387e-01],
    ]
)


def focal(convention=None, **parameters):
    return get_loss("focal", convention=convention, from_logits=True, **parameters)


@pytest.mark.parametrize(
    ("convention", "parameters", "values"),
    [("torchvision", {}, ALPHA), ("fvcore", {}, NO_ALPHA), (None, {"gamma": 0.5}, NO_ALPHA_HALF)],
    ids=["torchvision", "fvcore", "torchvision, alpha=-1, gamma=0.5"],
)
def test_those_that_return_each_output(convention, parameters, values):
    loss = focal(convention, **parameters, reduction="none")
    ours = loss(TARGETS.reshape(-1), LOGITS.reshape(-1))
    np.testing.assert_allclose(keras.ops.convert_to_numpy(ours), values.ravel(), rtol=1e-5)


@pytest.mark.parametrize("convention", ["tensorflow-addons", "keras-cv"])
def test_those_that_sum_the_outputs(convention):
    loss = focal(convention, reduction="none")
    values, gradient = value_and_gradient(lambda logits: loss(TARGETS, logits), LOGITS)
    np.testing.assert_allclose(values, SUMS, rtol=1e-5)
    np.testing.assert_allclose(gradient, GRADIENT_OF_SUMS, rtol=1e-4, atol=1e-7)


def test_detectors_divide_by_the_number_of_positives():
    loss = focal("mmdetection")
    assert float(loss(TARGETS, LOGITS)) == pytest.approx(ALPHA.sum() / TARGETS.sum(), rel=1e-5)
    one_at_a_time = float(loss(TARGETS[..., None], LOGITS[..., None]))
    assert one_at_a_time == pytest.approx(ALPHA.sum() / TARGETS.sum(), rel=1e-5)


def test_without_a_positive_detectors_divide_by_one():
    loss, each = focal("mmdetection"), focal("torchvision", average="sum", reduction="sum")
    assert float(loss(0 * TARGETS, LOGITS)) == pytest.approx(float(each(0 * TARGETS, LOGITS)))
