"""One step of a loss, and how long it takes: what the benchmarks share."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

__all__ = ["Loss", "Step", "measured", "step_of", "torch_step"]

Step = Callable[[], Any]
Loss = Callable[..., Any]
"""Targets, predictions, and whatever else has a gradient, to a number."""


def step_of(loss: Loss, y_true: np.ndarray, *inputs: np.ndarray) -> Step:
    """Value and gradients of a loss, compiled where `fit` compiles."""
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        def of_inputs(inputs: Any, y: Any) -> Any:
            return loss(y, *inputs)

        compiled = jax.jit(jax.value_and_grad(of_inputs))
        x, y = [jax.numpy.asarray(value) for value in inputs], jax.numpy.asarray(y_true)
        return lambda: jax.block_until_ready(compiled(x, y))
    if backend == "tensorflow":
        import tensorflow as tf

        @tf.function(jit_compile=True)
        def of_tensors(x: Any, y: Any) -> Any:
            with tf.GradientTape() as tape:
                tape.watch(x)
                value = loss(y, *x)
            return value, tape.gradient(value, x)

        x, y = [tf.constant(value) for value in inputs], tf.constant(y_true)
        return lambda: of_tensors(x, y)[0].numpy()
    return torch_step(loss, y_true, *inputs)


def torch_step(loss: Loss, y_true: np.ndarray, *inputs: np.ndarray) -> Step:
    """Value and gradients of a loss in eager torch."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    x = [torch.tensor(value, requires_grad=True, device=device) for value in inputs]
    y = torch.tensor(y_true, device=device)

    def run() -> float:
        for tensor in x:
            tensor.grad = None
        value = loss(y, *x)
        value.backward()
        return float(value.detach())

    return run


def measured(step: Step, seconds: float) -> tuple[float, float]:
    """Seconds of the first step, and the least of those after it, repeated for a while."""
    start = time.perf_counter()
    step()
    first = time.perf_counter() - start
    times: list[float] = []
    while len(times) < 3 or (sum(times) < seconds and len(times) < 50):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return first, min(times)
