"""The quickstart does what it says on every backend, and notices a model that came back changed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.backend

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


def run(script, *arguments):
    return subprocess.run(
        [sys.executable, EXAMPLES / script, *arguments], capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def quickstart(tmp_path_factory):
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")
    folder = tmp_path_factory.mktemp("quickstart")
    done = run("quickstart.py", "--seeds", "1", "--output", folder)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def test_it_compares_three_losses_and_loads_the_model_in_a_new_process(quickstart):
    folder, printed = quickstart
    for text in ("binary crossentropy", "weighted crossentropy", "focal", "goes on: steps 780"):
        assert text in printed
    assert (folder / "precision-recall.png").stat().st_size > 10_000


@pytest.mark.parametrize(("key", "what"), [("config", "its config"), ("value", "its value")])
def test_it_finds_a_loss_that_came_back_changed(quickstart, tmp_path, key, what):
    folder, _ = quickstart
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    saved = json.loads((folder / "focal.json").read_text())
    saved[key] = {} if key == "config" else 1.01 * saved["value"]
    (tmp_path / "focal.json").write_text(json.dumps(saved))
    done = run("load_in_a_new_process.py", tmp_path)
    assert done.returncode == 1
    assert what in done.stderr
    assert "DIFFERS" in done.stderr
