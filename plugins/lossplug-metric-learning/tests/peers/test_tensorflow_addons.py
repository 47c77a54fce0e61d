"""TensorFlow Addons 0.23, which is archived: its own values and gradients, written down once.

`make_tensorflow_addons.py` made them.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import lossplug_metric_learning
from lossplug_core.bridge.autodiff import value_and_gradient
from lossplug_core.params import validate
from lossplug_core.spec import spec_of

MADE = json.loads(Path(__file__).with_name("tensorflow_addons.json").read_text())
CASES = [
    pytest.param(name, case, id=f"{name}-{place}")
    for name in ("triplet_semi_hard", "pair_contrastive")
    for place, case in enumerate(MADE[name])
]


@pytest.mark.parametrize(("name", "case"), CASES)
def test_the_convention_agrees(name, case):
    loss = getattr(lossplug_metric_learning, name)
    parameters = validate(spec_of(loss), {"margin": case["margin"]}, convention="tensorflow-addons")
    y_true, y_pred = np.array(case["y_true"]), np.array(case["y_pred"], "float32")
    values, gradient = value_and_gradient(lambda x: loss(y_true, x, **parameters), y_pred)
    if name == "triplet_semi_hard":  # one value for the batch, which is the mean of ours
        values, gradient = values.mean(keepdims=True), gradient / len(values)
    np.testing.assert_allclose(values, case["values"], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(gradient, case["gradient"], rtol=1e-4, atol=1e-6)
