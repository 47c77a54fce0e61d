"""`lossplug catalog init`, `schema`, `check` and `diff`."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from lossplug_core.catalog.model import json_schema
from lossplug_core.catalog.reading import read
from lossplug_core.cli import _machine
from lossplug_core.errors import BackendError

PAST, LATER = "2020-01-01", "2099-12-31"

LOSSES = """
from lossplug_core import NonNegative, deprecated, loss

@loss(y_true="values", y_pred="values", conventions={"wide": {"scale": 5.0}})
def sturdy(y_true, y_pred, *, scale: NonNegative = 1.0):
    "A loss."
    return scale * abs(y_true - y_pred)

@loss(y_true="values", y_pred="values", deprecated=deprecated(replaced_by="fake/sturdy"))
def shaky(y_true, y_pred):
    "A loss."
    return abs(y_true - y_pred)

@loss(y_true="values", y_pred="values")
def only(y_true, y_pred):
    "A loss."
    return abs(y_true - y_pred)
"""


@pytest.fixture(autouse=True)
def folder(site, tmp_path, monkeypatch) -> Path:
    """An empty folder to work in, and what is installed: two plugins, of which one is broken."""
    site.install(
        "lossplug-fake",
        version="2.0",
        modules={"fake_module": LOSSES},
        entry_points="""
            [lossplug.losses]
            sturdy = fake_module:sturdy
            shaky = fake_module:shaky
            only = fake_module:only
            broken = fake_nowhere:broken
        """,
    )
    site.install("lossplug-other", "sturdy")
    monkeypatch.delenv("LOSSPLUG_CATALOG", raising=False)
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def findings(run):
    """What `catalog check` finds in catalogues of these texts, as layers in this order."""

    def findings(*texts: str, build: bool = False, **options: str) -> list[dict]:
        files = [f"layer{number}.toml" for number in range(len(texts))]
        for file, text in zip(files, texts, strict=True):
            Path(file).write_text(text, encoding="utf-8")
        given = [word for name, value in options.items() for word in (f"--{name}", value)]
        result = run(
            "catalog", "check", "--json", *([] if build else ["--no-build"]), *given, *files
        )
        found = json.loads(result.stdout)["findings"]
        assert result.exit_code == any(finding["severity"] == "error" for finding in found)
        return found

    return findings


def brief(found: list[dict]) -> list[str]:
    return [f"{f['path']}:{f['line']} {f['severity']} {f['kind']} {f['subject']}" for f in found]


# init


def test_init_writes_a_catalogue_that_says_nothing_and_its_schema(run, folder) -> None:
    result = run("catalog", "init")
    assert result.stdout.split() == ["lossplug.toml", "lossplug.schema.json"]
    assert tomllib.loads(Path("lossplug.toml").read_text()) == {}
    assert Path("lossplug.toml").read_text().startswith("#:schema ./lossplug.schema.json\n")
    assert run("catalog", "check", "--strict").exit_code == 0


def test_what_init_has_in_comments_is_a_catalogue(run, folder) -> None:
    run("catalog", "init")
    lines = Path("lossplug.toml").read_text().splitlines()
    code = [line[2:] for line in lines if line.startswith("# [") or " = " in line]
    Path("full.toml").write_text("\n".join(code))
    content = read(Path("full.toml")).content
    assert set(content.presets) == {"rare-events", "old-events", "careful-regression"}
    assert content.model_fields_set == set(type(content).model_fields)


@pytest.mark.parametrize("path", ["made.toml", "."])
def test_init_overwrites_nothing(run, folder, path) -> None:
    for name in ("lossplug.toml", "made.toml", "lossplug.schema.json"):
        Path(name).write_text("# mine")
    result = run("catalog", "init", path)
    assert result.exit_code == 1
    assert "is not overwritten" in result.stderr
    assert {file.read_text() for file in folder.iterdir()} == {"# mine"}


def test_init_keeps_a_schema_that_is_there(run, folder) -> None:
    Path("lossplug.schema.json").write_text("mine")
    assert run("catalog", "init", "made.toml").stdout.split() == ["made.toml"]
    assert Path("lossplug.schema.json").read_text() == "mine"


@pytest.mark.parametrize("path", ["pyproject.toml", "catalogue", "catalogue.json"])
def test_init_refuses_names_that_no_catalogue_has(run, path) -> None:
    result = run("catalog", "init", path)
    assert result.exit_code == 2
    assert not Path(path).exists()


def test_init_says_as_json_what_it_wrote(run) -> None:
    document = json.loads(run("catalog", "init", "--json").stdout)
    assert document["files"] == ["lossplug.toml", "lossplug.schema.json"]


# schema


def test_schema_describes_every_key(run) -> None:
    schema = json.loads(run("catalog", "schema").stdout)
    preset = schema["$defs"]["Preset"]["properties"]
    for keys in (schema["properties"], preset, schema["$defs"]["Policy"]["properties"]):
        assert all(key["description"] for key in keys.values())
    assert {"loss", "params", "owner", "status", "replaced_by", "until"} < set(preset)


def test_schema_goes_to_a_file(run) -> None:
    Path("schema.json").write_text("older")
    assert run("catalog", "schema", "-o", "schema.json").stdout == "schema.json\n"
    assert Path("schema.json").read_text() == run("catalog", "schema").stdout


# check: which catalogues


def test_check_without_a_file_checks_the_layers_of_this_process(run, monkeypatch) -> None:
    Path("team.toml").write_text("[presets.one]\nloss = 'fake/sturdy'\n")
    Path("lossplug.toml").write_text("[presets.two]\nloss = 'one'\n")
    monkeypatch.setenv("LOSSPLUG_CATALOG", "team.toml")
    document = json.loads(run("catalog", "check", "--no-build", "--json").stdout)
    assert [Path(layer).name for layer in document["layers"]] == ["team.toml", "lossplug.toml"]
    assert document["presets"] == ["one", "two"]
    assert document["findings"] == []


def test_check_of_files_has_nothing_to_do_with_the_layers_of_this_process(run, findings) -> None:
    Path("lossplug.toml").write_text("[policy]\ndeny = ['fake']\n[presets.two]\nloss = 'one'\n")
    assert findings("[presets.mine]\nloss = 'fake/sturdy'\n") == []
    assert run("why", "fake/sturdy").exit_code == 1


def test_check_of_a_folder_reads_the_catalogue_in_it(run, folder) -> None:
    inner = folder / "inner"
    inner.mkdir()
    Path("lossplug.toml").write_text("")
    assert "has no catalogue" in run("catalog", "check", "inner").stdout
    (inner / "pyproject.toml").write_text("[tool.lossplug.presets.x]\nloss = 'fake/nothing'\n")
    found = json.loads(run("catalog", "check", "inner", "--no-build", "--json").stdout)["findings"]
    assert brief(found) == ["inner/pyproject.toml:2 error unknown-loss x"]


def test_without_a_catalogue_check_says_how_to_begin(run) -> None:
    result = run("catalog", "check")
    assert result.exit_code == 1
    assert "There is no catalogue here." in result.stderr
    assert "lossplug catalog init" in result.stderr


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("[presets.x\nloss = 'mse'", 1, "is not TOML"),
        ("\n[presets.x]\nlos = 'fake/sturdy'\n", 3, "a catalogue has no"),
        ("[presets.x]\nloss = 'fake/sturdy'\nversion = 0\n", 3, "is not valid"),
        (f"[presets.x{'.loss' * 300}]\nname = 'mse'\n", 1, "presets.x is too deep"),
        (f"[presets.x]\nloss = 'mse'\n[presets.x.params{'.a' * 60}]\n", 3, "is too deep"),
    ],
)
def test_a_file_that_cannot_be_read_is_an_error_at_its_line(findings, text, line, problem) -> None:
    (found,) = findings("", text)
    assert brief([found]) == [f"layer1.toml:{line} error unreadable layer1.toml"]
    assert problem in found["problem"]


# check: what is found


def preset(name: str = "mine", **fields: object) -> str:
    lines = [f"{key} = {value if key == 'until' else toml(value)}" for key, value in fields.items()]
    return "\n".join([f"[presets.{name}]", *lines, ""])


def toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


GOING = {"loss": "fake/only", "status": "deprecated"}
FOUND = {
    "nothing": (preset(loss="fake/sturdy", params={"scale": 2}), []),
    "Keras's own": (preset(loss="mse"), []),
    "of a preset": (preset(loss="fake/only") + preset("more", loss="Mine"), []),
    "a combination": (preset(loss={"combine": {"keras/huber": 1, "fake/only": 2}}), []),
    "with what every loss has": (
        preset(loss="fake/sturdy", reduction="none", params={"dtype": "float64"}),
        [],
    ),
    "a convention": (preset(loss="fake/sturdy", convention="wide"), []),
    "a typo": (preset(loss="fake/stardy"), [":2 error unknown-loss mine"]),
    "not installed": (preset(loss="unheard-of/thing"), [":2 error not-installed mine"]),
    "one of the index": (
        "[index]\nacme = ['churn']\n" + preset(loss="churn"),
        [":4 error not-installed mine"],
    ),
    "ambiguous": (preset(loss="sturdy"), [":2 error ambiguous mine"]),
    "preferred": ("[prefer]\nsturdy = 'fake'\n" + preset(loss="sturdy"), []),
    "broken": (preset(loss="fake/broken"), [":2 error broken-plugin mine"]),
    "denied": (
        "[policy]\ndeny = ['other']\n" + preset(loss="other/sturdy"),
        [":4 error forbidden mine"],
    ),
    "not allowed": (
        "[policy]\nallow = ['keras']\n" + preset(loss="Fake/Only"),
        [":4 error forbidden mine"],
    ),
    "denied in a combination": (
        "[policy]\ndeny = ['fake/only']\n"
        + preset(loss={"combine": [{"loss": {"name": "mse"}}, {"loss": {"name": "fake/Only"}}]}),
        [":4 error forbidden mine"],
    ),
    "a pair in a combination": (
        preset(loss={"combine": [["fake/stardy", 1.0], ["mse", 1.0]]}),
        [":2 error unknown-loss mine"],
    ),
    "an unknown parameter": (
        preset(loss="fake/sturdy", params={"scael": 2}),
        [":3 error parameters mine"],
    ),
    "a parameter out of bounds": (
        preset(loss="fake/sturdy", params={"scale": -1}),
        [":3 error parameters mine"],
    ),
    "a parameter on a line of its own": (
        "[presets.mine]\nloss = 'fake/sturdy'\n[presets.mine.params]\nscale = 'much'\n",
        [":4 error parameters mine"],
    ),
    "a parameter that another preset hands on": (
        preset(loss="fake/sturdy") + preset("more", loss="mine", params={"scael": 2}),
        [":5 error parameters more"],
    ),
    "a preset of one that is wrong": (
        preset(loss="fake/stardy") + preset("more", loss="mine"),
        [":2 error unknown-loss mine"],
    ),
    "a table that is no loss": (
        preset(loss={"name": "fake/only", "weight": 2}),
        [":2 error invalid mine"],
    ),
    "an unknown convention": (
        preset(loss="fake/sturdy", convention="narrow"),
        [":3 error parameters mine"],
    ),
    "a cycle": (
        preset("a", loss="b") + preset("b", loss={"combine": {"mse": 1, "a": 2}}),
        [":2 error cycle a"],
    ),
    "a preset of its own name": (
        preset("only", loss="only"),
        [":1 note hides-loss only", ":2 error cycle only"],
    ),
    "a preset that hides a loss": (
        preset("only", loss="fake/only"),
        [":1 note hides-loss only"],
    ),
    "two spellings": (
        preset("a-b", loss="mse") + preset("a_b", loss="mse"),
        [":3 error same-name a_b"],
    ),
    "a loss that will go": (preset(loss="fake/shaky"), [":2 warning changed-loss mine"]),
    "deprecated": (preset(**GOING), [":1 note deprecated mine"]),
    "until later": (preset(**GOING, until=LATER), [":4 note deprecated mine"]),
    "past its date": (preset(**GOING, until=PAST), [":4 error past-its-date mine"]),
    "replaced by a loss": (
        preset(**GOING, replaced_by="fake/sturdy"),
        [":1 note deprecated mine"],
    ),
    "replaced by nothing": (
        preset(**GOING, replaced_by="new"),
        [":1 note deprecated mine", ":4 error replacement mine"],
    ),
    "replaced by itself": (
        preset(**GOING, replaced_by="Mine"),
        [":1 note deprecated mine", ":4 error replacement mine"],
    ),
    "replaced by one that goes too": (
        preset(**GOING, replaced_by="b") + preset("b", **GOING),
        [":1 note deprecated mine", ":4 warning replacement mine", ":5 note deprecated b"],
    ),
    "of a deprecated preset": (
        preset("old", **GOING) + preset("new", loss="old"),
        [":1 note deprecated old", ":5 warning uses-deprecated new"],
    ),
    "words that mean nothing": (
        "[policy]\nallow = ['fake/stardy', 'keras']\ndeny = ['nobody']\n",
        [":2 note unknown-word fake/stardy", ":3 note unknown-word nobody"],
    ),
    "words of the index": ("[policy]\ndeny = ['acme']\n[index]\nAcme = ['churn']\n", []),
    "allowed and denied": (
        "[policy]\nallow = ['lossplug-fake']\ndeny = ['Fake']\n",
        [":2 error contradiction lossplug-fake"],
    ),
    "allowed in what is denied": (
        "[policy]\nallow = ['fake/sturdy']\ndeny = ['fake']\n",
        [":2 error contradiction fake/sturdy"],
    ),
    "an exception": ("[policy]\nallow = ['fake']\ndeny = ['fake/sturdy']\n", []),
    "versions": ("[requires]\nlossplug-fake = '>=1,<3'\n", []),
    "other versions": (
        "[requires]\nlossplug-fake = '>=3'\n",
        [":2 error requires lossplug-fake"],
    ),
    "versions of what is not here": ("[requires]\nacme = '>=3'\n", [":2 warning requires acme"]),
    "a preference for nobody": (
        "[prefer]\nsturdy = 'nobody'\n",
        [":2 error unknown-preference sturdy"],
    ),
    "a preference for what has it not": (
        "[prefer]\nonly = 'other'\n",
        [":2 error unknown-preference only"],
    ),
    "a preference where there is no choice": (
        "[prefer]\nonly = 'fake'\n",
        [":2 note idle-preference only"],
    ),
    "a preference where the others are forbidden": (
        "[policy]\ndeny = ['other']\n[prefer]\nsturdy = 'fake'\n",
        [":4 note idle-preference sturdy"],
    ),
    "a preference for the name of a preset": (
        "[prefer]\nsturdy = 'other'\n" + preset("sturdy", loss="fake/only"),
        [":2 note idle-preference sturdy", ":3 note hides-loss sturdy"],
    ),
    "a preference for what is forbidden": (
        "[policy]\ndeny = ['other']\n[prefer]\nsturdy = 'other'\n",
        [":4 error preference-without-effect sturdy"],
    ),
    "an index of what is gone": (
        "[index]\nlossplug-fake = ['sturdy', 'gone']\n",
        [":2 note index lossplug-fake"],
    ),
}


@pytest.mark.parametrize(("text", "expected"), FOUND.values(), ids=FOUND)
def test_check_finds(findings, text, expected) -> None:
    assert brief(findings(text)) == [f"layer0.toml{line}" for line in expected]


LAYERS = {
    "a preset that replaces one": (
        [preset(loss="fake/nothing"), preset("Mine", loss="fake/only")],
        ["layer1.toml:1 note replaces-preset Mine"],
    ),
    "a later layer that denies": (
        [preset(loss="fake/only"), "[policy]\ndeny = ['fake/only']\n"],
        ["layer0.toml:2 error forbidden mine"],
    ),
    "a later layer that allows what an earlier one denies": (
        ["[policy]\ndeny = ['fake']\n", "[policy]\nallow = ['fake', 'other']\n"],
        ["layer1.toml:2 error contradiction fake"],
    ),
    "a later layer that allows what an earlier one does not": (
        ["[policy]\nallow = ['keras']\n", "[policy]\nallow = ['keras/huber', 'fake']\n"],
        ["layer1.toml:2 warning contradiction fake"],
    ),
    "a later layer that allows more, and so nothing more": (
        ["[policy]\nallow = ['fake/only']\n", "[policy]\nallow = ['fake']\n"],
        [],
    ),
    "a later layer that prefers what there is": (
        ["[prefer]\nsturdy = 'nobody'\n", "[prefer]\nSturdy = 'fake/sturdy'\n"],
        [],
    ),
    "parts in several layers": (
        [preset(loss="fake/only"), preset("more", loss={"combine": {"mine": 1.0, "mse": 1.0}})],
        [],
    ),
}


@pytest.mark.parametrize(("texts", "expected"), LAYERS.values(), ids=LAYERS)
def test_check_of_layers_finds(findings, texts, expected) -> None:
    assert brief(findings(*texts)) == expected


@pytest.mark.parametrize(
    ("today", "kind"), [("2026-06-30", "deprecated"), ("2026-07-01", "past-its-date")]
)
def test_the_last_day_is_a_good_one(findings, today, kind) -> None:
    (found,) = findings(preset(**GOING, until="2026-06-30"), today=today)
    assert found["kind"] == kind


def test_a_hook_plugin_that_is_broken_is_an_error(site, findings) -> None:
    site.install(
        "acme-policy",
        modules={"acme_policy": "raise OSError('no disk')"},
        entry_points="[lossplug.hooks]\npolicy = acme_policy\n",
    )
    (found,) = findings("")
    assert (found["severity"], found["kind"], found["path"]) == (
        "error",
        "broken-hook",
        "acme-policy",
    )


def test_where_a_broken_hook_plugin_stops_everything_it_is_a_finding_too(
    site, run, monkeypatch
) -> None:
    site.install(
        "acme-policy",
        modules={"acme_policy": "raise OSError('no disk')"},
        entry_points="[lossplug.hooks]\npolicy = acme_policy\n",
    )
    monkeypatch.setenv("LOSSPLUG_STRICT", "1")
    Path("lossplug.toml").write_text("")
    result = run("catalog", "check", "--no-build", "--junit", "results.xml")
    assert result.exit_code == 1
    assert "acme-policy: error: hooks: The hook plugin 'acme-policy:policy'" in result.stdout
    assert 'failures="1"' in Path("results.xml").read_text()


def test_a_chain_of_presets_may_be_long(findings) -> None:
    links = "".join(preset(f"p{n}", loss=f"p{n + 1}") for n in range(2000))
    found = findings(links + preset("p2000", loss="p0"))
    assert [finding["kind"] for finding in found] == ["cycle"]


def test_a_denied_hook_plugin_is_not_imported(site, findings) -> None:
    site.install(
        "acme-policy",
        modules={"acme_policy": "raise SystemExit('imported')"},
        entry_points="[lossplug.hooks]\npolicy = acme_policy\n",
    )
    assert brief(findings("[policy]\ndeny = ['acme-policy']\n")) == []


def test_the_nearest_word_is_one_that_a_policy_can_have(site, findings) -> None:
    site.install("acme-policy", modules={"acme": ""}, entry_points="[lossplug.hooks]\na = acme\n")
    (found,) = findings("[policy]\ndeny = ['acme-policy/x']\n")
    assert found["fix"] == "Write 'acme-policy' instead, if that is meant."


@pytest.mark.parametrize(
    ("word", "nearest"),
    [
        ("fakes", "fake"),
        ("lossplug-fakes", "lossplug-fake"),
        ("Lossplug_Fakes", "lossplug-fake"),
        ("fake/sturdie", "fake/sturdy"),
        ("lossplug-hobby", None),  # what all plugins begin with makes no two alike
    ],
)
def test_the_nearest_word_is_written_as_the_word_is(findings, word, nearest) -> None:
    (found,) = findings(f"[policy]\ndeny = ['{word}']\n")
    assert found["fix"] == (nearest and f"Write {nearest!r} instead, if that is meant.")


@pytest.mark.backend
def test_check_builds_every_preset(site, findings) -> None:
    presets = {
        "good": "fake/sturdy",
        "keras-too": "keras/huber",
        "sum": {"combine": {"good": 1.0, "mse": 0.5}},
    }
    text = "".join(preset(name, loss=loss) for name, loss in presets.items())
    assert findings(text, build=True) == []
    text += preset("refused", loss="keras/huber", params={"delta": "wide"})
    text += preset("of-refused", loss={"combine": {"refused": 1.0}})
    text += preset("no-sum", loss={"combine": {"good": "much"}})
    text += preset("nowhere", loss="fake/nowhere")
    text += preset(loss="keras/huber", params={"delta": "wide"}, status="deprecated", until=PAST)
    assert brief(findings(text, build=True)) == [
        "layer0.toml:7 error build refused",
        "layer0.toml:12 error build no-sum",
        "layer0.toml:15 error unknown-loss nowhere",
        "layer0.toml:16 error build mine",
        "layer0.toml:20 error past-its-date mine",
    ]


@pytest.mark.backend
def test_the_next_step_is_said_once(findings) -> None:
    (found,) = findings(preset(loss={"combine": []}), build=True)
    assert found["problem"].startswith("A combination of no losses is no loss.\nExpected ")
    assert found["fix"].startswith("combine(")
    assert "Next:" not in found["problem"]


def test_without_a_backend_nothing_is_built_and_that_is_a_note(findings, monkeypatch) -> None:
    monkeypatch.setattr(_machine, "start_keras", raising(BackendError("No backend.")))
    (found,) = findings(preset(loss="fake/only"), build=True)
    assert (found["severity"], found["kind"]) == ("note", "not-built")
    assert "No backend." in found["problem"]


def raising(error: Exception) -> Callable[[], None]:
    def raises() -> None:
        raise error

    return raises


# check: what comes of it


def test_check_prints_places_first_and_what_to_do(run) -> None:
    Path("lossplug.toml").write_text(preset(loss="fake/stardy"))
    result = run("catalog", "check", "lossplug.toml", "--no-build")
    assert result.exit_code == 1
    first, *_, nearest, step, last = result.stdout.splitlines()
    assert first.startswith("lossplug.toml:2: error: mine: No installed loss is called")
    assert first.endswith("[unknown-loss]")
    assert nearest == "  Did you mean 'fake/sturdy'?"
    assert step.startswith("  Next: ")
    assert last == "1 preset in 1 layer: 1 error, 0 warnings, 0 notes."


def test_check_prints_places_as_seen_from_here(run, folder) -> None:
    (folder / "lossplug.toml").write_text(preset(loss="fake/stardy"))
    assert run("catalog", "check", "--no-build").stdout.startswith("lossplug.toml:2: error: ")


@pytest.mark.parametrize(("strictly", "code"), [((), 0), (("--strict",), 1)])
def test_warnings_fail_where_one_is_strict(run, strictly, code) -> None:
    Path("lossplug.toml").write_text(preset(loss="fake/shaky"))
    assert run("catalog", "check", "--no-build", *strictly).exit_code == code


def test_notes_never_fail(run) -> None:
    Path("lossplug.toml").write_text(preset(**GOING))
    assert run("catalog", "check", "--no-build", "--strict").exit_code == 0


def test_junit_has_a_case_for_each_preset(run) -> None:
    text = preset("good", loss="fake/only") + preset("bad", loss="fake/x") + preset("old", **GOING)
    Path("lossplug.toml").write_text(text)
    run("catalog", "check", "lossplug.toml", "--no-build", "--junit", "out.xml")
    (suite,) = ElementTree.parse("out.xml").getroot()
    assert (suite.get("name"), suite.get("tests"), suite.get("failures")) == (
        "lossplug.toml",
        "3",
        "1",
    )
    cases = {case.get("name"): [child.tag for child in case] for case in suite}
    assert cases == {"good": [], "bad": ["failure"], "old": ["system-out"]}
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert str(failure.text).startswith("lossplug.toml:4\n")


def test_junit_tells_of_a_file_that_cannot_be_read(run) -> None:
    Path("lossplug.toml").write_text("[")
    assert run("catalog", "check", "--junit", "out.xml").exit_code == 1
    assert ElementTree.parse("out.xml").getroot().find(".//failure") is not None


def test_junit_without_a_folder_is_wrong_usage(run) -> None:
    assert run("catalog", "check", "--junit", "nowhere/out.xml").exit_code == 2


def test_hostile_text_does_not_steer_the_terminal(run) -> None:
    Path("lossplug.toml").write_text('[presets."a\\u001b[31m"]\nloss = "x\\u001b]0;y\\u0007/z"\n')
    printed = run("catalog", "check", "--no-build").stdout
    assert "\x1b" not in printed
    assert "\x07" not in printed


# the reference


REFERENCE = (Path(__file__).parents[2] / "docs/reference/catalogue.md").read_text(encoding="utf-8")


def test_the_reference_has_every_key() -> None:
    schema = json_schema()
    definitions = schema["$defs"]
    keys = {
        *schema["properties"],
        *definitions["Preset"]["properties"],
        *(f"policy.{key}" for key in definitions["Policy"]["properties"]),
    }
    of_the_file = REFERENCE.partition("\n## The file\n")[2].partition("\n## ")[0]
    assert keys == set(re.findall(r"^\| `([\w.]+)` \| [^|]*\|$", of_the_file, re.MULTILINE))


def test_the_reference_has_every_kind_of_finding() -> None:
    rows = re.findall(r"^\| (`.*) \| ((?:error|warning|note)[^|]*) \|", REFERENCE, re.MULTILINE)
    severities = {kind: text for kinds, text in rows for kind in re.findall("`(.*?)`", kinds)}
    found = {tuple(line.split()[1:3]) for _, lines in FOUND.values() for line in lines}
    found |= {tuple(line.split()[1:3]) for _, lines in LAYERS.values() for line in lines}
    assert {pair for pair in found if pair[0] not in severities[pair[1]]} == set()
    elsewhere = {"broken-hook", "build", "forbidden-hook", "not-built", "unreadable"}
    assert set(severities) == {kind for _, kind in found} | elsewhere


# diff


BEFORE = """
name = "acme"
[policy]
allow = ["keras", "fake"]
deny = ["fake/shaky"]
[prefer]
sturdy = "fake"
[requires]
lossplug-fake = ">=1"
[index]
acme = ["churn"]
[presets.kept]
loss = "mse"
[presets.one]
loss = "fake/sturdy"
params = { scale = 1.0 }
owner = "a@acme.example"
[presets.gone]
loss = "fake/only"
"""
AFTER = """
name = "acme"
[policy]
allow = ["Fake"]
deny = ["fake/ShakyLoss", "other"]
[prefer]
Sturdy = "other"
[requires]
LOSSPLUG_FAKE = ">=2"
[index]
acme = ["fraud", "churn"]
[presets.new]
loss = "fake/only"
[presets.Kept]
loss = "mse"
[presets.one]
loss = "fake/sturdy"
params = { scale = 2.0 }
status = "experimental"
"""


@pytest.fixture
def two() -> None:
    Path("a.toml").write_text(BEFORE)
    Path("b.toml").write_text(AFTER)


def test_diff_says_what_changed(run, two) -> None:
    result = run("catalog", "diff", "a.toml", "b.toml")
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "policy.allow",
        "  - keras",
        "policy.deny",
        "  + other",
        "prefer",
        "  ~ Sturdy",
        '      means  "fake" -> "other"',
        "requires",
        "  ~ LOSSPLUG_FAKE",
        '      versions  ">=1" -> ">=2"',
        "index",
        "  ~ acme",
        '      losses  ["churn"] -> ["churn", "fraud"]',
        "presets",
        "  ~ one  (means something else; raise its version)",
        "      params.scale  1.0 -> 2.0",
        '      owner  "a@acme.example" -> -',
        '      status  - -> "experimental"',
        "  - gone",
        "  + new",
    ]


def test_diff_as_json(run, two) -> None:
    document = json.loads(run("catalog", "diff", "a.toml", "b.toml", "--json").stdout)
    changes = {(c["section"], c["name"]): c for c in document["changes"]}
    assert changes["presets", "gone"]["change"] == "removed"
    one = changes["presets", "one"]
    assert one["unversioned"]
    assert one["fields"] == {
        "params.scale": {"before": 1.0, "after": 2.0},
        "owner": {"before": "a@acme.example"},
        "status": {"after": "experimental"},
    }


@pytest.mark.parametrize("more", ["version = 2", "version = 2\ndescription = 'new'"])
def test_a_preset_of_another_version_may_mean_something_else(run, more) -> None:
    Path("a.toml").write_text(preset(loss="mse"))
    Path("b.toml").write_text(preset(loss="mae") + more)
    (change,) = json.loads(run("catalog", "diff", "a.toml", "b.toml", "--json").stdout)["changes"]
    assert not change["unversioned"]


def test_catalogues_that_say_the_same_are_exit_code_0(run, two) -> None:
    Path("b.toml").write_text("# a comment\n" + BEFORE)
    result = run("catalog", "diff", "a.toml", "b.toml")
    assert result.exit_code == 0
    assert result.stdout == "They say the same.\n"


def test_diff_tells_no_allow_from_allow_nothing(run) -> None:
    Path("a.toml").write_text("")
    Path("b.toml").write_text("[policy]\nallow = []\n")
    assert run("catalog", "diff", "a.toml", "b.toml").stdout == "policy.allow\n  - *\n"


def test_diff_of_folders(run, folder) -> None:
    for name in ("old", "new"):
        (folder / name).mkdir()
        (folder / name / "lossplug.toml").write_text(preset(loss=name))
    assert "  ~ mine" in run("catalog", "diff", "old", "new").stdout
    (folder / "empty").mkdir()
    result = run("catalog", "diff", "old", "empty")
    assert result.exit_code == 1
    assert "has no catalogue" in result.stderr


def test_diff_of_a_file_that_is_not_there_is_wrong_usage(run) -> None:
    assert run("catalog", "diff", "nowhere.toml", "b.toml").exit_code == 2
