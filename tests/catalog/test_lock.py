"""`lossplug catalog lock`: what is installed and allowed, written down and compared with."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import lossplug_core
from lossplug_core.catalog.locking import FORMAT, read_lock
from lossplug_core.errors import CatalogError

PRESETS = """
[presets.fraud-default]
loss = "fake/sturdy"
params = {{ scale = {scale} }}
version = {version}
"""
LOSS = """
from lossplug_core import loss

@loss(y_true="values", y_pred="values", version={version})
def {name}(y_true, y_pred, *, scale: float = 1.0):
    "A loss."
    return y_pred
"""


@pytest.fixture(autouse=True)
def folder(site, tmp_path, monkeypatch) -> Path:
    """A working folder, with a plugin of two losses and a catalogue of one preset."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOSSPLUG_DISABLE", "keras")  # whose many files would be read each time
    monkeypatch.setenv("LOSSPLUG_CATALOG", "catalogue.toml")
    Path("catalogue.toml").write_text(PRESETS.format(scale=2.0, version=1))
    plugin(site)
    return tmp_path


def plugin(site, *, version: str = "1.0", spec: int = 1, names=("sturdy", "shaky")) -> None:
    """Install lossplug-fake, or another version of it instead: a package that lists its files."""
    for info in site.folder.glob("lossplug_fake-*"):
        shutil.rmtree(info)
    shutil.rmtree(site.folder / "fake_losses", ignore_errors=True)
    for name in [name for name in sys.modules if name.startswith("fake_losses")]:
        del sys.modules[name]
    entry_points = [f"{name} = fake_losses.{name}:{name}\n" for name in names]
    info = site.install(
        "lossplug-fake", version=version, entry_points="[lossplug.losses]\n" + "".join(entry_points)
    )
    package = site.folder / "fake_losses"
    package.mkdir()
    (package / "__init__.py").touch()
    for name in names:
        (package / f"{name}.py").write_text(LOSS.format(name=name, version=spec))
    files = ["__init__.py", *(f"{name}.py" for name in names)]
    (info / "RECORD").write_text("".join(f"fake_losses/{name},,\n" for name in files))
    lossplug_core.refresh()


@pytest.fixture
def lock(run):
    """Make a lock, and read it as JSON."""

    def lock() -> dict:
        lossplug_core.refresh()
        result = run("catalog", "lock")
        assert result.exit_code == 0, result.stderr
        return json.loads(Path("lossplug.lock").read_text())

    return lock


@pytest.fixture
def drift(run):
    """What `lossplug catalog lock --check --json` says: the kind and the subject of each."""

    def drift() -> tuple[list[tuple[str, str]], int]:
        lossplug_core.refresh()
        result = run("catalog", "lock", "--check", "--json")
        found = json.loads(result.stdout)["findings"]
        return [(finding["kind"], finding["subject"]) for finding in found], result.exit_code

    return drift


def files_hash(lock) -> str:
    return lock()["distributions"]["lossplug-fake"]["files"]


def test_a_lock_has_versions_hashes_losses_and_presets(lock) -> None:
    document = lock()
    fake = document["distributions"]["lossplug-fake"]
    assert re.fullmatch("sha256:[0-9a-f]{64}", fake.pop("files"))
    assert fake == {"version": "1.0", "editable": False, "losses": {"sturdy": 1, "shaky": 1}}
    assert document["distributions"]["lossplug-core"]["losses"] == {}
    assert document["presets"] == {
        "fraud-default": {
            "version": 1,
            "meaning": {"loss": "fake/sturdy", "params": {"scale": 2.0}},
        }
    }
    assert (document["format"], document["platform"]["system"]) == (FORMAT, sys.platform)


def test_the_same_installation_makes_the_same_bytes_which_tell_no_path(lock, folder) -> None:
    lock()
    first = Path("lossplug.lock").read_bytes()
    lock()
    assert Path("lossplug.lock").read_bytes() == first
    assert str(folder).encode() not in first


