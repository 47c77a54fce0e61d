"""`lossplug doctor`."""

import json
import os

import pytest

import lossplug_core
from lossplug_core import _backend
from lossplug_core.cli import _machine


@pytest.fixture(autouse=True)
def healthy(site, monkeypatch) -> None:
    """A backend is installed, as far as anyone can tell without importing it."""
    (site.folder / "jax.py").write_text("raise SystemExit('doctor imports no backend')")
    monkeypatch.setenv("KERAS_BACKEND", "jax")


@pytest.fixture
def findings(run):
    """What `lossplug doctor --json` finds about these subjects, as {kind: finding}."""

    def findings(*subjects: str) -> dict[str, dict]:
        result = run("doctor", "--json")
        report = json.loads(result.stdout)
        assert result.exit_code == (1 if report["findings"] else 0)
        found = [*report["findings"], *report["notes"]]
        assert all(finding["fix"] for finding in found)
        return {f["kind"]: f for f in found if f["subject"] in subjects}

    return findings


def plugin(site, body: str, *names: str, distribution: str = "lossplug-fake") -> None:
    module = distribution.replace("-", "_") + "_module"
    lines = [f"{name} = {module}:odd" for name in names or ("odd",)]
    site.install(
        distribution,
        modules={module: f"from lossplug_core import NonNegative, loss\n{body}"},
        entry_points="\n".join(["[lossplug.losses]", *lines]),
    )


def odd(signature: str = "", **options: object) -> str:
    given = "".join(f", {name}={value!r}" for name, value in options.items())
    return (
        f"@loss(y_true='values', y_pred='values'{given})\n"
        f"def odd(y_true, y_pred{signature}):\n    'Odd.'\n"
    )


def test_a_healthy_installation_has_no_findings(site, run) -> None:
    site.install("lossplug-fake", "sturdy", "sturdier", version="2.0")
    result = run("doctor")
    assert result.exit_code == 0
    assert "lossplug-fake" in result.stdout
    assert "Findings: none" in result.stdout
    assert result.stderr == ""


def test_the_report_has_versions_backend_plugins_and_hooks(site, run, monkeypatch) -> None:
    site.install("lossplug-fake", "sturdy", "sturdier", version="2.0")
    site.install(
        "lossplug-hook",
        modules={"hook_module": ""},
        entry_points="[lossplug.hooks]\nnothing = hook_module\n",
    )
    settings = {"LOSSPLUG_DISABLE": "fake/sturdy", "LOSSPLUG_CATALOG": "off"}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    report = json.loads(run("doctor", "--json").stdout)
    assert report["schema_version"] == 1
    assert report["packages"]["lossplug-core"].startswith("0.")
    assert set(report["packages"]) == set(_machine.PACKAGES)
    assert report["backend"] == {"name": "jax", "source": "KERAS_BACKEND"}
    assert report["settings"].items() >= settings.items()
    fake = {"distribution": "lossplug-fake", "version": "2.0", "losses": 2, "forbidden": 1}
    assert fake in report["plugins"]
    assert [hook["loaded"] for hook in report["hooks"] if hook["entry_point"] == "nothing"] == [
        True
    ]


def test_the_catalogues_in_force_are_told_with_what_they_forbid(
    site, run, tmp_path, monkeypatch
) -> None:
    site.install("lossplug-fake", "sturdy", "sturdier", version="2.0")
    paths = [tmp_path / "organisation.toml", tmp_path / "team.toml"]
    paths[0].write_text("[policy]\nallow = []\n")
    paths[1].write_text("[presets.usual]\nloss = 'fake/sturdy'\n")
    monkeypatch.setenv("LOSSPLUG_CATALOG", os.pathsep.join(map(str, paths)))
    lossplug_core.refresh()
    result = run("doctor")
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert "lossplug-fake 2.0 2 losses 2 of them forbidden" in lines
    assert lines[lines.index(f"{paths[0]} 0 presets") + 1] == f"{paths[1]} 1 preset"
    listed = run("list")
    assert (listed.stdout, listed.exit_code) == ("", 0)
    assert "Rules forbid every loss: `lossplug doctor`" in listed.stderr


def test_metadata_does_not_steer_the_terminal(site, run) -> None:
    metadata = "Metadata-Version: 2.1\nName: lossplug-fake\nVersion: 1\x1b[31m\n"
    site.install("lossplug-fake", "sturdy", metadata=metadata)
    assert "\x1b" not in run("doctor").stdout


def test_a_finding_is_shown_with_its_fix(site, run) -> None:
    plugin(site, "raise RuntimeError('on purpose')")
    result = run("doctor")
    assert result.exit_code == 1
    assert (
        "  fake/odd  broken-plugin\n"
        "    lossplug_fake_module:odd cannot be loaded: RuntimeError: on purpose\n"
        "    Fix: pip install --upgrade lossplug-fake\n"
    ) in result.stdout


def test_strict_mode_changes_nothing(site, findings, monkeypatch) -> None:
    monkeypatch.setenv("LOSSPLUG_STRICT", "1")
    plugin(site, "raise RuntimeError('on purpose')")
    site.install("lossplug-mad", entry_points="[lossplug.losses]\nmad = no target\n")
    assert list(findings("fake/odd")) == ["broken-plugin"]
    assert list(findings("lossplug-mad")) == ["malformed-entry-point"]


def test_the_environment_is_left_as_it_was(site, run, monkeypatch) -> None:
    monkeypatch.setenv("LOSSPLUG_DISABLE", "fake, other")
    before = dict(os.environ)
    run("doctor")
    assert dict(os.environ) == before


