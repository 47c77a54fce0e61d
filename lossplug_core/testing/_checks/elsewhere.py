"""The same loss again: saved, in another process, on another backend, in another library."""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from hypothesis import strategies as st

from lossplug_core.bridge import PluginLoss, TrainingModel
from lossplug_core.networks import is_network
from lossplug_core.params import Choice, parameters_of, validate
from lossplug_core.spec import OPTIONS, LossSpec
from lossplug_core.testing._checks.installed import not_installed
from lossplug_core.testing.calculate import raw
from lossplug_core.testing.check import ConformanceError, SkippedError, check
from lossplug_core.testing.parameters import Sizes, parameters
from lossplug_core.testing.strategies import Sample
from lossplug_core.testing.subject import Subject, agree
from lossplug_core.testing.text import loss_of
from lossplug_core.testing.worker import installed_backends, worker

__all__ = ["backends", "config", "deterministic", "oracle", "saved_model", "states"]

_DTYPES = (None, "float16", "bfloat16", "float32", "float64")
_REDUCTIONS = ("sum_over_batch_size", "mean", "mean_with_sample_weight", "sum", None)


@check(
    "deterministic",
    "A loss that depends on more than its arguments cannot be reproduced, nor debugged.",
    needs=("values",),
)
def deterministic(subject: Subject) -> None:
    """The same arguments give the same values, whatever was calculated before."""

    def test(drawn: tuple[Sample, Sample]) -> None:
        sample, other = drawn
        first = subject.values(sample)
        random.seed(subject.seed + 1)
        np.random.seed(subject.seed + 1)
        subject.values(other)
        agree(subject.values(sample), first, "The same arguments give other values.", rtol=1e-6)

    drawn = st.tuples(subject.strategy(), subject.strategy())
    subject.each_of(drawn, test, lambda drawn: subject.python(drawn[0]))


@check(
    "config",
    "A parameter that is lost on the way into the file is another loss after loading.",
    skip=not_installed,
    needs=("signature", "defaults"),
)
def config(subject: Subject) -> None:
    """Every parameter, dtype and reduction comes back from its config, through JSON."""
    spec = subject.spec

    def test(options: Mapping[str, Any]) -> None:
        loss = PluginLoss(spec, _with_networks(spec, options["parameters"]), **options["common"])
        written = loss.get_config()
        try:
            again = PluginLoss.from_config(json.loads(json.dumps(written)))
        except (TypeError, ValueError) as error:
            raise ConformanceError(f"Its config cannot be read again: {error}") from error
        for name, value, back in [
            *((key, loss.parameters[key], again.parameters[key]) for key in loss.parameters),
            *((key, getattr(loss, key), getattr(again, key)) for key in OPTIONS),
        ]:
            if back != value and (isinstance(value, Choice) or not callable(value)):
                raise ConformanceError(
                    f"{name!r} is another after the config.", expected=repr(value), received=back
                )

    common = st.fixed_dictionaries(
        {"dtype": st.sampled_from(_DTYPES), "reduction": st.sampled_from(_REDUCTIONS)}
    )
    options = st.fixed_dictionaries(
        {"parameters": parameters(spec, Sizes(2, (), 2, 2), wide=True), "common": common}
    )
    subject.each_of(
        options,
        test,
        lambda drawn: loss_of(spec, drawn["parameters"] | drawn["common"]) + ".get_config()",
        times=2,
    )


def _with_networks(spec: LossSpec, chosen: Mapping[str, Any], last: int = 2) -> dict[str, Any]:
    """Parameters with a Keras model in place of each network: a function would not be saved."""

    def model() -> keras.Model:
        return keras.Sequential([keras.Input((last,)), keras.layers.Dense(last)])

    networks = [name for name, p in parameters_of(spec).items() if is_network(p.annotation)]
    return {**chosen, **{name: model() for name in networks if callable(chosen.get(name))}}


@check(
    "saved-model",
    "A model is saved here and loaded there: the file is all that goes with it.",
    skip=not_installed,
    needs=("reductions", "config"),
)
def saved_model(subject: Subject) -> None:
    """In a `.keras` file, loaded in a fresh process, it is compiled in and has the same values."""
    spec = subject.spec

    def test(sample: Sample) -> None:
        chosen = _with_networks(spec, sample.parameters, sample.sizes.last)
        loss = subject.loss(replace(sample, parameters=chosen), reduction=None, name="kept")
        expected = subject.values(replace(sample, parameters=chosen), name="kept")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "model.keras")
            _model(loss, sample).save(path)
            found = worker(keras.backend.backend()).request(
                "load", path=str(path), outputs=spec.outputs, **_arrays(sample)
            )
        agree(found["values"], expected, "After loading it has other values.", rtol=1e-5)

    subject.each(test, batch=(4, 4), positions=False, most=2 if subject.profile == "quick" else 4)