def test_what_was_locked_is_counted(run) -> None:
    Path("catalogue.toml").write_text(
        PRESETS.format(scale=2.0, version=1) + '[policy]\nallow = ["fake"]'
    )
    result = run("catalog", "lock")
    assert result.stdout.endswith("distributions, 2 losses, 1 preset\n")


def test_keras_is_locked_where_its_losses_are_allowed(lock, monkeypatch) -> None:
    assert "keras" not in lock()["distributions"]
    monkeypatch.delenv("LOSSPLUG_DISABLE")
    assert lock()["distributions"]["keras"]["losses"]["mean_squared_error"] == 1


def test_nothing_forbidden_is_locked_or_imported_and_keras_is_not_either(site, lock, folder):
    site.install(
        "lossplug-denied",
        modules={"denied_losses": "1 / 0"},
        entry_points="[lossplug.losses]\ndenied = denied_losses:denied\n",
    )
    Path("catalogue.toml").write_text('policy.deny = ["denied", "fake/shaky"]')
    assert list(lock()["distributions"]["lossplug-fake"]["losses"]) == ["sturdy"]
    assert "lossplug-denied" not in lock()["distributions"]
    code = (
        f"import sys; sys.path.insert(0, {str(site.folder)!r})\n"
        "from lossplug_core.cli import main\n"
        "main(['catalog', 'lock'], standalone_mode=False)\n"
        "assert not {'keras', 'numpy', 'torch', 'jax', 'denied_losses'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def test_a_broken_plugin_cannot_be_locked(site, run) -> None:
    site.install(
        "lossplug-broken",
        modules={"broken_losses": "1 / 0"},
        entry_points="[lossplug.losses]\nbroken = broken_losses:broken\n",
    )
    result = run("catalog", "lock")
    assert (result.exit_code, Path("lossplug.lock").exists()) == (1, False)
    assert "ZeroDivisionError" in result.stderr


def touch(path: str, content: bytes):
    return lambda site: (site.folder / path).write_bytes(content)


def record(text: str):
    return lambda site: (next(site.folder.glob("*fake*.dist-info")) / "RECORD").write_text(text)


def elsewhere(site) -> None:
    """A script beside the folder of the packages, as pip installs them."""
    outside = site.folder.parent / "fake.py"
    outside.write_text("x")
    record(f"{LISTED}../fake.py,,\n{outside.as_posix()},,\n")(site)


def data(site) -> None:
    """A catalogue, say, that comes with the code."""
    (site.folder / "fake_losses/x.toml").write_text("x")
    record(f"{LISTED}fake_losses/x.toml,,\n")(site)


LISTED = "fake_losses/shaky.py,,\nfake_losses/__init__.py,,\nfake_losses/sturdy.py,,\n"


@pytest.mark.parametrize(
    ("change", "differs"),
    [
        (touch("fake_losses/sturdy.py", LOSS.format(name="sturdy", version=1).encode()), False),
        (
            touch("fake_losses/sturdy.py", LOSS.format(name="sturdy", version=1).encode() + b"#"),
            True,
        ),
        (touch("fake_losses/__init__.py", b"x = 1"), True),
        (lambda site: (site.folder / "fake_losses/__init__.py").unlink(), True),
        (record(LISTED), False),
        (record(LISTED + "fake_losses/fast.cpython-311-x86_64-linux-gnu.so,,\n"), False),
        (record(LISTED + "fake_losses/__pycache__/sturdy.cpython-311.pyc,,\n"), False),
        (record(LISTED + "lossplug_fake-1.0.dist-info/INSTALLER,,\n"), False),
        (elsewhere, False),
        (data, True),
        (record(LISTED + "fake_losses/gone.py,,\n"), False),
        (lambda site: next(site.folder.glob("*fake*.dist-info/RECORD")).unlink(), False),
        (record("\0,,,,\n"), False),
    ],
    ids=[
        "touched",
        "one letter",
        "another file",
        "a file gone",
        "another order",
        "compiled code",
        "byte code",
        "what installers note",
        "files elsewhere",
        "data",
        "a file that is listed only",
        "no list",
        "a list of nothing",
    ],
)
def test_the_hash_is_that_of_code_and_data(site, lock, change, differs) -> None:
    before = files_hash(lock)
    change(site)
    assert (files_hash(lock) != before) == differs


def test_an_editable_installation_is_told_and_has_the_hash_of_the_same_files(site, lock, drift):
    before = files_hash(lock)
    info = next(site.folder.glob("*fake*.dist-info"))
    (info / "direct_url.json").write_text('{"url": "file:///x", "dir_info": {"editable": true}}')
    (site.folder / "__editable___finder.py").write_text(f"PATH = {str(site.folder)!r}")
    (info / "RECORD").write_text("__editable__.fake.pth,,\n__editable___finder.py,,\n")
    assert drift() == ([("editable", "lossplug-fake")], 0)
    fake = lock()["distributions"]["lossplug-fake"]
    assert (fake["editable"], fake["files"]) == (True, before)


def test_a_plugin_in_a_namespace_that_others_share_is_hashed_alone(site, lock) -> None:
    for name in ("a", "b"):
        (site.folder / "shared" / name).mkdir(parents=True)
        (site.folder / "shared" / name / "__init__.py").write_text(
            LOSS.format(name=name, version=1)
        )
        site.install(
            f"lossplug-{name}", entry_points=f"[lossplug.losses]\n{name} = shared.{name}:{name}\n"
        )
    site.modules += ["shared", "shared.a", "shared.b"]
    before = lock()["distributions"]
    with (site.folder / "shared" / "b" / "__init__.py").open("a") as file:
        file.write("# more")
    after = lock()["distributions"]
    assert after["lossplug-a"] == before["lossplug-a"]
    assert after["lossplug-b"]["files"] != before["lossplug-b"]["files"]


def other(site) -> None:
    site.install("lossplug-other", "more")


def catalogue(text: str):
    return lambda site: Path("catalogue.toml").write_text(text)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda site: None, []),
        (lambda site: plugin(site, version="1.1"), [("version-changed", "lossplug-fake")]),
        (
            lambda site: plugin(site, version="1.1", spec=2),
            [
                ("version-changed", "lossplug-fake"),
                ("spec-changed", "lossplug-fake: shaky"),
                ("spec-changed", "lossplug-fake: sturdy"),
            ],
        ),
        (touch("fake_losses/__init__.py", b"x = 1"), [("files-changed", "lossplug-fake")]),
        (other, [("distribution-added", "lossplug-other")]),
        (
            lambda site: plugin(site, version="2", names=["sturdy", "new"]),
            [
                ("version-changed", "lossplug-fake"),
                ("loss-added", "lossplug-fake: new"),
                ("loss-removed", "lossplug-fake: shaky"),
            ],
        ),
        (
            catalogue(PRESETS.format(scale=2.0, version=1) + '[policy]\ndeny = ["fake/shaky"]'),
            [("loss-removed", "lossplug-fake: shaky")],
        ),
        (
            catalogue(PRESETS.format(scale=2, version=1) + '[policy]\ndeny = ["fake"]'),
            [("distribution-removed", "lossplug-fake")],
        ),
        (catalogue(PRESETS.format(scale=2.0, version=2)), [("preset-changed", "fraud-default")]),
        (catalogue(PRESETS.format(scale=3.0, version=1)), [("preset-changed", "fraud-default")]),
        (catalogue(PRESETS.format(scale=2.0, version=1) + 'owner = "Ann"'), []),
        (
            catalogue('[presets.another]\nloss = "fake/sturdy"'),
            [("preset-added", "another"), ("preset-removed", "fraud-default")],
        ),
    ],
    ids=[
        "nothing",
        "another version",
        "another spec version",
        "another file",
        "another plugin",
        "other losses",
        "a loss denied",
        "a plugin denied",
        "a preset of another version",
        "a preset of another meaning",
        "a preset of another owner",
        "another preset",
    ],
)
def test_what_drifted_is_said(site, lock, drift, change, expected) -> None:
    lock()
    change(site)
    assert drift() == (expected, 1 if expected else 0)


