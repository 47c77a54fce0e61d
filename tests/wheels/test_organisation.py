"""The example of an organisation, as it would live: built, installed, used, and tampered with."""

from __future__ import annotations

import json
import shutil
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from fresh import ROOT, Environment, run

EXAMPLE = ROOT / "docs/examples/organisation"
BEFORE, AFTER = "2027-03-31", "2027-04-01"  # the last day of `screening-2025`, and the next


@dataclass(frozen=True)
class Project:
    """The folder of a project, where the organisation's package is installed."""

    environment: Environment
    folder: Path

    def does(self, line: str, *, check: bool = True, cwd: Path | None = None, **variables: str):
        """What a line in the shell does."""
        return run(
            line,
            check=check,
            cwd=cwd or self.folder,
            PATH=self.environment.path,
            **{"KERAS_BACKEND": "jax", "NO_COLOR": "1", "COLUMNS": "160", **variables},
        )

    @property
    def package(self) -> Path:
        """Where the organisation's package is installed."""
        code = "import lossplug_lindenhof; print(lossplug_lindenhof.__path__[0])"
        return Path(self.environment.does(code))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("organisation")
    run(sys.executable, "-m", "build", "--wheel", "--outdir", out, EXAMPLE / "lossplug-lindenhof")
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def project(environment, built, wheel, tmp_path_factory) -> Iterator[Project]:
    """The project, whose models are trained and whose lock is written."""
    core, imbalance = (built[name][0] for name in ("lossplug_core", "lossplug_imbalance"))
    extras = f"{core}[catalog,testing]"
    environment.pip("install", extras, imbalance, wheel, "scikit-learn>=1.4")
    folder = tmp_path_factory.mktemp("work") / "screening"
    shutil.copytree(EXAMPLE / "screening", folder)
    project = Project(environment, folder)
    for preset in ("screening", "second-reader", "rare-finding"):
        told = project.does(f"python train.py {preset}", LINDENHOF_AUDIT="audit.jsonl").stdout
        assert f"models/{preset}.keras: finds" in told
    project.does("lossplug catalog lock")
    yield project
    environment.pip("uninstall", "--yes", "lossplug-lindenhof", "lossplug-imbalance")


def test_the_wheel_brings_the_catalogue_and_the_policy(wheel) -> None:
    names = {Path(name).name for name in zipfile.ZipFile(wheel).namelist()}
    assert {"lindenhof.toml", "catalogue.py", "policy.py", "audit.py", "py.typed"} <= names


def test_the_package_passes_its_own_tests(project) -> None:
    tests = EXAMPLE / "lossplug-lindenhof/tests"
    told = project.does(f"python -m pytest -q -p no:cacheprovider {tests}", cwd=tests).stdout
    assert " passed" in told


def test_its_check_is_green(project) -> None:
    checked = project.does(f"./check.sh --today {BEFORE}").stdout
    assert "7 presets in 2 layers: 0 errors, 0 warnings" in checked
    assert "3 models; losses: 4 here" in checked
    assert 'failures="0"' in (project.folder / "losses.xml").read_text()


def test_a_deprecated_preset_past_its_date_fails(project) -> None:
    checked = project.does(f"./check.sh --today {AFTER}", check=False)
    assert checked.returncode == 1
    assert f"It could be used until {BEFORE}, and today is {AFTER}" in checked.stdout
    assert "Use 'screening'" in checked.stdout


OPENED = {
    "policy.py": ('!= "production"', "is not None"),
    "reviews.toml": ("2025-12-31", "2099-12-31"),
    "lindenhof.toml": ('deny = ["lossplug-hobby"]', ""),
}


@pytest.mark.parametrize("name", OPENED)
def test_a_policy_that_somebody_opens_is_drift(project, name) -> None:
    file = project.package / name
    as_installed = file.read_text(encoding="utf-8")
    opened = as_installed.replace(*OPENED[name])
    assert opened != as_installed
    file.write_text(opened, encoding="utf-8")
    try:
        line = f"lossplug catalog check --no-build --locked --today {BEFORE}"
        checked = project.does(line, check=False)
    finally:
        file.write_text(as_installed, encoding="utf-8")
    assert checked.returncode == 1
    assert "error: lossplug-lindenhof: " in checked.stdout
    assert "[files-changed]" in checked.stdout


REASONS = {
    "imbalance/ldam": "it has no review, which production needs",
    "asymmetric": "its review by L. Brandt held until 2025-12-31",
    "rare-finding-margin": "it has no review, which production needs",
}


@pytest.mark.parametrize(("name", "reason"), REASONS.items())
def test_production_refuses_with_the_reason_of_the_policy(project, name, reason) -> None:
    line = f"lossplug show {name}"
    assert project.does(line).returncode == 0
    refused = project.does(line, check=False, LINDENHOF_STAGE="production")
    assert refused.returncode == 1
    assert reason in " ".join(refused.stderr.split())


