"""`lossplug catalog audit MODELS…`."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from hostile import HOSTILE
from saved import compiled, plugin_loss, saved_model

DEPRECATED = """
from lossplug_core import deprecated, loss

@loss(y_true="values", y_pred="values", deprecated=deprecated(replaced_by="fake/sturdy"))
def old(y_true, y_pred):
    "Going."
    return y_pred
"""
TRACE = """
from pathlib import Path
Path(__file__).with_suffix(".trace").touch()
from lossplug_core import loss

@loss(y_true="values", y_pred="values")
def {name}(y_true, y_pred):
    "Leaves a trace."
    return y_pred
"""


@pytest.fixture
def models(tmp_path) -> Path:
    """An empty folder for models."""
    folder = tmp_path / "models"
    folder.mkdir()
    return folder


@pytest.fixture
def audit(run, models):
    """What `lossplug catalog audit --json` says of the folder, and its exit code."""

    def audit(*arguments) -> tuple[dict, int]:
        result = run("catalog", "audit", *(arguments or [models]), "--json")
        return json.loads(result.stdout), result.exit_code

    return audit


def save(folder: Path, name: str, *losses) -> Path:
    folder.mkdir(exist_ok=True, parents=True)
    return saved_model(folder, compiled([*losses]), name)


def states(document) -> dict[str, list[tuple[str, str]]]:
    return {
        Path(model["model"]).name: [(loss["name"], loss["state"]) for loss in model["losses"]]
        for model in document["models"]
    }


def test_every_model_in_the_folders_and_below_is_told(site, audit, models) -> None:
    site.install("lossplug-fake", "sturdy", version="2.0")
    save(models, "b.keras", plugin_loss("fake/sturdy"), "mse")
    save(models / "deep" / "down", "a.KERAS", plugin_loss("fake/sturdy"))
    (models / "notes.txt").write_text("no model")
    document, exit_code = audit()
    assert exit_code == 0
    assert states(document) == {
        "b.keras": [("fake/sturdy", "here"), ("keras/mean_squared_error", "here")],
        "a.KERAS": [("fake/sturdy", "here")],
    }
    assert document["models"][1]["losses"] == [
        {
            "kind": "plugin",
            "name": "fake/sturdy",
            "at": "loss[0]",
            "spec_version": 1,
            "saved_by": {"distribution": "lossplug-fake", "version": "1.0"},
            "presets": [],
            "state": "here",
            "past_its_date": False,
            "installed": "lossplug-fake 2.0",
            "problem": None,
            "fix": None,
        }
    ]
    assert document["losses"] == [
        {"name": "fake/sturdy", "kind": "plugin", "models": 2, "states": {"here": 2}},
        {"name": "keras/mean_squared_error", "kind": "keras", "models": 1, "states": {"here": 1}},
    ]
    assert document["counts"]["models"] == 2


@pytest.mark.parametrize(
    ("loss", "state", "problem", "fix", "exit_code"),
    [
        (plugin_loss("fake/sturdy"), "here", "None", "None", 0),
        (plugin_loss("fake/old"), "deprecated", "will be removed", "None", 0),
        (plugin_loss("denied/trace"), "forbidden", "LOSSPLUG_DISABLE", "lossplug why", 1),
        (plugin_loss("DENIED/Trace_Loss"), "forbidden", "LOSSPLUG_DISABLE", "lossplug why", 1),
        (plugin_loss("no-such/loss"), "missing", "not installed here", "lossplug-no-such==1.0", 1),
        (plugin_loss("fake/sturdy", spec_version=9), "missing", "newer version", "upgrade", 1),
        (plugin_loss("fake/sturdy", parameters={"scale": -1}), "missing", "not valid", "", 1),
        ("huber", "forbidden", "LOSSPLUG_DISABLE", "", 1),
        ("mine>error", "unknown", "of a program", "custom_objects", 0),
        ({"class_name": "__lambda__", "config": {}}, "unknown", "code inside", "plugin", 0),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_each_loss_has_a_state_with_a_reason(
    site, audit, models, monkeypatch, loss, state, problem, fix, exit_code
) -> None:
    site.install("lossplug-fake", "sturdy")
    site.install(
        "lossplug-denied",
        modules={"denied_losses": TRACE.format(name="trace")},
        entry_points="[lossplug.losses]\ntrace = denied_losses:trace\n",
    )
    site.install(
        "fake",  # has the namespace of lossplug-fake too
        modules={"old_losses": DEPRECATED},
        entry_points="[lossplug.losses]\nold = old_losses:old\n",
    )
    monkeypatch.setenv("LOSSPLUG_DISABLE", "denied, keras/huber")
    save(models, "model.keras", loss)
    document, code = audit()
    (found,) = document["models"][0]["losses"]
    assert (found["state"], code) == (state, exit_code)
    assert problem in str(found["problem"])
    assert fix in str(found["fix"])
    assert not (site.folder / "denied_losses.trace").exists(), "a forbidden plugin was imported"


def test_a_broken_plugin_is_that_of_its_models_only(site, audit, models) -> None:
    site.install("lossplug-fake", "sturdy")
    site.install(
        "lossplug-broken",
        modules={"broken_losses": "1 / 0"},
        entry_points="[lossplug.losses]\nbroken = broken_losses:broken\n",
    )
    save(models, "a.keras", plugin_loss("broken/broken"))
    save(models, "b.keras", plugin_loss("fake/sturdy"))
    document, _ = audit()
    assert states(document) == {
        "a.keras": [("broken/broken", "missing")],
        "b.keras": [("fake/sturdy", "here")],
    }
    assert "ZeroDivisionError" in document["models"][0]["losses"][0]["problem"]


ALONE = """
import time
import meter

