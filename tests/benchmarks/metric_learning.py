"""How long losses of embeddings take: value and gradient, against the batch size and the peer.

Run with one backend: `KERAS_BACKEND=jax python tests/benchmarks/metric_learning.py`. Everything is
measured in one run, on embeddings of 128 numbers and classes of 8 samples; ours is compiled where
the backend compiles. The peer is pytorch-metric-learning, on torch, in the same process.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from lossplug_core import get_loss

FEATURES, PER_CLASS = 128, 8
SECONDS = 4.0
"""How long each is repeated; the least time counts."""

LARGE_FOR_PEER = {"triplet_margin": 1024, "nt_xent": 256}
"""Beyond this the peer runs out of memory."""

Step = Callable[[], Any]


def peers() -> dict[str, Callable[[], Any]]:
    """The losses of pytorch-metric-learning that ours are compared with."""
    from pytorch_metric_learning import losses

    return {
        "circle": losses.CircleLoss,
        "contrastive": losses.ContrastiveLoss,
        "fast_ap": losses.FastAPLoss,
        "generalized_lifted": losses.GeneralizedLiftedStructureLoss,
        "lifted_structure": losses.LiftedStructureLoss,
        "multi_similarity": losses.MultiSimilarityLoss,
        "nca": losses.NCALoss,
        "nt_xent": losses.NTXentLoss,
        "signal_to_noise": losses.SignalToNoiseRatioContrastiveLoss,
        "supcon": losses.SupConLoss,
        "triplet_margin": losses.TripletMarginLoss,
        "tuplet_margin": losses.TupletMarginLoss,
    }


def batch(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels and embeddings."""
    labels = np.repeat(np.arange(-(-size // PER_CLASS)), PER_CLASS)[:size].astype("int32")
    embeddings = np.random.default_rng(size).normal(size=(size, FEATURES)).astype("float32")
    return labels, embeddings


def step_of(loss: Callable[[Any, Any], Any], y_true: np.ndarray, y_pred: np.ndarray) -> Step:
    """Value and gradient of a loss, compiled where the backend compiles."""
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        compiled = jax.jit(jax.value_and_grad(lambda x, y: loss(y, x)))
        x, y = jax.numpy.asarray(y_pred), jax.numpy.asarray(y_true)
        return lambda: jax.block_until_ready(compiled(x, y))
    if backend == "tensorflow":
        import tensorflow as tf

        @tf.function
        def of_tensors(x: Any, y: Any) -> Any:
            with tf.GradientTape() as tape:
                tape.watch(x)
                value = loss(y, x)
            return value, tape.gradient(value, x)

        x, y = tf.constant(y_pred), tf.constant(y_true)
        return lambda: [tensor.numpy() for tensor in of_tensors(x, y)]
    return torch_step(loss, y_true, y_pred)


def torch_step(loss: Callable[[Any, Any], Any], y_true: np.ndarray, y_pred: np.ndarray) -> Step:
    """Value and gradient of a loss in eager torch."""
    import torch

    device = keras.src.backend.torch.core.get_device() if _is("torch") else "cpu"
    x = torch.tensor(y_pred, requires_grad=True, device=device)
    y = torch.tensor(y_true, device=device)

    def run() -> float:
        x.grad = None
        value = loss(y, x)
        value.backward()
        return float(value)

    return run


def bare(y_pred: np.ndarray) -> Step:
    """Three matrix products: what no loss of all pairs can do without."""

    def products(y: Any, x: Any) -> Any:
        del y
        return 0.5 * ops.sum(ops.square(ops.matmul(x, ops.transpose(x))))

    # One product forward; the gradient of a product of a matrix with itself is two more.
    return step_of(products, np.zeros(1, "int32"), y_pred)


def _is(backend: str) -> bool:
    return keras.backend.backend() == backend


def measured(step: Step) -> tuple[float, float]:
    """Seconds of the first step, and the least of those after it."""
    start = time.perf_counter()
    step()
    first = time.perf_counter() - start
    times: list[float] = []
    while len(times) < 3 or (sum(times) < SECONDS and len(times) < 50):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return first, min(times)


def memory_of(name: str, size: int, chunk: int) -> tuple[float, float]:
    """Gigabytes above the bare process, and seconds, of a step in chunks, in a new process."""
    command = [sys.executable, __file__, "--memory", name, str(size), str(chunk)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return float(lines[-2]), float(lines[-1])


def print_memory(name: str, size: int, chunk: int) -> None:
    """What `memory_of` reads: the process is new, so its peak is that of the step."""
    small = batch(64)
    step_of(get_loss(name, chunk=16), *small)()  # what libraries allocate at first use
    before = _peak()
    start = time.perf_counter()
    step_of(get_loss(name, chunk=chunk), *batch(size))()
    print(_peak() - before, time.perf_counter() - start)


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main() -> None:
    """Print the tables, and write what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="*", default=[256, 512, 1024, 2048, 4096, 8192])
    parser.add_argument("--losses", nargs="*", default=None)
    parser.add_argument("--chunks", nargs="*", default=["supcon"], help="losses for memory")
    parser.add_argument("--large", type=int, default=32768, help="their batch size")
    parser.add_argument("--out", type=Path, default=None, help="a JSON file")
    parser.add_argument("--no-peer", action="store_true")
    parser.add_argument("--memory", nargs=3, default=None, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory:
        print_memory(options.memory[0], int(options.memory[1]), int(options.memory[2]))
        return
    of_peer = {} if options.no_peer else peers()
    names = options.losses or sorted({*of_peer, "info_nce"} if of_peer else {"supcon"})
    rows = [row for size in options.sizes for row in of_size(size, names, of_peer)]
    for name in options.chunks:
        for size in (options.large // 2, options.large):
            gigabytes, seconds = memory_of(name, size, 512)
            print(f"{name} in chunks of 512, N = {size}: {gigabytes:.2f} GB, {seconds:.1f} s")
    if options.out:
        options.out.write_text(json.dumps(rows, indent=1))


def of_size(size: int, names: list[str], of_peer: dict[str, Any]) -> list[dict[str, Any]]:
    """One table: all losses at one batch size."""
    y_true, y_pred = batch(size)
    products = measured(bare(y_pred))[1]
    backend = keras.backend.backend()
    print(f"\n{backend}, N = {size}: three matrix products {1e3 * products:.1f} ms")
    print(f"{'loss':20} {'first':>8} {'step':>10} {'/products':>9} {'peer':>10} {'peer/ours':>9}")
    rows = []
    for name in names:
        first, ours = measured(step_of(get_loss(name), y_true, y_pred))
        peer = None
        if name in of_peer and size <= LARGE_FOR_PEER.get(name, 4096):
            theirs = of_peer[name]()
            peer = measured(torch_step(lambda y, x, f=theirs: f(x, y), y_true, y_pred))[1]
        row = {"backend": backend, "loss": name, "size": size, "first": first, "step": ours}
        rows.append({**row, "products": products, "peer": peer})
        of_theirs = f"{1e3 * peer:8.1f}ms {peer / ours:8.1f}×" if peer else ""
        print(
            f"{name:20} {first:7.2f}s {1e3 * ours:8.1f}ms {ours / products:8.2f}× {of_theirs}",
            flush=True,
        )
    return rows


if __name__ == "__main__":
    main()
