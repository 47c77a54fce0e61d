"""Which names a plugin and its loss can have."""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Callable
from importlib.metadata import requires

from packaging.requirements import Requirement

from lossplug_core._known import KNOWN_LOSSES
from lossplug_core.errors import LossplugError
from lossplug_core.names import KERAS, is_distribution, namespace_of, normalized

__all__ = ["distribution_of", "loss_name"]

# With names of these lengths no line of the template is longer than 100.
_LONGEST, _LONGEST_LOSS = 40, 35

_LOSS = re.compile(r"(?=..)[a-z][a-z0-9]*(_[a-z0-9]+)*")
# What the module of the example has already, beside Python's keywords.
_TAKEN = frozenset({"annotations", "at_least_float32", "fits", "loss", "ops", *keyword.kwlist})


def distribution_of(name: str) -> str:
    """The distribution that a new plugin is, normalised.

    One word gets the prefix `lossplug-`; a name of several words is taken as it is.

    Raises:
        LossplugError: No distribution can have the name, or another one has it, or its package
            could not be imported.

    Example:
        >>> distribution_of("robust"), distribution_of("lossplug-robust")
        ('lossplug-robust', 'lossplug-robust')
        >>> distribution_of("Acme_Losses")
        'acme-losses'
    """
    name = name.strip()
    # For earlier releases of packaging "ſ" and the Kelvin sign are letters.
    if not (name.isascii() and is_distribution(name)):
        raise LossplugError(
            "No distribution can have this name.",
            expected="ASCII letters and digits, and '-', '_' or '.' between them",
            received=name,
            nearest=_that_would_do(distribution_of, _plain(name, "-")),
        )
    distribution = normalized(name)
    if "-" not in distribution and distribution not in _reserved():
        distribution = f"lossplug-{distribution}"
    if len(distribution) > _LONGEST:
        raise LossplugError(
            f"The name is too long: {len(distribution)} letters.",
            expected=f"at most {_LONGEST}",
            received=distribution,
        )
    if distribution in _reserved() or namespace_of(distribution) == KERAS:
        raise LossplugError(
            f"The name {distribution!r} belongs to another package.",
            expected="a name that no package has yet",
            received=name,
            nearest=_that_would_do(
                distribution_of, f"my-{distribution.removeprefix('lossplug-')}-losses"
            ),
        )
    if not distribution.replace("-", "_").isidentifier():
        raise LossplugError(
            f"No package can be imported as {distribution.replace('-', '_')!r}.",
            expected="a name that begins with a letter",
            received=name,
            nearest=_that_would_do(distribution_of, f"lossplug-{distribution}"),
        )
    return distribution


def loss_name(name: str) -> str:
    """The name of a loss, which is that of its function, of its module and of its entry point.

    Raises:
        LossplugError: It is not a plain Python name, or means something already.

    Example:
        >>> loss_name("charbonnier")
        'charbonnier'
    """
    name = name.strip()
    if not _LOSS.fullmatch(name):
        raise LossplugError(
            "This cannot be the name of a loss.",
            expected="a Python name in lower case, of two letters or more, such as smooth_l1",
            received=name,
            nearest=_that_would_do(loss_name, _plain(name, "_")),
        )
    if name in _TAKEN:
        raise LossplugError(
            f"{name!r} means something else in Python, or in the module of the loss.",
            expected="another name",
            received=name,
            nearest=_that_would_do(loss_name, f"my_{name}"),
        )
    if len(name) > _LONGEST_LOSS:
        raise LossplugError(
            f"The name of the loss is too long: {len(name)} letters.",
            expected=f"at most {_LONGEST_LOSS}",
            received=name,
        )
    return name


def _reserved() -> frozenset[str]:
    """Distributions that are lossplug's own, that it is built on, or that are known plugins."""
    needed = (Requirement(line).name for line in requires("lossplug-core") or ())
    ours = ("lossplug", "lossplug-core", "core")
    return frozenset({*map(normalized, (KERAS, *needed)), *ours, *KNOWN_LOSSES})


def _plain(name: str, joint: str) -> str:
    """What a name becomes in ASCII, its words in lower case and joined; nothing if it is that."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).casefold()
    letters = unicodedata.normalize("NFKD", words).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^a-z0-9]+", joint, letters).strip(joint)
    plain = f"my{joint}{plain}" if plain[:1].isdigit() else plain
    return "" if plain == name else plain


def _that_would_do(accept: Callable[[str], str], name: str) -> list[str]:
    """The name, if there is one and it is accepted."""
    try:
        return [name] if name and accept(name) else []
    except LossplugError:
        return []
