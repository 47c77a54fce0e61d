"""Models that released versions saved are loaded by every later one, and give the same numbers."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest

from lossplug_core import list_losses
from lossplug_core.archive import read
from lossplug_core.errors import ChangedLossWarning

CORPUS = Path(__file__).parents[1] / "corpus"
RELEASES = sorted(path.parent for path in CORPUS.glob("*.*.*/expected.json"))
MODELS = [path for release in RELEASES for path in sorted(release.glob("*.keras"))]
# Those that installed plugins provide: the core is tested without them as well.
PLUGINS = ("distillation", "imbalance", "metric_learning", "regression")


@pytest.fixture(autouse=True)
def plugins() -> None:
    for plugin in PLUGINS:
        pytest.importorskip(f"lossplug_{plugin}")


@pytest.mark.parametrize("path", MODELS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_saved_model_gives_what_it_gave(path) -> None:
    document = json.loads((path.parent / "expected.json").read_text())
    expected = document["models"][path.stem]
    with warnings.catch_warnings():
        warnings.simplefilter("error", FutureWarning)
        warnings.simplefilter("ignore", ChangedLossWarning)  # of a loss that has a new version
        model = keras.models.load_model(path)
    model.run_eagerly = True
    y = expected["y"]
    y = {name: np.array(y[name]) for name in y} if isinstance(y, dict) else np.array(y)
    found = model.evaluate(np.array(document["x"]), y, batch_size=4, verbose=0, return_dict=True)
    np.testing.assert_allclose(found["loss"], expected["loss"], rtol=2e-5)


def test_every_loss_of_the_plugins_is_in_the_corpus() -> None:
    saved = {loss.name for path in MODELS for loss in read(path).losses}
    ours = {id for plugin in PLUGINS for id in list_losses(namespace=plugin.replace("_", "-"))}
    assert ours - saved == set()


def test_what_a_release_has_saved_is_never_saved_again(tmp_path) -> None:
    release = shutil.copytree(RELEASES[-1], tmp_path / "release")
    before = {path.name: path.read_bytes() for path in release.iterdir()}
    done = subprocess.run(
        [sys.executable, CORPUS / "save.py", "--folder", release],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "stays as it is" in done.stderr
    assert {path.name: path.read_bytes() for path in release.iterdir()} == before
