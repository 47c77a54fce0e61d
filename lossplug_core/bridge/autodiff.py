"""Value and gradient of a function, by whichever backend runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

__all__ = ["value_and_gradient"]


def value_and_gradient(
    function: Callable[[Any], Any], y_pred: Any, *, jit: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """The values of a function, and the gradient of their sum.

    Args:
        function: From a tensor to a tensor of any shape.
        y_pred: Where to take the gradient: anything that becomes a tensor.
        jit: Compile it with XLA first. Torch, which has no XLA here, runs eagerly.

    Returns:
        The values, and a gradient shaped like `y_pred`, as NumPy arrays.

    Example:
        >>> value_and_gradient(lambda x: x**2, [1.0, 3.0])
        (array([1., 9.], dtype=float32), array([2., 6.], dtype=float32))
    """
    y_pred = keras.ops.convert_to_tensor(y_pred)
    values, gradient = _BACKENDS[keras.backend.backend()](function, y_pred, jit)
    return keras.ops.convert_to_numpy(values), keras.ops.convert_to_numpy(gradient)


def _tensorflow(function: Callable[[Any], Any], y_pred: Any, jit: bool) -> tuple[Any, Any]:
    import tensorflow as tf

    def run(y_pred: Any) -> tuple[Any, Any]:
        with tf.GradientTape() as tape:
            tape.watch(y_pred)
            values = function(y_pred)
        return values, tape.gradient(
            values, y_pred, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )

    if jit:
        # As Keras does in its training step: Python that looks at a tensor is not rewritten.
        run = tf.function(run, jit_compile=True, autograph=False)
    return run(y_pred)


def _jax(function: Callable[[Any], Any], y_pred: Any, jit: bool) -> tuple[Any, Any]:
    import jax

    def total(y_pred: Any) -> tuple[Any, Any]:
        values = function(y_pred)
        return values.sum(), values

    run = jax.value_and_grad(total, has_aux=True)
    (_, values), gradient = (jax.jit(run) if jit else run)(y_pred)
    return values, gradient


def _torch(function: Callable[[Any], Any], y_pred: Any, jit: bool) -> tuple[Any, Any]:
    import torch

    del jit
    y_pred = y_pred.detach().requires_grad_(True)
    values = function(y_pred)
    if not values.requires_grad:
        return values, torch.zeros_like(y_pred)
    (gradient,) = torch.autograd.grad(values.sum(), y_pred, allow_unused=True)
    return values, torch.zeros_like(y_pred) if gradient is None else gradient


_BACKENDS = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}
