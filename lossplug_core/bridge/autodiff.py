"""Value and gradient of a function, by whichever backend runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

__all__ = ["Run", "differentiated", "value_and_gradient"]

Run = Callable[..., tuple[Any, Any]]
"""What gives values and a gradient."""


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
    run = differentiated(function)
    if jit:
        run = _COMPILED[keras.backend.backend()](run)
    values, gradient = run(keras.ops.convert_to_tensor(y_pred))
    return keras.ops.convert_to_numpy(values), keras.ops.convert_to_numpy(gradient)


def differentiated(function: Callable[..., Any]) -> Run:
    """What gives the values of a function, and the gradient of their sum by its first argument.

    Args:
        function: From tensors to a tensor of any shape.
    """
    return _DIFFERENTIATED[keras.backend.backend()](function)


def _tensorflow(function: Callable[..., Any]) -> Run:
    import tensorflow as tf

    def run(x: Any, *others: Any) -> tuple[Any, Any]:
        with tf.GradientTape() as tape:
            tape.watch(x)
            values = function(x, *others)
        zero = tf.UnconnectedGradients.ZERO
        return values, tape.gradient(values, x, unconnected_gradients=zero)

    return run


def _jax(function: Callable[..., Any]) -> Run:
    import jax

    def total(*given: Any) -> tuple[Any, Any]:
        values = function(*given)
        return values.sum(), values

    def run(*given: Any) -> tuple[Any, Any]:
        (_, values), gradient = jax.value_and_grad(total, has_aux=True)(*given)
        return values, gradient

    return run


def _torch(function: Callable[..., Any]) -> Run:
    import torch

    def run(x: Any, *others: Any) -> tuple[Any, Any]:
        x = x.detach().requires_grad_(True)
        values = function(x, *others)
        if not values.requires_grad:
            return values, torch.zeros_like(x)
        (gradient,) = torch.autograd.grad(values.sum(), x, allow_unused=True)
        return values, torch.zeros_like(x) if gradient is None else gradient

    return run


def _tensorflow_compiled(run: Run) -> Run:
    import tensorflow as tf

    # As Keras does in its training step: Python that looks at a tensor is not rewritten.
    return tf.function(run, jit_compile=True, autograph=False)  # type: ignore[no-any-return]


def _jax_compiled(run: Run) -> Run:
    import jax

    return jax.jit(run)  # type: ignore[no-any-return]


_DIFFERENTIATED = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}
_COMPILED: dict[str, Callable[[Run], Run]] = {
    "tensorflow": _tensorflow_compiled,
    "jax": _jax_compiled,
    "torch": lambda run: run,
}
