"""Builds, one after the other, each in a process of its own: a process imports a plugin once."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple, Protocol

from lossplug_core.catalog.serving.live import Live
from lossplug_core.catalog.serving.watching import (
    Snapshot,
    Watched,
    differences,
    look,
    python,
    snapshot,
    watched,
)

__all__ = ["Outcome", "Rebuilding", "Running", "building"]

_LONGEST = 20_000
"""The most letters of what a build says that are shown."""


class Outcome(NamedTuple):
    """What came of a build.

    Attributes:
        site: The files, by their paths with slashes; None if it failed.
        remarks: What it said, which may be anything.
    """

    site: Mapping[str, bytes] | None
    remarks: str


class Running(Protocol):
    """A build that is being made."""

    def wait(self, timeout: float) -> Outcome | None:
        """What came of it, or None if it takes longer."""


@dataclass(frozen=True, slots=True)
class _Process:
    process: subprocess.Popen[bytes]
    site: Path
    said: IO[bytes]

    def wait(self, timeout: float) -> Outcome | None:
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None
        self.said.seek(0)
        remarks = self.said.read().decode(errors="replace").strip()[-_LONGEST:]
        if code != 0:
            return Outcome(None, remarks or f"The build ended with exit code {code}.")
        return Outcome(_files_of(self.site), _warnings(remarks))


@contextmanager
def building(options: Sequence[str] = ()) -> Iterator[Running]:
    """A build, which is stopped if it is not done, and whose files are gone afterwards.

    Args:
        options: Those of `lossplug catalog build`.
    """
    environment = {**os.environ, "NO_COLOR": "1", "PYTHONIOENCODING": "utf-8"}
    with (
        tempfile.TemporaryDirectory(prefix="lossplug-", ignore_cleanup_errors=True) as folder,
        tempfile.TemporaryFile() as said,
    ):
        site = Path(folder, "site")
        process = subprocess.Popen(
            [*python(), "lossplug_core", "catalog", "build", *options, "--", str(site)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
            env=environment,
        )
        try:
            yield _Process(process, site, said)
        finally:
            process.kill()
            process.wait()


def _files_of(site: Path) -> Mapping[str, bytes]:
    return {
        path.relative_to(site).as_posix(): path.read_bytes()
        for path in site.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


def _warnings(remarks: str) -> str:
    """The warnings of a build, with the lines that belong to them; not what libraries say."""
    kept: list[str] = []
    keeps = False
    for line in remarks.splitlines():
        keeps = line.startswith("Warning: ") or (keeps and line.startswith(" "))
        kept += [line] if keeps else []
    return "\n".join(kept)


class Rebuilding:
    """Keeps a site up to date: builds it, and again whenever what it depends on changes.

    Args:
        live: Where the sites are served.
        say: Told one line of each build, and what went wrong.
        start: Starts a build.
        search: Finds what a site depends on; None if it cannot tell.
        more: Further files that it depends on.
        interval: Seconds between two looks at the files.
        settling: Seconds in which nothing may change before a build begins: an editor or pip may
            be in the middle of something.
    """

    def __init__(
        self,
        live: Live,
        say: Callable[[str], None],
        *,
        start: Callable[[], AbstractContextManager[Running]] = building,
        search: Callable[[], Watched | None] = look,
        more: Sequence[str] = (),
        interval: float = 0.7,
        settling: float = 0.2,
    ) -> None:
        self._live = live
        self._say = say
        self._start = start
        self._search = search
        self._more = tuple(more)
        self._interval = interval
        self._settling = settling
        self._watched: Watched | None = None

    def run(self) -> None:
        """Build, and build again, until the process is interrupted."""
        changed: Sequence[str] = ()
        while True:
            changed = self.build(changed) or self.wait()

    def build(self, because: Sequence[str] = ()) -> list[str]:
        """Make one build.

        Args:
            because: The files that changed since the last.

        Returns:
            The files that changed meanwhile, by which it is out of date, if there are any.
        """
        self._live.begin()
        began = time.monotonic()
        self._watched = self._search() or self._watched or watched()
        self._seen = self._now()
        with self._start() as running:
            while (outcome := running.wait(self._interval)) is None:
                if changed := self._changes():
                    self._settle()
                    return changed
        self._tell(outcome, time.monotonic() - began, because)
        return []

    def wait(self) -> list[str]:
        """Wait until something changes.

        Returns:
            The files that did.
        """
        while True:
            began = time.monotonic()
            if changed := self._changes():
                self._settle()
                return changed
            # A plugin with very many files is looked at less often.
            time.sleep(max(self._interval, 20 * (time.monotonic() - began)))

    def _changes(self) -> list[str]:
        return differences(self._seen, self._now())

    def _now(self) -> Snapshot:
        assert self._watched is not None
        watched = self._watched
        return snapshot(watched._replace(files=(*watched.files, *self._more)))

    def _settle(self) -> None:
        before: Snapshot | None = None
        while before != (now := self._now()):
            before = now
            time.sleep(self._settling)

    def _tell(self, outcome: Outcome, seconds: float, because: Sequence[str]) -> None:
        after = f", as {_named(because)} changed" if because else ""
        if outcome.site is None:
            self._live.fail(outcome.remarks)
            self._say(f"The build failed after {seconds:.1f} s{after}.\n{outcome.remarks}")
        else:
            self._live.publish(outcome.site, outcome.remarks)
            lines = [f"Built in {seconds:.1f} s{after}.", outcome.remarks]
            self._say("\n".join(filter(None, lines)))


def _named(paths: Sequence[str]) -> str:
    """One path, from here if that is below, and how many more there are."""
    first, here = Path(paths[0]), Path.cwd()
    name = str(first.relative_to(here) if first.is_relative_to(here) else first)
    return name if len(paths) == 1 else f"{name} and {len(paths) - 1} more"
