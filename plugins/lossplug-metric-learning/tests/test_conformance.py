"""Every loss does what it declares, and what every loss does."""

from lossplug_core.testing import parametrize_with_checks


@parametrize_with_checks("metric-learning")
def test_conforms(loss, check):
    check(loss)
