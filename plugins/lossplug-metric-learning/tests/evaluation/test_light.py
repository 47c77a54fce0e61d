"""Whoever evaluates nothing loads nothing for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

CODE = """
import sys
{statement}
print("keras" in sys.modules)
"""


@pytest.mark.parametrize(
    ("statement", "loaded"),
    [
        ("from lossplug_metric_learning import *", False),
        ("import lossplug_metric_learning.evaluation", True),
    ],
)
def test_what_an_import_loads(statement, loaded):
    done = subprocess.run(
        [sys.executable, "-c", CODE.format(statement=statement)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip().splitlines()[-1] == str(loaded)
