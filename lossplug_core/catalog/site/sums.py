"""The picture of a combination of losses, which is drawn as one loss over what all parts share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import keras

from lossplug_core._app import registry
from lossplug_core.bridge import CombinedLoss, PluginLoss, as_dict
from lossplug_core.catalog.site.figures import TARGET, Option, figure_with
from lossplug_core.catalog.site.moves import move_of
from lossplug_core.params import Parameter, parameters_of, validate
from lossplug_core.portrait.cases import View
from lossplug_core.portrait.several import Subject
from lossplug_core.portrait.views import NoPictureError, check_drawable, view_of_all
from lossplug_core.schedules import Schedule
from lossplug_core.spec import LossSpec
from lossplug_core.types import NonNegative, Real

__all__ = ["figure_of_sum"]


def figure_of_sum(loss: CombinedLoss) -> dict[str, Any]:
    """What a page needs to draw a combination; the weights of its parts are what moves.

    Args:
        loss: The combination, as it is built.

    Returns:
        What `figure_with` returns. The value is that of a batch, as it is in training.

    Raises:
        LossplugError: There is no picture of it.
    """
    view = _view(loss)
    weights = {} if loss.weighting is not None else _weights(loss)

    def build(parameters: Mapping[str, Any]) -> CombinedLoss:
        if parameters == weights:
            return loss
        parts = [p._replace(weight=parameters.get(p.weight_name, p.weight)) for p in loss.parts]
        return CombinedLoss(parts, name=loss.name)

    name = loss.name if loss.preset is None else loss.preset.name
    subject = Subject(name, build, lambda _: view)
    figure = figure_with(subject, weights, [*_options(weights)])
    fixed = {name: repr(weight) for name, weight in weights.items()}
    return {**figure, "fixed": fixed, "of_parts": True}


def _view(loss: CombinedLoss) -> View:
    """What all parts can be drawn over; each number makes a batch, whose mean the loss is."""
    parts = [*_parts(loss)]
    for spec, _ in parts:
        check_drawable(spec)
    view = view_of_all(parts, TARGET)
    size = len(view.cases[0].y_true)
    axis = f"{view.axis}; the mean of the batch" if size > 1 and not view.mean else view.axis
    return replace(view, axis=axis, alone=True)


def _parts(loss: CombinedLoss) -> Iterator[tuple[LossSpec, Mapping[str, Any]]]:
    """The losses in a combination, with their parameters."""
    if loss.weighting is not None:
        raise NoPictureError("Training finds the weights of its parts.")
    for part in loss.parts:
        if part.output is not None:
            raise NoPictureError(f"Its parts take several outputs, {part.output!r} among them.")
        if isinstance(part.loss, CombinedLoss):
            yield from _parts(part.loss)
        else:
            yield _described(part.loss)


def _described(loss: keras.losses.Loss) -> tuple[LossSpec, Mapping[str, Any]]:
    if isinstance(loss, PluginLoss):
        return loss.spec, loss.parameters
    described = as_dict(loss)
    spec = registry.find(described["name"])
    given = {k: v for k, v in described.get("params", {}).items() if k in parameters_of(spec)}
    return spec, validate(spec, given)


def _weights(loss: CombinedLoss) -> dict[str, float]:
    """The weights that are numbers."""
    found = {part.weight_name: part.weight for part in loss.parts}
    return {name: weight for name, weight in found.items() if not isinstance(weight, Schedule)}


def _options(weights: Mapping[str, float]) -> Iterator[Option]:
    for name, weight in weights.items():
        usual = Real if weight < 0 else NonNegative
        move = move_of(Parameter(name, usual, weight), weight)
        for value in () if move is None else move.values:
            setting = {**weights, name: float(value)}
            yield Option(name, True, repr(float(value)), setting, value == weight)
