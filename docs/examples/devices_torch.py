"""Train in several processes of torch, on one machine or on several: one process for each device.

Usage: torchrun --nproc-per-node 2 docs/examples/devices_torch.py
"""

from __future__ import annotations

import os

import keras
import numpy as np
import torch
from torch import distributed
from torch.nn.parallel import DistributedDataParallel

from lossplug_core import TrainingModel, get_loss


def main() -> None:
    """Join the other processes, train, and leave them."""
    gpu = torch.cuda.is_available()
    if gpu:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group("nccl" if gpu else "gloo")
    train()
    # Only now that nothing uses the group any more: torch may wait for ever otherwise.
    distributed.destroy_process_group()


def train() -> None:
    """Train, and say what came of it."""
    rank, world = distributed.get_rank(), distributed.get_world_size()
    random = np.random.default_rng(0)
    x = random.normal(size=(256, 8)).astype("float32")
    labels = (x[:, 0] > 0).astype("int32") + (x[:, 1] > 0)

    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
    training = TrainingModel(model)
    training.compile(loss=get_loss("supcon", global_batch=True))
    # It holds the weights of the model and those of the loss: both are averaged and optimized.
    parallel = DistributedDataParallel(training)
    optimizer = torch.optim.SGD(parallel.parameters(), lr=0.01)

    for _ in range(3):
        losses = []
        for start in range(0, 256, 64):
            mine = slice(start + 64 * rank // world, start + 64 * (rank + 1) // world)
            inputs, y = map(keras.ops.convert_to_tensor, (x[mine], labels[mine]))
            loss = training.compute_loss(inputs, y, parallel(inputs))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        mean = torch.stack(losses).mean() / world
        distributed.all_reduce(mean)
        if rank == 0:
            print(f"{world} devices: {float(mean):.4f}")


if __name__ == "__main__":
    main()
