"""The comparison of losses for rare classes does what it says, on a small part of its data."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.backend

SCRIPT = Path(__file__).parents[2] / "docs" / "examples" / "imbalance.py"


def test_it_writes_tables_numbers_and_a_picture(tmp_path):
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")
    done = subprocess.run(
        [sys.executable, SCRIPT, "--quick", "--output", tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for text in ("moons 1:50: mean of 2 seeds", "On how many of 1 data sets", "weighted"):
        assert text in done.stdout
    (of_data,) = json.loads((tmp_path / "results.json").read_text()).values()
    assert set(of_data) == {"crossentropy", "crossentropy, corrected", "weighted"}
    for runs in of_data.values():
        assert len(runs) == 2
        assert all(0 < run["average_precision"] < 1 for run in runs)
    # What weights did to the probabilities is undone.
    before, after = (
        sum(run[name] for run in of_data["weighted"]) / 2
        for name in ("calibration", "calibration_after")
    )
    assert after < before / 2
    assert (tmp_path / "differences.png").stat().st_size > 10_000
