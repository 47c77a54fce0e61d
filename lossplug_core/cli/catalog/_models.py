"""Saved models, found in folders and judged one by one: each is a row, whatever is in it."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from lossplug_core.archive import ArchiveError, SavedLoss, read
from lossplug_core.cli._presence import Presence, look_up
from lossplug_core.migration import fate, instead
from lossplug_core.names import key

if TYPE_CHECKING:
    from lossplug_core.catalog.active import Catalogue
    from lossplug_core.presets import PresetRef

__all__ = ["STATES", "Found", "Loss", "Model", "audited", "find"]

STATES = {
    "here": "It can be loaded.",
    "deprecated": "It can be loaded, and will be removed.",
    "unknown": "It is not a plugin's: whether it can be loaded is not known here.",
    "missing": "It cannot be loaded.",
    "forbidden": "A rule is against it.",
}
_SUFFIX = ".keras"
_REMEMBERED = 4096
_LONGEST = 500


class Found(NamedTuple):
    """A file that may be a model, or a folder that cannot be looked into, and why."""

    path: Path
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a loss: a key of `STATES`, why, what to do, and what has it here.

    It is past its date if it is of a preset that was to be used until a day before today.
    """

    state: str
    problem: str | None = None
    fix: str | None = None
    installed: str | None = None
    past_its_date: bool = False


@dataclass(frozen=True, slots=True)
class Loss:
    """A loss that a model needs, as it was saved without its parameters, and the verdict."""

    saved: SavedLoss
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Model:
    """A saved model: its losses, or the problem that kept it from being read."""

    path: Path
    problem: str | None = None
    keras_version: str | None = None
    compiled: bool = False
    losses: tuple[Loss, ...] = ()


def find(paths: Iterable[Path]) -> Iterator[Found]:
    """The `.keras` files in folders and below, sorted, and files that are named."""
    done: set[Path] = set()
    for path in paths:
        is_folder = _is_folder(path) and not _is_model(path)
        for found in _below(path) if is_folder else [Found(path)]:
            if found.path not in done:
                done.add(found.path)
                yield found


def _below(root: Path) -> Iterator[Found]:
    """What is in a folder. Links are followed, but to no folder twice."""
    seen: set[tuple[int, int]] = set()
    todo: list[tuple[Path, tuple[tuple[int, int], ...]]] = [(root, ())]
    while todo:
        folder, above = todo.pop()
        try:
            about = folder.stat()
            paths = sorted(Path(entry.path) for entry in os.scandir(folder))
        except OSError as error:
            yield Found(folder, f"{folder} cannot be looked into: {error}.")
            continue
        identity = about.st_dev, about.st_ino
        if identity in above:
            yield Found(folder, f"{folder} is a link to a folder that it is in.")
        if identity in seen:
            continue
        seen.add(identity)
        inner = []
        for path in paths:
            if _is_folder(path) and not _is_model(path):
                inner.append((path, (*above, identity)))
            elif path.suffix.lower() == _SUFFIX:
                yield Found(path)
        todo += reversed(inner)


def _is_folder(path: Path) -> bool:
    return os.path.isdir(path)  # noqa: PTH112  pathlib's raises where nobody may look


def _is_model(folder: Path) -> bool:
    """Whether a folder is a model that was saved without packing it."""
    config = folder / "config.json"
    return folder.suffix.lower() == _SUFFIX and os.path.isfile(config)  # noqa: PTH113


def audited(
    found: Iterable[Found], catalogue: Catalogue, *, today: date, jobs: int
) -> Iterator[Model]:
    """Read files, and judge what they need. Plugins that they need are imported.

    Args:
        found: The files.
        catalogue: What is said of presets.
        today: The day on which presets are judged.
        jobs: How many files to read at once.

    Returns:
        A row for each, in the same order.
    """
    judge = _Judge(catalogue, today)
    pool = ThreadPoolExecutor(jobs)
    try:
        yield from pool.map(judge.row, found)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


