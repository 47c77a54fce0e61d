"""A file read as a catalogue: what is wrong with it is said with its line."""

from __future__ import annotations

import json

import pytest

from lossplug_core import CatalogError
from lossplug_core.catalog._lines import line_of, lines_of
from lossplug_core.catalog.model import json_schema
from lossplug_core.catalog.reading import LARGEST, find_project_file, from_mapping, read

WHOLE = """
name = "Acme"
description = "What Acme uses."
prefer = {focal = "imbalance", dice = "segmentation/dice"}

[policy]
allow = ["imbalance", "keras", "lossplug-segmentation", "other/one"]
deny = ["imbalance/asl"]

[requires]
lossplug-imbalance = ">=0.1,<1"

[index]
acme-losses = ["ours", "theirs"]

[presets.fraud-default]
loss = "imbalance/focal"
params = {gamma = 2.0, alpha = 0.25}
convention = "torchvision"
reduction = "sum"
version = 4
owner = "fraud@acme.example"
description = "For transactions."
status = "deprecated"
replaced_by = "fraud-new"
until = 2031-12-24
tags = ["fraud"]
links = {"Why" = "https://acme.example/why"}

[presets.fraud-new]
loss = {combine = [{loss = "mse", weight = 0.5}]}
"""

DATE = "presets.a.until is not valid: a date without quotes and without a time, such as 2027-01-31."


@pytest.fixture
def file(tmp_path):
    return tmp_path / "lossplug.toml"


def test_a_whole_catalogue_is_read(file) -> None:
    file.write_text(WHOLE)
    layer = read(file)
    assert layer.content.presets["fraud-default"].params == {"gamma": 2.0, "alpha": 0.25}
    assert layer.content.presets["fraud-default"].until.isoformat() == "2031-12-24"
    assert layer.place("presets", "fraud-default") == f"{file}:16"
    assert layer.place("presets", "fraud-default", "loss") == f"{file}:17"
    assert layer.place("policy", "deny") == f"{file}:8"
    assert layer.place("nothing") == str(file)


def test_an_empty_file_forbids_nothing(file) -> None:
    file.write_text("")
    assert read(file).content.policy.allow is None


@pytest.mark.parametrize(
    ("text", "line", "texts"),
    [
        # Not TOML
        ("[policy", 1, ["is not TOML"]),
        ("a = 1\n\nb = = 2", 3, ["is not TOML"]),
        ("a = 1\na = 2", 2, ["is not TOML"]),
        ("a = " + "[" * 5000, None, ["is not TOML"]),
        # Keys that there are not, with the nearest
        ("[polcy]", 1, ["no 'polcy'", "Did you mean 'policy'"]),
        ("[policy]\n\ndenny = []", 3, ["no 'policy.denny'", "Did you mean 'deny'"]),
        ("policy.denny = []", 1, ["Did you mean 'deny'"]),
        ("policy = {denny = []}", 1, ["Did you mean 'deny'"]),
        ("[presets.a]\nloss = 'x'\nparms = {}", 3, ["Did you mean 'params'"]),
        ("[presets.'a.b']\nloss = 'x'\nparms = {}", 3, ["Did you mean 'params'"]),
        ("[presets.a]\nlos = 'x'", 2, ["Did you mean 'loss'"]),
        # Values of another type
        ("policy = 3", 1, ["policy is not valid"]),
        ("[[presets]]\nname = 'a'", 1, ["presets is not valid: input should be a table."]),
        ("[policy]\nallow = 'imbalance'", 2, ["list", "Received 'imbalance'"]),
        ("[policy]\ndeny = [1]", 2, ["policy.deny.0", "Received 1"]),
        ("[presets.a]\nloss = 3", 2, ["presets.a.loss", "Received 3"]),
        ("[presets.a]\nloss = 'x'\nversion = '1'", 3, ["integer"]),
        ("[presets.a]\nloss = 'x'\nversion = true", 3, ["integer"]),
        ("[presets.a]\nloss = 'x'\nversion = 0", 3, ["greater than or equal to 1"]),
        ("[presets.a]\nloss = 'x'\nuntil = 'soon'\nstatus = 'deprecated'", 3, [DATE, "'soon'"]),
        ("[presets.a]\nloss = 'x'\nuntil = '2027-01-31'", 3, [DATE, "Received '2027-01-31'"]),
        ("[presets.a]\nloss = 'x'\nuntil = 2027-01-31T09:00:00", 3, [DATE]),
        ("[presets.a]\nloss = 'x'\nstatus = 'good'", 3, ["'approved'", "Received 'good'"]),
        ("[presets.a]\nloss = 'x'\nparams = 3", 3, ["presets.a.params"]),
        ("[presets]\na = 'x'", 2, ["presets.a"]),
        ("[presets.a]", 1, ["presets.a.loss", "required"]),
        # Words that mean nothing
        ("[policy]\ndeny = ['']", 2, ["not a distribution, a namespace, or an id"]),
        ("[policy]\ndeny = ['a b']", 2, ["not a distribution, a namespace, or an id"]),
        ("[policy]\nallow = ['a/']", 2, ["not a distribution, a namespace, or an id"]),
        ("[prefer]\nfocal = '../x y'", 2, ["prefer.focal"]),
        ("[requires]\n'lossplug-a>1' = '<2'", 2, ["a name alone"]),
        ("[requires]\nlossplug-a = 'new'", 2, ["'>=1.2,<2'"]),
        ("[index]\n'; rm -rf /' = ['x']", 2, ["not the name of a distribution"]),
        ("[presets.'a/b']\nloss = 'x'", 1, ["without '/'"]),
        ("[presets.'--']\nloss = 'x'", 1, ["letters and digits"]),
        # Rules that contradict each other
        ("[presets.a]\nloss = 'x'\nreplaced_by = 'y'", 1, ["'deprecated'"]),
        ("[presets.a]\nloss = 'x'\nuntil = 2031-01-01", 1, ["'deprecated'"]),
        ("[presets.a]\nloss = {name = 'x'}\nparams = {b = 1}", 1, ["has its parameters in it"]),
    ],
)
def test_what_is_wrong_is_said_with_its_line(file, text, line, texts) -> None:
    file.write_text(text)
    with pytest.raises(CatalogError) as caught:
        read(file)
    assert (caught.value.path, caught.value.line) == (str(file), line)
    for part in [str(file) if line is None else f"{file}:{line}", *texts]:
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("data", "line", "text"),
    [
        ("[policy]\n# f\xfcr alle".encode("latin-1"), 2, "not in UTF-8"),
        ("name = 'ä'".encode("utf-16"), 1, "not in UTF-8"),
        (b"# " + "ä".encode() * LARGEST, None, "too large"),
    ],
    ids=["Latin-1", "UTF-16", "too large"],
)
def test_a_file_that_is_no_text_of_a_sensible_size_is_refused(file, data, line, text) -> None:
    file.write_bytes(data)
    with pytest.raises(CatalogError, match=text) as caught:
        read(file)
    assert caught.value.line == line


