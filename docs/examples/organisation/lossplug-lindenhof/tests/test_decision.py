"""What is special about our loss."""

import numpy as np
import pytest
from keras import ops

from lossplug_core import get_loss

PROBABILITIES = np.linspace(0.001, 0.999, 999)


def expected_loss(truth, **parameters):
    """Of each prediction, where a share `truth` of the patients is positive."""
    loss = get_loss("lindenhof/decision_crossentropy", reduction=None, **parameters)
    y_true = np.full((999, 1), truth)
    return ops.convert_to_numpy(loss(y_true, PROBABILITIES[:, None]))


@pytest.mark.parametrize("truth", [0.02, 0.1, 0.15, 0.5, 0.9])
def test_the_true_probability_is_best(truth):
    values = expected_loss(truth, emphasis=20.0)
    assert PROBABILITIES[np.argmin(values)] == pytest.approx(truth, abs=1e-3)


def test_without_emphasis_it_is_crossentropy():
    ours = expected_loss(0.3, emphasis=0.0)
    theirs = -0.3 * np.log(PROBABILITIES) - 0.7 * np.log(1 - PROBABILITIES)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)


def test_the_emphasis_is_on_the_thresholds_between_half_and_double_the_odds():
    added = expected_loss(0.3, threshold=0.2) - expected_loss(0.3, emphasis=0.0)
    slopes = np.abs(np.diff(added)) > 1e-5
    middle = (PROBABILITIES[:-1] + PROBABILITIES[1:]) / 2
    inside = (middle > 1 / 9) & (middle < 1 / 3)
    # Not at the ends; and where a threshold is the true probability, acting or not is the same.
    clear = np.abs(middle[:, None] - [1 / 9, 0.3, 1 / 3]).min(axis=1) > 0.005
    np.testing.assert_array_equal(slopes[clear], inside[clear])
