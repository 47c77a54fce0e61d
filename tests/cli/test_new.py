"""`lossplug new NAME`."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import click.testing
import pytest

from lossplug_core.cli import main, new


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch) -> Path:
    """An empty folder, and a git that knows nobody."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    return folder


def project(folder: Path) -> dict:
    return tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]


# --- What it makes --------------------------------------------------------------------------------


def test_a_name_is_enough(run, here) -> None:
    result = run("new", "robust")
    assert (result.exit_code, result.stderr) == (0, "")
    assert project(here / "lossplug-robust")["name"] == "lossplug-robust"
    assert project(here / "lossplug-robust")["authors"] == [
        {"name": "The lossplug-robust developers"}
    ]
    assert "robust/charbonnier" in result.stdout
    assert "lossplug-robust/src/lossplug_robust/charbonnier.py" in result.stdout


def test_flags_say_what_is_in_it(run, here) -> None:
    flags = {
        "--loss": "smooth_l1",
        "--description": "Losses that bear outliers.",
        "--author": "Ada Lovelace",
        "--email": "ada@example.org",
        "--license": "mit",
        "--directory": "elsewhere",
    }
    result = run("new", "acme-losses", *(word for pair in flags.items() for word in pair))
    assert result.exit_code == 0
    made = project(here / "elsewhere")
    assert made["name"] == "acme-losses"
    assert [*made["entry-points"]["lossplug.losses"]] == ["smooth_l1"]
    assert made["description"] == "Losses that bear outliers."
    assert made["authors"] == [{"name": "Ada Lovelace", "email": "ada@example.org"}]
    assert made["license"] == "MIT"


def test_git_says_who_the_author_is(run, here) -> None:
    config = here / ".git/config"
    subprocess.run(["git", "init", "--quiet"], check=True)
    config.write_text(
        config.read_text() + '[user]\nname = "Ada \\"A\\""\nemail = ada@example.org\n'
    )
    run("new", "robust")
    assert project(here / "lossplug-robust")["authors"] == [
        {"name": 'Ada "A"', "email": "ada@example.org"}
    ]
    run("new", "robust", "-o", "other", "--author", "Bob", "--email", "")
    assert project(here / "other")["authors"] == [{"name": "Bob"}]


@pytest.mark.parametrize("email", ["nobody", "(none)"])
def test_an_address_of_git_s_that_is_none_is_left_out(run, here, email) -> None:
    subprocess.run(["git", "init", "--quiet"], check=True)
    subprocess.run(["git", "config", "user.email", email], check=True)
    assert run("new", "robust").exit_code == 0
    assert "email" not in project(here / "lossplug-robust")["authors"][0]


def test_without_git_it_works_too(run, here, monkeypatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert run("new", "robust").exit_code == 0


def test_the_folder_may_be_this_one(run, here) -> None:
    subprocess.run(["git", "init", "--quiet"], check=True)
    result = run("new", "robust", "-o", ".")
    assert result.exit_code == 0
    assert project(here)["name"] == "lossplug-robust"
    assert "cd " not in result.stdout


# --- What comes next ------------------------------------------------------------------------------


def next_steps(result) -> list[str]:
    return [line.strip() for line in result.stdout.splitlines() if line.startswith("  ")]


def test_three_commands_come_next(run, monkeypatch) -> None:
    monkeypatch.setattr(new, "find_spec", lambda name: object())
    assert next_steps(run("new", "robust")) == [
        'cd lossplug-robust && python -m pip install -e ".[test]"',
        "python -m pytest",
        "lossplug check robust",
    ]


def test_a_backend_that_is_missing_is_installed_too(run, monkeypatch) -> None:
    monkeypatch.setattr(new, "find_spec", lambda name: None)
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    steps = next_steps(run("new", "robust", "-o", "a folder"))
    assert steps[0] == "cd 'a folder' && python -m pip install -e \".[test,jax]\""


def test_json_is_the_same_for_programs(run, here) -> None:
    result = run("new", "robust", "--json")
    document = json.loads(result.stdout)
    assert (result.exit_code, document.pop("schema_version")) == (0, 1)
    files, steps = document.pop("files"), document.pop("next")
    assert document == {
        "distribution": "lossplug-robust",
        "package": "lossplug_robust",
        "namespace": "robust",
        "loss": "robust/charbonnier",
        "folder": "lossplug-robust",
    }
    made = here / "lossplug-robust"
    assert files == sorted(
        path.relative_to(made).as_posix() for path in made.rglob("*") if path.is_file()
    )
    assert steps[1:] == ["python -m pytest", "lossplug check robust"]


# --- What it refuses ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["keras"], "belongs to another package"),
        (["no name"], "Did you mean 'no-name'?"),
        (["robust", "--loss", "SmoothL1"], "Did you mean 'smooth_l1'?"),
        (["robust", "--loss", "lambda"], "Did you mean 'my_lambda'?"),
        (["robust", "--email", "nobody"], "no e-mail address"),
        (["robust", "-o", "no/such"], "There is no folder"),
        (["robust", "-o", "taken"], "Received 'mine.txt'"),
        (["robust", "-o", "taken/mine.txt"], "is no folder"),
    ],
)
def test_a_refusal_is_exit_code_1_with_the_next_step_and_writes_nothing(
    run, here, arguments, message
) -> None:
    (here / "taken").mkdir()
    (here / "taken/mine.txt").write_text("mine")
    result = run("new", *arguments, "--json")
    assert result.exit_code == 1
    assert message in result.stderr
    assert json.loads(result.stdout)["error"]["message"] in result.stderr
    assert sorted(here.rglob("*")) == [here / "taken", here / "taken/mine.txt"]


