"""The README is true, and every loss says when it helps and what it costs."""

import doctest
import re
from pathlib import Path

import pytest

import lossplug_imbalance

README = Path(__file__).parents[1] / "README.md"


def test_what_the_readme_shows_is_what_happens():
    failed, attempted = doctest.testfile(str(README), module_relative=False)
    assert attempted >= len(lossplug_imbalance.__all__)
    assert not failed


@pytest.mark.parametrize("name", lossplug_imbalance.__all__)
def test_a_loss_says_when_it_helps_and_what_it_costs(name):
    text = getattr(lossplug_imbalance, name).__doc__
    assert re.search(r"\b(Use it|For data)\b", text)
    assert "\n    Cost: " in text
