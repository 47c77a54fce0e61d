"""A docstring taken apart into its sections.

Google's form, in which our losses and Keras's are written. What a section holds stays as it is:
LaTeX, doctests and Markdown are for others to read.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

__all__ = ["Docstring", "parse"]


@dataclass(frozen=True, slots=True)
class Docstring:
    """The sections of a docstring; one that is missing is empty.

    Attributes:
        summary: The first paragraph, on one line.
        description: The paragraphs between the summary and the first section.
        formula: LaTeX, and what its symbols mean.
        args: What each argument means, by name, each on one line.
        returns: What the function returns.
        raises: When each error is raised, by its name, each on one line.
        example: Doctests or code.
        reference: The paper.
    """

    summary: str = ""
    description: str = ""
    formula: str = ""
    args: Mapping[str, str] = field(default_factory=dict)
    returns: str = ""
    raises: Mapping[str, str] = field(default_factory=dict)
    example: str = ""
    reference: str = ""


_SECTIONS = {
    "Formula": "formula",
    "Args": "args",
    "Arguments": "args",
    "Returns": "returns",
    "Raises": "raises",
    "Example": "example",
    "Examples": "example",
    "Reference": "reference",
    "References": "reference",
}
_HEADING = re.compile(rf"^({'|'.join(_SECTIONS)}):[ \t]*$", re.MULTILINE)
_ITEM = re.compile(r"^\*{0,2}(?P<name>\w[\w.]*)(?: \([^)]*\))?:(?:\s+|$)(?P<text>.*)$")


def parse(text: str | None) -> Docstring:
    r"""Take a docstring apart.

    Args:
        text: The docstring, indented or not; None if there is none.

    Returns:
        Its sections.

    Example:
        >>> doc = parse("Squared error.\n\nArgs:\n    scale: A factor,\n        above 0.")
        >>> doc.summary, dict(doc.args)
        ('Squared error.', {'scale': 'A factor, above 0.'})
    """
    opening, *parts = _HEADING.split(inspect.cleandoc(text or ""))
    summary, _, description = opening.strip().partition("\n\n")
    sections = {"summary": _line(summary), "description": description.strip()}
    for heading, body in zip(parts[::2], parts[1::2], strict=True):
        # cleandoc leaves its first line alone and removes the margin of the others.
        sections[_SECTIONS[heading]] = inspect.cleandoc("\n" + body.strip("\n")).rstrip()
    args, raises = (_items(sections.pop(name, "")) for name in ("args", "raises"))
    return Docstring(**sections, args=args, raises=raises)


def _items(body: str) -> Mapping[str, str]:
    """`name: text` by name; lines that start no item continue the one before."""
    items: dict[str, list[str]] = {}
    name = None
    for line in body.splitlines():
        if item := _ITEM.match(line):
            name = item["name"]
            items[name] = [item["text"]]
        elif name is not None:
            items[name].append(line)
    return MappingProxyType({name: _line(" ".join(lines)) for name, lines in items.items()})


def _line(text: str) -> str:
    return " ".join(text.split())
