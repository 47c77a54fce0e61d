"""Several targets, each with a name; several outputs, each with a name.

A loss that needs more than `y_true` is given a mapping: `y_true` itself, and the further targets
that the loss declares.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import keras
from keras import ops

from lossplug_core.bridge.targets import as_tensor
from lossplug_core.errors import DataError
from lossplug_core.spec import MAIN_TARGET

__all__ = ["INPUTS", "Named", "main_target", "predictions", "split"]

INPUTS = "inputs"
"""The further target that the model's inputs are, where a model is known."""


class Named(Mapping[str, Any]):
    """A mapping that Keras passes on as it is, instead of matching its keys with outputs."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        self._content = dict(content)

    def __getitem__(self, name: str) -> Any:
        return self._content[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._content)

    def __len__(self) -> int:
        return len(self._content)

    @property
    def shape(self) -> Any:
        """The shape of the first: Keras asks for the size of the batch."""
        return keras.tree.flatten(next(iter(self._content.values())))[0].shape


class Takes(Protocol):
    """What takes targets and outputs by name."""

    name: str

    @property
    def targets(self) -> tuple[str, ...]: ...

    @property
    def outputs(self) -> tuple[str, ...]: ...


def main_target(y_true: Any) -> Any:
    """The target itself, out of a mapping of several."""
    if isinstance(y_true, Mapping) and MAIN_TARGET in y_true:
        return y_true[MAIN_TARGET]
    return y_true


def split(loss: Takes, y_true: Any, dtype: str, inputs: Any = None) -> tuple[Any, dict[str, Any]]:
    """The target, and the further targets by name.

    Args:
        loss: What they are for.
        y_true: The target, or a mapping of it and of further targets.
        dtype: What further targets that are floats are cast to; `inputs` stay as they are.
        inputs: What the model was given; the loss may take it as a further target.

    Raises:
        DataError: A target is missing, or the loss does not know it.
    """
    given = dict(y_true) if isinstance(y_true, Mapping) else {MAIN_TARGET: y_true}
    if INPUTS in loss.targets and inputs is not None:
        given.setdefault(INPUTS, inputs)
    wanted = (MAIN_TARGET, *loss.targets)
    _match(loss, "target", wanted, given, "y={" + ", ".join(f"{n!r}: …" for n in wanted) + "}")
    y_true = given.pop(MAIN_TARGET)
    return y_true, {name: _tensors(given[name], name, dtype) for name in given}


def predictions(loss: Takes, y_pred: Any, dtype: str) -> tuple[Any, Any]:
    """The prediction that the function takes, and one tensor with the size and mask of the batch.

    Raises:
        DataError: The loss compares several outputs, and these are not there.
    """
    if not loss.outputs:
        if isinstance(y_pred, Mapping):
            raise DataError(
                f"The loss {loss.name!r} takes one prediction.",
                expected="one output",
                received=list(y_pred),
                fix="model.compile(loss={output: loss}): a loss for each output that has one.",
            )
        y_pred = as_tensor(y_pred, "y_pred")
        return ops.cast(y_pred, dtype), y_pred
    if isinstance(y_pred, Sequence) and len(y_pred) == len(loss.outputs):
        y_pred = dict(zip(loss.outputs, y_pred, strict=True))
    if not isinstance(y_pred, Mapping):
        raise DataError(
            f"The loss {loss.name!r} compares several outputs.",
            expected=f"y_pred with {', '.join(loss.outputs)}",
            received=type(y_pred).__name__,
            fix=f"keras.Model(inputs, {{{', '.join(f'{n!r}: …' for n in loss.outputs)}}})",
        )
    _match(loss, "output", loss.outputs, y_pred, "name the outputs of the model so", others=True)
    y_pred = {name: as_tensor(y_pred[name], name) for name in loss.outputs}
    cast = {name: ops.cast(y_pred[name], dtype) for name in y_pred}
    return cast, y_pred[loss.outputs[0]]


def _tensors(value: Any, name: str, dtype: str) -> Any:
    def tensor(leaf: Any) -> Any:
        leaf = as_tensor(leaf, name)
        is_float = keras.backend.is_float_dtype(keras.backend.standardize_dtype(leaf.dtype))
        return ops.cast(leaf, dtype) if is_float and name != INPUTS else leaf

    return keras.tree.map_structure(tensor, value)


def _match(
    loss: Takes,
    kind: str,
    wanted: Sequence[str],
    given: Mapping[str, Any],
    fix: str,
    *,
    others: bool = False,
) -> None:
    """Refuse what is missing, and, unless others may be there, what is unknown."""
    # Without assignments in conditions: TensorFlow's AutoGraph warns of them.
    unknown = [] if others else [name for name in given if name not in wanted]
    missing = [name for name in wanted if name not in given]
    if unknown:
        raise DataError(
            f"The loss {loss.name!r} knows no {kind} {unknown[0]!r}.",
            expected=", ".join(wanted),
            received=", ".join(map(str, given)),
            nearest=difflib.get_close_matches(str(unknown[0]), wanted, n=1),
            fix=fix,
        )
    if missing:
        raise DataError(
            f"The loss {loss.name!r} needs the {kind} {missing[0]!r}.",
            expected=", ".join(wanted),
            received=", ".join(given),
            fix=fix,
        )
