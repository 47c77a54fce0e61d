"""Other processes: they answer, they are stopped in time, and none is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import pytest

from lossplug_core import loss
from lossplug_core.spec import spec_of
from lossplug_core.testing import ConformanceError
from lossplug_core.testing.examine import Examination
from lossplug_core.testing.worker import Worker, WorkerError, environment, worker

pytestmark = pytest.mark.backend

BACKEND = keras.config.backend()
HANGS = """
import os, pathlib
pathlib.Path(os.environ["PID_FILE"]).write_text(str(os.getpid()))
while True: pass
"""


@loss(y_true="values", y_pred="values")
def hangs(y_true, y_pred):
    while True:
        time.sleep(0.01)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no alarms")
def test_what_hangs_in_this_process_is_stopped_once_and_for_all():
    heard = []
    before = signal.signal(signal.SIGALRM, lambda *_: heard.append("an alarm of someone else's"))
    signal.setitimer(signal.ITIMER_REAL, 500)
    try:
        result = Examination(spec_of(hangs), seconds=0.5).result("values")
        left, _ = signal.getitimer(signal.ITIMER_REAL)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert (result.status, result.seconds < 5) == ("failed", True)
    assert "does not end within" in result.message
    assert 400 < left <= 500


def test_nothing_is_checked_for_an_oracle_that_is_not_given():
    result = Examination(spec_of(hangs), seconds=0.5).result("oracle")
    assert (result.status, result.message) == ("skipped", "no oracle was given")


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_process_answers_and_is_stopped_and_another_begins():
    process = Worker(BACKEND)
    asked = {"only": ["loads"], "profile": "quick"}
    assert process.request("checks", **asked) == ["loads"]
    pid = process._process.pid
    with pytest.raises(ConformanceError, match="There is no such check"):
        process.request("checks", only=["no-such"], profile="quick")
    assert process._process.pid == pid
    process._process.kill()
    with pytest.raises(WorkerError, match="ended"):
        process.request("checks", **asked)
    assert process.request("checks", **asked) == ["loads"]
    other = process._process.pid
    process.close()
    process.close()
    assert not is_alive(pid)
    assert not is_alive(other)


def test_the_shared_process_is_one_that_sees_what_is_on_the_path(monkeypatch, tmp_path):
    first = worker(BACKEND)
    assert worker(BACKEND) is first
    first.start()
    pid = first._process.pid
    monkeypatch.syspath_prepend(str(tmp_path))
    assert worker(BACKEND) is not first
    assert not is_alive(pid)


@pytest.mark.skipif(os.name != "posix", reason="it kills, as POSIX systems do")
def test_what_hangs_ends_with_who_asked(site, tmp_path):
    site.install(
        "acme-hangs",
        modules={"acme_hangs": HANGS},
        entry_points="[lossplug.losses]\nhangs = acme_hangs:hangs\n",
    )
    file = Path(tmp_path, "pid")
    command = subprocess.Popen(
        [sys.executable, "-m", "lossplug_core", "check", "acme-hangs", "--backend", BACKEND],
        env={**environment(), "PID_FILE": str(file)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert eventually(lambda: file.exists() and file.read_text()), "it never began"
    finally:
        command.kill()
        command.wait()
    pid = int(file.read_text())
    assert eventually(lambda: not is_alive(pid)), "it goes on for nobody"


def eventually(true, seconds: float = 60.0) -> bool:
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.05)
    return bool(true())
