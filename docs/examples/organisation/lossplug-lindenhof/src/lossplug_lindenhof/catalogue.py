"""Where this package is installed, the catalogue of the hospitals is in force."""

from __future__ import annotations

from pathlib import Path

from lossplug_core import hookimpl


@hookimpl
def lossplug_catalog() -> Path:
    """The first layer of every project here."""
    return Path(__file__).with_name("lindenhof.toml")
