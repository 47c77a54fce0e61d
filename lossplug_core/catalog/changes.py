"""What changed between two catalogues."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from lossplug_core.names import key, namespace_of, normalized, split

if TYPE_CHECKING:
    from lossplug_core.catalog.model import CatalogueFile, Preset

__all__ = ["ABSENT", "EVERYTHING", "Change", "changes"]

EVERYTHING = "*"
"""What is allowed where a policy allows nothing in particular."""

ABSENT: Any = type("Absent", (), {"__repr__": lambda _: "-"})()
"""The value of a field that is not there."""

_MEANING = ("loss", "params", "convention", "reduction")

Fields = dict[str, Any]
_Thing = tuple[str, Fields]


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that two catalogues do not say alike.

    Attributes:
        section: Where it stands, such as `presets` or `policy.deny`.
        name: What it is about.
        change: What became of it.
        fields: Of one that is changed, what differs: before and after, `ABSENT` where it is not.
        unversioned: Whether a preset means something else, and has the same version.
    """

    section: str
    name: str
    change: Literal["added", "removed", "changed"]
    fields: Mapping[str, tuple[Any, Any]]
    unversioned: bool = False


def changes(before: CatalogueFile, after: CatalogueFile) -> list[Change]:
    """What two catalogues do not say alike, section by section.

    Spellings of one name, the order of things, and comments make no difference.
    """
    old, new = _sections(before), _sections(after)
    return [
        change for section in old for change in _of_section(section, old[section], new[section])
    ]


def _of_section(
    section: str, old: Mapping[str, _Thing], new: Mapping[str, _Thing]
) -> Iterator[Change]:
    for word in [*old, *(word for word in new if word not in old)]:
        if word not in new:
            yield Change(section, old[word][0], "removed", {})
        elif word not in old:
            yield Change(section, new[word][0], "added", {})
        elif fields := _differing(old[word][1], new[word][1]):
            meant = any(field.partition(".")[0] in _MEANING for field in fields)
            unversioned = meant and "version" not in fields
            yield Change(section, new[word][0], "changed", fields, unversioned)


def _differing(old: Fields, new: Fields) -> dict[str, tuple[Any, Any]]:
    pairs = {
        field: (old.get(field, ABSENT), new.get(field, ABSENT))
        for field in dict.fromkeys([*old, *new])
    }
    return {field: pair for field, pair in pairs.items() if pair[0] != pair[1]}


def _sections(content: CatalogueFile) -> dict[str, dict[str, _Thing]]:
    """All that a catalogue says: section -> what names have in common -> name and fields."""
    policy = content.policy
    allow = [EVERYTHING] if policy.allow is None else policy.allow
    return {
        "catalogue": {
            field: (field, {field: value})
            for field in ("name", "description")
            if (value := getattr(content, field))
        },
        "policy.allow": {_common(word): (word, {}) for word in allow},
        "policy.deny": {_common(word): (word, {}) for word in policy.deny},
        "prefer": {key(name): (name, {"means": word}) for name, word in content.prefer.items()},
        "requires": {
            normalized(name): (name, {"versions": versions})
            for name, versions in content.requires.items()
        },
        "index": {
            normalized(name): (name, {"losses": sorted(names)})
            for name, names in content.index.items()
        },
        "presets": {
            key(name): (name, _of_preset(preset)) for name, preset in content.presets.items()
        },
    }


def _common(word: str) -> str:
    """What spellings of a word of a policy have in common."""
    if word == EVERYTHING:
        return word
    namespace, name = split(word)
    return namespace_of(word) if namespace is None else f"{namespace}/{key(name)}"


def _of_preset(preset: Preset) -> Fields:
    """The fields of a preset; each parameter and each link is one."""
    fields: Fields = {}
    for field, value in preset.model_dump(mode="json", exclude_defaults=True).items():
        if field in ("params", "links"):
            fields |= {f"{field}.{name}": inner for name, inner in value.items()}
        else:
            fields[field] = value
    return fields
