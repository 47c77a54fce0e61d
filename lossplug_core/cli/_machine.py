"""What the commands need of this machine: versions, and Keras started."""

from __future__ import annotations

import importlib
import os
import platform

import importlib_metadata

from lossplug_core._backend import starting_keras

__all__ = ["PACKAGES", "start_keras", "system", "version_of"]

PACKAGES = ("lossplug-core", "keras", "tensorflow", "jax", "torch", "pluggy", "pydantic")

# TensorFlow's wheels for some machines have names of their own.
_OTHER_NAMES = {"tensorflow": ("tensorflow-cpu", "tensorflow-macos", "tf-nightly")}


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


def start_keras() -> None:
    """Import Keras and the bridge, without TensorFlow's remarks on stderr.

    Raises:
        BackendError: The backend is missing, or does not work.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with starting_keras():
        importlib.import_module("lossplug_core.bridge")
