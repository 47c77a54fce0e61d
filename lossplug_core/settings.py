"""The environment variables that lossplug reads, each time that it needs them."""

from __future__ import annotations

import os
import re

from lossplug_core.names import key, normalized, split

__all__ = ["disabled_by", "disabled_text", "disabled_words", "strict", "switches_off"]


def strict() -> bool:
    """`LOSSPLUG_STRICT`: whether a broken plugin raises at once."""
    return os.environ.get("LOSSPLUG_STRICT", "").lower() not in ("", "0", "false", "no")


def disabled_text() -> str:
    """`LOSSPLUG_DISABLE` as it is: ids, namespaces and distributions, separated by commas."""
    return os.environ.get("LOSSPLUG_DISABLE", "")


def disabled_words() -> list[str]:
    """The words of `LOSSPLUG_DISABLE`."""
    return [word for word in re.split(r"[,;\s]+", disabled_text()) if word]


def switches_off(word: str, namespace: str, name: str, distribution: str) -> bool:
    """Whether a word means a loss: its id, its namespace, or its distribution."""
    in_namespace, of_loss = split(word)
    if in_namespace is None:
        return normalized(word) in (namespace, distribution)
    return in_namespace == namespace and key(of_loss) == key(name)


def disabled_by(namespace: str, name: str, distribution: str) -> str | None:
    """The word of `LOSSPLUG_DISABLE` that switches a loss off, or None."""
    for word in disabled_words():
        if switches_off(word, namespace, name, distribution):
            return word
    return None
