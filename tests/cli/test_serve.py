"""`lossplug catalog serve` as a command; `tests/browser` has its pages."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from urllib.request import urlopen

import pytest

from lossplug_core.cli.catalog import build


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--port", "65536"], 2, "65536"),
        (["--port", "http"], 2, "not a valid integer"),
        (["out"], 2, "unexpected extra argument"),
        (["--conformance", "nowhere.json"], 2, "does not exist"),
    ],
)
def test_used_wrongly(run, arguments, code, said) -> None:
    result = run("catalog", "serve", *arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    assert said in result.stderr


def test_packages_that_are_missing(run, monkeypatch) -> None:
    monkeypatch.setattr(build, "_NEEDED", ("json", "lossplug_nowhere"))
    result = run("catalog", "serve")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "not installed: lossplug_nowhere." in result.stderr


def test_a_port_that_is_taken(run, monkeypatch) -> None:
    monkeypatch.setattr(build, "_NEEDED", ())
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = run("catalog", "serve", "--port", taken.getsockname()[1])
    assert (result.exit_code, result.stdout) == (1, "")
    assert "--port 0" in result.stderr


@pytest.fixture
def _interruptible():
    """Processes heed SIGINT, also where a shell runs the tests in its background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_interruptible")
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize("how", ["SIGINT", "SIGTERM"])
def test_it_is_there_at_once_and_leaves_nothing_behind(tmp_path, how) -> None:
    pytest.importorskip("docutils", reason="the page needs lossplug-core[catalog]")
    pytest.importorskip("plotly", reason="the page needs lossplug-core[catalog]")
    with subprocess.Popen(
        [sys.executable, "-m", "lossplug_core", "catalog", "serve", "--port", "0"],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        cwd=tmp_path,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            url = process.stdout.readline().strip()
            assert url.startswith("http://127.0.0.1:")
            with urlopen(url, timeout=10) as answer:
                assert b"live.js" in answer.read()
            process.send_signal(getattr(signal, how))
            said, errors = process.communicate(timeout=30)
        finally:
            process.kill()
    assert (process.returncode, said) == (0, "")
    assert errors.endswith("Ended.\n")
    assert "Traceback" not in errors
    assert not [*tmp_path.iterdir()]