def test_a_model_whose_loss_has_no_review_is_not_for_production(project, tmp_path) -> None:
    project.does("python train.py asymmetric")
    model = project.folder / "models/asymmetric.keras"
    shutil.move(model, tmp_path / model.name)
    audited = f"lossplug catalog audit {tmp_path} --json"
    (found,) = json.loads(project.does(audited).stdout)["models"]
    assert [loss["state"] for loss in found["losses"]] == ["here"]
    refused = project.does(audited, check=False, LINDENHOF_STAGE="production")
    assert refused.returncode == 1
    (loss,) = json.loads(refused.stdout)["models"][0]["losses"]
    assert loss["state"] == "forbidden"
    assert "its review by L. Brandt held until" in loss["problem"]


def test_a_denied_distribution_is_not_imported(project, tmp_path) -> None:
    project.environment.pip("install", "--no-deps", hobby(tmp_path))
    trace = project.package.parent / "lossplug_hobby/was_imported"
    try:
        for line in (
            "list",
            "doctor",
            f"catalog check --strict --today {BEFORE}",
            "catalog lock -o other.lock",
        ):
            project.does(f"lossplug {line}")
        refused = project.does("lossplug show hobby/guess", check=False)
        assert refused.returncode == 1
        assert "lindenhof.toml" in refused.stderr
        assert "denies 'lossplug-hobby'" in refused.stderr
        assert "hobby" not in (project.folder / "other.lock").read_text()
        assert not trace.exists()
        project.does("python -c 'import lossplug_hobby'")
        assert trace.exists()
    finally:
        project.environment.pip("uninstall", "--yes", "lossplug-hobby")


def test_what_is_not_installed_is_known(project) -> None:
    missing = project.does("lossplug show rhythm_transition", check=False)
    assert "pip install lossplug-cardio" in missing.stderr


def test_what_happened_is_written_down(project) -> None:
    lines = (project.folder / "audit.jsonl").read_text().splitlines()
    built = [(event["id"], event["preset"], event["in"]) for event in map(json.loads, lines[:1])]
    assert built == [("lindenhof/decision_crossentropy", "screening", "train.py")]


LOAD = """
import keras
from lossplug_core import as_dict
print(as_dict(keras.models.load_model({!r}).loss))
"""


@pytest.mark.parametrize("preset", ["screening", "second-reader"])
def test_a_model_loads_where_the_catalogue_of_the_project_is_not(project, tmp_path, preset) -> None:
    (tmp_path / "load.py").write_text(LOAD.format(str(project.folder / f"models/{preset}.keras")))
    assert preset not in project.does("lossplug catalog check --json", cwd=tmp_path).stdout
    loaded = project.does("python load.py", cwd=tmp_path).stdout
    assert "'threshold': 0.03" in loaded


def test_the_site_has_the_presets_of_both_layers(project) -> None:
    project.does("lossplug catalog build site")
    index = (project.folder / "site/index.html").read_text(encoding="utf-8")
    pages = {page.stem for page in (project.folder / "site/presets").glob("*.html")}
    presets = {"clinical-risk", "screening", "second-reader", "screening-2025"}
    assert presets <= pages
    for name in (*presets, "lindenhof/decision_crossentropy"):
        assert name in index
    assert "lossplug-hobby" not in index


def test_without_the_package_only_its_own_loss_is_missing(project, wheel, tmp_path) -> None:
    names = ("rare-finding", "screening")
    for name in names:
        path = str(project.folder / f"models/{name}.keras")
        (tmp_path / f"{name}.py").write_text(LOAD.format(path))
    project.environment.pip("uninstall", "--yes", "lossplug-lindenhof")
    try:
        found, missing = (
            project.does(f"python {name}.py", check=False, cwd=tmp_path) for name in names
        )
    finally:
        project.environment.pip("install", "--no-deps", "--no-index", wheel)
    assert "imbalance/focal" in found.stdout
    assert missing.returncode == 1
    assert "pip install lossplug-lindenhof==2.1.0" in missing.stderr


def hobby(folder: Path) -> Path:
    """The wheel of a plugin that leaves a trace where it is imported."""
    path = folder / "lossplug_hobby-1.0.0-py3-none-any.whl"
    info = "lossplug_hobby-1.0.0.dist-info"
    files = {
        "lossplug_hobby/__init__.py": (
            "from pathlib import Path\nPath(__file__).with_name('was_imported').touch()\n"
        ),
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: lossplug-hobby\nVersion: 1.0.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "[lossplug.losses]\nguess = lossplug_hobby:guess\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in (*files, f"{info}/RECORD"))
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path
