"""Several processes that wait for each other, of which none is left behind."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

__all__ = ["together"]


def together(
    commands: Sequence[Sequence[Any]],
    environments: Sequence[Mapping[str, str]],
    timeout: float = 240.0,
) -> list[str]:
    """What Python programs print that run at the same time.

    If one fails the others would wait for it for ever: they are stopped, and its error is shown.
    """
    with ExitStack() as stack:
        # A full pipe would stop a process; a file is never full.
        files = [stack.enter_context(tempfile.TemporaryFile("w+")) for _ in commands]
        codes = _run(commands, environments, files, time.monotonic() + timeout)
        for file in files:
            file.seek(0)
        printed = [file.read() for file in files]
    # None is a process that was stopped, for another's failure or for taking too long.
    assert all(code == 0 for code in codes), f"exit codes {codes}\n" + "\n".join(printed)
    return printed


def _run(commands: Any, environments: Any, files: Any, end: float) -> list[int | None]:
    processes = [
        subprocess.Popen(
            [sys.executable, *command],
            env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
            stdout=file,
            stderr=subprocess.STDOUT,
        )
        for command, environment, file in zip(commands, environments, files, strict=True)
    ]
    try:
        codes = [process.poll() for process in processes]
        while None in codes and not any(codes) and time.monotonic() < end:
            time.sleep(0.05)
            codes = [process.poll() for process in processes]
        return codes
    finally:
        for process in processes:
            process.kill()
            process.wait()