def test_a_license_without_a_text_is_wrong_usage(run, here) -> None:
    result = run("new", "robust", "--license", "Beer")
    assert result.exit_code == 2
    assert "Apache-2.0".lower() in result.stderr.lower()
    assert not [*here.iterdir()]


def test_twice_is_once(run, here) -> None:
    assert run("new", "robust").exit_code == 0
    again = run("new", "robust", "--loss", "other")
    assert again.exit_code == 1
    assert "choose another folder with --directory" in again.stderr
    assert not (here / "lossplug-robust/src/lossplug_robust/other.py").exists()


# --- On a terminal --------------------------------------------------------------------------------


@pytest.fixture
def answer(monkeypatch):
    """`lossplug new` on a terminal, where somebody types these lines."""
    monkeypatch.setattr(new, "_on_a_terminal", lambda: True)

    def answer(arguments: list[str], *lines: str) -> click.testing.Result:
        typed = "".join(f"{line}\n" for line in lines)
        return click.testing.CliRunner().invoke(main, ["new", *arguments], input=typed)

    return answer


def test_what_is_not_given_is_asked_for(answer, here) -> None:
    result = answer(["robust"], "smooth_l1", "For outliers.", "Ada", "ada@example.org", "MIT")
    assert result.exit_code == 0
    made = project(here / "lossplug-robust")
    assert [*made["entry-points"]["lossplug.losses"]] == ["smooth_l1"]
    assert made["description"] == "For outliers."
    assert made["authors"] == [{"name": "Ada", "email": "ada@example.org"}]
    assert made["license"] == "MIT"
    assert "Its first loss" in result.stderr
    assert "Its first loss" not in result.stdout


def test_an_empty_line_is_the_default(answer, here, run) -> None:
    assert answer(["robust"], *[""] * 5).exit_code == 0
    (here / "lossplug-robust").rename("asked")
    run("new", "robust", "--yes")
    assert project(here / "asked") == project(here / "lossplug-robust")


def test_what_is_given_is_not_asked_for(answer, here) -> None:
    flags = ["--loss", "smooth_l1", "--author", "Ada", "--email", "", "--description", "D"]
    result = answer(["robust", *flags], "MIT")
    assert result.exit_code == 0
    assert project(here / "lossplug-robust")["license"] == "MIT"


def test_a_wrong_answer_is_asked_for_again(answer, here) -> None:
    lines = ["SmoothL1", "smooth_l1", "", "", "nobody", "", "Beer", "MIT"]
    result = answer(["robust"], *lines)
    assert result.exit_code == 0
    for message in ("Did you mean 'smooth_l1'?", "no e-mail address", "no text of this license"):
        assert message in result.stderr
    assert project(here / "lossplug-robust")["license"] == "MIT"


@pytest.mark.parametrize("flag", ["--yes", "-y", "--json"])
def test_nothing_is_asked_if_nobody_wants_to_be(answer, here, flag) -> None:
    result = answer(["robust", flag])
    assert (result.exit_code, result.stderr) == (0, "")
    assert (here / "lossplug-robust").exists()


def test_whoever_leaves_halfway_leaves_nothing(answer, here) -> None:
    result = answer(["robust"], "smooth_l1")
    assert result.exit_code == 1
    assert not [*here.iterdir()]


def test_a_folder_that_is_taken_is_refused_before_any_question(answer, here) -> None:
    (here / "lossplug-robust").mkdir()
    (here / "lossplug-robust/mine.txt").write_text("mine")
    assert "Its first loss" not in answer(["robust"]).stderr


def test_a_real_terminal_is_one() -> None:
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    code = "from lossplug_core.cli import new; print(new._on_a_terminal())"
    for stdin, expected in ((theirs, "True\n"), (subprocess.DEVNULL, "False\n")):
        done = subprocess.run(
            [sys.executable, "-c", code], stdin=stdin, capture_output=True, text=True, check=True
        )
        assert done.stdout == expected
    os.close(ours)
    os.close(theirs)


# --- What it costs --------------------------------------------------------------------------------


def test_neither_help_nor_other_commands_load_the_template_engine() -> None:
    code = (
        "import sys; from lossplug_core.cli import main; main({!r}, standalone_mode=False)\n"
        "print(sorted({'jinja2', 'keras'} & set(sys.modules)),"
        "file=sys.stderr)"
    )
    for arguments in (["list"], ["--help"], ["new", "--help"]):
        done = subprocess.run(
            [sys.executable, "-c", code.replace("{!r}", repr(arguments))],
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stderr == "[]\n"
