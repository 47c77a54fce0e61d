"""What a loss is as a part of a package: imported, found, complete."""

from __future__ import annotations

import json
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from functools import lru_cache
from importlib import import_module
from typing import Any

from lossplug_core._app import registry
from lossplug_core._entries import name_findings
from lossplug_core.discovery import Entry
from lossplug_core.spec import LossSpec, spec_of
from lossplug_core.testing.check import ConformanceError, SkippedError, check
from lossplug_core.testing.subject import Subject
from lossplug_core.testing.worker import environment

__all__ = ["BUDGET", "entry_points", "light_import", "loads", "not_installed"]

BUDGET = 100.0
"""Milliseconds of processor time that the import of a plugin's module may take."""

_HEAVY = ("keras", "tensorflow", "jax", "torch", "numpy")
_TIME_LIMIT = 30.0

_PROGRAM = """
import contextlib, faulthandler, importlib, io, json, sys, time
faulthandler.dump_traceback_later(60, exit=True)  # also if nobody is there any more to stop it
import lossplug_core
before, printed = set(sys.modules), io.StringIO()
with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
    start = time.process_time()
    importlib.import_module(sys.argv[1])
    took = 1000 * (time.process_time() - start)
found = [took, sorted(set(sys.modules) - before), printed.getvalue()]
sys.__stdout__.write("\\n" + json.dumps(found))
"""


def not_installed(spec: LossSpec) -> str | None:
    """The reason to skip what only an installed plugin's loss can do."""
    return "no installed plugin provides it" if spec.provider is None else None


@check(
    "loads",
    "An entry point that leads nowhere is an error for whoever asks for the loss.",
    backend=False,
)
def loads(subject: Subject) -> None:
    """Its entry point leads to a loss."""
    del subject  # there is one


@check(
    "light-import",
    "Listing, completing and resolving names import plugins: one that loads a framework slows "
    "every command down.",
    skip=not_installed,
    backend=False,
)
def light_import(subject: Subject) -> None:
    """In a fresh process its module imports no framework, prints nothing, and is quick."""
    module = subject.spec.provider.target.partition(":")[0]  # type: ignore[union-attr]
    took, modules, printed = _measured(module, tuple(sys.path))
    if heavy := [name for name in _HEAVY if name in modules]:
        raise ConformanceError(
            f"Importing {module} imports {', '.join(heavy)}.",
            fix="from lossplug_core import ops: it is keras.ops, loaded at first use.",
        )
    if printed:
        raise ConformanceError(f"Importing {module} prints.", received=printed)
    for _ in range(2):  # a busy machine is not the author's fault
        if took > BUDGET:
            took = min(took, _measure(module)[0])
    if took > BUDGET:
        raise ConformanceError(
            f"Importing {module} takes too long.",
            expected=f"at most {BUDGET:.0f} ms of processor time",
            received=f"{took:.0f} ms",
        )


@lru_cache(maxsize=256)
def _measured(module: str, path: tuple[str, ...]) -> tuple[float, frozenset[str], str]:
    """Several losses share a module: it is measured once for what is on the path."""
    del path
    return _measure(module)


def _measure(module: str) -> tuple[float, frozenset[str], str]:
    try:
        done = subprocess.run(
            [sys.executable, "-c", _PROGRAM, module],
            capture_output=True,
            text=True,
            timeout=_TIME_LIMIT,
            check=False,
            stdin=subprocess.DEVNULL,
            env=environment(),
        )
    except subprocess.TimeoutExpired:
        raise ConformanceError(
            f"Importing {module} does not end.", expected=f"at most {_TIME_LIMIT:.0f} s"
        ) from None
    if done.returncode:
        raise ConformanceError(
            f"In a fresh process {module} cannot be imported.",
            received=done.stderr.strip().rpartition("\n")[2],
        )
    took, modules, printed = json.loads(done.stdout.rpartition("\n")[2])
    return took, frozenset(modules), printed


@check(
    "entry-points",
    "A loss is found by its entry point: without one nobody finds it, and one that leads nowhere "
    "is an error for whoever looks.",
    skip=not_installed,
    backend=False,
)
def entry_points(subject: Subject) -> None:
    """Each `@loss` function of the package, and each alias, is an entry point, and the reverse."""
    spec = subject.spec
    provider: Any = spec.provider
    ours = [e for e in registry.found.losses if e.provider.distribution == provider.distribution]
    own = next(entry for entry in ours if entry.id == spec.id)
    for finding in name_findings(own, spec):
        raise ConformanceError(finding.problem, fix=finding.fix)
    found = {entry.provider.target for entry in ours}
    for target in _marked_beside(own, ours):
        if target not in found:
            raise ConformanceError(
                f"The loss {target} has no entry point: nobody finds it.",
                fix=f'{target.rpartition(":")[2]} = "{target}"',
            )


def _marked_beside(own: Entry, ours: list[Entry]) -> Iterator[str]:
    """The losses in its module; for the first loss of a package, also those in other modules."""
    module = own.provider.target.partition(":")[0]
    with_losses = {entry.provider.target.partition(":")[0] for entry in ours}
    yield from _marked_in(module)
    if own == min(ours, key=lambda entry: entry.id):
        for other in _modules_of(module.partition(".")[0]):
            if other not in with_losses:
                yield from _marked_in(other)


def _modules_of(package: str) -> Iterator[str]:
    paths = getattr(import_module(package), "__path__", None)
    for found in pkgutil.walk_packages(paths or [], f"{package}."):
        if found.name.rpartition(".")[2] != "__main__":
            yield found.name


def _marked_in(module: str) -> Iterator[str]:
    try:
        names = vars(import_module(module))
    except (Exception, SystemExit) as error:
        raise SkippedError(f"{module} cannot be imported: {error}") from error
    for obj in list(names.values()):
        if spec_of(obj) is not None and obj.__module__ == module and "." not in obj.__qualname__:
            yield f"{module}:{obj.__qualname__}"
