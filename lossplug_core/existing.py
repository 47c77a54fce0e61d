"""Losses that were there before: a function, or a class of Keras, as it is, made a spec.

Keras is not imported here. Where a class is one of Keras's, its module has imported it.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from lossplug_core.errors import DataError, SpecError
from lossplug_core.forms import ANY
from lossplug_core.marking import describe
from lossplug_core.spec import ATTRIBUTE, OPTIONS, LossSpec, spec_of

__all__ = ["as_spec", "from_callable", "from_keras_loss", "is_made_of"]

_EMPTY = inspect.Parameter.empty
_MARK_IT = "Write it as (y_true, y_pred, *, parameter=default, …) and mark it: @loss(…)"


def from_callable(
    function: Callable[..., Any],
    *,
    y_true: str = ANY,
    y_pred: str = ANY,
    name: str | None = None,
    types: Mapping[str, Any] | None = None,
    **declared: Any,
) -> LossSpec:
    """Describe a function that is there already, without a rewrite.

    An entry point may lead to the result. It may also lead to the function itself, which is then
    described by this without further arguments.

    Args:
        function: `(target, prediction, parameters…) -> one value per sample`. The first two may
            have any names, and the parameters may be positional.
        y_true: The forms of target that it accepts, as in `loss`. With `"any"` the target reaches
            it as it is: integers stay integers, and no shape is checked.
        y_pred: The forms of prediction that it accepts.
        name: Its name, if not the function's.
        types: Types of parameters that its annotations do not tell. Without either, a parameter
            has the type of its default; an integer default admits any number.
        **declared: Anything else that `loss` takes.

    Returns:
        The description, which `get_loss` takes as well.

    Raises:
        SpecError: It cannot be called as `(target, prediction, **parameters)`.

    Example:
        >>> def scaled(target, output, factor=2.0):
        ...     return factor * (target - output) ** 2
        >>> from_callable(scaled, y_true="values", y_pred="values").name
        'scaled'
    """
    name = name or str(getattr(function, "__name__", type(function).__name__))
    if not callable(function) or isinstance(function, type) or spec_of(function) is not None:
        raise SpecError(
            f"{name!r} is not a plain function.",
            expected="a function (y_true, y_pred, parameters…) that is not marked @loss",
            received=function,
        )
    parameters = list(inspect.signature(function).parameters.values())
    given, rest = parameters[:2], parameters[2:]
    if len(given) < 2 or any(p.kind not in (p.POSITIONAL_ONLY, _PLAIN) for p in given):
        raise SpecError(
            f"The function {name!r} does not take a target and a prediction.",
            expected="(y_true, y_pred, parameters…)",
            received=str(inspect.signature(function)),
            fix=_MARK_IT,
        )
    return _described(
        _Function(function, _parameters(name, rest)), name, y_true, y_pred, types, declared
    )


def from_keras_loss(
    loss_class: type[Any],
    *,
    y_true: str = ANY,
    y_pred: str = ANY,
    name: str | None = None,
    types: Mapping[str, Any] | None = None,
    **declared: Any,
) -> LossSpec:
    """Describe a subclass of `keras.losses.Loss` that is there already, without a rewrite.

    The class is made with its parameters, and its `call` is used. Reduction, sample weights and
    masks are added around it, as for every loss.

    Args:
        loss_class: The class. Its parameters are those of its `__init__`, without `reduction`,
            `name` and `dtype`.
        y_true: The forms of target that it accepts, as in `from_callable`.
        y_pred: The forms of prediction that it accepts.
        name: Its name, if not the class's.
        types: Types of parameters that its annotations do not tell, as in `from_callable`.
        **declared: Anything else that `loss` takes.

    Returns:
        The description, which `get_loss` takes as well.

    Raises:
        SpecError: It is no such class, or its `call` is not all that it does.

    Example:
        >>> import keras
        >>> class Scaled(keras.losses.Loss):
        ...     def __init__(self, factor=2.0, **options):
        ...         super().__init__(**options)
        ...         self.factor = factor
        ...
        ...     def call(self, y_true, y_pred):
        ...         return self.factor * (y_true - y_pred) ** 2
        >>> from_keras_loss(Scaled, y_true="values", y_pred="values").name
        'Scaled'
    """
    base = _keras_loss()
    if base is None or not isinstance(loss_class, type) or not issubclass(loss_class, base):
        raise SpecError(
            "This is not a class of losses of Keras.",
            expected="a subclass of keras.losses.Loss",
            received=loss_class,
        )
    name = name or loss_class.__name__
    if loss_class.__call__ is not base.__call__ or loss_class.call is base.call:
        raise SpecError(
            f"The class {name!r} does not compute its values in `call` alone.",
            expected="a class with its own `call`, and Keras's `__call__`",
            received="its own `__call__`"
            if loss_class.__call__ is not base.__call__
            else "Keras's `call`, which computes nothing",
            fix="Move what it does to `call`: one value per sample; the reduction is Keras's.",
        )
    parameters = list(inspect.signature(loss_class.__init__).parameters.values())[1:]
    open_ended = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    own = _parameters(name, [p for p in parameters if p.kind not in open_ended])
    adapted = _Class(loss_class, own)
    return _described(adapted, name, y_true, y_pred, types, declared)


def as_spec(obj: Any) -> LossSpec:
    """The spec of whatever an entry point may lead to.

    Raises:
        TypeError: It is nothing that can be a loss.
        SpecError: It is a function or class that cannot be one as it is written.
    """
    if isinstance(obj, LossSpec):
        return obj
    if (spec := spec_of(obj)) is not None:
        return spec
    base = _keras_loss()
    if isinstance(obj, type) and base is not None and issubclass(obj, base):
        return from_keras_loss(obj)
    if inspect.isroutine(obj):
        return from_callable(obj)
    raise TypeError(
        f"{obj!r} is neither a function, marked @loss or not, nor a subclass of keras.losses.Loss, "
        "nor what from_callable or from_keras_loss made of one"
    )


def is_made_of(spec: LossSpec, obj: Any) -> bool:
    """Whether a spec describes a function or class that was there already."""
    return isinstance(spec.function, _Existing) and spec.function.original is obj


def _keras_loss() -> Any:
    """Keras's class of losses, if anybody imported Keras."""
    losses = getattr(sys.modules.get("keras"), "losses", None)
    return getattr(losses, "Loss", None)


