"""torch.nn.functional, also where Keras runs on another backend."""

import keras
import numpy as np
import pytest

from lossplug_core import get_loss
from lossplug_distillation import perceptual, precomputed_distillation

torch = pytest.importorskip("torch")
functional = torch.nn.functional

rng = np.random.default_rng(0)
STUDENT = rng.normal(0, 3, (16, 5)).astype("float32")
TEACHER = rng.normal(0, 3, (16, 5)).astype("float32")
IDS = rng.integers(0, 5, 16)


def cpu(array):
    return torch.tensor(array, device="cpu")


def assert_same(ours, theirs):
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(ours), theirs.cpu().numpy(), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("temperature", [1.0, 2.0, 7.0])
@pytest.mark.parametrize("divergence", ["crossentropy", "kl"])
def test_cross_entropy_and_kl_div(temperature, divergence):
    student, teacher = cpu(STUDENT) / temperature, cpu(TEACHER) / temperature
    if divergence == "kl":
        soft = functional.kl_div(
            functional.log_softmax(student, -1), functional.softmax(teacher, -1), reduction="none"
        ).sum(-1)
    else:
        soft = functional.cross_entropy(student, functional.softmax(teacher, -1), reduction="none")
    hard = functional.cross_entropy(cpu(STUDENT), cpu(IDS), reduction="none")
    ours = precomputed_distillation(
        IDS,
        STUDENT,
        teacher_logits=TEACHER,
        temperature=temperature,
        alpha=0.3,
        divergence=divergence,
    )
    assert_same(ours, 0.3 * temperature**2 * soft + 0.7 * hard)


def test_pytorch_tutorial():
    """https://pytorch.org/tutorials/beginner/knowledge_distillation_tutorial.html, transcribed."""
    T, soft_target_loss_weight, ce_loss_weight = 2, 0.25, 0.75  # noqa: N806
    soft_targets = functional.softmax(cpu(TEACHER) / T, dim=-1)
    soft_prob = functional.log_softmax(cpu(STUDENT) / T, dim=-1)
    soft_targets_loss = (
        torch.sum(soft_targets * (soft_targets.log() - soft_prob)) / soft_prob.size()[0] * (T**2)
    )
    label_loss = torch.nn.CrossEntropyLoss()(cpu(STUDENT), cpu(IDS))
    theirs = soft_target_loss_weight * soft_targets_loss + ce_loss_weight * label_loss

    ours = get_loss("precomputed_distillation", convention="pytorch-tutorial")
    assert_same(ours({"y_true": IDS, "teacher_logits": TEACHER}, STUDENT), theirs)


def test_mse_loss_of_features():
    images, others = rng.uniform(size=(2, 3, 4, 4, 2)).astype("float32")
    theirs = functional.mse_loss(cpu(images) ** 2, cpu(others) ** 2, reduction="none")
    ours = perceptual(images, others, extractor=keras.ops.square)
    assert_same(ours, theirs.mean(dim=(1, 2, 3)))
