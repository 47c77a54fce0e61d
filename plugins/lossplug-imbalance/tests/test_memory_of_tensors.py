"""No loss makes a tensor larger than its prediction, in value or gradient."""

import keras
import numpy as np
import pytest

from lossplug_core import get_loss
from lossplug_core._app import registry
from lossplug_core.params import parameters_of
from lossplug_core.testing.calculate import largest_tensor
from numerics import tensor

SAMPLES, CLASSES = 64, 7
COUNTS = (900.0, 300.0, 90.0, 40.0, 20.0, 9.0, 3.0)
NEEDED = {
    "class_priors": COUNTS,
    "class_weights": COUNTS,
    "costs": 1 - np.eye(CLASSES),
    "num_classes": CLASSES,
    "num_samples": SAMPLES,
    "positive_prior": 0.1,
    "samples_per_class": COUNTS,
    "transitions": 0.9 * np.eye(CLASSES) + 0.1 / CLASSES,
}
LARGER = {
    "pairwise_auc": "running sums are in blocks, of which the last is filled up",
    "smooth_average_precision": "all pairs are compared",
}
LOSSES = {
    entry.name: spec
    for entry, spec in registry.described(registry.entries())
    if entry.id.startswith("imbalance/") and entry.name == spec.name and entry.name not in LARGER
}


@pytest.mark.skipif(
    keras.backend.backend() == "torch", reason="counts bytes, and torch has integers of 64 bits"
)
@pytest.mark.parametrize("name", LOSSES)
def test_no_tensor_is_larger_than_the_prediction(name) -> None:
    spec = LOSSES[name]
    known = parameters_of(spec)
    given = {key: NEEDED[key] for key, parameter in known.items() if parameter.required}
    if "from_logits" in known:
        given["from_logits"] = True
    loss = get_loss(spec, **given)
    states = {key: tensor(value) for key, value in loss.values().items()} if spec.weights else {}
    owned = {"weights": states} if spec.weights else {}
    random = np.random.default_rng(0)
    y_pred = random.normal(size=(SAMPLES, CLASSES)).astype("float32")
    y_true = tensor(np.eye(CLASSES)[random.integers(0, CLASSES, SAMPLES)])
    further = {key: tensor(np.arange(SAMPLES)) for key in spec.targets}

    def function(y_pred):
        prediction = dict.fromkeys(spec.outputs, y_pred) if spec.outputs else y_pred
        result = spec.function(y_true, prediction, **owned, **further, **loss.parameters)
        return result[0] if isinstance(result, tuple) else result

    assert largest_tensor(function, keras.ops.convert_to_tensor(y_pred)) <= y_pred.size
