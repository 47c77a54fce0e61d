"""Train on the devices of one machine with TensorFlow.

Usage: python docs/examples/devices_tensorflow.py [DEVICES]

Without GPUs the CPU is divided into so many devices, to try it out.
"""

from __future__ import annotations

import sys

import keras
import numpy as np
import tensorflow as tf

from lossplug_core import TrainingModel, get_loss


def main(count: int) -> None:
    """Train, and say what came of it."""
    strategy = tf.distribute.MirroredStrategy(devices(count))
    random = np.random.default_rng(0)
    x = random.normal(size=(256, 8)).astype("float32")
    labels = (x[:, 0] > 0).astype("int32") + (x[:, 1] > 0)

    keras.utils.set_random_seed(0)
    with strategy.scope():
        model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
        training = TrainingModel(model)
        training.compile("sgd", loss=get_loss("supcon", global_batch=True))
    history = training.fit(x, labels, batch_size=64, epochs=3, shuffle=False, verbose=0)
    losses = ", ".join(f"{loss:.4f}" for loss in history.history["loss"])
    print(f"{strategy.num_replicas_in_sync} devices: {losses}")


def devices(count: int) -> list[str]:
    """The GPUs, or parts of the CPU."""
    if gpus := tf.config.list_physical_devices("GPU"):
        return [f"GPU:{place}" for place in range(min(count, len(gpus)))]
    (cpu,) = tf.config.list_physical_devices("CPU")
    parts = [tf.config.LogicalDeviceConfiguration()] * count
    tf.config.set_logical_device_configuration(cpu, parts)
    return [f"CPU:{part}" for part in range(count)]


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2)