class _Note(NamedTuple):
    """What else there is to say of a loss that is here, and what it is by that."""

    text: str
    deprecated: bool = False
    is_past: bool = False


class _Judge:
    """Looks at models. What many models have alike is looked up once."""

    def __init__(self, catalogue: Catalogue, today: date) -> None:
        self._catalogue = catalogue
        self._today = today
        self._known: dict[tuple[SavedLoss, bytes], Verdict] = {}
        # Plugins are imported, and few modules are written to be imported beside others.
        self._one_at_a_time = threading.Lock()

    def row(self, found: Found) -> Model:
        if found.problem is not None:
            return Model(found.path, found.problem)
        try:
            archive = read(found.path)
        except ArchiveError as error:
            path = str(found.path)
            what = error.what if error.what.startswith(path) else f"{path}: {error.what}"
            return Model(found.path, what[:_LONGEST])
        return Model(
            found.path,
            keras_version=archive.keras_version,
            compiled=archive.compiled,
            losses=tuple(Loss(_slim(saved), self._verdict(saved)) for saved in archive.losses),
        )

    def _verdict(self, saved: SavedLoss) -> Verdict:
        try:
            text = json.dumps(saved.parameters, sort_keys=True)
            word = replace(_slim(saved), where=""), hashlib.sha256(text.encode()).digest()
            with self._one_at_a_time:
                return self._remembered(word, saved)
        # The parameters are a stranger's, and what reads them a plugin's.
        except Exception as error:
            problem = f"It cannot be judged: {type(error).__name__}: {error}"
            return Verdict("missing", problem[:_LONGEST])

    def _remembered(self, word: tuple[SavedLoss, bytes], saved: SavedLoss) -> Verdict:
        verdict = self._known.get(word)
        if verdict is None:
            verdict = self._judged(saved)
            if len(self._known) < _REMEMBERED:
                self._known[word] = verdict
        return verdict

    def _judged(self, saved: SavedLoss) -> Verdict:
        presence = look_up(saved)
        state = "forbidden" if presence.forbidden else presence.state
        installed = str(presence.provider) if presence.provider else None
        if state != "here":
            fix = presence.fix
            return Verdict(state, (presence.problem or "")[:_LONGEST], fix, installed)
        presets = (note for preset in saved.presets for note in self._of_preset(preset))
        notes = [*_notes(presence), *presets]
        deprecated = any(note.deprecated for note in notes)
        problem = " ".join(note.text for note in notes)[:_LONGEST] or None
        state = "deprecated" if deprecated else "here"
        return Verdict(state, problem, None, installed, any(note.is_past for note in notes))

    def _of_preset(self, saved: PresetRef) -> Iterator[_Note]:
        """What the catalogue says of a preset that a loss was made from."""
        named = self._catalogue.presets.get(key(saved.name))
        if named is None:
            yield _Note(f"The preset {saved.name!r} is in no catalogue here.")
            return
        preset = named.content
        if saved.version != preset.version:
            was, now = saved.version, preset.version
            yield _Note(f"It is of version {was} of {named.name!r}, which is at {now}.")
        if preset.status == "deprecated":
            is_past = preset.is_past(self._today)
            until = f" and may be used until {preset.until}" if preset.until else ""
            if is_past:
                until = f", and could be used until {preset.until}: it is past its date"
            use = f" Use {preset.replaced_by!r}." if preset.replaced_by else ""
            text = f"The preset {named.name!r} is deprecated{until}.{use}"
            yield _Note(text, deprecated=True, is_past=is_past)


def _notes(presence: Presence) -> Iterator[_Note]:
    """What a loss's plugin says of it."""
    if presence.id:
        yield _Note(f"It is called {presence.id!r} now.")
    yield from map(_Note, presence.changes)
    if presence.deprecated:
        text = f"{fate(presence.deprecated)}. {instead(presence.deprecated)}"
        yield _Note(text, deprecated=True)


def _slim(saved: SavedLoss) -> SavedLoss:
    """A loss without its parameters, of which a thousand models need not be remembered."""
    return replace(saved, parameters={})
