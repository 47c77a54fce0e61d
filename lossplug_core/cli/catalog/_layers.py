"""The catalogues that a command is about: those of this process, or those of files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lossplug_core.catalog.active import Catalogue, layers
from lossplug_core.catalog.reading import NAMES, Layer, find_project_file, read
from lossplug_core.errors import CatalogError

__all__ = ["active", "file_of", "layers_of"]

_NAME = "the catalogue"


def layers_of(files: Sequence[Path]) -> list[Layer]:
    """The catalogues in these files and folders, or those of this process if there are none.

    Raises:
        CatalogError: One of them cannot be read, or there is none.
    """
    if files:
        return [read(file_of(path)) for path in files]
    from lossplug_core._app import registry

    found = list(layers(registry.hooks))
    if not found:
        raise CatalogError(
            "There is no catalogue here.",
            expected=f"{' or '.join(NAMES)} in this folder or above it, LOSSPLUG_CATALOG, or a "
            "hook plugin that brings one",
            fix="`lossplug catalog init` makes one to start from.",
            path=None,
            line=None,
        )
    return found


def file_of(path: Path) -> Path:
    """The catalogue at a path, which may be the folder that has it.

    Raises:
        CatalogError: There is none.
    """
    if not path.is_dir():
        return path
    found = find_project_file(path)
    if found is None or found.parent != path:
        raise CatalogError(
            f"The folder {str(path)!r} has no catalogue.",
            expected=f"{NAMES[0]}, or {NAMES[1]} with [tool.lossplug]",
            path=str(path),
            line=None,
        )
    return found


@contextmanager
def active(catalogue: Catalogue) -> Iterator[None]:
    """For a moment, let a catalogue answer the registry's questions, and no other."""
    from lossplug_core._app import registry

    registry.refresh()
    hooks = registry.hooks
    if hooks.manager.has_plugin(_NAME):
        hooks.manager.unregister(name=_NAME)
    hooks.register(catalogue, _NAME)
    try:
        yield
    finally:
        registry.refresh()
