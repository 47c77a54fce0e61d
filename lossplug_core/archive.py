"""What a saved model needs of lossplug, read from its `.keras` file without Keras.

The file is someone else's: nothing that it names is imported, and however it is made, reading it
ends in an answer or in an `ArchiveError`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from lossplug_core._keras_table import KERAS_LOSSES
from lossplug_core._zipped import LARGEST, ArchiveError, documents
from lossplug_core.names import KERAS, key
from lossplug_core.presets import PresetRef
from lossplug_core.spec import OPTIONS

__all__ = ["LARGEST", "MOST_LOSSES", "Archive", "ArchiveError", "SavedLoss", "read"]

MOST_LOSSES = 1000
"""The most losses that a model may need."""

_LONGEST = 200
"""The most letters of a name, and of a place."""

_MOST_PRESETS = 50
"""The most presets around a loss: nothing is made of more."""

_OF_EVERY_LOSS = frozenset({"fn", *OPTIONS})
_KERAS_IDS = {
    key(name): f"{KERAS}/{row.name}"
    for row in KERAS_LOSSES
    for name in (row.name, row.class_name, *row.aliases)
}


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
        presets: The presets of a catalogue that it was made from: those of the combinations around
            it, from the outermost, and its own.
    """

    kind: str
    name: str
    where: str
    parameters: Mapping[str, Any] = field(default_factory=dict, hash=False)
    version: int | None = None
    distribution: str | None = None
    distribution_version: str | None = None
    presets: tuple[PresetRef, ...] = ()

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
    config, metadata = documents(path)
    compile_config = config.pop("compile_config", None)
    compile_config = compile_config if isinstance(compile_config, dict) else {}
    version = metadata.get("keras_version")
    try:
        losses = [
            *_losses(compile_config.get("loss"), "loss", expected=True),
            *_losses(config, "model", expected=False),
        ]
    except RecursionError as error:
        raise ArchiveError(f"{path} is damaged: a loss in it nests too deeply.") from error
    if len(losses) > MOST_LOSSES:
        raise ArchiveError(f"{path} needs more than {MOST_LOSSES} losses: no model needs so many.")
    return Archive(
        keras_version=_clipped(version) if isinstance(version, str) else None,
        compiled=bool(compile_config),
        losses=tuple(losses),
    )


class _Place(NamedTuple):
    """Where something stands. As text it is made for losses only: every path may be long.

    The presets are those of the combinations around it, which are saved with them and not with
    their parts.
    """

    parent: _Place | None
    part: str
    presets: tuple[PresetRef, ...] = ()

    def __str__(self) -> str:
        parts = []
        place: _Place | None = self
        while place is not None:
            parts.append(_clipped(place.part))
            place = place.parent
        return _clipped("".join(reversed(parts)))


_Item = tuple[_Place, Any, bool]


def _losses(value: Any, where: str, *, expected: bool) -> Iterator[SavedLoss]:
    """The losses in a part of a config, but one more than too many at most."""
    return islice(_walk(value, where, expected=expected), MOST_LOSSES + 1)


def _walk(value: Any, where: str, *, expected: bool) -> Iterator[SavedLoss]:
    """The losses in a part of a config; where they are expected, a bare name is one as well."""
    # Not by recursion: a hostile file nests as deep as it likes.
    todo = [iter([(_Place(None, where), value, expected)])]
    while todo:
        place, value, expected = next(todo[-1], _END)
        if place is None:
            todo.pop()
        elif (parts := _parts(value)) is not None:
            todo.append(_of_combined(place, parts, _presets(value["config"], place)))
        elif isinstance(value, dict):
            is_object = isinstance(value.get("class_name"), str)
            if is_object and (found := _object(value, place, expected)):
                yield found
            todo.append(_inside(place, value, expected and not is_object))
        elif isinstance(value, list):
            todo.append(_inside(place, value, expected))
        elif isinstance(value, str) and expected:
            yield _named(value, place)


_END: tuple[None, None, bool] = (None, None, False)


def _of_combined(
    place: _Place, parts: list[Any], presets: tuple[PresetRef, ...]
) -> Iterator[_Item]:
    for number, part in enumerate(parts):
        if isinstance(part, dict):
            name = part.get("name")
            label = name if isinstance(name, str) and name else str(number)
            yield _Place(place, f".{label}", presets), part.get("loss"), True


