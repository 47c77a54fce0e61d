"""From the predictions of a model to probabilities: after training, in NumPy.

Losses that weigh classes, or easy against hard samples, teach a model something else than the
probability that a class is true. Where the mathematics of a loss says what, the functions here turn
predictions back. They take arrays or tensors of any backend, and give NumPy arrays in float64.

What they undo is the bias of a loss, exactly; not overfitting, which no formula knows. Look at
`expected_calibration_error` on data that training has not seen.
"""

from lossplug_imbalance._calibrated import calibrated
from lossplug_imbalance._calibration_error import expected_calibration_error
from lossplug_imbalance._inverses import (
    categorical_focal_probabilities,
    focal_probabilities,
    undo_binary_weights,
    undo_class_weights,
)
from lossplug_imbalance._priors import correct_prior, estimate_prior

__all__ = [
    "calibrated",
    "categorical_focal_probabilities",
    "correct_prior",
    "estimate_prior",
    "expected_calibration_error",
    "focal_probabilities",
    "undo_binary_weights",
    "undo_class_weights",
]
