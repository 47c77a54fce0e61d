"""One value per sample: what reduction, sample weights and masks rest on."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

import keras
import numpy as np
from hypothesis import strategies as st

from lossplug_core.spec import LossSpec
from lossplug_core.testing.check import ConformanceError, SkippedError, check
from lossplug_core.testing.strategies import Array, Sample
from lossplug_core.testing.subject import Subject, agree

__all__ = ["masks", "order", "quiet", "reductions", "sample_weight", "values"]

_REDUCTIONS: dict[str | None, Callable[[Array], Any]] = {
    "sum": np.sum,
    "mean": np.mean,
    "sum_over_batch_size": np.mean,
    "mean_with_sample_weight": np.mean,
    None: lambda values: values,
}


@check(
    "values",
    "What it cannot calculate for data and parameters that it declares, it cannot be trained with.",
    needs=("signature", "defaults"),
)
def values(subject: Subject) -> None:
    """It has finite values for all data and parameters that it declares."""

    def test(sample: Sample) -> None:
        found = subject.values(sample)
        if not np.isfinite(found).all():
            raise ConformanceError("A value is not finite.", received=found.tolist())

    subject.each(test)


@check(
    "quiet",
    "What a loss prints is printed in every step of a training.",
    needs=("deterministic",),
)
def quiet(subject: Subject) -> None:
    """Calculating it prints nothing."""

    def test(sample: Sample) -> None:
        printed = io.StringIO()
        with redirect_stdout(printed), redirect_stderr(printed):
            subject.values(sample)
        if printed.getvalue():
            raise ConformanceError("It prints.", received=printed.getvalue())

    subject.each(test, most=2)


@check(
    "reductions",
    "Reduction is the user's choice, the same for all losses.",
    needs=("deterministic",),
)
def reductions(subject: Subject) -> None:
    """It gives one value per sample or position, which each reduction turns into Keras's."""

    def test(sample: Sample) -> None:
        found = subject.values(sample)
        shape = sample.y_pred.shape[1 if subject.spec.outputs else 0 :]
        if found.ndim == 0 or found.shape != shape[: found.ndim]:
            raise ConformanceError(
                "It does not give one value per sample, or per position.",
                expected=f"values of shape {shape[:1]} or {shape[:-1] or shape}",
                received=found.shape,
                fix="Reduce over the last axis of the prediction, not over the batch.",
            )
        for reduction, expected in _REDUCTIONS.items():
            value = subject.reduced(sample, reduction=reduction)
            agree(value, expected(found), f"reduction={reduction!r} is not that of its values.")

    subject.each(test, batch=(2, 4))


@check(
    "sample-weight",
    "Class weights, masks and resampling are sample weights.",
    needs=("reductions",),
)
def sample_weight(subject: Subject) -> None:
    """A sample of weight 0 does not count, and one of weight 2 counts twice.

    If a loss compares samples, this is about the value of the sample, and not about what it does to
    others.
    """

    def test(drawn: tuple[Sample, list[int]]) -> None:
        sample, weights = drawn[0], np.array(drawn[1][: drawn[0].sizes.batch], "float32")
        found = subject.values(sample)
        spread = weights.reshape(-1, *[1] * (found.ndim - 1)) * np.ones_like(found)
        for reduction, expected in {
            "sum": (spread * found).sum(),
            "sum_over_batch_size": (spread * found).mean(),
            "mean_with_sample_weight": (spread * found).sum() / max(spread.sum(), 1e-7),
        }.items():
            value = subject.reduced(sample, spread, reduction=reduction)
            told = f"Samples of weights {weights.tolist()} do not count so often in {reduction!r}."
            agree(value, expected, told)
        if not subject.spec.compares(sample.parameters) and weights.any():
            repeated = subject.part(sample, np.repeat(np.arange(len(weights)), weights.astype(int)))
            agree(
                subject.reduced(repeated, reduction="sum"),
                (spread * found).sum(),
                f"Samples that are there {weights.astype(int).tolist()} times do not count so "
                "often: the value of a sample depends on the others. Is compares_samples=True "
                "missing?",
            )

    drawn = st.tuples(
        subject.strategy(batch=(2, 4)), st.lists(st.integers(0, 2), min_size=4, max_size=4)
    )
    subject.each_of(drawn, test, lambda drawn: subject.python(drawn[0], reduction="sum"))


def _no_positions(spec: LossSpec) -> str | None:
    if spec.outputs:
        return "it compares several outputs, each with a mask of its own"
    return "its predictions have no last axis" if "distances" in spec.y_pred else None


@check(
    "masks",
    "Padding must cost nothing: Keras hands masks from layer to loss without a word.",
    skip=_no_positions,
    needs=("sample-weight",),
)
def masks(subject: Subject) -> None:
    """Where Keras masks the prediction, nothing counts: neither its value nor what it hides."""

    def test(drawn: tuple[Sample, Array]) -> None:
        sample, kept = drawn[0], drawn[1][: drawn[0].y_pred[..., 0].size]
        kept = kept.reshape(sample.y_pred.shape[:-1])
        found = subject.values(sample)
        if found.shape != kept.shape:
            return  # one value per sample, where the mask has one place per position
        alone = not subject.spec.compares(sample.parameters)
        hidden = sample.y_pred[::-1, ..., ::-1] if alone else sample.y_pred
        y_pred = np.where(kept[..., None], sample.y_pred, hidden)
        masked = _Masked(kept)(keras.ops.convert_to_tensor(y_pred))
        for reduction, expected in {
            "sum": found[kept].sum(),
            "sum_over_batch_size": found[kept].sum() / max(kept.sum(), 1),
        }.items():
            loss = subject.loss(sample, reduction=reduction)
            value = loss(subject.target(sample), masked, training=False)
            agree(keras.ops.convert_to_numpy(value), expected, f"The mask {kept.tolist()} fails.")

    mask = st.lists(st.booleans(), min_size=8, max_size=8).map(np.array)
    both = st.one_of(
        subject.strategy(batch=(2, 4), positions=False), subject.strategy(batch=(2, 4))
    )
    drawn = st.tuples(both, mask)
    subject.each_of(drawn, test, lambda drawn: subject.python(drawn[0]))


class _Masked(keras.layers.Layer):  # type: ignore[misc]
    """Leaves its input as it is, with a mask: as layers do that pass a mask on."""

    def __init__(self, kept: Array) -> None:
        super().__init__()
        self._kept = kept

    def call(self, inputs: Any) -> Any:
        # Another tensor: what was given keeps no mask.
        return inputs + 0

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        del inputs, previous_mask
        return keras.ops.convert_to_tensor(self._kept)


@check(
    "order",
    "Data are shuffled: a loss that depends on the order of a batch learns from chance.",
    needs=("reductions",),
)
def order(subject: Subject) -> None:
    """In another order of the batch every sample has the same value."""

    def test(sample: Sample) -> None:
        owned = subject.spec.weights_with(sample.parameters).values()
        if any(weight.whole_batch for weight in owned):
            raise SkippedError("it remembers samples: their order decides which of them stay")
        places = np.roll(np.arange(sample.sizes.batch), 1)[::-1]
        shuffled = subject.values(subject.part(sample, places))
        agree(shuffled, subject.values(sample)[places], "Values depend on the order of the batch.")

    subject.each(test, batch=(3, 4))
