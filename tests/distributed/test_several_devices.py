"""Losses give on two devices what they give on one, value and gradient, in training."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import several
from devices import of_program
from several import PROBLEMS, on_one_device

pytestmark = pytest.mark.backend

BACKEND = keras.backend.backend()


@pytest.fixture(scope="module")
def on_two_devices(tmp_path_factory):
    """What each problem gives on each of two devices, by the names of both."""
    return of_program(several.__file__, tmp_path_factory.mktemp("several") / "results")


@pytest.mark.parametrize("name", PROBLEMS)
def test_several_devices_give_what_one_does(name, on_two_devices) -> None:
    problem = PROBLEMS[name]
    if not problem.even and BACKEND == "jax":
        pytest.skip("JAX splits evenly, or not at all")
    expected = on_one_device(problem)
    if not problem.even:
        del expected["loss"]  # of batches that differ in size, Keras logs the mean of means
    for results in on_two_devices:
        differing = [
            key
            for key, value in expected.items()
            if not np.allclose(
                results[f"{name}/{key}"], value, rtol=problem.tolerance, atol=problem.tolerance
            )
        ]
        assert bool(differing) != (problem.same or BACKEND == "jax"), differing
