"""The composition root: the one registry of a process, and the functions that users call on it."""

from __future__ import annotations

from collections.abc import Iterable

from lossplug_core.catalog.active import NAME, Catalogue, activate
from lossplug_core.discovery import Entry
from lossplug_core.errors import ParameterError
from lossplug_core.forms import PREDICTIONS, TARGETS
from lossplug_core.names import normalized
from lossplug_core.registry import Registry
from lossplug_core.spec import LossSpec

__all__ = ["catalogue", "find_spec", "list_losses", "refresh", "registry", "select"]

registry = Registry(activate)


def catalogue() -> Catalogue:
    """The catalogues that are in force, as one; one without layers if there is none.

    Raises:
        CatalogError: One of them cannot be read.
    """
    found = registry.hooks.manager.get_plugin(NAME)
    return found if isinstance(found, Catalogue) else Catalogue(())


def find_spec(identifier: str) -> LossSpec:
    """The spec of a loss by name. Keras is not imported, except for Keras's own losses.

    Args:
        identifier: `name` or `namespace/name`, in any spelling; or a preset's name, which stands
            for the loss that it leads to.

    Returns:
        The description of the loss, which knows its function, forms, conventions and provider.

    Raises:
        UnknownLossError: No installed loss has this name.
        LossNotInstalledError: It is known to be in a package that is not installed.
        AmbiguousLossError: Several plugins have it.
        ForbiddenLossError: A rule forbids it.
        BrokenPluginError: Its plugin cannot be imported.
        IdentifierError: It is not a name, or a preset that is a combination.
        CatalogError: A catalogue cannot be read, or a preset leads to itself.

    Example:
        >>> find_spec("FocalLoss").id
        'imbalance/focal'
    """
    return registry.find(identifier)


def list_losses(
    *,
    namespace: str | None = None,
    y_true: str | None = None,
    y_pred: str | None = None,
    text: str | None = None,
) -> list[str]:
    """The ids of the installed losses, sorted.

    Without `y_true`, `y_pred` and `text` this reads metadata only; with them it imports the
    plugins, but not Keras.

    Args:
        namespace: Only those of this namespace, such as `"imbalance"` or `"keras"`.
        y_true: Only those that accept this form of target, a key of `TARGETS`.
        y_pred: Only those that accept this form of prediction, a key of `PREDICTIONS`.
        text: Only those with this text in their id, their aliases or their summary.

    Returns:
        Ids, each of which `get_loss` accepts.

    Raises:
        ParameterError: The form is unknown.

    Example:
        >>> list_losses(namespace="imbalance", y_true="signs")
        ['imbalance/margin_hinge']
    """
    return [e.id for e in select(namespace=namespace, y_true=y_true, y_pred=y_pred, text=text)]


def select(
    *,
    namespace: str | None = None,
    y_true: str | None = None,
    y_pred: str | None = None,
    text: str | None = None,
) -> list[Entry]:
    """As `list_losses`, but the entries, which know their providers."""
    _check_form("y_true", y_true, TARGETS)
    _check_form("y_pred", y_pred, PREDICTIONS)
    wanted = None if namespace is None else normalized(namespace)
    entries = [entry for entry in registry.entries() if wanted in (None, entry.namespace)]
    if y_true or y_pred or text:
        return [
            entry
            for entry, described in registry.described(entries)
            if y_true in (None, *described.y_true)
            and y_pred in (None, *described.y_pred)
            and (text or "").casefold()
            in " ".join([entry.id, *entry.aliases, described.summary]).casefold()
        ]
    return entries


def refresh() -> None:
    """Look again at what is installed and at catalogues, after a change in a running process."""
    registry.refresh()


def _check_form(argument: str, form: str | None, known: Iterable[str]) -> None:
    if form is not None and form not in known:
        raise ParameterError(
            f"There is no form of {argument} called {form!r}.",
            expected=f"one of {', '.join(known)}",
            received=form,
            parameter=argument,
        )
