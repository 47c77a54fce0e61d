"""Runs a page of documentation from top to bottom, in the current folder.

Its blocks share their variables:

- `python` is executed; one that begins with `# another process`, in a process of its own, and one
  that begins with `# on TensorFlow`, `# on JAX` or `# on torch`, on that backend only;
- `pycon` is a doctest;
- `console` runs each `$ lossplug …` and compares what it prints, if the page shows that; `$ cd
  FOLDER` is followed; `$ cp -r docs/examples/FOLDER .` brings an example, whose `$ python NAME.py`
  and `$ ./NAME.sh` are run too. Of pip it does what matters here: `pip install -e FOLDER` puts a
  plugin on the path, and `pip uninstall` takes it away;
- a block with a `:caption:` is the file of that name, and a `diff` with one changes that file; a
  `toml` block that begins with `# NAME.toml` is that file too, for the README.

Version numbers and white space may differ.
"""

from __future__ import annotations

import doctest
import os
import re
import shutil
import subprocess
import sys
import tomllib
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import pytest

import lossplug_core

FENCE = re.compile(r"^```(\{[\w-]+\} ?)?(?P<language>\w*)\n(?P<body>.*?)^```$", re.M | re.S)
OPTION = re.compile(r"\A:(?P<name>\w+): (?P<value>.*)\n\n?")
NAMED = re.compile(r"\A# (?P<name>[\w-]+\.toml)\n")
CHANGE_FOLDER = re.compile(r"cd (?P<folder>[\w.-]+)")
COMMAND = re.compile(r"^\$ (?P<command>.*)\n(?P<output>(?:(?!\$ ).*\n)*)", re.M)
COPY = re.compile(r"cp -r (?P<folder>docs/examples/[\w-]+) \.")
OURS = re.compile(
    r"(\w+=\S+ )*(lossplug|python -m (lossplug_core|pytest)|python \w+\.py|\./\w+\.sh) .*"
)
INSTALL = re.compile(r'python -m pip install -e "?(?P<folder>[\w.-]+)(\[[\w,]+\])?"?')
UNINSTALL = re.compile(r"python -m pip uninstall -y (?P<name>[\w-]+)")
ON = re.compile(r"# on (?P<backend>TensorFlow|JAX|torch)\b")
ROOT = Path(__file__).parents[2]
VERSION = re.compile(r"\d+(\.\d+){2,}")
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    language: str
    code: str
    line: int
    caption: str | None


class Checker(doctest.OutputChecker):
    """Compares what was printed with what the page shows, whatever the versions."""

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        want, got = VERSION.sub("VERSION", want), VERSION.sub("VERSION", got)
        return super().check_output(want, got, optionflags)