def test_people_are_told_what_to_do(site, lock, run) -> None:
    lock()
    plugin(site, version="1.1")
    Path("catalogue.toml").write_text(PRESETS.format(scale=3.0, version=1))
    result = run("catalog", "lock", "--check")
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "error  lossplug-fake: Version 1.0 is locked, and 1.1 is here. [version-changed]",
        "  Next: pip install lossplug-fake==1.0",
        "error  fraud-default: It means something else, and still is version 1: params.scale is "
        "3.0, was 2.0. [preset-changed]",
        "  Next: Raise its version, and lock again.",
        "2 things are not as lossplug.lock says.",
    ]


@pytest.mark.parametrize("key", ["python", "system", "machine"])
def test_a_lock_from_another_platform_is_told_and_counts(lock, drift, run, key) -> None:
    document = lock()
    document["platform"][key] = "elsewhere"
    Path("lossplug.lock").write_text(json.dumps(document))
    assert drift() == ([("other-platform", "platform")], 0)
    assert "elsewhere" in run("catalog", "lock", "--check").stdout


def edited(**changes):
    def edit(text: str) -> str:
        return json.dumps({**json.loads(text), **changes})

    return edit


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda text: "", "damaged"),
        (lambda text: text[: len(text) // 2], r"lossplug\.lock:\d+ is damaged"),
        (lambda text: f"<<<<<<< ours\n{text}", r"lossplug\.lock:1 is damaged"),
        (lambda text: text.replace('"shaky": 1', '"sturdy": 2'), "'sturdy' is there twice"),
        (lambda text: "[1]", "no lock of lossplug's"),
        (lambda text: '{"version": 1}', "no lock of lossplug's"),
        (lambda text: "[" * 10**5, "damaged"),
        (lambda text: "\udcff", "damaged"),
        (lambda text: " " * (16 * 2**20 + 1), "too large"),
        (edited(format=FORMAT + 1), f"Expected format {FORMAT}.*pip install --upgrade"),
        (edited(format=FORMAT + 1, distributions="of the future"), f"Expected format {FORMAT}"),
        (edited(format="1"), "no lock of lossplug's"),
        (edited(more=1), "damaged at 'more'"),
        (edited(distributions=[]), "damaged at 'distributions'"),
        (edited(distributions={"a": {"version": 1}}), "damaged at 'distributions.a.version'"),
        (
            edited(distributions={"a; rm": {"version": "1", "files": None, "losses": {}}}),
            "no distribution can be called",
        ),
        (edited(presets={"a": {"version": "1"}}), "damaged at 'presets.a.version'"),
    ],
)
def test_what_is_no_lock_is_refused_with_a_reason(lock, edit, message) -> None:
    lock()
    path = Path("lossplug.lock")
    path.write_bytes(edit(path.read_text()).encode("utf-8", "surrogateescape"))
    with pytest.raises(CatalogError, match=f"(?s){message}") as caught:
        read_lock(path)
    assert caught.value.fix