@pytest.mark.parametrize(
    ("before", "end"),
    [("\N{BYTE ORDER MARK}", "\n"), ("", "\r\n"), ("# \N{LINE SEPARATOR} is one line\n", "\n")],
    ids=["with a mark of an editor", "of Windows", "with separators that end no line"],
)
def test_files_of_all_editors_are_read_with_their_lines(file, before, end) -> None:
    text = before.encode() + end.join(["[policy]", "deny = []", "denny = []"]).encode()
    file.write_bytes(text)
    with pytest.raises(CatalogError, match="denny") as caught:
        read(file)
    assert caught.value.line == 3 + before.count("\n")


@pytest.mark.parametrize("part", ["a.", "a .\t", '"a".', "'a'.", '"a\\"b".'])
@pytest.mark.parametrize("key", ["{}x = 1", "[{}x]", "b = {{ {}x = 1 }}"])
def test_a_key_of_a_thousand_parts_is_refused_before_it_takes_gigabytes(file, part, key) -> None:
    file.write_text("# it's 1.0\n" + key.format(part * 100_000)[:LARGEST])
    with pytest.raises(CatalogError, match="a thousand parts") as caught:
        read(file)
    assert caught.value.line == 2


def test_many_dots_are_no_long_key(file) -> None:
    names, text = '"a.b", ' * 1000, "a." * 2000
    file.write_text(f"description = '{text}'\n[index]\na = [{names}]")
    assert read(file).content.description.startswith("a.a.")


def test_the_largest_file_is_read(file) -> None:
    file.write_bytes(b"#" + b"x" * (LARGEST - 1))
    assert read(file).content.presets == {}


def test_places_that_are_no_files_are_refused(file, tmp_path) -> None:
    file.symlink_to(file.name)
    for path in (file, tmp_path, tmp_path / "missing.toml"):
        with pytest.raises(CatalogError, match="cannot be read"):
            read(path)


def test_what_is_long_is_not_repeated_in_full(file) -> None:
    file.write_text(f"[policy]\nallow = '{'x' * 10000}'")
    with pytest.raises(CatalogError) as caught:
        read(file)
    assert len(str(caught.value)) < 1000


def test_a_mapping_has_no_lines() -> None:
    with pytest.raises(CatalogError, match=r"^somebody: a catalogue has no 'polcy'") as caught:
        from_mapping({"polcy": {}}, "somebody")
    assert caught.value.line is None


def test_text_in_several_lines_moves_no_line(file) -> None:
    file.write_text('description = """\n[policy]\nname = 3\n"""\n[presets.a]\nlos = "x"\n')
    with pytest.raises(CatalogError) as caught:
        read(file)
    assert caught.value.line == 6


@pytest.mark.parametrize(
    ("text", "key", "line"),
    [
        ("a = 1\nb.c = 2", ("b", "c"), 2),
        ("[a.b]\n# no\n'c d' = 2", ("a", "b", "c d"), 3),
        ('[a . "b"] # why\nc = 2', ("a", "b"), 1),
        ("[[a]]\nb = 1", ("a", "b"), 2),
        ("[x.a.loss]\nb = 1\n[x.a]\nc = 1", ("x", "a"), 3),
        ("[x.a.loss]\n[x.a.params]", ("x", "a"), 1),
        ("[a]\nb = 1", ("a", "x", "y"), 1),
        ("[a]\nb = 1", ("x",), None),
        ("[= broken\n[a]", ("a",), 2),
    ],
)
def test_lines_are_those_of_keys_or_of_what_is_around_them(text, key, line) -> None:
    assert line_of(key, lines_of(text)) == line


def test_a_folder_of_that_name_is_no_catalogue(tmp_path) -> None:
    (tmp_path / "a" / "lossplug.toml").mkdir(parents=True)
    (tmp_path / "lossplug.toml").write_text("")
    assert find_project_file(tmp_path / "a") == tmp_path / "lossplug.toml"


def test_the_schema_says_the_same_as_the_model() -> None:
    schema = json.loads(json.dumps(json_schema()))
    assert schema["additionalProperties"] is False
    assert set(schema["properties"]) >= {"policy", "presets", "prefer", "requires", "index"}
    assert "loss" in schema["$defs"]["Preset"]["required"]