class Page:
    """A page of Markdown."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path = path
        self.monkeypatch = monkeypatch
        self.names: dict[str, Any] = {"__name__": "__main__"}

    def run(self) -> None:
        """Run all blocks; a page that is not true fails the test."""
        text = self.path.read_text(encoding="utf-8")
        found = list(blocks(text))
        assert len(re.findall("^```", text, re.M)) == 2 * len(found), "a block was not understood"
        for block in found:
            if block.caption is not None:
                file = Path(block.caption)
                if block.language == "diff":
                    self._diff(block, file)
                else:
                    file.parent.mkdir(parents=True, exist_ok=True)
                    file.write_text(block.code, encoding="utf-8")
            elif block.language in ("python", "pycon", "console"):
                getattr(self, f"_{block.language}")(block)

    def _diff(self, block: Block, file: Path) -> None:
        """Change a file; `@@` stands between places."""
        text = file.read_text(encoding="utf-8")
        for part in re.split(r"^@@\n", block.code, flags=re.M):
            lines = part.splitlines(keepends=True)
            old = "".join(line[1:] or "\n" for line in lines if line[0] != "+")
            new = "".join(line[1:] or "\n" for line in lines if line[0] != "-")
            if text.count(old) != 1:
                self._fail(block, f"This is not once in {file}:\n{old}")
            text = text.replace(old, new)
        file.write_text(text, encoding="utf-8")

    def _python(self, block: Block) -> None:
        if (only := ON.match(block.code)) and only["backend"].lower() != keras.backend.backend():
            return
        if block.code.startswith("# another process"):
            self._process([sys.executable, "-c", block.code], block)
            return
        try:
            code = compile("\n" * block.line + block.code, str(self.path), "exec")
            exec(code, self.names)
        except Exception:
            self._fail(block, traceback.format_exc())

    def _pycon(self, block: Block) -> None:
        test = doctest.DocTestParser().get_doctest(
            block.code, self.names, self.path.name, str(self.path), block.line
        )
        report: list[str] = []
        runner = doctest.DocTestRunner(Checker(), verbose=False, optionflags=FLAGS)
        if runner.run(test, out=report.append, clear_globs=False).failed:
            self._fail(block, "".join(report))
        self.names.update(test.globs)

    def _console(self, block: Block) -> None:
        for match in COMMAND.finditer(block.code):
            command, shown = match["command"], match["output"]
            if change := CHANGE_FOLDER.fullmatch(command):
                self.monkeypatch.chdir(change["folder"])
            elif copy := COPY.fullmatch(command):
                shutil.copytree(ROOT / copy["folder"], Path(copy["folder"]).name)
            elif install := INSTALL.fullmatch(command):
                self._install(Path(install["folder"]))
            elif uninstall := UNINSTALL.fullmatch(command):
                self._uninstall(uninstall["name"])
            elif OURS.fullmatch(command):
                printed = self._process(command, block)
                if shown and not Checker().check_output(shown, printed, FLAGS):
                    self._fail(block, f"$ {command}\n{printed}")

    def _process(self, command: str | list[str], block: Block) -> str:
        """What a command prints, on stdout or else on stderr. It must not crash."""
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        done = subprocess.run(
            command,
            shell=isinstance(command, str),
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        refused = isinstance(command, str) and done.returncode == 1
        if "Traceback" in done.stderr or not (refused or done.returncode == 0):
            self._fail(block, done.stdout + done.stderr)
        return done.stdout or done.stderr

    def _install(self, folder: Path) -> None:
        """As an editable installation would: the code on the path, its metadata beside it."""
        project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        source = (folder / "src").resolve()
        info = source / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
        for older in source.glob("*.dist-info"):
            shutil.rmtree(older)
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
        )
        lines = [
            line
            for group, entries in project["entry-points"].items()
            for line in [f"[{group}]", *(f"{name} = {value}" for name, value in entries.items())]
        ]
        (info / "entry_points.txt").write_text("\n".join(lines))
        self.monkeypatch.syspath_prepend(str(source))
        self.monkeypatch.setenv("PYTHONPATH", str(source), prepend=os.pathsep)
        lossplug_core.refresh()

    def _uninstall(self, name: str) -> None:
        (info,) = Path.cwd().rglob(f"{name.replace('-', '_')}-*.dist-info")
        shutil.rmtree(info)
        lossplug_core.refresh()

    def _fail(self, block: Block, report: str) -> None:
        pytest.fail(f"{self.path}:{block.line} is not true.\n{report}", pytrace=False)


def blocks(text: str) -> Iterator[Block]:
    """The fenced blocks of a page, without the options of a directive."""
    for fence in FENCE.finditer(text):
        body, line, caption = fence["body"], text[: fence.start("body")].count("\n"), None
        while option := OPTION.match(body):
            caption = option["value"] if option["name"] == "caption" else caption
            line += option[0].count("\n")
            body = body[option.end() :]
        if fence["language"] == "toml" and (named := NAMED.match(body)):
            caption = named["name"]
        yield Block(fence["language"], body, line, caption)


@pytest.fixture
def run_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], None]]:
    """Runs a page in an empty folder; what it installs is gone after the test."""
    folder = tmp_path / "page"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("LOSSPLUG_CATALOG", raising=False)
    modules = set(sys.modules)
    lossplug_core.refresh()
    yield lambda path: Page(path, monkeypatch).run()
    monkeypatch.undo()
    for name in set(sys.modules) - modules:
        if str(folder) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]
    lossplug_core.refresh()
