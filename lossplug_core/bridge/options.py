"""What every loss is given beside its parameters: reduction, name, dtype, global batch."""

from __future__ import annotations

from typing import Any

import keras

from lossplug_core.errors import ParameterError

__all__ = ["check_options"]

_REDUCTIONS = ("sum_over_batch_size", "mean", "mean_with_sample_weight", "sum", "none", None)


def check_options(reduction: Any, name: Any, dtype: Any, global_batch: Any) -> None:
    """Refuse what no loss can have as one of these.

    Raises:
        ParameterError: One of them is not what it has to be.
    """
    if not (reduction is None or isinstance(reduction, str)) or reduction not in _REDUCTIONS:
        raise ParameterError(
            "There is no such reduction.",
            expected=f"one of {', '.join(map(repr, _REDUCTIONS))}",
            received=reduction,
            parameter="reduction",
        )
    if not (name is None or isinstance(name, str)):
        raise ParameterError(
            "The name of a loss is a text.",
            expected="a str or None",
            received=name,
            parameter="name",
        )
    if not isinstance(global_batch, bool):
        raise ParameterError(
            "Whether a loss compares the samples of all replicas is a bool.",
            expected="True or False",
            received=global_batch,
            parameter="global_batch",
        )
    # Keras would also take a config, and look for the class that it names.
    if not (dtype is None or isinstance(dtype, (str, keras.DTypePolicy))):
        raise ParameterError(
            "The dtype of a loss is a text or a policy.",
            expected="'float32', say, or a keras.DTypePolicy",
            received=dtype,
            parameter="dtype",
        )
