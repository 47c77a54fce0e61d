"""Which backend Keras would use, and what to do when it cannot start; Keras is not imported."""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lossplug_core.discovery import Finding
from lossplug_core.errors import BackendError, LossplugError

__all__ = ["BACKENDS", "Backend", "backend", "backend_findings", "starting_keras"]

BACKENDS = ("tensorflow", "jax", "torch")

_KERAS_DEFAULT = "tensorflow"


@dataclass(frozen=True, slots=True)
class Backend:
    """The backend that Keras would use, and where that is said."""

    name: str
    source: str
    problem: str | None = None


def backend() -> Backend:
    """The backend as Keras decides it: from the environment, its file, or its default."""
    if chosen := os.environ.get("KERAS_BACKEND"):
        return Backend(chosen, "KERAS_BACKEND")
    file = _keras_home() / "keras.json"
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Backend(_KERAS_DEFAULT, "Keras's default")
    except (OSError, ValueError) as error:
        problem = f"{file} cannot be read: {error}"
        return Backend(_KERAS_DEFAULT, "Keras's default", problem)
    if not isinstance(config, dict):
        return Backend(_KERAS_DEFAULT, "Keras's default", f"{file} does not hold a JSON object.")
    return Backend(str(config.get("backend", _KERAS_DEFAULT)), str(file))


def backend_findings() -> Iterator[Finding]:
    """What keeps Keras from starting."""
    chosen = backend()
    here = [name for name in BACKENDS if importlib.util.find_spec(name)]
    other = f", or set KERAS_BACKEND={here[0]}, which is installed" if here else ""
    if chosen.problem:
        yield Finding(
            "keras-config",
            "keras.json",
            chosen.problem,
            "Mend or delete it: Keras writes it again.",
        )
    if importlib.util.find_spec("keras") is None:
        yield Finding("no-keras", "keras", "Keras is not installed.", "pip install keras")
    if chosen.name not in BACKENDS:
        yield Finding(
            "unknown-backend",
            chosen.name,
            f"{chosen.source} sets a backend that lossplug does not know.",
            f"Set KERAS_BACKEND to {here[0] if here else _KERAS_DEFAULT}.",
        )
    elif chosen.name not in here:
        yield Finding(
            "no-backend",
            chosen.name,
            f"Keras would use {chosen.name}, as {chosen.source} says, and it is not installed.",
            f"pip install 'lossplug-core[{chosen.name}]'{other}",
        )


@contextmanager
def starting_keras() -> Iterator[None]:
    """Around an import of Keras: what goes wrong is told with its fix.

    Raises:
        BackendError: The backend is missing, or does not work.
    """
    try:
        yield
    except LossplugError:
        raise
    except Exception as error:
        fixes = [finding.fix for finding in backend_findings()]
        raise BackendError(
            f"Keras cannot start: {type(error).__name__}: {error}",
            fix=fixes[0] if fixes else "`lossplug doctor` says which backend Keras takes.",
        ) from error


def _keras_home() -> Path:
    """Keras's folder, by Keras's own rule."""
    if home := os.environ.get("KERAS_HOME"):
        return Path(home).expanduser()
    user = Path("~").expanduser()
    return (user if os.access(user, os.W_OK) else Path("/tmp")) / ".keras"
