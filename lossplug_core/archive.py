"""What a saved model needs of lossplug, read from its `.keras` file without Keras.

The file is someone else's: nothing that it names is imported, and however it is made, reading it
ends in an answer or in an `ArchiveError`.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lossplug_core._keras_table import KERAS_LOSSES
from lossplug_core.errors import LossplugError
from lossplug_core.names import KERAS, key
from lossplug_core.spec import OPTIONS

__all__ = ["LARGEST", "Archive", "ArchiveError", "SavedLoss", "read"]

LARGEST = 64 * 2**20
"""The most bytes of JSON that are read, far more than the largest models have."""

_OF_EVERY_LOSS = frozenset({"fn", *OPTIONS})
_KERAS_IDS = {
    key(name): f"{KERAS}/{row.name}"
    for row in KERAS_LOSSES
    for name in (row.name, row.class_name, *row.aliases)
}


class ArchiveError(LossplugError, ValueError):
    """The file is not a model that Keras saved, or it is damaged."""


@dataclass(frozen=True, slots=True)
class SavedLoss:
    """One loss that a saved model needs.

    Attributes:
        kind: `plugin` if lossplug saved it, `keras` for Keras's own, `custom` for a class or
            function of somebody's program, `lambda` for code inside the file.
        name: Its id for the first two kinds, else the name under which it was registered.
        where: Its place in the config, such as `loss` or `loss.first_output`.
        parameters: The parameters that it was saved with.
        version: The version of its spec; None if it is not a plugin's.
        distribution: The distribution that provided it, if the file says.
        distribution_version: That distribution's version, if the file says.
    """

    kind: str
    name: str
    where: str
    parameters: Mapping[str, Any] = field(default_factory=dict, hash=False)
    version: int | None = None
    distribution: str | None = None
    distribution_version: str | None = None

    @property
    def config(self) -> dict[str, Any]:
        """The config, as far as it decides whether the loss can be loaded."""
        provider = {"distribution": self.distribution, "version": self.distribution_version}
        return {
            "id": self.name,
            "spec_version": self.version,
            "parameters": self.parameters,
            "provider": provider if self.distribution else None,
        }


@dataclass(frozen=True, slots=True)
class Archive:
    """A saved model.

    Attributes:
        keras_version: The Keras that saved it, if the file says.
        compiled: Whether it was saved with what `compile` was given.
        losses: The losses that it needs, in the order of the config.
    """

    keras_version: str | None
    compiled: bool
    losses: tuple[SavedLoss, ...]


def read(path: Path) -> Archive:
    """Find the losses that a saved model needs.

    Args:
        path: A `.keras` file, or a folder with the same content.

    Returns:
        The losses given to `compile`, and lossplug's and Keras's anywhere else in the model.

    Raises:
        ArchiveError: It is not a model that Keras saved, or it is damaged.
    """
    config, metadata = _content(path)
    compile_config = config.pop("compile_config", None)
    compile_config = compile_config if isinstance(compile_config, dict) else {}
    version = metadata.get("keras_version")
    return Archive(
        keras_version=version if isinstance(version, str) else None,
        compiled=bool(compile_config),
        losses=(
            *_losses(compile_config.get("loss"), "loss", expected=True),
            *_losses(config, "model", expected=False),
        ),
    )


def _content(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    try:
        root = path if path.is_dir() else zipfile.Path(path)
        if not (root / "config.json").is_file():
            raise ArchiveError(
                f"{path} is no model that Keras saved: it has no config.json.", fix=_SAVE
            )
        config = _json(root / "config.json")
        return config, _json(root / "metadata.json") if (root / "metadata.json").is_file() else {}
    except zipfile.BadZipFile as error:
        raise ArchiveError(
            f"{path} is no .keras file: {error}.",
            expected="a zip archive, as model.save('model.keras') makes it",
            fix=_SAVE,
        ) from error
    except (OSError, EOFError, NotImplementedError, RuntimeError, zlib.error) as error:
        raise ArchiveError(f"{path} cannot be read: {error}.") from error


_SAVE = "Load it where it was made, and save it again: model.save('model.keras')"


def _json(file: Path | zipfile.Path) -> dict[str, Any]:
    with file.open("rb") as stream:
        text = stream.read(LARGEST + 1)
    if len(text) > LARGEST:
        raise ArchiveError(f"{file} is larger than {LARGEST >> 20} MiB: no model has so much.")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ArchiveError(f"{file} is damaged: {error}.") from error
    if not isinstance(document, dict):
        raise ArchiveError(
            f"{file} is damaged.", expected="a JSON object", received=type(document).__name__
        )
    return document


def _losses(value: Any, where: str, *, expected: bool) -> Iterator[SavedLoss]:
    """The losses in a part of a config; where they are expected, a bare name is one as well."""
    # Not by recursion: a hostile file nests as deep as it likes.
    todo = [(where, value, expected)]
    while todo:
        where, value, expected = todo.pop()
        children: list[tuple[str, Any]] = []
        if (parts := _parts(value)) is not None:
            children = [
                (f"{where}.{part.get('name') or place}", part.get("loss"))
                for place, part in enumerate(parts)
                if isinstance(part, dict)
            ]
            expected = True
        elif isinstance(value, dict):
            is_object = "class_name" in value
            if is_object and (found := _object(value, where, expected)):
                yield found
            expected = expected and not is_object
            children = [(f"{where}.{name}", child) for name, child in value.items()]
        elif isinstance(value, list):
            children = [(f"{where}[{place}]", child) for place, child in enumerate(value)]
        elif isinstance(value, str) and expected:
            yield _named(value, where)
        todo += [(place, child, expected) for place, child in reversed(children)]


def _parts(value: Any) -> list[Any] | None:
    """The parts of a combined loss: they are what a model needs, not the sum of them."""
    if not (isinstance(value, dict) and value.get("class_name") == "CombinedLoss"):
        return None
    if str(value.get("module") or "").partition(".")[0] not in ("lossplug_core", ""):
        return None
    config = value.get("config")
    parts = config.get("parts") if isinstance(config, dict) else None
    return parts if isinstance(parts, list) else None


def _object(value: dict[str, Any], where: str, expected: bool) -> SavedLoss | None:
    """The loss that a serialized object is, if it is one."""
    class_name, module = str(value["class_name"]), str(value.get("module") or "")
    registered, config = value.get("registered_name"), value.get("config")
    if class_name == "PluginLoss" and module.partition(".")[0] in ("lossplug_core", ""):
        return _of_plugin(config, where)
    is_keras = module.partition(".")[0] == KERAS and "loss" in module
    if (is_keras or (expected and not module and not registered)) and key(class_name) in _KERAS_IDS:
        config = config if isinstance(config, dict) else {}
        parameters = {name: config[name] for name in config if name not in _OF_EVERY_LOSS}
        return SavedLoss("keras", _KERAS_IDS[key(class_name)], where, parameters)
    if not expected:
        return None
    if class_name == "__lambda__":
        return SavedLoss("lambda", "a lambda", where)
    if class_name in ("function", "method") and isinstance(config, str):
        return _named(config, where)
    return SavedLoss("custom", str(registered or class_name), where)


def _named(name: str, where: str) -> SavedLoss:
    own = _KERAS_IDS.get(key(name)) if ">" not in name else None
    return SavedLoss("keras", own, where) if own else SavedLoss("custom", name, where)


def _of_plugin(config: Any, where: str) -> SavedLoss:
    config = config if isinstance(config, dict) else {}
    id, version = config.get("id"), config.get("spec_version", 1)
    parameters, provider = config.get("parameters") or {}, config.get("provider") or {}
    if not (
        isinstance(id, str)
        and isinstance(version, int)
        and isinstance(parameters, dict)
        and isinstance(provider, dict)
    ):
        raise ArchiveError(
            f"The config of the loss at {where!r} is damaged.",
            expected="'id', 'spec_version', 'parameters' and 'provider', as lossplug writes them",
            received=config,
        )
    distribution, saved_by = provider.get("distribution"), provider.get("version")
    return SavedLoss(
        "plugin",
        id,
        where,
        parameters,
        version,
        distribution if isinstance(distribution, str) else None,
        saved_by if isinstance(saved_by, str) else None,
    )
