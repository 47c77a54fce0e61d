"""A loss under examination: how checks build it, calculate with it, and say where it fails."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import hypothesis
import keras
import numpy as np
from hypothesis import strategies as st

from lossplug_core.bridge import get_loss
from lossplug_core.bridge.autodiff import value_and_gradient
from lossplug_core.errors import ParameterError
from lossplug_core.spec import MAIN_TARGET, LossSpec
from lossplug_core.testing.check import ConformanceError, Profile, SkippedError
from lossplug_core.testing.strategies import Array, Sample, samples
from lossplug_core.testing.text import python_of

__all__ = ["Oracle", "Subject", "agree"]

Oracle = Callable[..., Any]
"""`(y_true, y_pred, **parameters) -> values`, in NumPy, of what a convention names."""

_EXAMPLES = {"quick": 4, "thorough": 40}
_SHRINK = (hypothesis.Phase.generate, hypothesis.Phase.shrink)


@dataclass(frozen=True, eq=False)
class Subject:
    """A loss, and how thoroughly it is examined.

    Attributes:
        spec: The loss.
        profile: How many examples are drawn, and which checks run.
        seed: Decides which examples are drawn.
        oracles: For names of conventions, what gives the same values; None is the paper's.
    """

    spec: LossSpec
    profile: Profile = "quick"
    seed: int = 0
    oracles: Mapping[str | None, Oracle] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_built", lru_cache(maxsize=64)(self._build))

    # --- Examples ---------------------------------------------------------------------------------

    def strategy(self, **how: Any) -> st.SearchStrategy[Sample]:
        """Samples for this loss: arguments of `strategies.samples`."""
        return samples(self.spec, **{"few_shapes": self.profile == "quick", **how})

    def each(
        self, test: Callable[[Sample], None], *, most: int | None = None, times: int = 1, **how: Any
    ) -> None:
        """Run a test on drawn samples.

        Args:
            test: Raises where the loss fails.
            most: The greatest number of samples, for a test that takes long.
            times: How many times as many samples as usual, for a test that looks for rare ones.
            **how: Which samples: arguments of `strategies.samples`.

        Raises:
            ConformanceError: It failed; told with the smallest sample on which it does.
        """
        self.each_of(self.strategy(**how), test, self.python, most=most, times=times)

    def each_of(
        self,
        strategy: st.SearchStrategy[Any],
        test: Callable[[Any], None],
        text: Callable[[Any], str],
        most: int | None = None,
        times: int = 1,
    ) -> None:
        """Run a test on what a strategy draws, and tell the smallest that fails, as a text."""
        last: list[Any] = []
        refusal = ""

        def run(drawn: Any) -> None:
            nonlocal refusal
            last[:] = [drawn]
            try:
                test(drawn)
            except ParameterError as error:
                # Bounds of one parameter can depend on another, which no type can tell.
                refusal = str(error)
                hypothesis.reject()

        count = min(times * _EXAMPLES[self.profile], most or 10**6)
        settings = hypothesis.settings(
            max_examples=count,
            deadline=None,
            database=None,
            phases=_SHRINK,
            report_multiple_bugs=False,
            suppress_health_check=list(hypothesis.HealthCheck),
            verbosity=hypothesis.Verbosity.quiet,
        )
        try:
            hypothesis.seed(self.seed)(settings(hypothesis.given(strategy)(run)))()
        except hypothesis.errors.Flaky as error:
            raise ConformanceError(
                "It fails now and then, for the same arguments: it depends on something else.",
                example=text(last[0]) if last else "",
            ) from error
        except SkippedError:
            raise
        except hypothesis.errors.Unsatisfiable as error:
            raise ConformanceError(
                f"It refuses all parameters that were drawn, within their bounds.\n{refusal}",
                example=text(last[0]),
            ) from error
        except Exception as error:
            example = text(last[0]) if last else ""
            raise ConformanceError(_told(error), example=example) from error

    def python(self, sample: Sample, **options: Any) -> str:
        """A line of Python that calculates the loss on a sample."""
        return python_of(self.spec, sample, options)

    # --- Calculating ------------------------------------------------------------------------------

    def loss(self, sample: Sample, **options: Any) -> Any:
        """The loss with the parameters of a sample. What it owns begins the same each time."""
        key = repr((sorted(sample.parameters.items()), sorted(options.items())))
        return self._built(_Wish(key, sample, options))  # type: ignore[attr-defined]

    def _build(self, wish: _Wish) -> Any:
        # Keras's initializers take their seeds from here; its own function would load TensorFlow.
        random.seed(self.seed)
        return get_loss(self.spec, **wish.sample.parameters, **wish.options)

    def target(self, sample: Sample) -> Any:
        """The target as the loss takes it, further targets with it."""
        return {MAIN_TARGET: sample.y_true, **sample.further} if sample.further else sample.y_true

    def prediction(self, y_pred: Any) -> Any:
        """The prediction as the loss takes it: by name, if it compares several outputs."""
        outputs = self.spec.outputs
        return {name: y_pred[i] for i, name in enumerate(outputs)} if outputs else y_pred

    def function(self, sample: Sample, **options: Any) -> Callable[[Any], Any]:
        """The loss as a function of the prediction: one value per sample; states stay."""
        loss = self.loss(sample, **{"reduction": None, **options})
        target = self.target(sample)
        return lambda y_pred: loss(target, self.prediction(y_pred), training=False)

    def reduced(self, sample: Sample, weights: Any = None, **options: Any) -> Array:
        """The loss of a batch, with sample weights, reduced as it is told."""
        loss, y_pred = self.loss(sample, **options), self.prediction(_tensor(sample.y_pred))
        value = loss(self.target(sample), y_pred, weights, training=False)
        return np.asarray(keras.ops.convert_to_numpy(value))

    def values(self, sample: Sample, **options: Any) -> Array:
        """The values of a sample."""
        dtype = options.get("dtype") or "float32"
        values = self.function(sample, **options)(_tensor(sample.y_pred, dtype))
        return np.asarray(keras.ops.convert_to_numpy(keras.ops.cast(values, _wide(dtype))))

    def gradient(self, sample: Sample, *, jit: bool = False, **options: Any) -> tuple[Array, Array]:
        """The values of a sample, and the gradient of their sum in the prediction."""
        dtype = options.get("dtype") or "float32"
        function = self.function(sample, **options)

        def wide(y_pred: Any) -> Any:
            return keras.ops.cast(function(y_pred), _wide(dtype))

        y_pred = keras.ops.convert_to_tensor(sample.y_pred, dtype=dtype)
        values, gradient = value_and_gradient(wide, y_pred, jit=jit)
        return values, np.asarray(gradient, _wide(dtype))

    def part(self, sample: Sample, chosen: Any) -> Sample:
        """Some samples of a batch, by their places; a sample may be there twice."""
        places = np.asarray(chosen)
        return replace(
            sample,
            y_true=sample.y_true[places],
            y_pred=np.take(sample.y_pred, places, axis=1 if self.spec.outputs else 0),
            further={name: value[places] for name, value in sample.further.items()},
        )


@dataclass(frozen=True)
class _Wish:
    """What a loss is built with; two are the same if their keys are."""

    key: str
    sample: Sample = field(compare=False)
    options: Mapping[str, Any] = field(compare=False)


def agree(
    found: Any, expected: Any, what: str, *, rtol: float = 1e-5, atol: float | None = None
) -> None:
    """Compare numbers, relative to the largest of them.

    Raises:
        ConformanceError: They differ.
    """
    found, expected = np.asarray(found, "float64"), np.asarray(expected, "float64")
    scale = np.abs(expected[np.isfinite(expected)]).max(initial=0.0)
    atol = rtol * max(1.0, scale) if atol is None else atol
    if found.shape != expected.shape or not np.allclose(
        found, expected, rtol=rtol, atol=atol, equal_nan=True
    ):
        raise ConformanceError(what, expected=_short(expected), received=_short(found))


def _tensor(array: Any, dtype: str = "float32") -> Any:
    return keras.ops.convert_to_tensor(array, dtype=dtype)


def _wide(dtype: str) -> str:
    return "float64" if dtype == "float64" else "float32"


def _short(array: Array) -> str:
    return np.array2string(array, precision=7, threshold=12, edgeitems=3).replace("\n", "")


def _told(error: BaseException) -> str:
    if isinstance(error, ConformanceError):
        return str(error)
    return f"{type(error).__name__}: {error}"