def _inside(place: _Place, value: dict[str, Any] | list[Any], expected: bool) -> Iterator[_Item]:
    named = isinstance(value, dict)
    for name, child in value.items() if isinstance(value, dict) else enumerate(value):
        if expected or isinstance(child, (dict, list)):
            label = f".{name}" if named else f"[{name}]"
            yield _Place(place, label, place.presets), child, expected


def _clipped(text: str) -> str:
    """A text, without its middle if it is long."""
    half = _LONGEST // 2
    return text if len(text) <= _LONGEST else f"{text[:half]}…{text[-half + 1 :]}"


def _parts(value: Any) -> list[Any] | None:
    """The parts of a combined loss: they are what a model needs, not the sum of them."""
    if not (isinstance(value, dict) and value.get("class_name") == "CombinedLoss"):
        return None
    if _package(value) not in ("lossplug_core", ""):
        return None
    config = value.get("config")
    parts = config.get("parts") if isinstance(config, dict) else None
    return parts if isinstance(parts, list) else None


def _package(value: dict[str, Any]) -> str:
    """The package of a serialized object; empty if it does not say."""
    module = value.get("module")
    return module.partition(".")[0] if isinstance(module, str) else ""


def _object(value: dict[str, Any], place: _Place, expected: bool) -> SavedLoss | None:
    """The loss that a serialized object is, if it is one."""
    class_name, module, package = value["class_name"], value.get("module"), _package(value)
    registered, config = value.get("registered_name"), value.get("config")
    if class_name == "PluginLoss" and package in ("lossplug_core", ""):
        return _of_plugin(config, place)
    is_keras = package == KERAS and "loss" in str(module)
    if (is_keras or (expected and not module and not registered)) and (id := _keras_id(class_name)):
        config = config if isinstance(config, dict) else {}
        parameters = {name: config[name] for name in config if name not in _OF_EVERY_LOSS}
        return SavedLoss("keras", id, str(place), parameters, presets=place.presets)
    if not expected:
        return None
    if class_name == "__lambda__":
        return SavedLoss("lambda", "a lambda", str(place), presets=place.presets)
    if class_name in ("function", "method") and isinstance(config, str):
        return _named(config, place)
    name = registered if isinstance(registered, str) and registered else class_name
    return SavedLoss("custom", _clipped(name), str(place), presets=place.presets)


def _named(name: str, place: _Place) -> SavedLoss:
    own = _keras_id(name) if ">" not in name else None
    kind = "keras" if own else "custom"
    return SavedLoss(kind, own or _clipped(name), str(place), presets=place.presets)


def _keras_id(name: str) -> str | None:
    """The id of Keras's own loss of this name, if there is one."""
    return _KERAS_IDS.get(key(name)) if len(name) <= _LONGEST else None


def _of_plugin(config: Any, place: _Place) -> SavedLoss:
    config = config if isinstance(config, dict) else {}
    id, version = config.get("id"), config.get("spec_version", 1)
    parameters, provider = config.get("parameters") or {}, config.get("provider") or {}
    if not (
        isinstance(id, str)
        and len(id) <= _LONGEST
        and isinstance(version, int)
        and isinstance(parameters, dict)
        and isinstance(provider, dict)
    ):
        raise ArchiveError(
            f"The config of the loss at {str(place)!r} is damaged.",
            expected="'id', 'spec_version', 'parameters' and 'provider', as lossplug writes them",
            received=config,
        )
    distribution, saved_by = provider.get("distribution"), provider.get("version")
    return SavedLoss(
        "plugin",
        id,
        str(place),
        parameters,
        version,
        _clipped(distribution) if isinstance(distribution, str) else None,
        _clipped(saved_by) if isinstance(saved_by, str) else None,
        _presets(config, place),
    )


def _presets(config: dict[str, Any], place: _Place) -> tuple[PresetRef, ...]:
    """The presets around something, and the one that it was made from itself."""
    preset = config.get("preset")
    if preset is None:
        return place.presets
    if isinstance(preset, dict):
        name, version = preset.get("name"), preset.get("version")
        if isinstance(name, str) and type(version) is int and len(preset) == 2:
            return (*place.presets, PresetRef(_clipped(name), version))[-_MOST_PRESETS:]
    raise ArchiveError(
        f"The preset of the loss at {str(place)!r} is damaged.",
        expected="'name' and 'version', as lossplug writes them",
        received=preset,
    )
