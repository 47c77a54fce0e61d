"""A loss of a batch from a function of one row of pairs: what all of them share is added here."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

from lossplug_core import PositiveInt, loss
from lossplug_core.choices import chosen
from lossplug_metric_learning._averages import Average
from lossplug_metric_learning._inputs import labelled_embeddings, unit
from lossplug_metric_learning._pairs import Pairs, pairs_in_batch, per_anchor
from lossplug_metric_learning.distances import Distance
from lossplug_metric_learning.matching import Matching
from lossplug_metric_learning.mining import Mining
from lossplug_metric_learning.regularizers import Regularizer

__all__ = ["OF_DIRECTIONS", "OF_PAIRS", "pair_loss"]

_F = TypeVar("_F", bound=Callable[..., Any])

OF_PAIRS = "of_pairs"
"""The attribute of a pair loss that compares given `Pairs`, such as with a memory."""

OF_DIRECTIONS = "of_directions"
"""Its attribute that tells whether it always compares embeddings of length 1."""

_LABELS = """\
y_true: Labels: integers, shape `[batch]` or `[batch, 1]`, equal for samples of one class"""

_SEVERAL = """\
; or
    rows of 0 and 1, shape `[batch, labels]` with several labels, one-hot or not"""

_EMBEDDINGS = """\
.
y_pred: Embeddings, shape `[batch, features]`. Half precision is computed in float32."""

_SHARED: Mapping[str, tuple[Any, str]] = {
    "distance": (
        Distance,
        """\
How far two embeddings are apart: `"cosine"` (1 minus it), `"euclidean"`,
    `"squared_euclidean"`, `"inner_product"` (minus it) or `"signal_to_noise"`. As a
    similarity, a distance counts negatively.""",
    ),
    "normalize": (
        bool,
        "Scale each embedding to length 1 first. The cosine always does.",
    ),
    "mining": (
        Mining | None,
        """\
Which pairs count: all if None, else a function in `mining`, by name or with its
    parameters, such as `{"name": "multi_similarity", "epsilon": 0.2}`.""",
    ),
    "matching": (
        Matching,
        """\
How rows of several labels are compared: `"shared"`: of one class if they share a
    label. `{"name": "jaccard", "threshold": 0.5}`: if they share that part of their labels;
    what shares less is not compared.""",
    ),
    "average": (
        Average,
        """\
What the mean over the batch is. `"anchors"`: of the anchors' means over their terms,
    0 where an anchor has none. `"terms"`: of all terms (pairs, triplets; anchors, if each has
    one term). `"nonzero"`: of the terms above 0. `"classes"`: of the classes' means.""",
    ),
    "regularizer": (
        Regularizer | None,
        """\
What to add to each value: a function in `regularizers`, by name or with its
    parameters, such as `{"name": "length", "weight": 0.01}`, of embeddings as they came.""",
    ),
    "chunk": (
        PositiveInt | None,
        """\
How many anchors to hold in memory at a time, which then grows with `chunk` times the
    batch, and not with its square. The gradient calculates a chunk again. All if None.""",
    ),
}

_RETURNS = """\

Returns:
    One value per anchor, shape `[batch]`.

Raises:
    DataError: Labels and embeddings have other shapes than these.
"""


def pair_loss(
    *,
    distance: str,
    normalize: bool,
    average: str = "anchors",
    first: Callable[..., Any] | None = None,
    without: frozenset[str] = frozenset(),
    stops_gradient: Callable[[Mapping[str, Any]], bool] | None = None,
    **declared: Any,
) -> Callable[[_F], _F]:
    """Make a loss of labels and embeddings from a function of one `Rows`.

    The function takes rows of anchors and its own parameters, by keyword only, and returns `Terms`,
    or several that are averaged apart. The loss that it becomes takes `y_true`, `y_pred` and these
    parameters, and has further ones: how distances are measured, which pairs are mined, how terms
    become values, and so on. Its docstring describes its own; the shared ones are added.

    Args:
        distance: The default of the parameter `distance`.
        normalize: That of `normalize`.
        average: That of `average`.
        first: A function of `Rows` and the same parameters that finds one number for each row. It
            is called for all rows first; they are `of_anchors` and `of_references` then.
        without: Which of the shared parameters it does not have.
        stops_gradient: Whether it takes something for a constant, given its parameters. Weights of
            a miner are.
        **declared: As in `lossplug_core.loss`.
    """
    defaults = {
        **dict.fromkeys(_SHARED),
        "distance": distance,
        "normalize": normalize,
        "average": average,
        "matching": "shared",
    }

    def mark(function: _F) -> _F:
        own = _keywords(function)
        shared = {name: default for name, default in defaults.items() if name not in without}
        fixed = {name: default for name, default in defaults.items() if name in without}
        of_batch = _of_batch(function, own, shared, fixed, first)
        setattr(of_batch, OF_PAIRS, _of_pairs(function, own, shared, fixed, first))
        declared["stops_gradient"] = lambda given: (
            _weighs(given) or (stops_gradient is not None and stops_gradient(given))
        )
        forms = "labels|multi_hot" if "matching" in shared else "labels"
        return loss(y_true=forms, y_pred="embeddings", **declared)(of_batch)

    return mark


