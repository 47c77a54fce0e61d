"""How each form of loss is drawn: what runs along the axis, and which targets are compared.

A view is chosen by the forms that a spec declares, never by the loss's name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lossplug_core import ops
from lossplug_core.errors import LossplugError
from lossplug_core.networks import is_network
from lossplug_core.params import parameters_of
from lossplug_core.portrait.cases import Array, Case, View
from lossplug_core.portrait.weights import weights_of
from lossplug_core.spec import LossSpec

__all__ = ["NoPictureError", "check_drawable", "view_of", "view_of_all"]

_NEGATIVE, _POSITIVE = 90.0, 30.0
"""Where the samples that stay are on the circle, in degrees from the anchor."""

_STAY, _STAY_PROBABLE = (2.0, 0.0, 0.5, -2.0), (0.8, 0.5, 0.6, 0.2)
"""Where the samples that stay are among yes-or-no outputs: two of y = 1, two of y = 0."""


class NoPictureError(LossplugError, ValueError):
    """A loss of this kind cannot be drawn, whatever its parameters."""


def check_drawable(spec: LossSpec) -> None:
    """Refuse a loss that no parameters could make a picture of. Keras is not needed for that.

    Raises:
        NoPictureError: It needs more than a target and a prediction, or they have no view.
    """
    needed = {
        "several outputs": spec.outputs,
        "further targets": spec.targets,
        "a network": [
            name
            for name, parameter in parameters_of(spec).items()
            if parameter.required and is_network(parameter.annotation)
        ],
        "weights that are trained first": [
            weight["name"] for weight in weights_of(spec) if weight["kind"] == "trained"
        ],
    }
    for what, names in needed.items():
        if names:
            raise NoPictureError(
                f"There is no picture of {spec.id!r}, which needs {what}: {', '.join(names)}."
            )
    if not any((y_true, y_pred) in _VIEWS for y_pred in spec.y_pred for y_true in spec.y_true):
        raise _no_view(spec, spec.y_pred)


def view_of(spec: LossSpec, parameters: Mapping[str, Any], target: float) -> View:
    """The view for a loss.

    Args:
        spec: The loss.
        parameters: All its parameters: `from_logits` decides which prediction it takes, and numbers
            per class tell how many classes there are.
        target: The target, for a loss of values.

    Raises:
        NoPictureError: A loss of such forms cannot be drawn.
    """
    return view_of_all([(spec, parameters)], target)


def view_of_all(losses: Sequence[tuple[LossSpec, Mapping[str, Any]]], target: float) -> View:
    """The view over which several losses can be drawn.

    Args:
        losses: Each with its parameters.
        target: The target, for losses of values.

    Raises:
        NoPictureError: One of them cannot be drawn, or they take different things.
    """
    forms = [_forms(spec, parameters) for spec, parameters in losses]
    form = next((form for form in forms[0] if all(form in others for others in forms)), None)
    if form is None:
        each = [
            f"{spec.id!r} takes {' or '.join(' and '.join(form) for form in own)}"
            for (spec, _), own in zip(losses, forms, strict=True)
        ]
        raise NoPictureError(f"There is nothing to draw all parts over: {'; '.join(each)}.")
    given = [value for _, parameters in losses for value in parameters.values()]
    per_class = [len(value) for value in given if isinstance(value, (tuple, list))]
    compares = any(spec.compares(parameters) for spec, parameters in losses)
    return _VIEWS[form](_Wish(*form, max(per_class, default=None), target, compares))


def _forms(spec: LossSpec, parameters: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The targets and predictions that it takes and that have a view, what is preferred first."""
    predictions = spec.y_pred
    if "from_logits" in parameters:
        predictions = ("logits" if parameters["from_logits"] else "probabilities",)
    forms = [(y_true, y_pred) for y_pred in predictions for y_true in spec.y_true]
    if found := [form for form in forms if form in _VIEWS]:
        return found
    raise _no_view(spec, predictions)


def _no_view(spec: LossSpec, predictions: Iterable[str]) -> NoPictureError:
    return NoPictureError(
        f"There is no picture for losses of the kind of {spec.id!r}.",
        expected="targets and predictions like "
        + ", ".join(f"{y_true} and {y_pred}" for y_true, y_pred in _VIEWS),
        received=f"{' or '.join(spec.y_true)} and {' or '.join(predictions)}",
    )


@dataclass(frozen=True, slots=True)
class _Wish:
    """What a view is made for; `per_class` is the number of classes that a parameter tells.

    `compares` says whether samples are compared with each other.
    """

    y_true: str
    y_pred: str
    per_class: int | None
    target: float
    compares: bool

    @property
    def span(self) -> tuple[float, float]:
        return (0.01, 0.99) if self.y_pred == "probabilities" else (-6.0, 6.0)


