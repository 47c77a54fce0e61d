"""Files come into a folder all together, or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from lossplug_core.errors import LossplugError

__all__ = ["check_free", "write"]

_ALLOWED = {".git"}
"""What may be in the folder of a plugin before the plugin is."""

_OTHER = "choose another folder with --directory."


def check_free(folder: Path) -> None:
    """Refuse a folder in which something could be overwritten.

    Raises:
        LossplugError: It has files already, or is a file, or is in no folder.
    """
    parent = folder.absolute().parent
    if not parent.is_dir():
        raise LossplugError(f"There is no folder {str(parent)!r}.", fix="make it first.")
    if not (folder.exists() or folder.is_symlink()):
        return
    if not folder.is_dir():
        raise LossplugError(f"{str(folder)!r} is there already, and is no folder.", fix=_OTHER)
    if held := sorted({path.name for path in folder.iterdir()} - _ALLOWED):
        raise LossplugError(
            f"The folder {str(folder)!r} is not empty; nothing was written.",
            expected="a folder that does not exist yet, or is empty",
            received=", ".join(held[:3]) + ", …" * (len(held) > 3),
            fix=_OTHER,
        )


def write(files: Mapping[str, str], folder: Path) -> None:
    """Write files into a folder that is free.

    They are written beside it first, and then moved.

    Raises:
        LossplugError: The folder is not free, or cannot be written.
    """
    check_free(folder)
    beside = folder if folder.exists() else folder.absolute().parent
    try:
        with TemporaryDirectory(prefix=".lossplug-new-", dir=beside) as temporary:
            made = Path(temporary) / "plugin"
            for path, text in files.items():
                file = made / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text, encoding="utf-8", newline="\n")
            if folder.exists():
                _move_all(made, folder)
            else:
                made.rename(folder)
    except OSError as error:
        raise LossplugError(
            f"The plugin cannot be written, and nothing of it was left behind: {error}.", fix=_OTHER
        ) from error


def _move_all(source: Path, folder: Path) -> None:
    with ExitStack() as undo:
        for path in [*source.iterdir()]:
            moved = path.rename(folder / path.name)
            undo.callback(moved.rename, path)
        undo.pop_all()
