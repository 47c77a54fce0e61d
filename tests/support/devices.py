"""Several devices where there is one: two halves of a CPU, or two processes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from processes import together

__all__ = ["DEVICES", "jax_devices", "of_program", "tensorflow_strategy", "torch_group"]

DEVICES = 2


def of_program(program: Any, file: Path) -> list[Mapping[str, np.ndarray]]:
    """What a program writes that is started with `DEVICES RANK FILE`, for each of its processes.

    Torch has a process for each device, other backends have one for all.
    """
    # What is calculated once takes longer to compile than to calculate.
    flags = f"--xla_force_host_platform_device_count={DEVICES} --xla_backend_optimization_level=0"
    ranks = range(DEVICES if keras.backend.backend() == "torch" else 1)
    together(
        [[program, str(DEVICES), str(rank), file] for rank in ranks],
        [{"XLA_FLAGS": flags}] * len(ranks),
    )
    return [dict(np.load(file.with_suffix(f".{rank}.npz"))) for rank in ranks]


def tensorflow_strategy(devices: int) -> Any:
    """A strategy over parts of the CPU."""
    import tensorflow as tf

    (cpu,) = tf.config.list_physical_devices("CPU")
    logical = [tf.config.LogicalDeviceConfiguration()] * devices
    tf.config.set_logical_device_configuration(cpu, logical)
    return tf.distribute.MirroredStrategy([f"CPU:{place}" for place in range(devices)])


def jax_devices(devices: int) -> Any:
    """Arrays over the devices of XLA from now on: rows of data apart, weights on each."""
    found = keras.distribution.list_devices()
    assert len(found) == devices
    distribution = keras.distribution.DataParallel(devices=found)
    keras.distribution.set_distribution(distribution)
    return distribution


def torch_group(devices: int, rank: int, file: Path) -> None:
    """A group of processes, of which this is one."""
    from torch import distributed

    store = f"file://{file.with_suffix('.store')}"
    distributed.init_process_group("gloo", init_method=store, rank=rank, world_size=devices)
