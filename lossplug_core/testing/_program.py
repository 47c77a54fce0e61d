"""The program of a `Worker`: it answers questions on its pipes until they close."""

from __future__ import annotations

import os
import pickle
import queue
import threading
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

from lossplug_core.errors import LossplugError


def main() -> None:
    """Answer requests. What else is printed goes nowhere, and there is nothing to read."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    import lossplug_core.bridge  # noqa: F401  the start of Keras is no request's fault

    _send(answers, "ready")
    asked: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(requests, asked), daemon=True).start()
    while True:
        action, arguments = asked.get()
        _send(answers, _answer(_ACTIONS[action], arguments))


def _listen(requests: BinaryIO, asked: queue.SimpleQueue[Any]) -> None:
    """Hand requests on. Where they end nobody waits for an answer, which may never come."""
    try:
        while True:
            asked.put(pickle.load(requests))
    finally:
        os._exit(0)


def _send(answers: BinaryIO, answer: Any) -> None:
    pickle.dump(answer, answers)
    answers.flush()


def _answer(action: Callable[..., Any], arguments: Mapping[str, Any]) -> tuple[str | None, Any]:
    """What went wrong, or the answer."""
    try:
        return None, action(**arguments)
    except LossplugError as error:
        return str(error), None
    except (Exception, SystemExit) as error:
        return f"In another process: {type(error).__name__}: {error}", None


def _load(path: str, **data: Any) -> dict[str, Any]:
    """The values of the loss with which a saved model was compiled."""
    import keras

    import lossplug_core

    lossplug_core.refresh()
    loss = keras.models.load_model(path).loss
    return {"values": _values(loss, **data)}


def _evaluate(config: dict[str, Any], owned: Mapping[str, Any], **data: Any) -> dict[str, Any]:
    """The values and the gradient of a loss that is built from its config."""
    import keras

    import lossplug_core
    from lossplug_core.bridge import PluginLoss
    from lossplug_core.bridge.autodiff import value_and_gradient

    lossplug_core.refresh()
    loss = PluginLoss.from_config(config)
    if loss.layer is not None:
        loss.layer.load_own_variables(owned)
    y_pred = data.pop("y_pred")

    def function(y_pred: Any) -> Any:
        return _value(loss, y_pred=y_pred, **data)

    values, gradient = value_and_gradient(function, keras.ops.convert_to_tensor(y_pred))
    return {"values": values, "gradient": gradient}


def _values(loss: Any, **data: Any) -> Any:
    import keras

    data["y_pred"] = keras.ops.convert_to_tensor(data["y_pred"])
    return keras.ops.convert_to_numpy(_value(loss, **data))


def _value(loss: Any, y_true: Any, y_pred: Any, further: Any, outputs: Any) -> Any:
    target = {"y_true": y_true, **further} if further else y_true
    prediction = {name: y_pred[i] for i, name in enumerate(outputs)} if outputs else y_pred
    return loss(target, prediction, training=False)


def _check(**arguments: Any) -> dict[str, Any]:
    """The result of one check of one loss."""
    from lossplug_core.testing.examine import examine

    return examine(**arguments)


def _checks(only: tuple[str, ...], profile: str) -> list[str]:
    """The ids of the checks to run."""
    from lossplug_core._backend import backend
    from lossplug_core.testing.selection import select_checks
    from lossplug_core.testing.worker import worker

    ids = select_checks(only, thorough=profile == "thorough")
    if "saved-model" in ids:
        # The process that will load what is saved starts while the first checks run here.
        worker(backend().name).start()
    return ids


_ACTIONS: dict[str, Callable[..., Any]] = {
    "check": _check,
    "checks": _checks,
    "evaluate": _evaluate,
    "load": _load,
}

if __name__ == "__main__":
    main()