def _binary(wish: _Wish) -> View:
    unit = {"logits": "logit", "probabilities": "probability", "scores": "score"}[wish.y_pred]
    axis = "probability of y = 1" if unit == "probability" else unit
    if not wish.compares:
        return View(axis, unit, wish.span, (_column("y = 1", 1), _column("y = 0", 0)))
    stay = _STAY_PROBABLE if unit == "probability" else _STAY
    axis = f"{unit} of one sample, among four"
    cases = tuple(_among_others(f"y = {target}", target, stay) for target in (1, 0))
    return View(axis, unit, wish.span, cases, alone=True, mean=True)


def _among_others(label: str, target: float, stay: Sequence[float]) -> Case:
    """A sample that moves, in a batch of four that stay: what all of them cost."""
    return Case(label, _floats(target, 1, 1, 0, 0), _floats(0, *stay), _floats(1, 0, 0, 0, 0))


def _floats(*numbers: float) -> Array:
    """A column."""
    return np.array(numbers, "float32")[:, None]


def _distances(wish: _Wish) -> View:
    del wish
    cases = (_column("pair of one class", 1), _column("pair of two classes", 0))
    return View("distance of the pair", "distance", (0.0, 2.0), cases)


def _signs(wish: _Wish) -> View:
    negative = () if wish.per_class is None else (_column("y = −1", -1),)
    return View("score", "score", (-3.0, 3.0), (_column("y = 1", 1), *negative))


def _values(wish: _Wish) -> View:
    case = _column(f"y = {wish.target:g}", wish.target)
    return View("predicted value", "prediction", (wish.target - 3, wish.target + 3), (case,))


def _column(label: str, target: float) -> Case:
    """A single output, with the same target everywhere."""
    return Case(label, _floats(target), _floats(0), _floats(1))


def _classes(wish: _Wish) -> View:
    """The prediction for the right class; one curve per class if a parameter tells them apart."""
    count = wish.per_class or 3
    unit = wish.y_pred.removesuffix("s").replace("probabilitie", "probability")
    others = "the others share the rest" if unit == "probability" else "the others at 0"
    cases = tuple(
        Case(
            "right class" if wish.per_class is None else f"class {right}",
            _target(wish.y_true, count, right),
            *_line(wish.y_pred, count, right),
        )
        for right in range(wish.per_class or 1)
    )
    axis = f"{unit} of the right class, of {count}; {others}"
    return View(axis, unit, wish.span, cases)


def _target(form: str, count: int, right: int) -> Array:
    if form == "class_ids":
        return np.array([right], "int32")
    return _one_hot(count, right)


def _one_hot(count: int, right: int) -> Array:
    row: Array = np.eye(count, dtype="float32")[right][None]
    return row


def _line(form: str, count: int, right: int) -> tuple[Array, Array]:
    """The predictions for all classes: where the axis is 0, and what is added along it."""
    row = _one_hot(count, right)
    if form == "probabilities":
        rest = (1 - row) / max(count - 1, 1)
        return rest, row - rest
    return np.zeros_like(row), row


def _distributions(wish: _Wish) -> View:
    """A distribution over three classes; one share varies, the others share the rest."""
    target = np.array([[0.6, 0.2, 0.2]], "float32")
    case = Case("y = (0.6, 0.2, 0.2)", target, *_line(wish.y_pred, 3, 0))
    axis = "probability of the first class, of 3; the others share the rest"
    return View(axis, "probability", wish.span, (case,))


def _embeddings(wish: _Wish) -> View:
    """Three unit vectors in a plane: the anchor, a positive of its class, a negative of another."""
    del wish
    labels = np.array([0, 0, 1], "int32")
    positive = _degrees(0, 0, _NEGATIVE), _degrees(0, 1, 0)
    negative = _degrees(0, _POSITIVE, 0), _degrees(0, 0, 1)
    cases = (
        Case(f"positive at this angle, negative at {_NEGATIVE:g}°", labels, *positive),
        Case(f"negative at this angle, positive at {_POSITIVE:g}°", labels, *negative),
    )
    axis = "angle from the anchor, in degrees"
    return View(axis, "degree", (0.0, 180.0), cases, alone=True, through=_on_circle)


def _degrees(*angles: float) -> Array:
    return np.array(angles, "float32")


def _on_circle(degrees: Any) -> Any:
    radians = degrees * (math.pi / 180)
    return ops.stack([ops.cos(radians), ops.sin(radians)], axis=-1)


_VIEWS: Mapping[tuple[str, str], Callable[[_Wish], View]] = {
    ("binary", "logits"): _binary,
    ("binary", "scores"): _binary,
    ("binary", "probabilities"): _binary,
    ("binary", "distances"): _distances,
    ("class_ids", "logits"): _classes,
    ("class_ids", "probabilities"): _classes,
    ("one_hot", "logits"): _classes,
    ("one_hot", "probabilities"): _classes,
    ("one_hot", "scores"): _classes,
    ("probabilities", "probabilities"): _distributions,
    ("signs", "scores"): _signs,
    ("values", "values"): _values,
    ("labels", "embeddings"): _embeddings,
}
