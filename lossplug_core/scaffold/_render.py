"""The template and a plugin make files."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lossplug_core.scaffold._plugin import Plugin

__all__ = ["render"]

_TEMPLATE, _SUFFIX = "template/", ".jinja"
_WIDTH = 100
_DERIVED = ("package", "namespace", "core")


def render(plugin: Plugin) -> dict[str, str]:
    """The files of a plugin: for each path, with slashes, its text."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("lossplug_core.scaffold", "."),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,
    )
    environment.filters.update(toml=_toml, markdown=_markdown)
    environment.globals["listed"] = _listed
    values = {**asdict(plugin), **{name: getattr(plugin, name) for name in _DERIVED}}
    files = {}
    for name in environment.list_templates(filter_func=lambda name: name.startswith(_TEMPLATE)):
        path = name.removeprefix(_TEMPLATE).removesuffix(_SUFFIX)
        path = path.replace("PACKAGE", plugin.package).replace("LOSS", plugin.loss)
        files[path] = environment.get_template(name).render(values)
    return files


def _toml(text: str) -> str:
    """A TOML string. JSON's are the same, for text without control characters."""
    return json.dumps(text, ensure_ascii=False)


def _markdown(text: str) -> str:
    """Text that Markdown shows as it is."""
    return re.sub(r"([\\`*_\[\]<>#~|])", r"\\\1", text)


def _listed(
    start: str, items: Sequence[str], end: str = "", *, brackets: tuple[str, str] = ("(", ")")
) -> str:
    """A list in Python as ruff formats it: on one line, or one line for each item.

    Args:
        start: What comes before the brackets, indentation included.
        items: What is in them.
        end: What comes after them.
        brackets: Those around a list on one line.
    """
    line = f"{start}{brackets[0]}{', '.join(items)}{brackets[1]}{end}"
    if len(line) <= _WIDTH:
        return line
    indent = " " * (len(start) - len(start.lstrip()))
    return "\n".join([f"{start}(", *(f"{indent}    {item}," for item in items), f"{indent}){end}"])