def test_a_lock_that_is_not_there_is_made_first(run) -> None:
    result = run("catalog", "lock", "--check")
    assert result.exit_code == 1
    assert "lossplug.lock cannot be read" in result.stderr
    assert result.stderr.endswith("Next: Make it: lossplug catalog lock\n")


def test_the_command_that_is_told_writes_the_lock_that_was_named(run) -> None:
    named = "-o", "a lock"
    told = "lossplug catalog lock -o 'a lock'\n"
    assert run("catalog", "lock", "--check", *named).stderr.endswith(f"Next: Make it: {told}")
    run("catalog", "lock", *named)
    Path("catalogue.toml").write_text(PRESETS.format(scale=3.0, version=2))
    lossplug_core.refresh()
    drifted = run("catalog", "lock", "--check", *named).stdout
    assert f"[preset-changed]\n  Next: If it is meant so: {told}" in drifted
    Path("a lock").write_text("{")
    assert run("catalog", "lock", "--check", *named).stderr.endswith(f"Make it again: {told}")


def test_a_lock_that_cannot_be_written_is_an_error(run) -> None:
    result = run("catalog", "lock", "-o", "no-folder/a.lock")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: The lock 'no-folder/a.lock' cannot be written: No such")


def test_what_a_lock_says_steers_no_terminal_and_no_shell(lock, run) -> None:
    document = lock()
    document["distributions"]["lossplug-fake"]["version"] = "1.0\x1b[31m; rm -rf /"
    Path("lossplug.lock").write_text(json.dumps(document))
    result = run("catalog", "lock", "--check")
    assert "\x1b" not in result.stdout
    assert "pip install" not in result.stdout


