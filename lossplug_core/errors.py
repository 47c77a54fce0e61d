"""What can go wrong, and what to do about it.

Every error that lossplug raises on purpose is a `LossplugError`, and also the built-in exception
that a caller would expect. Its message has one form: what happened, what was expected and received,
the nearest valid thing, the next step. The same facts are attributes, for programs to read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

__all__ = [
    "AmbiguousLossError",
    "BackendError",
    "BrokenPluginError",
    "CatalogError",
    "ChangedLossWarning",
    "ConfigError",
    "DataError",
    "DeprecatedLossWarning",
    "ForbiddenLossError",
    "FutureVersionError",
    "IdentifierError",
    "LossNotInstalledError",
    "LossplugError",
    "ParameterError",
    "PluginWarning",
    "SpecError",
    "UnknownConventionError",
    "UnknownLossError",
    "UnknownParameterError",
    "UntrainedLossError",
]

_ABSENT: Any = object()


class LossplugError(Exception):
    """Base of all errors that lossplug raises on purpose.

    Args:
        what: What happened, in one sentence.
        expected: What would have been accepted.
        received: What came instead.
        nearest: The valid things most like the received one.
        fix: The next step: a command or a line of code.
        **facts: Further data, kept as attributes.
    """

    def __init__(
        self,
        what: str,
        *,
        expected: str | None = None,
        received: Any = _ABSENT,
        nearest: Sequence[str] = (),
        fix: str | None = None,
        **facts: Any,
    ) -> None:
        lines = [what]
        if expected is not None:
            lines.append(f"Expected {expected}.")
        if received is not _ABSENT:
            lines.append(f"Received {_shorten(received)}.")
        if nearest:
            lines.append(f"Did you mean {' or '.join(repr(name) for name in nearest)}?")
        if fix is not None:
            lines.append(f"Next: {fix}")
        super().__init__("\n  ".join(lines))
        self.what = what
        self.expected = expected
        self.received = None if received is _ABSENT else received
        self.nearest = tuple(nearest)
        self.fix = fix
        self.__dict__.update(facts)

    def asked_by(self, place: str) -> Self:
        """The same error, with who asked for what went wrong: a preset, say.

        Args:
            place: What it is, and where it stands.
        """
        self.args = (f"{self.args[0]}\n  Asked for by {place}.",)
        return self


class BackendError(LossplugError, ImportError):
    """Keras cannot start: its backend is missing, or does not work."""


class SpecError(LossplugError, ValueError):
    """A function cannot become a loss as it is written. For plugin authors."""


class IdentifierError(LossplugError, TypeError):
    """`get_loss` was given something that does not identify a loss."""


class UnknownLossError(LossplugError, LookupError):
    """No installed loss has this name."""


class LossNotInstalledError(UnknownLossError, ImportError):
    """The loss is known, but the package that provides it is not installed."""


class AmbiguousLossError(LossplugError, LookupError):
    """Several installed losses have this name and no rule prefers one."""


class ForbiddenLossError(LossplugError, LookupError):
    """The loss is installed, but a rule forbids its use."""


class BrokenPluginError(LossplugError, ImportError):
    """The loss is installed, but its plugin cannot be imported."""


class ParameterError(LossplugError, ValueError):
    """A parameter has the wrong type, is out of bounds, or is missing."""


class UnknownParameterError(ParameterError):
    """The loss has no parameter of this name."""


class UnknownConventionError(ParameterError):
    """The loss has no convention of this name."""


class ConfigError(LossplugError, ValueError):
    """A saved config, or a config dict, cannot be turned into a loss."""


class FutureVersionError(ConfigError):
    """The config was saved by a newer version of the loss than the one installed."""


class CatalogError(LossplugError, ValueError):
    """A catalogue cannot be read, contradicts itself, or is not obeyed.

    Its attributes `path` and `line` say where.
    """


class DataError(LossplugError, ValueError):
    """`y_true` and `y_pred` do not fit the loss, or each other."""


class UntrainedLossError(LossplugError, RuntimeError):
    """A loss with weights is used where nobody would train them."""


class PluginWarning(UserWarning):
    """A plugin or hook failed and was left out."""


class ChangedLossWarning(FutureWarning):
    """A name, or a saved loss, is from an older version of a plugin. It works as it was meant.

    Args:
        what: What is different now.
        changes: What changed, a sentence each.
        fix: What brings it up to date.
        id: The loss as it is called now.
    """

    def __init__(
        self, what: str, *, changes: Sequence[str] = (), fix: str | None = None, id: str = ""
    ) -> None:
        next_step = () if fix is None else (f"Next: {fix}",)
        super().__init__("\n  ".join([what, *changes, *next_step]))
        self.what = what
        self.changes = tuple(changes)
        self.fix = fix
        self.id = id


class DeprecatedLossWarning(ChangedLossWarning):
    """A loss works, but will be removed."""


def _shorten(value: Any, limit: int = 200) -> str:
    text = repr(value)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
