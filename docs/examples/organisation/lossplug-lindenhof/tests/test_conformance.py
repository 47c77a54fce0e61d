"""Our loss does what every loss must do, and gives the numbers of its papers."""

import numpy as np

from lossplug_core.testing import parametrize_with_checks


def decision_crossentropy(y_true, y_pred, threshold, factor, emphasis, from_logits):
    """Decision by decision, at many thresholds."""
    p = 1 / (1 + np.exp(-y_pred)) if from_logits else y_pred
    odds = threshold / (1 - threshold)
    low, high = (x / (1 + x) for x in (odds / factor, odds * factor))
    steps = 20_000
    t = low + (high - low) * (np.arange(steps) + 0.5) / steps
    acts = p[..., None] >= t
    y = y_true[..., None]
    regret = np.mean(np.where(acts, (1 - y) * t, y * (1 - t)), axis=-1)
    p = np.clip(p, 1e-7, 1 - 1e-7)
    if from_logits:
        yes, no = np.logaddexp(0, -y_pred), np.logaddexp(0, y_pred)
    else:
        yes, no = -np.log(p), -np.log1p(-p)
    return np.mean(y_true * yes + (1 - y_true) * no + emphasis * regret, axis=-1)


ORACLES = {"decision_crossentropy": {None: decision_crossentropy}}


@parametrize_with_checks("lindenhof", oracles=ORACLES)
def test_conforms(loss, check):
    check(loss)
