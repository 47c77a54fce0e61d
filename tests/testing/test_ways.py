"""Three ways in, one set of checks: the command, pytest, a function."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import keras
import pytest

import lossplug_core
from lossplug_core import ParameterError
from lossplug_core.catalog.site.conformance import Reports, read_report
from lossplug_core.cli._junit import junit_xml
from lossplug_core.cli._matrix import print_results
from lossplug_core.errors import LossplugError, PluginWarning
from lossplug_core.testing import Result, checks, parametrize_with_checks, run_checks
from lossplug_core.testing.worker import environment

pytestmark = [pytest.mark.backend, pytest.mark.usefixtures("installed")]

BACKEND = keras.config.backend()
ONLY = ["loads", "signature", "values", "reductions", "sample-weight"]
LOSS = "faults/compares_in_secret"  # one check fails


def python(*words: object, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *map(str, words)],
        env={**environment(), "KERAS_BACKEND": BACKEND, "NO_COLOR": "1", "COLUMNS": "80"},
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )


def lossplug(*words: str) -> subprocess.CompletedProcess[str]:
    return python("-m", "lossplug_core", "check", *words)


@pytest.fixture(scope="module")
def statuses():
    return {result.check: result.status for result in run_checks(LOSS, only=ONLY)}


def test_the_function(statuses):
    assert statuses == dict.fromkeys(ONLY, "passed") | {"sample-weight": "failed"}


def test_the_command_says_the_same_and_how_to_see_it_again(statuses, tmp_path):
    only = [word for check in ONLY for word in ("--check", check)]
    run = lossplug(LOSS, "--backend", BACKEND, "--json", *only)
    document = json.loads(run.stdout)
    results = document["results"]
    assert run.returncode == 1
    assert (document["profile"], document["seed"], document["only"]) == ("quick", 0, ONLY)
    assert set(document["versions"]) == {"lossplug-core", "keras", BACKEND, "lossplug-faults"}
    assert document["versions"]["keras"] == keras.__version__
    assert [Result.from_dict(result).as_dict() for result in results] == results
    assert {(result["loss"], result["backend"]) for result in results} == {(LOSS, BACKEND)}
    assert {result["check"]: result["status"] for result in results} == statuses
    path = tmp_path / "report.json"
    path.write_text(run.stdout)
    told = Reports([read_report(path)]).of(LOSS, "lossplug-faults", "1.0")
    assert told.verdicts == {BACKEND: "fails"}
    assert {check: ran.status for check, (ran,) in told.rows} == statuses
    (failed,) = (result for result in results if result["status"] == "failed")
    words = failed["reproduce"].split()
    assert words[:3] == ["lossplug", "check", LOSS]
    (again,) = json.loads(lossplug(*words[2:], "--json").stdout)["results"]
    told = ("message", "example", "reproduce")
    assert [again[key] for key in told] == [failed[key] for key in told]


def test_the_example_shows_the_failure():
    (result,) = run_checks("faults/overflows", only=["extremes"])
    value = eval(result.example, {"get_loss": lossplug_core.get_loss})
    assert not keras.ops.convert_to_numpy(keras.ops.isfinite(value)).all()


def test_pytest_says_the_same(statuses, tmp_path):
    only = [word for check in ONLY for word in ("--lossplug-check", check)]
    words = ["-rA", "--lossplug", LOSS, *only, "-k", "not loads"]
    run = python("-m", "pytest", *words, folder=tmp_path)
    assert run.returncode == 1
    for check, status in statuses.items():
        told = f"{status.upper()} ::{LOSS}-{check}" in run.stdout
        assert told == (check != "loads"), run.stdout
    assert "1 deselected" in run.stdout
    assert "Example: get_loss" in run.stdout
    assert "Again: lossplug check" in run.stdout


TEST_FILE = """
from lossplug_core.testing import parametrize_with_checks

