"""Value and gradient of a function that is called often, traced once where that pays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from lossplug_core.bridge.autodiff import Run, differentiated

__all__ = ["CALLS_OF_A_TRACE", "Traced"]

CALLS_OF_A_TRACE = {"jax": 0.0, "tensorflow": 12.0}
"""Roughly how many calls, one operation after the other, take as long as one to be traced.

JAX compiles the operations, too. Torch is not here: nothing of it is traced.
"""

# What is traced runs a few times, on a few numbers: to compile it well would take longer.
_IN_HASTE = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}


class Traced:
    """A function that was traced at its first call; later calls have arguments of the same shapes.

    Args:
        function: From tensors to a tensor of values.

    Example:
        >>> square = Traced(lambda x, factor: factor * x**2)
        >>> square([1.0, 3.0], 1.0)
        (array([1., 9.], dtype=float32), array([2., 6.], dtype=float32))
        >>> square([1.0, 3.0], 10.0)
        (array([10., 90.], dtype=float32), array([20., 60.], dtype=float32))
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._run = differentiated(function)
        self._ready: Run | None = None

    def __call__(self, x: Any, *others: Any) -> tuple[np.ndarray, np.ndarray]:
        """The values, and the gradient of their sum by the first argument, as NumPy arrays."""
        given = [keras.ops.convert_to_tensor(one) for one in (x, *others)]
        if self._ready is None:
            trace = _TRACED.get(keras.backend.backend())
            self._ready = self._run if trace is None else trace(self._run, given)
        values, gradient = self._ready(*given)
        return keras.ops.convert_to_numpy(values), keras.ops.convert_to_numpy(gradient)


def _jax(run: Run, given: list[Any]) -> Run:
    import jax

    return jax.jit(run).lower(*given).compile(compiler_options=_IN_HASTE)  # type: ignore[no-any-return]


def _tensorflow(run: Run, given: list[Any]) -> Run:
    import tensorflow as tf

    # As Keras does in its training step: Python that looks at a tensor is not rewritten.
    traced = tf.function(run, autograph=False)
    return traced.get_concrete_function(*given)  # type: ignore[no-any-return]


_TRACED = {"jax": _jax, "tensorflow": _tensorflow}
