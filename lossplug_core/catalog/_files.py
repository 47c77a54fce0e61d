"""The files of an installed distribution: where they are, and a hash, alike on every platform."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path, PurePath, PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib_metadata import Distribution

__all__ = ["files_hash", "home_of", "is_editable", "path_within"]

_COMPILED = frozenset({".dll", ".dylib", ".pyc", ".pyd", ".pyo", ".so"})
_OF_INSTALLERS = (".dist-info", ".egg-info")

_UNREADABLE = "unreadable"


def files_hash(distribution: Distribution, modules: Iterable[str]) -> str | None:
    """The hash of a distribution's code and data. Nothing is imported for it.

    Compiled files are left out: they differ from one platform to another, and the byte code of one
    file from one run to the next. So is what installers note about an installation.

    Args:
        distribution: The distribution.
        modules: Modules of it, whose packages are looked through where the distribution does not
            say which files it has, as one that is installed editable does not.

    Returns:
        `sha256:…`, or None if no file is found.
    """
    files = {} if is_editable(distribution) else _recorded(distribution)
    files = files or dict(_of_packages(modules))
    if not files:
        return None
    total = hashlib.sha256()
    for path in sorted(files):
        total.update(f"{path}\0{_hash(files[path])}\n".encode("utf-8", "surrogateescape"))
    return f"sha256:{total.hexdigest()}"


def is_editable(distribution: Distribution) -> bool:
    """Whether a distribution was installed as a folder in which somebody works."""
    try:
        document = json.loads(distribution.read_text("direct_url.json") or "{}")
    except ValueError:
        return False
    info = document.get("dir_info") if isinstance(document, Mapping) else None
    return bool(info.get("editable")) if isinstance(info, Mapping) else False


def _recorded(distribution: Distribution) -> dict[str, Path]:
    """The files that a distribution lists, below the folder that it is in."""
    try:
        listed = [PurePosixPath(file.as_posix()) for file in distribution.files or ()]
    except Exception:  # a list that is damaged is none
        return {}
    return {
        str(path): Path(str(distribution.locate_file(path)))
        for path in listed
        if _counts(path) and ".." not in path.parts and not path.is_absolute()
    }


def _counts(path: PurePath) -> bool:
    """Whether a file, below the folder of an installation, is the same in each of them."""
    noted = path.parts[0].endswith(_OF_INSTALLERS)
    return not noted and path.suffix not in _COMPILED


def home_of(module: str) -> tuple[Path, str] | None:
    """The file that Python runs first to import a module, and the package that it is in.

    Nothing is imported for it. A namespace that distributions share has no code of its own: there
    it is the first part below that has.
    """
    parts = module.split(".")
    for end in range(1, len(parts) + 1):
        try:
            spec = find_spec(".".join(parts[:end]))
        except (ImportError, ValueError):
            return None
        if spec is None:
            return None
        if spec.origin is not None:
            return (Path(spec.origin), "/".join(parts[: end - 1])) if spec.has_location else None
    return None


def path_within(module: str, file: Path) -> str | None:
    """The path of a file in the package of a module; beside it, if the module is one file."""
    home = home_of(module)
    if home is None:
        return None
    origin, _ = home
    is_inside = origin.parent in (file.parents if _is_package(origin) else file.parents[:1])
    return file.relative_to(origin.parent).as_posix() if is_inside else None


def _is_package(origin: Path) -> bool:
    return origin.name == "__init__.py"


def _of_packages(modules: Iterable[str]) -> Iterator[tuple[str, Path]]:
    for home in map(home_of, sorted(set(modules))):
        if home is not None:
            yield from _below(*home)


def _below(origin: Path, parent: str) -> Iterator[tuple[str, Path]]:
    """The files of a package, or of a module that is one file."""
    package = _is_package(origin)
    root = origin.parent.parent if package else origin.parent
    for file in origin.parent.rglob("*") if package else [origin]:
        path = file.relative_to(root)
        is_hidden = any(part.startswith(".") for part in path.parts)
        if _counts(path) and not is_hidden and file.is_file():
            yield str(PurePosixPath(parent, path.as_posix())), file


def _hash(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return _UNREADABLE
