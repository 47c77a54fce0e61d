"""What cannot work on several devices says so; what one does alone does not wait for others.

Here the other devices are only said to exist.
"""

from __future__ import annotations

import keras
import numpy as np
import pytest

from lossplug_core import DataError, UntrainedLossError, combine, get_loss
from lossplug_core.bridge import replicas
from lossplug_core.schedules import Linear
from several import PROBLEMS, centered, prototype

pytestmark = pytest.mark.backend

BACKEND = keras.backend.backend()
LABELS = np.array([0, 1, 0, 1, 2, 2], "int32")
EMBEDDINGS = np.random.default_rng(0).normal(size=(6, 4)).astype("float32")
SCHEDULED = {"name": "supcon", "params": {"temperature": Linear(0.1, 0.2, steps=5)}}
tensorflow_only = pytest.mark.skipif(BACKEND != "tensorflow", reason="of tf.distribute")
torch_only = pytest.mark.skipif(BACKEND != "torch", reason="of torch.distributed")


def test_one_device_has_the_whole_batch() -> None:
    values = [
        get_loss("supcon", global_batch=whole, reduction=None)(LABELS, EMBEDDINGS)
        for whole in (False, True)
    ]
    np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, values))


@tensorflow_only
@pytest.mark.parametrize("loss", [prototype, centered, SCHEDULED])
def test_weights_made_outside_the_scope_are_refused(loss, monkeypatch) -> None:
    import tensorflow as tf

    built = get_loss(loss)

    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    monkeypatch.setattr(replicas, "replicas", lambda: 2)
    with strategy.scope(), pytest.raises(UntrainedLossError, match="scope of the strategy"):
        built(LABELS, EMBEDDINGS)


@pytest.fixture
def two_processes(monkeypatch):
    """Torch, as if there were another process, which must not be asked for anything."""
    from torch import distributed

    def asked(*arguments):
        raise AssertionError("another process was asked")

    monkeypatch.setattr(distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(distributed, "get_world_size", lambda: 2)
    for name in ("all_gather", "all_reduce", "broadcast"):
        monkeypatch.setattr(distributed, name, asked)


@torch_only
@pytest.mark.parametrize("loss", ["supcon", centered, combine(["supcon"], weighting="ema")])
def test_a_process_evaluates_alone(loss, two_processes) -> None:
    get_loss(loss)(LABELS, EMBEDDINGS, training=False)


@torch_only
@pytest.mark.parametrize("loss", [centered, combine(["supcon"], weighting="ema")])
def test_a_process_trains_with_others(loss, two_processes) -> None:
    with pytest.raises(AssertionError, match="another process was asked"):
        get_loss(loss)(LABELS, EMBEDDINGS, training=True)


@torch_only
def test_shapes_are_known_without_other_processes(two_processes) -> None:
    loss = get_loss("supcon", global_batch=True)
    with keras.device("meta"):  # as Keras does to find the shapes of a model
        labels, embeddings = keras.ops.zeros((6,), "int32"), keras.ops.zeros((6, 4))
        assert loss(labels, embeddings).shape == ()


@torch_only
def test_rows_that_do_not_belong_together_are_refused(two_processes) -> None:
    y = {"y_true": LABELS, "teacher": EMBEDDINGS[:3], "mask": LABELS}
    loss = PROBLEMS["further targets"].loss()
    with pytest.raises(DataError, match="another size") as caught:
        loss(y, EMBEDDINGS)
    assert "one row per sample" in caught.value.fix