def _model(loss: Any, sample: Sample) -> keras.Model:
    """A model with the loss compiled in; one that also trains what the loss owns, if need be."""
    shape = sample.y_pred.shape[2 if loss.outputs else 1 :] or (1,)
    inputs = keras.Input(shape)
    model = keras.Model(inputs, keras.layers.Dense(shape[-1])(inputs))
    training = TrainingModel(model)
    if loss.outputs or loss.targets or loss.layer is not None:
        training.compile("sgd", loss=loss)
        return training
    model.compile("sgd", loss=loss)
    return model


def _arrays(sample: Sample) -> dict[str, Any]:
    return {
        "y_true": sample.y_true,
        "y_pred": sample.y_pred,
        "further": dict(sample.further),
    }


@check(
    "states",
    "An evaluation that changes the state of a loss changes the training after it.",
    skip=lambda spec: None if spec.weights is not None else "it keeps no state",
    needs=("reductions",),
)
def states(subject: Subject) -> None:
    """States change in training, stay in evaluation, and go on from where they were put back."""

    def test(sample: Sample) -> None:
        target, y_pred = subject.target(sample), subject.prediction(raw(sample.y_pred))
        loss, other = (PluginLoss(subject.spec, sample.parameters) for _ in range(2))
        if other.layer is None:
            return  # with these parameters it keeps none
        loss(target, y_pred, training=True)
        before = loss.values()
        loss(target, y_pred, training=False)
        _same(loss.values(), before, "An evaluation changes its state.")
        for name, value in before.items():
            if not np.isfinite(value).all():
                raise ConformanceError(f"The state {name!r} is not finite.", received=value)
        other.layer.load_own_variables(before)
        results = [float(each(target, y_pred, training=True)) for each in (loss, other)]
        agree(results[1], results[0], "It does not go on from where its state was put back.")
        _same(other.values(), loss.values(), "Its state does not go on from where it was put back.")

    subject.each(test, batch=(2, 4))


def _same(found: Mapping[str, Any], expected: Mapping[str, Any], what: str) -> None:
    for name, value in expected.items():
        agree(found[name], value, f"{what} It is {name!r}.")


@check(
    "backends",
    "A model is trained on one backend and used on another.",
    skip=not_installed,
    needs=("saved-model",),
    thorough=True,
)
def backends(subject: Subject) -> None:
    """On each installed backend, in a process of its own, value and gradient are the same."""
    here = keras.backend.backend()
    others = [name for name in installed_backends() if name != here]
    if not others:
        raise SkippedError(f"only {here} is installed")
    if any(is_network(p.annotation) for p in parameters_of(subject.spec).values()):
        raise SkippedError("its network is of this backend")

    def test(sample: Sample) -> None:
        # Off the grid: at a kink each backend takes another slope.
        sample = replace(sample, y_pred=sample.y_pred * np.float32(0.97) + np.float32(1 / 37))
        loss = subject.loss(sample, reduction=None)
        values, slopes = subject.gradient(sample)
        for name in others:
            found = worker(name).request(
                "evaluate",
                config=loss.get_config(),
                owned=loss.values(),
                outputs=subject.spec.outputs,
                **_arrays(sample),
            )
            agree(found["values"], values, f"On {name} its value is another.")
            agree(found["gradient"], slopes, f"On {name} its gradient is another.", rtol=1e-4)

    subject.each(test, most=10, few_shapes=True)


@check(
    "oracle",
    "A convention promises the numbers of another library.",
    needs=("reductions",),
)
def oracle(subject: Subject) -> None:
    """Where the author supplies an oracle for a convention, it gives the same values."""
    for convention, other in subject.oracles.items():
        fixed = {} if convention is None else dict(subject.spec.conventions[convention])

        def test(sample: Sample, other: Any = other, convention: Any = convention) -> None:
            complete = validate(subject.spec, sample.parameters)
            y_pred = subject.prediction(np.asarray(sample.y_pred, "float64"))
            expected = other(sample.y_true, y_pred, **sample.further, **complete)
            name = "the definition" if convention is None else f"the convention {convention!r}"
            agree(subject.values(sample), expected, f"It disagrees with {name}.")

        subject.each(test, fixed=fixed)
