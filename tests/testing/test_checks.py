"""Each check finds a fault that no other finds, and accuses no loss near it."""

from __future__ import annotations

import re

import keras
import pytest

from faults import FAULTS, SOUND, Fault
from lossplug_core import get_loss
from lossplug_core.testing import Result, checks, run_checks
from lossplug_core.testing.worker import installed_backends

pytestmark = [pytest.mark.backend, pytest.mark.usefixtures("installed")]

QUICK = [*checks(thorough=False)]


def examined(name: str, only: list[str], fault: Fault) -> dict[str, Result]:
    id = f"faults/{name}"
    results = run_checks(id, only=only, oracles={id: fault.oracles})
    return {result.check: result for result in results}


NEEDS_OTHERS = pytest.mark.skipif(
    len(installed_backends()) < 2, reason="it compares backends, and only one is installed"
)
every_fault = pytest.mark.parametrize(
    "fault",
    [
        pytest.param(fault, id=str(fault), marks=NEEDS_OTHERS if fault.check == "backends" else ())
        for fault in FAULTS
    ],
)


@every_fault
def test_only_this_check_finds_the_fault(fault: Fault):
    found = examined(fault.wrong.__name__, [*QUICK, fault.check], fault)
    failed = [check for check, result in found.items() if not result.ok]
    if keras.config.backend() not in fault.on:
        assert failed == []
        return
    assert failed == [fault.check], "\n".join(found[check].message for check in failed)
    result = found[fault.check]
    assert re.search(fault.says, result.message, re.DOTALL)
    again = f"lossplug check {result.loss} --check {fault.check} --backend {result.backend}"
    assert result.reproduce == again
    if result.example:  # is Python that runs
        eval(result.example, {"get_loss": get_loss})


@every_fault
def test_the_check_does_not_accuse_the_right_loss(fault: Fault):
    found = examined(fault.right.__name__, [fault.check], fault)[fault.check]
    on = keras.config.backend() in fault.on
    assert found.status == "passed" if on else found.ok, found.message


@pytest.mark.parametrize("name", [loss.__name__ for loss in SOUND])
def test_no_check_accuses_a_loss_of_a_rare_kind(name):
    wrong = [result for result in run_checks(f"faults/{name}") if not result.ok]
    assert not wrong, "\n".join(f"{result.check}: {result.message}" for result in wrong)


def test_the_table_is_complete():
    of_packages = {"loads", "light-import", "entry-points"}
    assert {fault.check for fault in FAULTS} | of_packages == set(checks())