meter.importing += 1
time.sleep(0.05)
assert meter.importing == 1, "another plugin is imported meanwhile"
meter.importing -= 1
from lossplug_core import loss

@loss(y_true="values", y_pred="values")
def one(y_true, y_pred):
    "A loss."
    return y_pred
"""


def test_plugins_are_imported_one_at_a_time(site, audit, models) -> None:
    site.install("lossplug-meter", modules={"meter": "importing = 0"}, entry_points="")
    for name in ("one", "two", "three", "four"):
        site.install(
            f"lossplug-{name}",
            modules={f"{name}_alone": ALONE},
            entry_points=f"[lossplug.losses]\none = {name}_alone:one\n",
        )
        save(models, f"{name}.keras", plugin_loss(f"{name}/one"))
    document, _ = audit(models, "--jobs", 4)
    assert document["counts"]["here"] == 4


PRESETS = """
[presets.fraud-default]
loss = "fake/sturdy"
version = 3

[presets.older]
loss = "fake/sturdy"
status = "deprecated"
replaced_by = "fraud-default"
until = 2027-03-31
"""


@pytest.mark.parametrize(
    ("preset", "state", "problem"),
    [
        ({"name": "fraud-default", "version": 3}, "here", None),
        ({"name": "fraud-default", "version": 2}, "here", "version 2 of 'fraud-default'"),
        ({"name": "gone", "version": 1}, "here", "in no catalogue here"),
        ({"name": "older", "version": 1}, "deprecated", "until 2027-03-31. Use 'fraud-default'."),
    ],
)
def test_the_preset_that_a_loss_was_made_from_is_told(
    site, audit, models, tmp_path, monkeypatch, preset, state, problem
) -> None:
    site.install("lossplug-fake", "sturdy")
    (tmp_path / "catalogue.toml").write_text(PRESETS)
    monkeypatch.setenv("LOSSPLUG_CATALOG", str(tmp_path / "catalogue.toml"))
    save(models, "model.keras", plugin_loss("fake/sturdy", preset=preset))
    document, exit_code = audit(models, "--strict", "--today", "2027-03-31")
    (loss,) = document["models"][0]["losses"]
    assert (loss["state"], loss["past_its_date"], exit_code) == (state, False, 0)
    assert loss["presets"] == [preset]
    assert (problem is None) == (loss["problem"] is None)
    assert (problem or "") in (loss["problem"] or "")


@pytest.mark.parametrize(("options", "expected"), [([], 0), (["--strict"], 1)])
def test_a_preset_past_its_date_is_deprecated_and_fails_if_that_is_wanted(
    site, run, models, tmp_path, monkeypatch, options, expected
) -> None:
    site.install("lossplug-fake", "sturdy")
    (tmp_path / "catalogue.toml").write_text(PRESETS)
    monkeypatch.setenv("LOSSPLUG_CATALOG", str(tmp_path / "catalogue.toml"))
    save(models, "a.keras", plugin_loss("fake/sturdy", preset={"name": "older", "version": 1}))
    save(models, "b.keras", plugin_loss("fake/sturdy"))
    command = "catalog", "audit", models, *options, "--today", "2027-04-01"
    result, told = run(*command, "--json"), run(*command)
    assert (result.exit_code, told.exit_code) == (expected, expected)
    document = json.loads(result.stdout)
    (loss,) = document["models"][0]["losses"]
    assert (document["today"], loss["state"], loss["past_its_date"]) == (
        "2027-04-01",
        "deprecated",
        True,
    )
    assert (document["counts"]["deprecated"], document["counts"]["past_its_date"]) == (1, 1)
    assert "could be used until 2027-03-31: it is past its date. Use 'fraud-default'." in (
        told.stdout
    )
    assert told.stdout.endswith("2 models; losses: 1 here, 1 deprecated (1 past its date)\n")


def test_a_deprecated_combination_is_told_with_each_of_its_parts(
    site, audit, models, tmp_path, monkeypatch
) -> None:
    site.install("lossplug-fake", "sturdy")
    (tmp_path / "catalogue.toml").write_text(PRESETS)
    monkeypatch.setenv("LOSSPLUG_CATALOG", str(tmp_path / "catalogue.toml"))
    part = plugin_loss("fake/sturdy", preset={"name": "fraud-default", "version": 3})
    config = {"parts": [{"loss": part}], "preset": {"name": "older", "version": 1}}
    save(models, "model.keras", {"class_name": "CombinedLoss", "config": config})
    (loss,) = audit()[0]["models"][0]["losses"]
    assert [preset["name"] for preset in loss["presets"]] == ["older", "fraud-default"]
    assert loss["state"] == "deprecated"


def test_hostile_files_are_rows_with_their_problem_and_the_walk_goes_on(audit, models) -> None:
    kinds = list(HOSTILE)
    for number, (make, _) in enumerate(HOSTILE.values()):
        make(models / f"{number:03}.keras")
    save(models, "z.keras", "mse")
    document, exit_code = audit()
    problems = {Path(m["model"]).stem: m["problem"] for m in document["models"]}
    assert exit_code == 1
    assert problems.pop("z") is None
    empty_folder = f"{kinds.index('an empty folder'):03}"  # is looked into, as any folder is
    assert sorted([*problems, empty_folder]) == [f"{n:03}" for n in range(len(kinds))]
    for stem, problem in problems.items():
        assert stem in problem, "a problem does not say which file it is about"
    assert document["counts"]["unreadable"] == len(kinds) - 1


def test_nothing_of_a_model_is_imported(audit, models, tmp_path, monkeypatch) -> None:
    (tmp_path / "evil.py").write_text(TRACE.format(name="evil"))
    monkeypatch.syspath_prepend(str(tmp_path))
    stranger = {"module": "evil", "class_name": "evil", "config": {}, "registered_name": "evil"}
    config = plugin_loss("evil/evil", provider={"distribution": "evil", "version": "1"})
    save(models, "a.keras", stranger, {**config, "module": "lossplug_core.evil"})
    audit()
    assert not (tmp_path / "evil.trace").exists()
    assert "evil" not in sys.modules


def test_keras_is_not_imported(models) -> None:
    save(models, "a.keras", "mse", plugin_loss("no-such/loss"))
    code = (
        "import sys; from lossplug_core.cli import main\n"
        f"main(['catalog', 'audit', {str(models)!r}], standalone_mode=False)\n"
        "assert not {'keras', 'numpy', 'torch', 'jax', 'tensorflow'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="links")
def test_links_are_followed_but_to_no_folder_twice(audit, models) -> None:
    save(models / "a", "1.keras", "mse")
    (models / "a" / "up").symlink_to(models)
    (models / "b").symlink_to(models / "a")
    outside = save(models.parent / "outside", "2.keras", "mse")
    (models / "c").symlink_to(outside.parent)
    document, exit_code = audit()
    found = {
        Path(m["model"]).relative_to(models).as_posix(): m["problem"] for m in document["models"]
    }
    assert set(found) == {"a/1.keras", "a/up", "c/2.keras"}
    assert "a link to a folder that it is in" in found["a/up"]
    assert exit_code == 1


def test_a_file_that_vanishes_and_a_folder_that_nobody_may_read_are_rows(
    audit, models, monkeypatch
) -> None:
    save(models / "secret", "a.keras", "mse")
    save(models, "b.keras", "mse")
    gone = save(models, "gone.keras", "mse")
    scandir = os.scandir

    def look(path):
        if Path(path).name == "secret":
            raise PermissionError(13, "Permission denied")
        found = list(scandir(path))
        gone.unlink(missing_ok=True)
        return found

    monkeypatch.setattr(os, "scandir", look)
    document, exit_code = audit()
    problems = {Path(m["model"]).name: m["problem"] for m in document["models"]}
    assert problems["b.keras"] is None
    assert "cannot be read" in problems["gone.keras"]
    assert "Permission denied" in problems["secret"]
    assert exit_code == 1


def test_a_model_that_is_a_folder_is_one_row(audit, models) -> None:
    with zipfile.ZipFile(save(models, "a.keras", "mse")) as archive:
        archive.extractall(models / "folder.keras")
    save(models / "no_model.keras", "b.keras", "mse")
    document, _ = audit()
    assert [*states(document)] == ["a.keras", "folder.keras", "b.keras"]


def test_the_answer_does_not_depend_on_jobs_and_a_file_named_twice_is_one_row(audit, models):
    for number in range(30):
        save(models / str(number % 3), f"{number}.keras", "mse", plugin_loss(f"a/{number % 4}"))
    first = models / "0" / "0.keras"
    one = audit(first, models, "--jobs", 1)
    assert one == audit(first, models, "--jobs", 8)
    assert [Path(m["model"]).name for m in one[0]["models"]][:2] == ["0.keras", "12.keras"]
    assert one[0]["counts"]["models"] == 30


def test_a_file_of_another_name_is_read_if_it_is_named(audit, models) -> None:
    document, _ = audit(save(models, "model.zip", "mse"))
    assert states(document) == {"model.zip": [("keras/mean_squared_error", "here")]}


def test_no_models_are_told_on_stderr(run, models) -> None:
    result = run("catalog", "audit", models)
    assert (result.exit_code, result.stdout) == (0, "0 models\n")
    assert result.stderr == f"There is no .keras file in {str(models)!r}.\n"


def test_a_path_that_is_not_there_is_used_wrongly(run, models) -> None:
    assert run("catalog", "audit", models / "nothing").exit_code == 2
    assert run("catalog", "audit").exit_code == 2


def test_people_see_tables_and_each_remark_once(site, run, models, monkeypatch) -> None:
    site.install("lossplug-fake", "sturdy")
    monkeypatch.chdir(models.parent)
    preset = {"name": "fraud", "version": 2}
    save(models, "a.keras", plugin_loss("fake/sturdy", preset=preset), "[bold]x\x1b[31m")
    save(models, "b.keras", plugin_loss("no-such/loss"))
    save(models, "c.keras", plugin_loss("no-such/loss"))
    saved_model(models, {"class_name": "Functional"}, "d.keras")
    (models / "e.keras").write_text("model")
    result = run("catalog", "audit", "models")
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert "models/a.keras fake/sturdy fraud 2 lossplug-fake 1.0 here" in lines
    assert "[bold]x�[31m unknown" in lines
    assert "models/d.keras -" in lines
    assert "models/e.keras unreadable" in lines
    assert "no-such/loss 2 2 missing" in lines
    assert result.stdout.count("pip install lossplug-no-such==1.0") == 1
    assert lines[-1] == "5 models, 1 unreadable; losses: 1 here, 1 unknown, 2 missing"
    assert "\x1b" not in result.stdout
    assert result.stderr == ""
    shutil.rmtree(models)
