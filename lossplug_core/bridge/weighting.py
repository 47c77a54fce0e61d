"""Weights of the parts of a combined loss that come from training, instead of from a person."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, NamedTuple, Protocol

from keras import ops

from lossplug_core.bridge.replicas import replicas, sum_over_replicas
from lossplug_core.errors import ParameterError
from lossplug_core.spec import Weight
from lossplug_core.types import OpenFraction, Positive, PositiveInt

__all__ = ["DWA", "EMA", "Uncertainty", "Weighted", "Weighting", "weighting_data", "weighting_of"]


class Weighted(NamedTuple):
    """What a weighting makes of the values of parts.

    Attributes:
        total: The loss.
        weights: The weight that each part had, for the logs.
        updates: The new values of states.
    """

    total: Any
    weights: Any
    updates: Mapping[str, Any]


class Weighting(Protocol):
    """How the values of parts become one loss."""

    name: ClassVar[str]

    def weights(self, parts: int) -> dict[str, Weight]:
        """The weights that it owns, for so many parts."""

    def apply(
        self, values: Any, is_classification: Sequence[bool], read: Callable[[str], Any]
    ) -> Weighted:
        """The loss.

        Args:
            values: The value of each part, times its fixed weight, shape `[parts]`.
            is_classification: Whether each part is a loss over classes.
            read: The value of a weight by name.
        """


@dataclass(frozen=True)
class Uncertainty:
    r"""Each part weighted by its learned uncertainty.

    Formula:
        $$L = \sum_k c_k \, e^{-s_k} L_k + \tfrac{1}{2} s_k$$

        where $L_k$ is a part, $s_k = \log \sigma_k^2$ is learned and starts at 0, and $c_k$ is 1
        for a loss over classes and 1/2 for any other.

    Reference:
        Kendall et al., Multi-Task Learning Using Uncertainty to Weigh Losses for Scene Geometry and
        Semantics, 2018, arXiv:1705.07115.
    """

    name: ClassVar[str] = "uncertainty"

    def weights(self, parts: int) -> dict[str, Weight]:
        """The logarithms of the variances."""
        return {"log_variances": Weight((parts,), 0.0)}

    def apply(
        self, values: Any, is_classification: Sequence[bool], read: Callable[[str], Any]
    ) -> Weighted:
        """The loss."""
        log_variances = read("log_variances")
        factors = ops.convert_to_tensor([1.0 if known else 0.5 for known in is_classification])
        weights = ops.cast(factors, "float32") * ops.exp(-log_variances)
        # Keras has divided the values by the number of replicas, whose losses it adds up.
        total = ops.sum(weights * values) + 0.5 * ops.sum(log_variances) / replicas()
        return Weighted(total, weights, {})


@dataclass(frozen=True)
class DWA:
    r"""Dynamic weight average: parts that stopped falling count more.

    Formula:
        $$\lambda_k(t) = K \, \mathrm{softmax}_k \left( \frac{w_k(t - 1)}{T} \right), \qquad
        w_k(t - 1) = \frac{L_k(t - 1)}{L_k(t - 2)}$$

        where $L_k(t)$ is the mean of part $k$ of $K$ over epoch $t$, and $T$ the temperature. In
        the first two epochs all weights are 1.

    Args:
        every: How many steps an epoch has.
        temperature: How alike the weights are; above 0.

    Reference:
        Liu et al., End-to-End Multi-Task Learning with Attention, 2019, arXiv:1803.10704.
    """

    every: PositiveInt
    temperature: Positive = 2.0
    name: ClassVar[str] = "dwa"

    def weights(self, parts: int) -> dict[str, Weight]:
        """Sums over this epoch, means of the two before, and two counters."""
        row, number = Weight((parts,), 0.0, False), Weight((), 0, False, "int32")
        return {"sums": row, "last": row, "before": row, "steps": number, "epochs": number}

    def apply(
        self, values: Any, is_classification: Sequence[bool], read: Callable[[str], Any]
    ) -> Weighted:
        """The loss."""
        del is_classification
        last, before, epochs = read("last"), read("before"), read("epochs")
        ratios = last / ops.where(before == 0.0, 1.0, before)
        exponents = ops.exp((ratios - ops.max(ratios)) / self.temperature)
        weights = ops.where(epochs >= 2, exponents / ops.mean(exponents), 1.0)
        sums, steps = read("sums") + sum_over_replicas(values), read("steps") + 1
        over = steps >= self.every
        updates = {
            "sums": ops.where(over, 0.0, sums),
            "last": ops.where(over, sums / self.every, last),
            "before": ops.where(over, last, before),
            "steps": ops.where(over, 0, steps),
            "epochs": ops.where(over, epochs + 1, epochs),
        }
        return Weighted(ops.sum(weights * values), weights, updates)


@dataclass(frozen=True)
class EMA:
    r"""Each part divided by its own running mean, so that all count alike whatever their scale.

    Formula:
        $$L = \sum_k \frac{L_k}{m_k}, \qquad
        m_k \leftarrow \beta \, m_k + (1 - \beta) L_k$$

        where $m_k$ is corrected for its start at 0, counts as a constant in the gradient, and
        includes the batch itself.

    Args:
        decay: How much of the mean stays at each step, between 0 and 1.
    """

    decay: OpenFraction = 0.99
    name: ClassVar[str] = "ema"

    def weights(self, parts: int) -> dict[str, Weight]:
        """The running means, and how much of them is data and not the start at 0."""
        return {"means": Weight((parts,), 0.0, False), "filled": Weight((), 0.0, False)}

    def apply(
        self, values: Any, is_classification: Sequence[bool], read: Callable[[str], Any]
    ) -> Weighted:
        """The loss."""
        del is_classification
        now = sum_over_replicas(values)
        means = self.decay * read("means") + (1.0 - self.decay) * now
        filled = self.decay * read("filled") + (1.0 - self.decay)
        corrected = ops.abs(means / filled)
        weights = 1.0 / ops.maximum(corrected, 1e-7)
        return Weighted(ops.sum(weights * values), weights, {"means": means, "filled": filled})


_WEIGHTINGS: Mapping[str, type[Any]] = {kind.name: kind for kind in (DWA, EMA, Uncertainty)}


def weighting_of(value: Any) -> Weighting | None:
    """A weighting by name, or from `{"name": …, …}`.

    Raises:
        ParameterError: There is no such weighting, or it cannot have these arguments.
    """
    if value is None or isinstance(value, (DWA, EMA, Uncertainty)):
        return value
    data = {"name": value} if isinstance(value, str) else dict(value)
    name = data.pop("name", None)
    if name not in _WEIGHTINGS:
        raise ParameterError(
            "There is no such weighting.",
            expected=f"one of {', '.join(_WEIGHTINGS)}, or None",
            received=name,
            nearest=difflib.get_close_matches(str(name), _WEIGHTINGS, n=1),
            parameter="weighting",
        )
    if unknown := sorted(set(data) - {field.name for field in fields(_WEIGHTINGS[name])}):
        raise ParameterError(
            f"The weighting {name!r} has no argument {unknown[0]!r}.",
            expected=f"some of {', '.join(f.name for f in fields(_WEIGHTINGS[name]))}",
            received=dict(data),
            parameter="weighting",
        )
    from pydantic import TypeAdapter, ValidationError

    try:
        adapter: TypeAdapter[Weighting] = TypeAdapter(_WEIGHTINGS[name])
        return adapter.validate_python(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ParameterError(
            f"The weighting {name!r} cannot have {'.'.join(map(str, first['loc']))!r}: "
            f"{first['msg']}.",
            received=dict(data),
            parameter="weighting",
        ) from None


def weighting_data(weighting: Weighting | None) -> dict[str, Any] | None:
    """A weighting as JSON and TOML can hold it."""
    return None if weighting is None else {"name": weighting.name, **vars(weighting)}
