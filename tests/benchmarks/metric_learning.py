"""How long losses of embeddings take: value and gradient, against the batch size and the peer.

Run with one backend: `KERAS_BACKEND=jax python tests/benchmarks/metric_learning.py`. Everything is
measured in one run, on embeddings of 128 numbers and classes of 8 samples; ours is compiled where
the backend compiles. The peer is pytorch-metric-learning, on torch, in the same process.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import matplotlib
import numpy as np
from keras import ops
from steps import Loss, Step, measured, step_of, torch_step

import lossplug_metric_learning
from lossplug_core import get_loss
from lossplug_core.params import parameters_of
from lossplug_core.spec import spec_of

FEATURES, PER_CLASS = 128, 8

LARGE_FOR_PEER = {
    "angular": 256,
    "lifted_structure": 256,
    "margin": 1024,
    "nt_xent": 256,
    "signal_to_noise": 1024,
    "triplet_margin": 1024,
    "tuplet_margin": 256,
}
"""Beyond this the peer runs out of memory, or takes minutes."""

OF_TWO = {"info_nce": ("queries", "documents")}
"""Losses on two outputs, which are given one half of the batch each."""


def peers() -> dict[str, Callable[..., Any]]:
    """The losses of pytorch-metric-learning that ours are compared with."""
    from pytorch_metric_learning import losses

    return {
        "angular": losses.AngularLoss,
        "arcface": losses.ArcFaceLoss,
        "circle": losses.CircleLoss,
        "contrastive": losses.ContrastiveLoss,
        "cosface": losses.CosFaceLoss,
        "fast_ap": losses.FastAPLoss,
        "generalized_lifted": losses.GeneralizedLiftedStructureLoss,
        "lifted_structure": losses.LiftedStructureLoss,
        "margin": losses.MarginLoss,
        "multi_similarity": losses.MultiSimilarityLoss,
        "nca": losses.NCALoss,
        "norm_softmax": losses.NormalizedSoftmaxLoss,
        "nt_xent": losses.NTXentLoss,
        "proxy_anchor": losses.ProxyAnchorLoss,
        "proxy_nca": losses.ProxyNCALoss,
        "ranked_list": losses.RankedListLoss,
        "signal_to_noise": losses.SignalToNoiseRatioContrastiveLoss,
        "soft_triple": losses.SoftTripleLoss,
        "sphereface": losses.SphereFaceLoss,
        "subcenter_arcface": losses.SubCenterArcFaceLoss,
        "supcon": losses.SupConLoss,
        "triplet_margin": losses.TripletMarginLoss,
        "tuplet_margin": losses.TupletMarginLoss,
    }


PEER_ARGUMENTS = {"ranked_list": {"margin": 0.4, "Tn": 10}}


def batch(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels and embeddings."""
    labels = np.repeat(np.arange(-(-size // PER_CLASS)), PER_CLASS)[:size].astype("int32")
    embeddings = np.random.default_rng(size).normal(size=(size, FEATURES)).astype("float32")
    return labels, embeddings


def ours(name: str, size: int, **parameters: Any) -> tuple[Loss, list[np.ndarray]]:
    """A loss of ours as a function of labels, embeddings and weights; and its first weights."""
    spec = spec_of(getattr(lossplug_metric_learning, name))
    classes = {"num_classes": -(-size // PER_CLASS), "embedding_size": FEATURES}
    needed = {key: classes[key] for key in classes if key in parameters_of(spec)}
    loss = get_loss(f"metric-learning/{name}", **needed, **parameters)
    weights = loss.values() if spec.weights else {}

    def mean(y_true: Any, y_pred: Any, *values: Any) -> Any:
        if not weights:
            return loss(y_true, halves(name, y_pred))
        of_names = dict(zip(weights, values, strict=True))
        return ops.mean(spec.function(y_true, y_pred, weights=of_names, **loss.parameters))

    return mean, [np.asarray(value) for value in weights.values()]


def halves(name: str, embeddings: Any) -> Any:
    """The embeddings, or the outputs that a loss on two of them is given."""
    if name not in OF_TWO:
        return embeddings
    half = embeddings.shape[0] // 2
    return dict(zip(OF_TWO[name], (embeddings[:half], embeddings[half:]), strict=True))


def peer_step(make: Callable[..., Any], name: str, y_true: np.ndarray, y_pred: np.ndarray) -> Step:
    """The peer's, with weights of its own."""
    import torch

    arguments = dict(PEER_ARGUMENTS.get(name, {}))
    if spec_of(getattr(lossplug_metric_learning, name)).weights and name != "margin":
        arguments |= {"num_classes": int(y_true.max()) + 1, "embedding_size": FEATURES}
    theirs = make(**arguments).to("cuda" if torch.cuda.is_available() else "cpu")
    return torch_step(lambda y, x: theirs(x, y.long()), y_true, y_pred)


def bare(y_pred: np.ndarray) -> Step:
    """Three matrix products: what no loss of all pairs can do without."""

    def products(y: Any, x: Any) -> Any:
        del y
        return 0.5 * ops.sum(ops.square(ops.matmul(x, ops.transpose(x))))

    # One product forward; the gradient of a product of a matrix with itself is two more.
    return step_of(products, np.zeros(1, "int32"), y_pred)


def memory_of(name: str, size: int, chunk: int) -> tuple[float, float]:
    """Gigabytes above the bare process, and seconds, of a step in chunks, in a new process."""
    command = [sys.executable, __file__, "--memory", name, str(size), str(chunk)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return float(lines[-2]), float(lines[-1])


def print_memory(name: str, size: int, chunk: int) -> None:
    """What `memory_of` reads: the process is new, so its peak is that of the step."""
    loss, _ = ours(name, 64, chunk=16)
    step_of(loss, *batch(64))()  # what libraries allocate at first use
    loss, _ = ours(name, size, chunk=chunk)
    before = _peak()
    step = step_of(loss, *batch(size))
    step()
    start = time.perf_counter()
    step()
    print(_peak() - before, time.perf_counter() - start)


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main() -> None:
    """Print the tables, and write what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="*", default=[256, 512, 1024, 2048, 4096, 8192])
    parser.add_argument("--losses", nargs="*", default=None)
    parser.add_argument("--seconds", type=float, default=2.0, help="to repeat each for")
    parser.add_argument("--chunks", nargs="*", default=["supcon"], help="losses for memory")
    parser.add_argument("--large", type=int, default=32768, help="their batch size")
    parser.add_argument("--out", type=Path, default=None, help="a JSON file, and a picture")
    parser.add_argument("--memory", nargs=3, default=None, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory:
        print_memory(options.memory[0], int(options.memory[1]), int(options.memory[2]))
        return
    of_peer = peers() if importlib.util.find_spec("pytorch_metric_learning") else {}
    names = options.losses or sorted({*of_peer, *OF_TWO, "triplet_semi_hard"})
    rows = []
    for size in options.sizes:
        rows += of_size(size, names, of_peer, options.seconds)
    for name in options.chunks:
        for size in (options.large // 2, options.large):
            gigabytes, seconds = memory_of(name, size, 512)
            print(f"{name} in chunks of 512, N = {size}: {gigabytes:.2f} GB, {seconds:.1f} s")
    if options.out:
        options.out.write_text(json.dumps(rows, indent=1))
        draw(rows, options.out.with_suffix(".png"))


def of_size(
    size: int, names: list[str], of_peer: dict[str, Any], seconds: float
) -> list[dict[str, Any]]:
    """One table: all losses at one batch size."""
    y_true, y_pred = batch(size)
    products = measured(bare(y_pred), seconds)[1]
    backend = keras.backend.backend()
    print(f"\n{backend}, N = {size}: three matrix products {1e3 * products:.1f} ms")
    print(f"{'loss':20} {'first':>7} {'step':>10} {'/products':>9} {'peer':>10} {'peer/ours':>9}")
    rows = []
    for name in names:
        loss, weights = ours(name, size)
        of_two = batch(2 * size)[1] if name in OF_TWO else y_pred
        first, own = measured(step_of(loss, y_true, of_two, *weights), seconds)
        peer = None
        if name in of_peer and size <= LARGE_FOR_PEER.get(name, 4096):
            peer = measured(peer_step(of_peer[name], name, y_true, y_pred), seconds)[1]
        row = {"backend": backend, "loss": name, "size": size, "first": first, "step": own}
        rows.append({**row, "products": products, "peer": peer})
        of_theirs = f"{1e3 * peer:8.1f}ms {peer / own:8.1f}×" if peer else ""
        line = f"{name:20} {first:6.2f}s {1e3 * own:8.1f}ms {own / products:8.2f}× {of_theirs}"
        print(line, flush=True)
    return rows


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Time against the batch size, both as logarithms, with the slope of N²."""
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(9, 7), layout="constrained")
    names = sorted({row["loss"] for row in rows})
    for i, name in enumerate(names):
        points = [(row["size"], 1e3 * row["step"]) for row in rows if row["loss"] == name]
        style = ("-", "--", ":")[i // 10 % 3]
        axis.loglog(*zip(*points, strict=True), style, marker=".", label=name, base=2)
    sizes = sorted({row["size"] for row in rows})
    least = min(1e3 * row["step"] for row in rows if row["size"] == sizes[-1])
    axis.loglog(sizes, [least * (n / sizes[-1]) ** 2 for n in sizes], "k-", alpha=0.3, label="N²")
    axis.set_xlabel("samples in a batch")
    axis.set_ylabel("value and gradient, ms")
    axis.set_title(f"Losses of embeddings on {rows[0]['backend']}")
    axis.legend(fontsize=8, ncols=2)
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
