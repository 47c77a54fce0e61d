"""The environment variables that lossplug reads, each time that it needs them."""

from __future__ import annotations

import os
import re

from lossplug_core.names import key, normalized, split

__all__ = ["disabled_by", "disabled_text", "strict"]


def strict() -> bool:
    """`LOSSPLUG_STRICT`: whether a broken plugin raises at once."""
    return os.environ.get("LOSSPLUG_STRICT", "").lower() not in ("", "0", "false", "no")


def disabled_text() -> str:
    """`LOSSPLUG_DISABLE` as it is: ids, namespaces and distributions, separated by commas."""
    return os.environ.get("LOSSPLUG_DISABLE", "")


def disabled_by(namespace: str, name: str, distribution: str) -> str | None:
    """The word of `LOSSPLUG_DISABLE` that switches a loss off, or None."""
    words: list[str] = re.split(r"[,;\s]+", disabled_text())
    for word in filter(None, words):
        in_namespace, of_loss = split(word)
        if in_namespace is None:
            if normalized(word) in (namespace, distribution):
                return word
        elif in_namespace == namespace and key(of_loss) == key(name):
            return word
    return None
