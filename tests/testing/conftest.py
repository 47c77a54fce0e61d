"""The losses of `faults`, installed as those of a plugin."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import lossplug_core


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the distribution `lossplug-faults`, whose module is `faults`."""
    from faults import LOSSES

    folder = tmp_path_factory.mktemp("installed")
    info = folder / "lossplug_faults-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lossplug-faults\nVersion: 1.0\n")
    lines = [f"{name} = faults:{name}" for name in LOSSES]
    (info / "entry_points.txt").write_text("\n".join(["[lossplug.losses]", *lines]))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        lossplug_core.refresh()
        yield folder
    lossplug_core.refresh()
