"""What all commands have in common: streams, exit codes, JSON, colours, errors, completion."""

import contextlib
import json
import os
import subprocess
import sys

import pytest
from click.shell_completion import BashComplete

from lossplug_core.cli import main
from saved import compiled, plugin_loss, saved_model

COMMANDS = ["catalog", "check", "doctor", "inspect", "list", "new", "plot", "show", "why"]


def test_help_names_every_command_and_how_to_complete(run) -> None:
    result = run("--help")
    assert result.exit_code == 0
    assert all(f"\n  {command}" in result.stdout for command in COMMANDS)
    assert "_LOSSPLUG_COMPLETE=bash_source" in result.stdout


@pytest.mark.parametrize(
    "command",
    [*COMMANDS[1:], "catalog check", "catalog diff", "catalog init"],
)
def test_every_command_has_help_and_json(run, command) -> None:
    result = run(*command.split(), "-h")
    assert result.exit_code == 0
    assert "--json" in result.stdout


def test_version(run) -> None:
    assert run("--version").stdout.startswith("lossplug-core 0.")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lst"], "Did you mean 'list'?"),
        (["nonsense"], "No such command"),
        (["catalog", "chekc"], "Did you mean 'check'?"),
        (["list", "--nonsense"], "--nonsense"),
        (["list", "--y-true", "nonsense"], "nonsense"),
        (["show"], "Missing argument"),
        (["inspect", "no-such-file.keras"], "does not exist"),
        (["plot", "mse", "-p", "delta"], "NAME=VALUE"),
        (["plot", "mse", "-p", "a=1,2", "-p", "b=1,2"], "Only one can have several values"),
        (["plot", "mse", "-o", "picture.jpg"], ".png nor .svg"),
        (["plot", "mse", "-o", "no-such-folder/picture.png"], "no folder"),
    ],
)
def test_wrong_usage_is_exit_code_2_and_nothing_on_stdout(run, arguments, message) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert not result.stdout
    assert message in result.stderr


@pytest.mark.parametrize("command", ["show", "why", "plot"])
def test_an_unknown_name_is_exit_code_1_and_a_message_without_traceback(site, run, command) -> None:
    site.install("lossplug-fake", "sturdy")
    result = run(command, "sturdi", *(["--json"] if command == "plot" else []))
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: No installed loss is called 'sturdi'.")
    assert "Did you mean 'sturdy'?" in result.stderr
    assert "Traceback" not in result.stderr


def test_an_error_is_a_json_document_too(run) -> None:
    result = run("show", "no-such-loss", "--json")
    document = json.loads(result.stdout)
    assert (result.exit_code, document["schema_version"]) == (1, 1)
    assert document["error"]["type"] == "UnknownLossError"
    assert document["error"]["what"] in result.stderr


def test_a_broken_plugin_is_one_line_on_stderr(site, run) -> None:
    site.install(
        "lossplug-broken",
        modules={"broken_module": "raise RuntimeError('on purpose')"},
        entry_points="[lossplug.losses]\nbroken = broken_module:broken\n",
    )
    site.install("lossplug-fake", "sturdy")
    result = run("list", "--y-true", "values")
    assert result.exit_code == 0
    assert "fake/sturdy" in result.stdout
    assert result.stderr.startswith("Warning: 'broken/broken' is installed, but")
    assert "on purpose" in result.stderr


def test_python_m_is_the_same_program(site, process) -> None:
    site.install("lossplug-fake", "sturdy")
    done = process("why", "sturdy")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "wins  fake/sturdy  lossplug-fake 1.0  the only loss of this name\n"


def test_letters_that_the_terminal_does_not_have_are_replaced(plugin, process) -> None:
    done = process("show", "hard", PYTHONIOENCODING="ascii:strict")
    assert (done.returncode, done.stderr) == (0, "")
    assert "float ? 0" in done.stdout


@pytest.mark.parametrize("arguments", [["list"], ["show", "hard"], ["doctor"]])
def test_a_pipe_gets_no_colours(plugin, process, arguments) -> None:
    assert "\x1b" not in process(*arguments).stdout


def on_a_terminal(*arguments: str) -> bytes:
    """What `lossplug` writes to a terminal."""
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "lossplug_core", *arguments]
    with subprocess.Popen(command, stdout=theirs), open(ours, "rb", 0) as terminal:  # noqa: PTH123
        os.close(theirs)
        written = b""
        with contextlib.suppress(OSError):  # how Linux says that the other end is closed
            while piece := terminal.read(4096):
                written += piece
        return written


@pytest.mark.parametrize("arguments", [["show", "hard"], ["doctor"]])
@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_a_terminal_gets_colours_unless_no_color_is_set(
    plugin, site, monkeypatch, arguments, no_color, coloured
) -> None:
    monkeypatch.setenv("NO_COLOR", no_color)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("PYTHONPATH", str(site.folder))
    assert (b"\x1b[" in on_a_terminal(*arguments)) == coloured


LIGHT = {
    "list": ["list"],
    "list-filter": ["list", "--y-true", "values"],
    "why": ["why", "mse"],
    "show": ["show", "sturdy"],
    "doctor": ["doctor"],
    "inspect": ["inspect", "MODEL"],
}


@pytest.mark.parametrize("arguments", LIGHT.values(), ids=LIGHT)
def test_keras_is_not_imported(site, tmp_path, arguments) -> None:
    site.install("lossplug-fake", "sturdy")
    loss = [plugin_loss("fake/sturdy"), plugin_loss("keras/huber"), "mse"]
    model = saved_model(tmp_path, compiled(loss))
    arguments = [str(model) if argument == "MODEL" else argument for argument in arguments]
    code = (
        f"import sys; sys.path.insert(0, {str(site.folder)!r})\n"
        f"from lossplug_core.cli import main; main({arguments!r}, standalone_mode=False)\n"
        "print(sorted({'keras', 'numpy', 'matplotlib'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.endswith("[]\n")
    assert done.stdout


def test_list_needs_neither_rich_nor_pydantic() -> None:
    code = (
        "import sys; from lossplug_core.cli import main; main(['list'], standalone_mode=False)\n"
        "print(sorted({'rich', 'pydantic'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"


def offered(*words: str) -> list[str]:
    """What the shell offers for the last word."""
    complete = BashComplete(main, {}, "lossplug", "_LOSSPLUG_COMPLETE")
    return [item.value for item in complete.get_completions(list(words[:-1]), words[-1])]


@pytest.mark.parametrize("command", ["show", "why", "plot"])
def test_the_shell_completes_ids_and_names(plugin, command) -> None:
    assert "fake/hard" in offered(command, "")
    assert "sigmoid_hard" not in offered(command, "")
    assert offered(command, "fake/h") == ["fake/hard"]
    assert offered(command, "sigmoid_h") == ["sigmoid_hard"]
    assert "keras/huber" in offered(command, "keras/")


def test_the_shell_completes_commands_namespaces_and_forms(plugin) -> None:
    assert offered("ins") == ["inspect"]
    assert offered("list", "--namespace", "fa") == ["fake"]
    assert offered("list", "--y-pred", "emb") == ["embeddings"]
