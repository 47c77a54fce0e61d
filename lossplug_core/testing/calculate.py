"""What each backend can do beside calculating: float64, compiled functions, sizes of tensors."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import keras
import numpy as np

__all__ = [
    "compiled",
    "double_precision",
    "has_double_precision",
    "largest_tensor",
    "raw",
    "unknown_batch",
]

Function = Callable[..., Any]


@contextmanager
def double_precision() -> Iterator[None]:
    """Where float64 is float64: JAX has none unless it is told."""
    if keras.backend.backend() != "jax":
        yield
        return
    import jax

    enable = jax.enable_x64 if hasattr(jax, "enable_x64") else jax.experimental.enable_x64
    with enable(True):
        yield


@lru_cache(maxsize=1)
def has_double_precision() -> bool:
    """Whether Keras takes the mean of float64 in float64; on JAX and torch it does not."""
    with double_precision():
        third = keras.ops.mean(keras.ops.convert_to_tensor([1 / 3], dtype="float64"))
        return float(third) == 1 / 3


def compiled(function: Function) -> Function:
    """A function of tensors, compiled as this backend compiles: `jax.jit`, XLA, `torch.compile`."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return tf.function(function, jit_compile=True, autograph=False)  # type: ignore[no-any-return]
    if backend == "jax":
        import jax

        return jax.jit(function)  # type: ignore[no-any-return]
    import torch

    torch._dynamo.reset()
    # What is looked at is whether it can be traced; a C++ compiler would only make it fast.
    return torch.compile(function, backend="eager")  # type: ignore[no-any-return]


def unknown_batch(function: Function, like: Any) -> Function | None:
    """A function of one tensor, traced once for batches of any size; None without such a thing."""
    if keras.backend.backend() != "tensorflow":
        return None
    import tensorflow as tf

    signature = [tf.TensorSpec((None, *like.shape[1:]), like.dtype)]
    return tf.function(function, input_signature=signature, autograph=False)  # type: ignore[no-any-return]


def largest_tensor(function: Function, at: Any) -> int:
    """The number of elements of the largest tensor in a function and its gradient.

    Args:
        function: From a tensor to a tensor.
        at: Where it is calculated.
    """
    at = keras.ops.convert_to_tensor(at)
    return int(_LARGEST[keras.backend.backend()](function, at))


def _of_tensorflow(function: Function, at: Any) -> Any:
    import tensorflow as tf

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]
    def run(at: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(at)
            values = function(at)
        return tape.gradient(values, at, unconnected_gradients=tf.UnconnectedGradients.ZERO)

    graph = run.get_concrete_function(at).graph.as_graph_def(add_shapes=True)
    nodes = [*graph.node, *(node for inner in graph.library.function for node in inner.node_def)]
    shapes = [shape for node in nodes for shape in node.attr["_output_shapes"].list.shape]
    known = [[axis.size for axis in shape.dim] for shape in shapes if not shape.unknown_rank]
    return max(math.prod(sizes) for sizes in known if -1 not in sizes)


def _of_jax(function: Function, at: Any) -> Any:
    import jax

    def largest(jaxpr: Any) -> int:
        sizes = [math.prod(out.aval.shape) for eqn in jaxpr.eqns for out in eqn.outvars]
        inner = [
            largest(getattr(part, "jaxpr", part))
            for eqn in jaxpr.eqns
            for value in eqn.params.values()
            for part in (value if isinstance(value, (tuple, list)) else [value])
            if hasattr(part, "eqns") or hasattr(getattr(part, "jaxpr", None), "eqns")
        ]
        return int(max([0, *sizes, *inner]))

    return largest(jax.make_jaxpr(jax.grad(lambda at: function(at).sum()))(at).jaxpr)


def _of_torch(function: Function, at: Any) -> Any:
    import torch

    at = at.detach().requires_grad_(True)
    with torch.profiler.profile(profile_memory=True) as profile:
        values = function(at)
        if values.requires_grad:
            torch.autograd.grad(values.sum(), at, allow_unused=True)
    used = [event.self_cpu_memory_usage for event in profile.events()]
    return max([at.numel(), *used]) // at.element_size()


_LARGEST = {"tensorflow": _of_tensorflow, "jax": _of_jax, "torch": _of_torch}


def raw(array: Any, dtype: str = "float32") -> Any:
    """An array as the functions of losses get it: integers as they are, the rest in a dtype."""
    array = np.asarray(array)
    return keras.ops.convert_to_tensor(array, None if array.dtype.kind in "iu" else dtype)
