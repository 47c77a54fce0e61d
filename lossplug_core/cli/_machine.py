"""What `lossplug doctor` says of this machine: versions, and the backend that Keras would use."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import importlib_metadata

from lossplug_core.discovery import Finding
from lossplug_core.errors import LossplugError

__all__ = [
    "BACKENDS",
    "PACKAGES",
    "Backend",
    "backend",
    "backend_findings",
    "start_keras",
    "system",
    "version_of",
]

PACKAGES = ("lossplug-core", "keras", "tensorflow", "jax", "torch", "pluggy", "pydantic")
BACKENDS = ("tensorflow", "jax", "torch")

_KERAS_DEFAULT = "tensorflow"
# TensorFlow's wheels for some machines have names of their own.
_OTHER_NAMES = {"tensorflow": ("tensorflow-cpu", "tensorflow-macos", "tf-nightly")}


@dataclass(frozen=True, slots=True)
class Backend:
    """The backend that Keras would use, and where that is said."""

    name: str
    source: str
    problem: str | None = None


def system() -> str:
    """Python and the platform."""
    return f"{platform.python_version()} on {platform.system()} {platform.machine()}"


def version_of(package: str) -> str | None:
    """The version of an installed distribution, or None."""
    for name in (package, *_OTHER_NAMES.get(package, ())):
        try:
            return importlib_metadata.version(name)
        except importlib_metadata.PackageNotFoundError:
            continue
    return None


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
    if version_of("keras") is None:
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


def start_keras() -> None:
    """Import Keras and the bridge.

    Raises:
        LossplugError: The backend is missing, or does not work.
    """
    # TensorFlow is talkative on stderr unless this is set before it is imported.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        importlib.import_module("lossplug_core.bridge")
    except LossplugError:
        raise
    except Exception as error:
        fixes = [finding.fix for finding in backend_findings()]
        raise LossplugError(
            f"Keras cannot start: {type(error).__name__}: {error}",
            fix=fixes[0] if fixes else "`lossplug doctor` says which backend it takes.",
        ) from error


def _keras_home() -> Path:
    """Keras's folder, by Keras's own rule."""
    if home := os.environ.get("KERAS_HOME"):
        return Path(home).expanduser()
    user = Path("~").expanduser()
    return (user if os.access(user, os.W_OK) else Path("/tmp")) / ".keras"