_PLAIN = inspect.Parameter.POSITIONAL_OR_KEYWORD


def _parameters(name: str, parameters: list[inspect.Parameter]) -> Iterator[inspect.Parameter]:
    """Parameters as keywords, without those that are the bridge's business."""
    for p in parameters:
        if p.kind not in (_PLAIN, p.KEYWORD_ONLY):
            raise SpecError(
                f"The signature of {name!r} does not say what its parameters are.",
                expected="parameters that have a name each",
                received=str(p),
                fix=_MARK_IT,
            )
        if p.name not in OPTIONS or p.default is _EMPTY:
            yield p.replace(kind=p.KEYWORD_ONLY)


def _described(
    function: _Existing,
    name: str,
    y_true: str,
    y_pred: str,
    types: Mapping[str, Any] | None,
    declared: Mapping[str, Any],
) -> LossSpec:
    function.described_by = {"name": name, "y_true": y_true, "y_pred": y_pred, "types": types}
    function.described_by |= declared
    plain = {p.name: p for p in list(function.__signature__.parameters.values())[2:]}
    if unknown := sorted(set(types or {}) - set(plain)):
        raise SpecError(
            f"{name!r} has no such parameter, but a type for it is given.",
            expected=f"some of {', '.join(plain)}" if plain else "no types",
            received=unknown[0],
        )
    guessed = {key: _type_of(p.default) for key, p in plain.items() if p.annotation is _EMPTY}
    types = {**guessed, **(types or {})}
    function.__annotations__ = {key: p.annotation for key, p in plain.items() if key not in types}
    spec = describe(function, name, y_true=y_true, y_pred=y_pred, parameter_types=types, **declared)
    setattr(function, ATTRIBUTE, spec)
    return spec


def _type_of(default: Any) -> Any:
    """The type of a parameter of which only the default is known."""
    if default is _EMPTY or default is None:
        return object
    return int | float if type(default) is int else type(default)


class _Existing:
    """Older code as the function that the core expects: `(y_true, y_pred, *, parameters)`."""

    described_by: dict[str, Any]
    made_by: Callable[..., LossSpec]

    def __init__(self, original: Any, parameters: Iterable[inspect.Parameter]) -> None:
        self.original = original
        # No `__qualname__`: that is how an entry point finds the original.
        self.__name__ = getattr(original, "__name__", type(original).__name__)
        self.__module__ = getattr(original, "__module__", "")
        of_its_own = isinstance(original, type) or inspect.isroutine(original)
        self.__doc__ = original.__doc__ if of_its_own else None
        two = [inspect.Parameter(n, _PLAIN) for n in ("y_true", "y_pred")]
        self.__signature__ = inspect.Signature([*two, *parameters])

    def __call__(self, y_true: Any, y_pred: Any, **parameters: Any) -> Any:
        values = self.compute(y_true, y_pred, parameters)
        if len(getattr(values, "shape", (0,))) == 0 and len(getattr(y_pred, "shape", ())) > 0:
            raise DataError(
                f"{self.__name__!r} returns one number for the whole batch.",
                expected="one value per sample: reduction and sample weights are added to that",
                received="a scalar",
                fix="Take the mean over the last axis only: ops.mean(…, axis=-1)",
            )
        return values

    def compute(self, y_true: Any, y_pred: Any, parameters: Mapping[str, Any]) -> Any:
        """What the older code gives."""
        raise NotImplementedError

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (type(self), self.original, self.described_by)


class _Function(_Existing):
    made_by = staticmethod(from_callable)

    @property
    def __wrapped__(self) -> Any:
        return self.original

    def compute(self, y_true: Any, y_pred: Any, parameters: Mapping[str, Any]) -> Any:
        return self.original(y_true, y_pred, **parameters)


class _Class(_Existing):
    made_by = staticmethod(from_keras_loss)

    @property
    def __wrapped__(self) -> Any:
        return self.original.__init__

    def compute(self, y_true: Any, y_pred: Any, parameters: Mapping[str, Any]) -> Any:
        # Made anew each time: what it makes of its parameters may belong to a graph.
        return self.original(**parameters).call(y_true, y_pred)


def _again(kind: type[_Existing], original: Any, described_by: Mapping[str, Any]) -> Any:
    return kind.made_by(original, **described_by).function
