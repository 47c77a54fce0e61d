"""Other processes: one a backend, kept for the next question, stopped when it hangs or grows.

Requests and answers are pickles on the pipes of a child that this program starts itself.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib.util
import os
import pickle
import queue
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from lossplug_core._backend import BACKENDS
from lossplug_core.testing.check import ConformanceError

__all__ = [
    "MEMORY_LIMIT",
    "TIME_LIMIT",
    "Worker",
    "WorkerError",
    "environment",
    "installed_backends",
    "worker",
]

TIME_LIMIT = 60.0
"""Seconds that one check may take."""

MEMORY_LIMIT = 4.0
"""GiB that a check may take beside what the process had before."""

_POLL = 0.05
_START_LIMIT = 300.0
"""Seconds that the start of Keras may take, on a busy machine."""


class WorkerError(ConformanceError):
    """The process was stopped, or ended by itself."""


def installed_backends() -> list[str]:
    """The backends that can be imported here."""
    return [name for name in BACKENDS if importlib.util.find_spec(name)]


_shared: dict[str, tuple[list[str], Worker]] = {}


def worker(backend: str) -> Worker:
    """The process of a backend that all checks share."""
    path, shared = _shared.get(backend, ([], None))
    if shared is None or path != sys.path:  # a process sees what was on the path when it began
        if shared is not None:
            shared.close()
        shared = Worker(backend)
        _shared[backend] = ([*sys.path], shared)
    return shared


@atexit.register
def _close() -> None:
    for _, shared in _shared.values():
        shared.close()


def environment(**changes: str) -> dict[str, str]:
    """The environment of a child that imports what this process can import."""
    path = os.pathsep.join(filter(None, sys.path))
    # Tensors this small gain nothing from threads, which on few cores wait for each other.
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "OMP_NUM_THREADS": "1"}
    return {**quiet, **os.environ, "PYTHONPATH": path, **changes}


class Worker:
    """A process with a backend of its own, started with the first request.

    Args:
        backend: The backend.
        seconds: How long a request may take.
        gibibytes: How much more memory than at its begin a request may take.
    """

    def __init__(
        self, backend: str, *, seconds: float = TIME_LIMIT, gibibytes: float = MEMORY_LIMIT
    ) -> None:
        self.backend = backend
        self.seconds, self.gibibytes = seconds, gibibytes
        self._process: subprocess.Popen[bytes] | None = None
        self._answers: queue.Queue[Any] = queue.Queue()
        self._ready = False

    def start(self) -> None:
        """Start it, and go on: it will be ready when it is needed."""
        if self._process is not None:
            return
        self._process = subprocess.Popen(
            [sys.executable, "-m", "lossplug_core.testing._program"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment(KERAS_BACKEND=self.backend),
        )
        self._answers = queue.Queue()
        threading.Thread(target=_listen, args=(self._process, self._answers), daemon=True).start()

    def request(self, action: str, **arguments: Any) -> Any:
        """What the process answers.

        Raises:
            WorkerError: It took too long or too much memory, or it ended.
            ConformanceError: What it was asked for raised.
        """
        self.start()
        process = self._process
        assert process is not None
        assert process.stdin is not None
        try:
            pickle.dump((action, arguments), process.stdin)
            process.stdin.flush()
        except OSError:
            self.close()
            raise WorkerError(f"The process of {self.backend} ended.") from None
        problem, answer = self._wait(process)
        if problem:
            raise ConformanceError(problem)
        return answer

    def close(self) -> None:
        """Stop it. The next request starts another."""
        process, self._process, self._ready = self._process, None, False
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()

    def _wait(self, process: subprocess.Popen[bytes]) -> tuple[str | None, Any]:
        begin, resting = time.monotonic(), _resident(process.pid)
        while True:
            with contextlib.suppress(queue.Empty):
                answer = self._answers.get(timeout=_POLL)
                if answer == _READY:  # from now on it is the request that takes time and memory
                    self._ready = True
                    begin, resting = time.monotonic(), _resident(process.pid)
                    continue
                if answer is None:
                    self.close()
                    raise WorkerError(f"The process ended, with exit code {process.returncode}.")
                return answer  # type: ignore[no-any-return]
            seconds = self.seconds if self._ready else _START_LIMIT
            if time.monotonic() - begin > seconds:
                self.close()
                raise WorkerError(f"It does not end within {seconds:.0f} s.")
            if self._ready and _resident(process.pid) - resting > self.gibibytes * 2**30:
                self.close()
                raise WorkerError(f"It takes more than {self.gibibytes:g} GiB of memory.")


_READY = "ready"


def _listen(process: subprocess.Popen[bytes], answers: queue.Queue[Any]) -> None:
    assert process.stdout is not None
    try:
        while True:
            answers.put(pickle.load(process.stdout))
    except (EOFError, OSError, ValueError, pickle.UnpicklingError):
        process.wait()
        answers.put(None)


def _resident(pid: int) -> int:
    """Bytes of memory that a process holds; 0 where the system does not say."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError, AttributeError):
        return 0
