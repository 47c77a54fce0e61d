"""timm: asymmetric losses, as timm 1.0.31 gave them in float64, and the authors' own.

It needs the very build of torch that torchvision was made for, so its values are written down here.
They are those of `AsymmetricLossMultiLabel` and `AsymmetricLossSingleLabel` in
`timm/loss/asymmetric_loss.py`, with `reduction="none"` unless said otherwise, and the gradients of
their sum. The authors' losses are the same with other defaults.
"""

import keras
import numpy as np
import pytest

from lossplug_core import get_loss
from lossplug_core.bridge.autodiff import value_and_gradient
from lossplug_core.params import validate
from lossplug_core.spec import spec_of
from lossplug_imbalance import asymmetric, asymmetric_single_label

LOGITS = np.array([[-6.0, -1.5, 0.25], [3.0, -0.75, 8.0], [-2.0, 0.0, 1.0]], "float32")
TARGETS = np.array([[1, 0, 1], [1, 1, 0], [0, 0, 1]])
CLASS_IDS = np.array([0, 2, 1])

ITS_DEFAULTS = [
    [5.987633824762, 0.000043685772, 0.252159812089],
    [0.002304297574, 0.772138571063, 2.431162169008],
    [0.000001644756, 0.024515053512, 0.084249043502],
]
WITHOUT_CLIP = [  # gamma_pos=0.5, gamma_neg=3.5, clip=0
    [5.995050161979, 0.000522261130, 0.381088934360],
    [0.010581101849, 0.936921530410, 7.990949144640],
    [0.000074226952, 0.061266133967, 0.162456140355],
]
GRADIENTS = {
    "timm": [
        [-1.009866029601, 0.000249675325, -0.333447737201],
        [-0.004444227696, -0.709002206199, 0.008849887549],
        [0.000012568648, 0.073117101239, -0.133920474122],
    ],
    # disable_torch_grad_focal_loss=True
    "asl": [
        [-0.995060867552, 0.000052868009, -0.191689416377],
        [-0.002249213447, -0.461283705414, 0.005417024620],
        [0.000002587054, 0.018639204545, -0.072329488129],
    ],
}
SINGLE_LABEL = {
    "timm": (
        [5.977437782706, 0.000043934732, 0.935232139311],
        [
            [-0.940070941102, 0.140175468655, 0.799895472447],
            [0.000085409895, 0.000002008618, -0.000087418513],
            [0.035632180498, -0.754579402893, 0.718947222395],
        ],
    ),
    # gamma_pos=0
    "asl": (
        [5.987263916160, 0.006414554747, 1.261958441507],
        [
            [-0.931790917105, 0.138949634302, 0.792841282803],
            [0.006245679052, 0.000146884263, -0.006392563314],
            [0.032663582990, -0.691984930535, 0.659321347545],
        ],
    ),
}
SUM, BATCHMEAN = 9.554208102039, 3.184736034013  # its reductions


def close(ours, theirs):
    ours = keras.ops.convert_to_numpy(ours)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7)


def computed(loss, y_true, convention):
    parameters = validate(spec_of(loss), {"from_logits": True}, convention=convention)
    return value_and_gradient(lambda y_pred: loss(y_true, y_pred, **parameters), LOGITS)


@pytest.mark.parametrize("convention", GRADIENTS)
def test_many_labels(convention):
    values, gradient = computed(asymmetric, TARGETS, convention)
    close(values, np.sum(ITS_DEFAULTS, axis=-1))
    close(gradient, GRADIENTS[convention])


@pytest.mark.parametrize(
    ("parameters", "values"),
    [({}, ITS_DEFAULTS), ({"gamma_positive": 0.5, "gamma_negative": 3.5, "clip": 0}, WITHOUT_CLIP)],
    ids=["its defaults", "without clip"],
)
def test_each_output(parameters, values):
    parameters = validate(spec_of(asymmetric), {**parameters, "from_logits": True})
    close(asymmetric(TARGETS.reshape(-1), LOGITS.reshape(-1), **parameters), np.ravel(values))


@pytest.mark.parametrize(
    ("reduction", "theirs"), [("sum", SUM), ("sum_over_batch_size", BATCHMEAN)]
)
def test_its_reductions(reduction, theirs):
    loss = get_loss("asymmetric", convention="timm", reduction=reduction, from_logits=True)
    assert float(loss(TARGETS, LOGITS)) == pytest.approx(theirs, rel=1e-5)


@pytest.mark.parametrize("convention", SINGLE_LABEL)
def test_one_label(convention):
    values, gradient = computed(asymmetric_single_label, CLASS_IDS, convention)
    close(values, SINGLE_LABEL[convention][0])
    close(gradient, SINGLE_LABEL[convention][1])
