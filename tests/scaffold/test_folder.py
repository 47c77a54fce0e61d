"""Files come into a folder all together, or not at all."""

import os
from pathlib import Path

import pytest

from lossplug_core.errors import LossplugError
from lossplug_core.scaffold import write

FILES = {"a.txt": "ä\n", "deep/er/b.txt": "b\r\n", ".hidden": ""}


def content(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


WRITTEN = {path: text.encode() for path, text in FILES.items()}


def test_a_folder_is_made(tmp_path) -> None:
    write(FILES, tmp_path / "new")
    assert content(tmp_path / "new") == WRITTEN
    assert [*tmp_path.iterdir()] == [tmp_path / "new"]
    umask = os.umask(0)
    os.umask(umask)
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o777 & ~umask


def test_an_empty_folder_is_filled_and_stays_the_same_folder(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = tmp_path.stat().st_ino
    write(FILES, Path())
    assert content(Path()) == WRITTEN
    assert tmp_path.stat().st_ino == before


def test_a_new_repository_counts_as_empty(tmp_path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git/HEAD").write_text("ref\n")
    write(FILES, tmp_path)
    assert content(tmp_path) == {**WRITTEN, ".git/HEAD": b"ref\n"}


def taken_by_a_file(folder):
    folder.write_text("mine")


def not_empty(folder):
    folder.mkdir()
    (folder / "mine").write_text("mine")


def a_link_to_nowhere(folder):
    folder.symlink_to(folder.parent / "nowhere")


@pytest.mark.parametrize("taken", [taken_by_a_file, not_empty, a_link_to_nowhere])
def test_nothing_is_overwritten(tmp_path, taken) -> None:
    taken(tmp_path / "new")
    before = content(tmp_path)
    with pytest.raises(LossplugError, match="--directory"):
        write(FILES, tmp_path / "new")
    assert content(tmp_path) == before


def test_the_folder_around_it_has_to_exist(tmp_path) -> None:
    with pytest.raises(LossplugError, match="There is no folder"):
        write(FILES, tmp_path / "no/such")
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("exists", [False, True])
def test_a_failure_leaves_nothing_behind(tmp_path, exists) -> None:
    folder = tmp_path / "new"
    if exists:
        folder.mkdir()
    with pytest.raises(LossplugError, match="cannot be written"):
        write({**FILES, "a.txt/below-a-file": ""}, folder)
    assert [*tmp_path.rglob("*")] == [folder] * exists


def test_a_move_that_fails_halfway_is_undone(tmp_path, monkeypatch) -> None:
    rename, moved = Path.rename, []

    def fails_the_second_time(self, target):
        if target.parent == tmp_path:
            if moved:
                raise OSError("the disk is gone")
            moved.append(target)
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fails_the_second_time)
    with pytest.raises(LossplugError, match="the disk is gone"):
        write(FILES, tmp_path)
    assert moved
    assert not [*tmp_path.iterdir()]
