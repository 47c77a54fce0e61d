"""Losses that compare samples give on two devices what they give on one: `global_batch=True`."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import whole_batch
from devices import DEVICES, of_program
from gradients import on_one_device, parts
from whole_batch import STEPS

BACKEND = keras.backend.backend()

pytestmark = pytest.mark.backend


@pytest.fixture(scope="module")
def on_two_devices(tmp_path_factory):
    """What each step gives on two devices, by the names of both."""
    return of_program(whole_batch.__file__, tmp_path_factory.mktemp("whole_batch") / "results")[0]


@pytest.mark.parametrize("name", STEPS)
def test_the_whole_batch_is_compared(name, on_two_devices) -> None:
    step = STEPS[name]
    expected = on_one_device(step.loss(), step.batches())
    for key, value in expected.items():
        found = on_two_devices[f"{name}/{key}"]
        if key.startswith("state"):  # of each device
            value = np.broadcast_to(value, found.shape)
        tolerance = 1e-5 * max(1.0, np.abs(value).max())
        np.testing.assert_allclose(found, value, rtol=0, atol=tolerance, err_msg=key)


@pytest.mark.skipif(BACKEND != "torch", reason="says something of the table, once")
@pytest.mark.parametrize(
    "name", [n for n, step in STEPS.items() if step.spec.compares(step.parameters)]
)
def test_parts_of_the_batch_are_another_loss(name) -> None:
    """Otherwise the test above would not see whether they were gathered."""
    step = STEPS[name]
    batch = step.batches()[0]
    whole, *apart = (float(step.loss()(*some).detach()) for some in [batch, *parts(batch, DEVICES)])
    assert sum(apart) != pytest.approx(whole, rel=1e-3)