def test_a_lock_that_cannot_be_written_leaves_what_is_there(lock, run, monkeypatch) -> None:
    lock()
    before = Path("lossplug.lock").read_text()

    def full(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    result = run("catalog", "lock")
    assert (result.exit_code, Path("lossplug.lock").read_text()) == (1, before)
    assert "No space left" in result.stderr
    assert [path.name for path in Path().glob(".loss*")] == []


def test_a_lock_goes_to_a_file_of_any_name_and_to_json(run) -> None:
    result = run("catalog", "lock", "-o", "other.lock", "--json")
    document = json.loads(result.stdout)
    assert document["distributions"] == json.loads(Path("other.lock").read_text())["distributions"]
    assert run("catalog", "lock", "--check", "-o", "other.lock").exit_code == 0


def check(run, *arguments) -> tuple[list[dict], int]:
    lossplug_core.refresh()
    result = run("catalog", "check", "--no-build", *arguments, "--json")
    return json.loads(result.stdout)["findings"], result.exit_code


def test_check_compares_with_a_lock_too(site, lock, run) -> None:
    lock()
    assert check(run, "--locked") == ([], 0)
    plugin(site, version="1.1")
    (finding,), exit_code = check(run, "--locked")
    assert exit_code == 1
    assert (finding["kind"], finding["path"]) == ("version-changed", "lossplug.lock")
    assert check(run) == ([], 0)


def test_check_of_files_compares_a_lock_with_what_those_allow(lock, run) -> None:
    lock()
    Path("other.toml").write_text(
        PRESETS.format(scale=2.0, version=1) + '[policy]\ndeny = ["fake/shaky"]'
    )
    Path("lossplug.lock").rename("our.lock")
    findings, exit_code = check(run, "--locked=our.lock", "other.toml")
    assert [finding["subject"] for finding in findings] == ["lossplug-fake: shaky"]
    assert exit_code == 1


@pytest.mark.parametrize(
    ("prepare", "kind"),
    [
        (lambda site: None, "lock"),
        (lambda site: Path("lossplug.lock").write_text("{"), "lock"),
        (touch("fake_losses/sturdy.py", b"1 / 0"), "broken-plugin"),
    ],
)
def test_what_keeps_check_from_comparing_is_a_finding(site, run, prepare, kind) -> None:
    if kind == "broken-plugin":
        assert run("catalog", "lock").exit_code == 0
        sys.modules.pop("fake_losses.sturdy")
    prepare(site)
    findings, exit_code = check(run, "--locked")
    assert kind in [finding["kind"] for finding in findings if finding["severity"] == "error"]
    assert exit_code == 1
