"""Keras's example of knowledge distillation, transcribed, on every backend."""

import keras
import numpy as np
import pytest
from keras import ops

from lossplug_core import get_loss

rng = np.random.default_rng(0)
STUDENT = rng.normal(0, 3, (8, 5)).astype("float32")
TEACHER = rng.normal(0, 3, (8, 5)).astype("float32")
IDS = rng.integers(0, 5, 8)


def test_keras_example():
    """https://keras.io/examples/vision/knowledge_distillation/, with its defaults."""
    alpha, temperature = 0.1, 3
    student_loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(IDS, STUDENT)
    distillation_loss = keras.losses.KLDivergence()(
        ops.softmax(TEACHER / temperature, axis=1), ops.softmax(STUDENT / temperature, axis=1)
    ) * (temperature**2)
    theirs = alpha * student_loss + (1 - alpha) * distillation_loss

    ours = get_loss("precomputed_distillation", convention="keras-example")
    found = ours({"y_true": IDS, "teacher_logits": TEACHER}, STUDENT)
    assert float(found) == pytest.approx(float(theirs), rel=1e-4)