@parametrize_with_checks(
    "{loss}",
    only={only},
    expected_failures={{"compares_in_secret:sample-weight": "we know", "signature": "not so"}},
)
def test_conforms(loss, check):
    check(loss)
"""


def test_expected_failures_fail_when_they_pass(tmp_path):
    (tmp_path / "test_it.py").write_text(TEST_FILE.format(loss=LOSS, only=ONLY))
    run = python("-m", "pytest", "-rA", folder=tmp_path)
    assert f"XFAIL test_it.py::test_conforms[{LOSS}-sample-weight] - we know" in run.stdout
    assert f"FAILED test_it.py::test_conforms[{LOSS}-signature] - [XPAS" in run.stdout
    assert "3 passed" in run.stdout


def test_the_function_judges_so_too():
    expected = {"sample-weight": "we know", "faults/compares_in_secret:signature": "not so"}
    results = run_checks(LOSS, only=ONLY, expected_failures=expected)
    found = {result.check: result for result in results}
    assert (found["sample-weight"].status, found["sample-weight"].ok) == ("expected", True)
    assert (found["signature"].status, found["signature"].ok) == ("unexpected", False)


@pytest.mark.parametrize("wrong", ["gradiant", "other:gradient", ":"])
@pytest.mark.parametrize("way", [run_checks, parametrize_with_checks])
def test_what_cannot_be_expected_is_refused(way, wrong):
    with pytest.raises(ParameterError, match="names no check of these losses"):
        way(LOSS, only=["loads"], expected_failures={wrong: "a typo"})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"losses": "no-such"}, "no-such"),
        ({"losses": "keras/mse"}, "not plugins"),
        ({"losses": print}, "not a loss"),
        ({"losses": LOSS, "only": ["gradiant"]}, "Did you mean 'gradient'"),
        ({"losses": LOSS, "profile": "slow"}, "no such profile"),
    ],
)
def test_what_cannot_be_checked_is_refused(arguments, message):
    with pytest.raises(LossplugError, match=message):
        run_checks(**arguments)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["no-such"], 1, "no-such"),
        (["fault"], 1, "Did you mean 'faults'"),
        (["pytest"], 1, "is installed, and has no losses"),
        ([LOSS, "--check", "gradiant"], 1, "Did you mean 'gradient'"),
        ([LOSS, "--backend", "theano"], 1, "'theano' is not installed"),
        ([LOSS, "--profile", "slow"], 2, "slow"),
        ([LOSS, "--junit", "no/such/folder/junit.xml"], 2, "There is no folder"),
    ],
)
def test_the_command_refuses_it_too(words, code, message):
    run = lossplug(*words)
    assert run.returncode == code
    assert message in run.stderr
    assert "Traceback" not in run.stderr


def test_the_matrix_fits_a_terminal():
    run = lossplug("faults", "--check", "loads", "--check", "signature")
    failures, _, matrix = run.stdout.partition("  1  faults/")
    assert "faults/without_bounds fails signature" in failures
    assert matrix.count("\nsignature  ") > 1
    assert max(map(len, matrix.splitlines())) <= 80


HOSTILE = "\x00\x1b[31m\ud800\ufffe ]]> <a> & é\u2028"


def test_what_a_plugin_says_steers_neither_terminal_nor_xml(capsys):
    results = [
        Result(HOSTILE, HOSTILE, "jax", "failed", f"{HOSTILE}\n{HOSTILE}", HOSTILE, HOSTILE),
        Result(HOSTILE, "other", "jax", "skipped", HOSTILE),
        Result(HOSTILE, "other", "torch", "passed"),
    ]
    suites = ElementTree.fromstring(junit_xml(results))
    counts = [[suite.get(key) for key in ("tests", "failures", "skipped")] for suite in suites]
    assert counts == [["2", "1", "1"], ["1", "0", "0"]]
    assert "]]> <a> & é" in suites[0][0][0].get("message")
    print_results(results, seconds=1.0)
    assert "\x1b" not in capsys.readouterr().out


def test_the_checks_are_listed_each_with_its_reason():
    rows = json.loads(lossplug("--list", "--json").stdout)["checks"]
    assert [row["id"] for row in rows] == [*checks()]
    assert all(row["why"].endswith(".") for row in rows)
    assert [row["id"] for row in rows if row["thorough"]] == ["backends"]


def test_without_hypothesis_the_pip_command_is_told(tmp_path):
    code = (
        "import importlib.util as u, sys; find = u.find_spec;"
        "u.find_spec = lambda name, *a: None if name == 'hypothesis' else find(name, *a);"
        "from lossplug_core.cli import main; main(['check'])"
    )
    run = python("-c", code)
    assert run.returncode == 1
    assert "pip install 'lossplug-core[testing]'" in run.stderr


def test_pytest_alone_loads_neither_keras_nor_hypothesis(tmp_path):
    file = tmp_path / "test_light.py"
    file.write_text(
        "import sys\ndef test_light():\n"
        "    assert 'lossplug_core.testing.pytest_plugin' in sys.modules\n"
        "    assert not {'keras', 'numpy', 'pydantic'} & set(sys.modules)\n"
    )
    run = python("-m", "pytest", "-p", "no:hypothesispytest", file, folder=tmp_path)
    assert run.returncode == 0, run.stdout


# --- Hooks ----------------------------------------------------------------------------------------

HOOK = """
from lossplug_core import hookimpl
from lossplug_core.testing import check

