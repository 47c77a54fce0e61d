"""Train on all devices that JAX finds, of one machine or of several.

Usage: python docs/examples/devices_jax.py

To try it out without GPUs, divide the CPU: XLA_FLAGS=--xla_force_host_platform_device_count=2
"""

from __future__ import annotations

import jax
import keras
import numpy as np

from lossplug_core import TrainingModel, get_loss


def main() -> None:
    """Train, and say what came of it."""
    # First of all, so that every weight is made on all devices.
    devices = keras.distribution.list_devices()
    distribution = keras.distribution.DataParallel(devices=devices, auto_shard_dataset=False)
    keras.distribution.set_distribution(distribution)
    random = np.random.default_rng(0)
    x = random.normal(size=(256, 8)).astype("float32")
    labels = (x[:, 0] > 0).astype("int32") + (x[:, 1] > 0)

    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
    training = TrainingModel(model)
    training.compile("sgd", loss=get_loss("supcon"))
    # One process gives all rows; of several, each gives its part of every batch of 64.
    place, count = jax.process_index(), jax.process_count()
    x, labels, batch_size = x[place::count], labels[place::count], 64 // count
    history = training.fit(x, labels, batch_size, epochs=3, shuffle=False, verbose=0)
    losses = ", ".join(f"{loss:.4f}" for loss in history.history["loss"])
    print(f"{len(devices)} devices: {losses}")


if __name__ == "__main__":
    main()
