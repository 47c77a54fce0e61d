"""The catalogues that a command is about: those of this process, or those of files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lossplug_core.catalog.active import Catalogue
from lossplug_core.catalog.reading import NAMES, find_project_file, read
from lossplug_core.errors import CatalogError

__all__ = ["catalogue_of", "file_of"]


def catalogue_of(files: Sequence[Path]) -> Catalogue:
    """The catalogues in these files and folders as one, or those of this process if there are none.

    Raises:
        CatalogError: One of them cannot be read, or there is none.
    """
    if files:
        return Catalogue(read(file_of(path)) for path in files)
    from lossplug_core._app import catalogue

    found = catalogue()
    if not found.layers:
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