@check("named-in-lower-case", "So that all our logs look alike.")
def lower(subject):
    assert subject.spec.name.islower(), "no lower case"

@hookimpl
def lossplug_checks():
    return {checks}
"""


def hook(site, checks: str) -> None:
    site.install(
        "acme-policy",
        modules={"acme_policy": HOOK.format(checks=checks)},
        entry_points="[lossplug.hooks]\npolicy = acme_policy\n",
    )


def test_an_organisation_adds_a_check(site):
    site.install("acme-shouts", "LOUD", "quiet")
    hook(site, "[lower]")
    results = run_checks("acme-shouts", only=["named-in-lower-case"])
    found = {result.loss: (result.status, result.message) for result in results}
    assert found["acme-shouts/quiet"] == ("passed", "")
    assert found["acme-shouts/LOUD"][0] == "failed"
    assert "no lower case" in found["acme-shouts/LOUD"][1]
    run = python(
        "-m", "lossplug_core", "check", "acme-shouts", "--check", "named-in-lower-case", "--json"
    )
    assert [r["status"] for r in json.loads(run.stdout)["results"]] == ["failed", "passed"]


@pytest.mark.parametrize(
    ("returned", "says"),
    [
        ("['a text']", "adds a check that is none"),
        ("'a text'", "adds a check that is none"),
        ("3", "adds a check that is none"),
        ("[check('gradient', 'Ours is better.')(print)]", "'gradient', and there is one already"),
    ],
)
def test_what_a_hook_cannot_add_is_refused(site, returned, says):
    hook(site, returned)
    with pytest.raises(ParameterError, match=says):
        run_checks(LOSS)


def test_a_hook_that_fails_is_left_out(site):
    hook(site, "[1 / 0]")
    with pytest.warns(PluginWarning, match="ZeroDivisionError"):
        (result,) = run_checks(LOSS, only=["loads"])
    assert result.ok


def test_a_function_that_no_plugin_provides(site):
    @lossplug_core.loss(y_true="values", y_pred="values")
    def squared(y_true, y_pred):
        return lossplug_core.ops.mean(lossplug_core.ops.square(y_true - y_pred), axis=-1)

    (values, config) = run_checks(squared, only=["values", "config"])
    assert values.status == "passed"
    assert config.message == "no installed plugin provides it"
    assert os.environ["KERAS_BACKEND"] == BACKEND
