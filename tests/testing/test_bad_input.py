"""Packages that are broken: the checker says what is wrong, and goes on to the next loss."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import keras
import pytest

from lossplug_core.testing.worker import environment

pytestmark = pytest.mark.backend

HEAD = """
import os, sys, time
from lossplug_core import NonNegative, loss, ops

def squares(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred), axis=-1)
"""

LOSS = """
@loss(y_true="values", y_pred="values")
def {name}(y_true, y_pred):
    "A loss."
    {body}
    return squares(y_true, y_pred)
"""


def module(name: str, body: str = "pass", head: str = "") -> str:
    return HEAD + head + LOSS.format(name=name, body=body)


# For each broken loss: its module, the check that fails, and what the message says.
BROKEN = {
    "raises_at_import": (module("raises_at_import", head="1 / 0\n"), "loads", "ZeroDivisionError"),
    "exits_at_import": (module("exits_at_import", head="sys.exit(3)\n"), "loads", "SystemExit"),
    "lacks": (HEAD, "loads", "has no attribute 'lacks'"),
    "is_a_number": (HEAD + "is_a_number = 3\n", "loads", "is_a_number"),
    "prints_at_import": (
        module("prints_at_import", head="print('hi')\n"),
        "light-import",
        "prints",
    ),
    "prints": (module("prints", "print('hi')"), "quiet", "It prints"),
    "hangs_at_import": (
        module("hangs_at_import", head="time.sleep(99)\n"),
        "loads",
        "not end within",
    ),
    "hangs": (module("hangs", "while True: pass"), "values", "not end within 3 s"),
    "grows": (
        module("grows", "keep = [bytearray(os.urandom(1)) * 2**27 for _ in range(99)]"),
        "values",
        "more than 1 GiB",
    ),
    "asks": (module("asks", "input()"), "values", "EOFError"),
    "kills": (module("kills", "os._exit(1)"), "values", "The process ended"),
    "recurses": (module("recurses", "(f := lambda: f())()"), "values", "RecursionError"),
}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, str]]]:
    """What `lossplug check` says of all of them, and of a good loss that comes last."""
    folder = tmp_path_factory.mktemp("broken")
    for name, (source, *_) in BROKEN.items():
        (folder / f"broken_{name}.py").write_text(source)
    (folder / "broken_zz_good.py").write_text(module("zz_good"))
    info = folder / "acme_broken-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-broken\nVersion: 1.0\n")
    lines = [f"{name} = broken_{name}:{name}" for name in [*BROKEN, "zz_good"]]
    lines += ["gone = broken_gone:gone", "malformed = broken_prints"]
    (info / "entry_points.txt").write_text("\n".join(["[lossplug.losses]", *lines]))
    junit = folder / "junit.xml"
    checks = ["loads", "light-import", "values", "quiet"]
    options = {
        "backend": keras.config.backend(),
        "time-limit": 3,
        "memory-limit": 1,
        "junit": junit,
    }
    words = [f"--{name}={value}" for name, value in options.items()]
    words += [f"--check={check}" for check in checks]
    run = subprocess.run(
        [sys.executable, "-m", "lossplug_core", "check", "acme-broken", "--json", *words],
        env={**environment(), "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1, run.stderr
    found: dict[str, list[dict[str, str]]] = {}
    for result in json.loads(run.stdout)["results"]:
        found.setdefault(result["loss"].rpartition("/")[2], []).append(result)
    _check_junit(junit, sum(map(len, found.values())))
    return found


def _check_junit(path: Path, count: int) -> None:
    (suite,) = ElementTree.parse(path).getroot()
    assert len(suite) == int(suite.attrib["tests"]) == count
    assert len(suite.findall("testcase/failure")) == int(suite.attrib["failures"]) > len(BROKEN)


@pytest.mark.parametrize("name", [*BROKEN, "gone"])
def test_what_is_broken_is_said(results, name):
    _, check, says = BROKEN.get(name, ("", "loads", "No module named 'broken_gone'"))
    failed = {result["check"]: result["message"] for result in results[name] if not ok(result)}
    assert check in failed, results[name]
    assert says in failed[check]


@pytest.mark.parametrize("name", ["hangs", "grows", "kills"])
def test_a_process_that_had_to_be_stopped_is_not_asked_again(results, name):
    statuses = {result["check"]: result["status"] for result in results[name]}
    assert statuses == {
        "loads": "passed", "light-import": "passed", "values": "failed", "quiet": "skipped"
    }  # fmt: skip


@pytest.mark.parametrize("name", ["hangs", "grows", "kills"])
def test_how_to_see_it_again_is_said_by_who_stopped_it(results, name):
    (failed,) = (result for result in results[name] if not ok(result))
    backend = keras.config.backend()
    again = f"lossplug check acme-broken/{name} --check values --backend {backend}"
    assert failed["reproduce"] == again


def test_a_malformed_entry_point_is_a_failure_of_the_package(results):
    (result,) = results["acme-broken"]
    assert result["check"] == "entry-points"
    assert "'malformed' points to 'broken_prints'" in result["message"]


def test_the_loss_after_them_passes(results):
    assert [result["status"] for result in results["zz_good"]] == ["passed"] * 4


def ok(result: dict[str, str]) -> bool:
    return result["status"] in ("passed", "skipped")
