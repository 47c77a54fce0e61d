"""The command line, run inside the test or as a process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

PLUGIN = """
from typing import Literal
from lossplug_core import ClassWeights, Fraction, NonNegative, loss

@loss(
    y_true="binary",
    y_pred="logits|probabilities",
    paper="arXiv:1708.02002",
    aliases=("sigmoid_hard",),
    conventions={"other": {"gamma": 5.0}},
)
def hard(y_true, y_pred, *, weights: ClassWeights, gamma: NonNegative = 2.0,
         alpha: Fraction | None = None, kind: Literal["a", "b"] = "a", from_logits: bool = False):
    r'''Focus on hard examples.

    A description
    of two lines.

    Formula:
        $$L = \\gamma$$

        where $\\gamma$ is the focus.

    Args:
        y_true: Zeros and ones.
        y_pred: Logits.
        weights: One weight
            per class.
        gamma: The focus.

    Returns:
        One value per sample.

    Example:
        >>> 1 + 1
        2

    Reference:
        Somebody, 2017.
    '''
    return y_pred
"""


@pytest.fixture
def process(site) -> Callable[..., subprocess.CompletedProcess[str]]:
    """`python -m lossplug_core` with these arguments, and what the site has installed."""

    def process(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join(filter(None, [str(site.folder), os.environ.get("PYTHONPATH")]))
        return subprocess.run(
            [sys.executable, "-m", "lossplug_core", *map(str, arguments)],
            capture_output=True,
            text=True,
            encoding="utf-8",
            env={**os.environ, "PYTHONPATH": path, "PYTHONIOENCODING": "utf-8", **environment},
            check=False,
        )

    return process


@pytest.fixture
def plugin(site):
    """A distribution whose one loss has something in every section."""
    return site.install(
        "lossplug-fake",
        modules={"fake_losses": PLUGIN},
        entry_points="""
            [lossplug.losses]
            hard = fake_losses:hard
            sigmoid_hard = fake_losses:hard
        """,
    )
