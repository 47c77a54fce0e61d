"""What no list in TOML can say: in production, only what has a review that still holds."""

from __future__ import annotations

import os
import tomllib
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from packaging.specifiers import SpecifierSet

from lossplug_core import hookimpl

STAGE = "LINDENHOF_STAGE"
"""The environment variable that is `production` on the machines whose models see patients."""


@hookimpl
def lossplug_veto(id: str, provider: Any, ids: tuple[str, ...]) -> str | None:
    """Forbid in production what nobody has reviewed. Research tries what the catalogue allows."""
    if os.environ.get(STAGE) != "production" or id not in ids:
        return None
    if provider.distribution in ("keras", "lossplug-lindenhof"):
        return None
    review = _reviews().get(ids[0])  # the id itself, and after it those of its aliases
    if review is None:
        return "it has no review, which production needs: model-risk@lindenhof.example does them"
    if provider.version not in SpecifierSet(review["versions"]):
        return f"its review by {review['by']} is of {provider.distribution} {review['versions']}"
    if review["until"] < date.today():
        return f"its review by {review['by']} held until {review['until']}"
    return None


@cache
def _reviews() -> dict[str, dict[str, Any]]:
    return tomllib.loads(Path(__file__).with_name("reviews.toml").read_text(encoding="utf-8"))