def test_a_hook_that_fails(site, findings, run) -> None:
    site.install(
        "lossplug-hook",
        modules={"hook_module": "raise RuntimeError('on purpose')"},
        entry_points="[lossplug.hooks]\nfails = hook_module\n",
    )
    assert list(findings("lossplug-hook")) == ["broken-hook"]
    assert "fails  not loaded" in run("doctor").stdout


def test_a_name_that_keras_has_too(site, findings) -> None:
    site.install("lossplug-fake", "huber")
    found = findings("huber")["shadowed-name"]
    assert "keras/huber" in found["problem"]
    assert found["fix"] == "Write fake/huber."


def test_a_shared_name_is_no_fault(site, run) -> None:
    site.install("lossplug-fake", "huber")
    result = run("doctor")
    assert result.exit_code == 0
    assert "Findings: none" in result.stdout
    assert "Write fake/huber." in result.stdout


def test_a_name_that_two_plugins_have(site, findings) -> None:
    site.install("lossplug-fake", "sturdy")
    site.install("lossplug-other", "Sturdy_Loss")
    found = findings("sturdy", "Sturdy_Loss")["shared-name"]
    assert found["fix"] == "Write fake/sturdy or other/Sturdy_Loss."


def test_an_id_that_two_distributions_have(site, findings) -> None:
    site.install("lossplug-fake", "sturdy")
    site.install("fake", "sturdy")
    found = findings("fake/sturdy")["shared-id"]
    assert "fake 1.0 and by lossplug-fake 1.0" in found["problem"]


@pytest.mark.parametrize("forbidden", ["other", "lossplug-other", "other/sturdy"])
def test_a_loss_that_is_switched_off_clashes_with_nothing(site, findings, monkeypatch, forbidden):
    site.install("lossplug-fake", "sturdy")
    site.install("lossplug-other", "sturdy")
    monkeypatch.setenv("LOSSPLUG_DISABLE", forbidden)
    assert findings("sturdy", forbidden) == {}


@pytest.mark.parametrize(
    ("declared", "entry_points", "kind"),
    [
        ((), ("odd",), None),
        (("strange",), ("odd", "strange"), None),
        (("Strange_Loss",), ("odd", "strange"), None),
        (("strange",), ("odd",), "alias-without-entry-point"),
        ((), ("odd", "strange"), "undeclared-alias"),
        ((), ("strange",), None),
    ],
)
def test_aliases_are_declared_and_are_entry_points(
    site, findings, declared, entry_points, kind
) -> None:
    plugin(site, odd(aliases=declared), *entry_points)
    found = findings("fake/odd", "fake/strange")
    assert list(found) == ([kind] if kind else [])
    assert all("'strange'" in finding["problem"] for finding in found.values())


@pytest.mark.parametrize(
    ("source", "kind", "named"),
    [
        (odd(", *, k: NonNegative = 1.0", conventions={"theirs": {"k": 2}}), None, ""),
        (odd(", *, k: NonNegative"), None, ""),
        (odd(", *, k: NonNegative = -1.0"), "invalid-default", "'k'"),
        (odd(", *, first: float, k: NonNegative = -1.0"), "invalid-default", "'k'"),
        (odd(", *, k: float = float('nan')"), "invalid-default", "'k'"),
        (
            odd(", *, k: NonNegative = 1.0", conventions={"theirs": {"k": -2}}),
            "invalid-convention",
            "theirs",
        ),
        (odd(", *, k: 'Missing' = 1.0"), "invalid-signature", "Missing"),
    ],
)
def test_defaults_and_conventions_are_what_the_loss_accepts(
    site, findings, source, kind, named
) -> None:
    plugin(site, source)
    found = findings("fake/odd")
    assert list(found) == ([kind] if kind else [])
    assert all(named in finding["problem"] for finding in found.values())


@pytest.mark.parametrize(
    "word", ["fake", "lossplug-fake", "fake/sturdy", "keras/mse", "Fake/Sturdy"]
)
def test_a_word_of_lossplug_disable_that_switches_something_off(site, findings, monkeypatch, word):
    site.install("lossplug-fake", "sturdy")
    monkeypatch.setenv("LOSSPLUG_DISABLE", f"fake, {word}")
    assert findings(word) == {}


@pytest.mark.parametrize("word", ["fakes", "fake/study", "sturdy", "keras/nothing"])
def test_a_word_of_lossplug_disable_that_switches_nothing_off(site, findings, monkeypatch, word):
    site.install("lossplug-fake", "sturdy")
    monkeypatch.setenv("LOSSPLUG_DISABLE", word)
    assert list(findings(word)) == ["unused-disable"]


def test_a_backend_that_is_not_installed(findings, monkeypatch) -> None:
    monkeypatch.setattr(_backend.importlib.util, "find_spec", lambda name: None)
    found = findings("jax")["no-backend"]
    assert found["fix"] == "pip install 'lossplug-core[jax]'"


def test_another_backend_that_is_installed_is_offered(findings, monkeypatch) -> None:
    monkeypatch.setattr(_backend.importlib.util, "find_spec", lambda name: name == "torch" or None)
    found = findings("jax")["no-backend"]
    assert found["fix"].endswith("or set KERAS_BACKEND=torch, which is installed")


def test_a_backend_that_nobody_knows(findings, monkeypatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "theano")
    assert "Set KERAS_BACKEND to" in findings("theano")["unknown-backend"]["fix"]
