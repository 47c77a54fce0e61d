"""How names are compared: `focal`, `Focal`, `FocalLoss` and `focal_loss` are one name."""

from __future__ import annotations

from functools import lru_cache

from packaging.utils import InvalidName, canonicalize_name

__all__ = ["KERAS", "is_distribution", "is_name_of", "key", "namespace_of", "normalized", "split"]

KERAS = "keras"
"""The namespace of Keras's own losses. No plugin can have it."""

_PREFIX = "lossplug-"


@lru_cache(maxsize=65536)
def key(name: str) -> str:
    """What two spellings of one loss have in common.

    Example:
        >>> {key(name) for name in ("focal", "Focal", "FocalLoss", "focal_loss", "focal-loss")}
        {'focal'}
    """
    letters = "".join(filter(str.isalnum, name.casefold()))
    return letters.removesuffix("loss") or letters


def normalized(distribution: str) -> str:
    """A distribution's name as PEP 503 compares it.

    Example:
        >>> normalized("Lossplug_Metric.Learning")
        'lossplug-metric-learning'
    """
    return canonicalize_name(distribution.strip())


def is_distribution(name: str) -> bool:
    """Whether a distribution can have this name. What it is read from may be hostile."""
    try:
        canonicalize_name(name, validate=True)
    except InvalidName:
        return False
    return True


def namespace_of(distribution: str) -> str:
    """The namespace of a distribution: its normalised name without the prefix `lossplug-`.

    Example:
        >>> namespace_of("lossplug_metric_learning"), namespace_of("acme-losses")
        ('metric-learning', 'acme-losses')
    """
    name = normalized(distribution)
    return name.removeprefix(_PREFIX) or name


def split(identifier: str) -> tuple[str | None, str]:
    """An identifier's namespace, normalised, and its name; None for a bare name.

    Example:
        >>> split("Metric_Learning/SupCon"), split("focal")
        (('metric-learning', 'SupCon'), (None, 'focal'))
    """
    namespace, slash, name = identifier.strip().rpartition("/")
    return (normalized(namespace) if slash else None), name


def is_name_of(identifier: str, id: str) -> bool:
    """Whether an identifier, in any spelling and with or without a namespace, is that of an id.

    Example:
        >>> is_name_of("FocalLoss", "imbalance/focal"), is_name_of("other/focal", "imbalance/focal")
        (True, False)
    """
    (namespace, name), (own, rest) = split(identifier), split(id)
    return namespace in (None, own) and key(name) == key(rest)
