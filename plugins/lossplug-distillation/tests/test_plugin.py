"""The README is true."""

import doctest
from pathlib import Path

import lossplug_distillation

README = Path(__file__).parents[1] / "README.md"


def test_what_the_readme_shows_is_what_happens():
    failed, attempted = doctest.testfile(str(README), module_relative=False)
    assert attempted >= len(lossplug_distillation.__all__)
    assert not failed
