"""How a loss changes without leaving behind those who use it: what its author declares, and what
users of an older version are told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lossplug_core.errors import ChangedLossWarning, DeprecatedLossWarning, SpecError
from lossplug_core.names import KERAS, is_name_of, key, split
from lossplug_core.spec import Deprecation, LossSpec

__all__ = [
    "Renaming",
    "as_id",
    "changes_since",
    "check",
    "deprecated",
    "fate",
    "former_id",
    "instead",
    "warning_for",
]

_SAVE_AGAIN = "Save the model again: model.save(…)."


def deprecated(*, replaced_by: str | None = None, removed_in: str | None = None) -> Deprecation:
    """Declare, as `@loss(deprecated=…)`, that a loss will be removed.

    Args:
        replaced_by: The id of the loss to use instead, if there is one.
        removed_in: The version of the plugin that will not have it, if that is known.

    Returns:
        What `@loss` takes.

    Raises:
        SpecError: One of them is not a text.

    Example:
        >>> deprecated(replaced_by="imbalance/focal", removed_in="2.0").removed_in
        '2.0'
    """
    for name, value in (("replaced_by", replaced_by), ("removed_in", removed_in)):
        if value is not None and not (isinstance(value, str) and value.strip()):
            raise SpecError(
                f"{name!r} of a deprecation is not a text.",
                expected="'imbalance/focal', say, or '2.0'",
                received=value,
            )
    return Deprecation(replaced_by, removed_in)


@dataclass(frozen=True, slots=True)
class Renaming:
    """A migration that gives parameters new names, in whichever version they had the old ones."""

    names: tuple[tuple[str, str], ...]

    def __call__(self, version: int, parameters: dict[str, Any]) -> dict[str, Any]:
        """The parameters under their present names."""
        del version
        new = dict(self.names)
        renamed = {new.get(name, name): value for name, value in parameters.items()}
        if len(renamed) < len(parameters):
            raise ValueError("a parameter is given under its old name and its new one")
        return renamed


def check(spec: LossSpec, parameters: set[str]) -> None:
    """Refuse what an author cannot have meant by version, migrate, history, formerly, deprecated.

    Raises:
        SpecError: One of them makes no sense.
    """
    for what, expected, received in _mistakes(spec, parameters):
        raise SpecError(f"{what} of the loss {spec.name!r}", expected=expected, received=received)


def _mistakes(spec: LossSpec, parameters: set[str]) -> Iterator[tuple[str, str, Any]]:
    if isinstance(spec.version, bool) or not isinstance(spec.version, int) or spec.version < 1:
        yield "The version is not a version", "an integer that is at least 1", spec.version
    if spec.migrate is not None and not callable(spec.migrate):
        expected = "a function (version, parameters) -> parameters, or {'old name': 'new name'}"
        yield "'migrate' cannot migrate the parameters", expected, spec.migrate
    if isinstance(spec.migrate, Renaming):
        for old, new in spec.migrate.names:
            if new not in parameters or old in parameters:
                expected = f"old names, and for each one of {', '.join(sorted(parameters))}"
                yield "'migrate' does not rename a parameter", expected, {old: new}
    for version, text in spec.history.items():
        if isinstance(version, bool) or version not in range(2, spec.version + 1):
            expected = f"versions from 2 to {spec.version}, which is what 'version' says"
            yield "The history tells of a version that there is not", expected, version
        if not (isinstance(text, str) and text.strip()):
            yield "The history does not say what changed", "a sentence for each version", text
    present = {key(name) for name in (spec.name, *spec.aliases)}
    for name in spec.formerly:
        namespace, bare = split(name) if isinstance(name, str) else (None, "")
        if not key(bare) or namespace == KERAS:
            yield "There is no such former name", "'old_name' or 'old-namespace/old_name'", name
        if namespace is None and key(bare) in present:
            yield "A present name is among the former names", "names that it has no more", name
    if not (spec.deprecated is None or isinstance(spec.deprecated, Deprecation)):
        expected = "deprecated(replaced_by='namespace/name', removed_in='2.0')"
        yield "'deprecated' does not say what to use instead", expected, spec.deprecated


def as_id(name: str, namespace: str | None) -> str:
    """A former name with its namespace: that of the loss, unless it is written."""
    own, bare = split(name)
    return f"{own or namespace}/{bare}" if own or namespace else bare


def former_id(identifier: str, spec: LossSpec) -> str | None:
    """The former id by which an identifier finds a loss; None if it has that name today."""
    present = (as_id(name, spec.namespace) for name in (spec.name, *spec.aliases))
    if any(is_name_of(identifier, id) for id in present):
        return None
    return next((old for old in spec.formerly if is_name_of(identifier, old)), None)


def changes_since(
    spec: LossSpec, version: int, before: Mapping[str, Any], after: Mapping[str, Any]
) -> tuple[str, ...]:
    """What changed since a version of a loss, a sentence each.

    Args:
        spec: The loss as it is.
        version: The version with which it was saved.
        before: The parameters that were saved.
        after: The parameters that `migrate` made of them.
    """
    if version >= spec.version:
        return ()
    told = [
        f"Version {later}: {' '.join(spec.history[later].split())}"
        for later in sorted(spec.history)
        if later > version
    ]
    return tuple(told) or (_difference(before, after),)


def _difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """What `migrate` did, where the author does not say what changed."""
    gone = {name: value for name, value in before.items() if after.get(name, _NONE) != value}
    new = {name: value for name, value in after.items() if before.get(name, _NONE) != value}
    if not gone and not new:
        return "Its author does not say what changed; the parameters are the same."
    return f"It was saved with {_assigned(gone)}, which is now {_assigned(new)}."


_NONE = object()


def _assigned(values: Mapping[str, Any]) -> str:
    texts = (f"{name}={value!r}" for name, value in values.items())
    return ", ".join(text if len(text) <= 80 else f"{text[:79]}…" for text in texts) or "nothing"


def fate(deprecation: Deprecation) -> str:
    """What becomes of a deprecated loss."""
    version = deprecation.removed_in
    return "it will be removed" if version is None else f"it will be removed in {version}"


def instead(deprecation: Deprecation) -> str:
    """What to use in its place."""
    id = deprecation.replaced_by
    return "Use another loss" if id is None else f"Use get_loss({id!r})"


def warning_for(
    spec: LossSpec,
    *,
    formerly: str | None = None,
    saved_as: int | None = None,
    changes: Sequence[str] = (),
) -> ChangedLossWarning | None:
    """All that a user must know of a loss that is used or loaded, in one warning; None if nothing.

    Args:
        spec: The loss as it is.
        formerly: The former id by which it was found, if it was.
        saved_as: The version with which it was saved, if it is loaded.
        changes: What changed since that version.
    """
    here = spec.provider or "its plugin"
    sentences, fixes = [], []
    if formerly is not None:
        sentences.append(f"The loss {formerly!r} is now called {spec.id!r}, and is of {here}.")
    if saved_as is not None and changes:
        sentences.append(
            f"{spec.id!r} was saved as version {saved_as} of it; in {here} it is version "
            f"{spec.version}."
        )
    if saved_as is not None and sentences:
        fixes.append(_SAVE_AGAIN)
    elif formerly is not None:
        fixes.append(f"Write {spec.id!r}.")
    category = ChangedLossWarning
    if spec.deprecated is not None:
        category = DeprecatedLossWarning
        sentences.append(f"{spec.id!r} is deprecated: {fate(spec.deprecated)}.")
        fixes.append(f"{instead(spec.deprecated)}.")
    if not sentences:
        return None
    return category(" ".join(sentences), changes=changes, fix=" ".join(fixes), id=spec.id)
