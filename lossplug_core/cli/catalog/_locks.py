"""What is installed and allowed, beside what a lock says, for the commands that compare them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lossplug_core.errors import BrokenPluginError, CatalogError

if TYPE_CHECKING:
    from lossplug_core.catalog.active import Catalogue
    from lossplug_core.catalog.remarks import Remark

__all__ = ["drift_from", "drifted"]


def drift_from(path: Path, catalogue: Catalogue) -> list[Remark]:
    """What is not as a lock says.

    Raises:
        CatalogError: The lock cannot be read.
        BrokenPluginError: A plugin cannot be imported.
    """
    from lossplug_core._app import registry
    from lossplug_core.catalog.drifting import drift
    from lossplug_core.catalog.locking import locked, read_lock

    return drift(read_lock(path), locked(registry, catalogue), path)


def drifted(path: Path, catalogue: Catalogue) -> list[Remark]:
    """As `drift_from`, but what keeps it from comparing is a remark too."""
    from lossplug_core.catalog.remarks import Remark, without_fix

    source = str(path)
    try:
        return drift_from(path, catalogue)
    except CatalogError as error:
        line = getattr(error, "line", None)
        return [Remark("error", "lock", source, line, source, without_fix(error), error.fix)]
    except BrokenPluginError as error:
        subject = str(getattr(error, "id", source))
        problem = without_fix(error)
        return [Remark("error", "broken-plugin", source, None, subject, problem, error.fix)]
