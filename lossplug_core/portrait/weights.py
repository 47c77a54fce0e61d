"""The weights of a loss, as far as they are known before it is built."""

from __future__ import annotations

from typing import Any

from lossplug_core.params import parameters_of
from lossplug_core.spec import LossSpec

__all__ = ["weights_of"]


class _Size(str):
    """A size that is a parameter without a default: it stays its name in what is computed of it."""

    __slots__ = ()

    def _with(self, sign: str, other: Any) -> _Size:
        return _Size(f"{self} {sign} {other}")

    def _after(self, sign: str, other: Any) -> _Size:
        return _Size(f"{other} {sign} {self}")

    def __mul__(self, other: Any) -> _Size:
        return self._with("×", other)

    def __rmul__(self, other: Any) -> _Size:
        return self._after("×", other)

    def __add__(self, other: Any) -> _Size:
        return self._with("+", other)

    def __radd__(self, other: Any) -> _Size:
        return self._after("+", other)

    def __sub__(self, other: Any) -> _Size:
        return self._with("-", other)


def weights_of(spec: LossSpec) -> list[dict[str, Any]]:
    """Name, shape, kind, dtype and initial value of each weight.

    A size that depends on a parameter without a default is the name of that parameter.
    """
    parameters = {
        name: _Size(name) if parameter.required else parameter.default
        for name, parameter in parameters_of(spec).items()
    }
    try:
        weights = spec.weights_with(parameters)
    except Exception:  # the author's function may do more with a size than its name can
        return [{"name": "depends on the parameters", "shape": None, "kind": "unknown"}]
    return [
        {
            "name": name,
            "shape": [str(size) if isinstance(size, _Size) else size for size in weight.shape],
            "kind": "trained" if weight.trainable else "state",
            "dtype": weight.dtype,
            "initializer": weight.initializer
            if isinstance(weight.initializer, (str, int, float))
            else str(weight.initializer),
        }
        for name, weight in weights.items()
    ]