def _of_batch(
    function: _F,
    own: Mapping[str, inspect.Parameter],
    shared: Mapping[str, Any],
    fixed: Mapping[str, Any],
    first: Callable[..., Any] | None,
) -> _F:
    """The function as a loss of a batch, with the shared parameters."""

    @functools.wraps(function)
    def of_batch(y_true: Any, y_pred: Any, **given: Any) -> Any:
        complete = {**fixed, **_complete(signature, given, y_true, y_pred)}
        mine = {name: complete.pop(name) for name in own}
        to_length_1 = complete.pop("normalize") or complete["distance"] == "cosine"
        regularize = chosen(Regularizer, complete.pop("regularizer"))
        labels, raw = labelled_embeddings(
            y_true, y_pred, normalize=False, multi_hot="matching" in shared
        )
        pairs = pairs_in_batch(labels, unit(raw) if to_length_1 else raw)
        values = per_anchor(function, pairs, mine, first=first, **complete)
        return values if regularize is None else values + regularize(raw)

    parameters = [*own.values(), *_parameters(shared)]
    signature = inspect.Signature([*_leading("y_true", "y_pred"), *parameters])
    _describe(of_batch, signature)
    of_batch.__doc__ = _documented(function.__doc__ or "", shared)
    return typing.cast(_F, of_batch)


def _of_pairs(
    function: Callable[..., Any],
    own: Mapping[str, inspect.Parameter],
    shared: Mapping[str, Any],
    fixed: Mapping[str, Any],
    first: Callable[..., Any] | None,
) -> Callable[..., Any]:
    """The function as a loss of given pairs, with the shared parameters that are not of a batch."""

    def of_pairs(pairs: Pairs, **given: Any) -> Any:
        complete = {**always, **_complete(signature, given, pairs)}
        mine = {name: complete.pop(name) for name in own}
        return per_anchor(function, pairs, mine, first=first, **complete)

    of_batch = ("normalize", "matching", "regularizer")
    always, rest = (
        {name: default for name, default in of_all.items() if name not in of_batch}
        for of_all in (fixed, shared)
    )
    signature = inspect.Signature([*_leading("pairs"), *own.values(), *_parameters(rest)])
    _describe(of_pairs, signature)
    of_pairs.__name__ = function.__name__
    setattr(of_pairs, OF_DIRECTIONS, fixed.get("normalize", False))
    return of_pairs


def _parameters(defaults: Mapping[str, Any]) -> list[inspect.Parameter]:
    kind = inspect.Parameter.KEYWORD_ONLY
    return [
        inspect.Parameter(name, kind, default=default, annotation=_SHARED[name][0])
        for name, default in defaults.items()
    ]


def _weighs(parameters: Mapping[str, Any]) -> bool:
    mining = chosen(Mining, parameters.get("mining"))
    return mining is not None and mining.name == "distance_weighted"


def _keywords(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The keyword-only parameters of a function, their types evaluated."""
    hints = typing.get_type_hints(function, include_extras=True)
    return {
        name: parameter.replace(annotation=hints[name])
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    }


def _leading(*names: str) -> list[inspect.Parameter]:
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return [inspect.Parameter(name, kind, annotation=Any) for name in names]


def _describe(function: Any, signature: inspect.Signature) -> None:
    function.__signature__ = signature
    function.__annotations__ = {
        **{name: p.annotation for name, p in signature.parameters.items()},
        "return": Any,
    }


def _complete(
    signature: inspect.Signature, given: Mapping[str, Any], *leading: Any
) -> dict[str, Any]:
    """The keyword arguments of a call, defaults included."""
    bound = signature.bind(*leading, **given)
    bound.apply_defaults()
    return dict(list(bound.arguments.items())[len(leading) :])


def _documented(docstring: str, names: Collection[str]) -> str:
    """A docstring, with the arguments that all pair losses share."""
    text = inspect.cleandoc(docstring)
    shared = "\n".join(f"{name}: {_SHARED[name][1]}" for name in names)
    before, args, after = text.partition("\nArgs:\n")
    if not args:
        before, _, after = text.partition("\nExample:\n")
        after = f"\nExample:\n{after}"
    own, example, rest = after.partition("\nExample:\n")
    own, _, raises = own.partition("\nRaises:\n")
    own = f"\n{own.rstrip()}" if own.strip() else ""
    targets = f"{_LABELS}{_SEVERAL if 'matching' in names else ''}{_EMBEDDINGS}"
    return (
        f"{before}\nArgs:\n{_indented(targets)}{own}\n{_indented(shared)}\n"
        f"{_RETURNS}{raises}{example}{rest}\n"
    )


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())
