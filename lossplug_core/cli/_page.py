"""The page of `lossplug show`, for people."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rich import box
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lossplug_core.migration import fate, instead
from lossplug_core.spec import Deprecation

__all__ = ["print_page"]

_WIDEST = 100
_BLANK_LINES = re.compile(r"\n\s*\n")
# Text whose lines mean something as lines: lists, quotes, code, mathematics.
_LINES_COUNT = re.compile(r"^(\s|[-*>#|]|\d+\. )|```|\$\$", re.MULTILINE)
_LINK = re.compile(r"\[([^\]]+)\]\([^)]*\)")


def print_page(document: Mapping[str, Any]) -> None:
    """Print what `show` has gathered."""
    console = Console(
        color_system=None if os.environ.get("NO_COLOR") else "auto", highlight=False, markup=False
    )
    console.width = min(console.width, _WIDEST)
    console.print(Text(document["id"], style="bold"))
    console.print(document["summary"])
    if document["deprecated"]:
        deprecation = Deprecation(**document["deprecated"])
        text = f"Deprecated: {fate(deprecation)}. {instead(deprecation)}."
        console.print(Text("\n" + text, style="yellow"))
    console.print(_indented(Text("\n" + _call(document), style="cyan")))
    if document["description"]:
        console.print("\n" + _prose(document["description"]))
    for heading, content in _sections(document):
        console.print(Text("\n" + heading, style="bold"))
        console.print(_indented(content))


def _indented(content: RenderableType) -> Padding:
    return Padding(content, (0, 0, 0, 2), expand=False)


def _sections(document: Mapping[str, Any]) -> Iterator[tuple[str, RenderableType]]:
    """The sections that have content, in the order in which they are read."""
    if document["formula"]:
        yield "Formula", _prose(document["formula"]).replace("$", "")
    yield "Target: y_true", _form(document["y_true"])
    if document["targets"]:
        yield "Further targets: y={'y_true': …, …}", _pairs(document["targets"].items())
    yield "Prediction: y_pred", _form(document["y_pred"])
    if document["outputs"]:
        yield "Outputs that it compares", ", ".join(document["outputs"])
    if document["parameters"]:
        yield "Parameters", _parameters(document["parameters"])
    for p in document["parameters"]:
        if any(one["summary"] for one in p.get("alternatives", ())):
            summaries = ((repr(one["name"]), one["summary"]) for one in p["alternatives"])
            yield f"What {p['name']} can be", _pairs(summaries)
    if document["adapts"]:
        yield "Learned from data by loss.adapt(y)", ", ".join(document["adapts"])
    if document["weights"]:
        yield "Weights, for a TrainingModel to train", _pairs(map(_weight, document["weights"]))
    if document["conventions"]:
        conventions = document["conventions"].items()
        yield "Conventions", _pairs((name, _assigned(values)) for name, values in conventions)
    if document["returns"]:
        yield "Returns", _prose(document["returns"])
    if document["raises"]:
        yield "Raises", _pairs(document["raises"].items())
    if document["example"]:
        yield "Example", document["example"]
    if document["reference"] or document["paper"]:
        lines = (_prose(document["reference"]), document["paper_url"] or document["paper"])
        yield "Reference", "\n".join(filter(None, lines))
    yield "Provider", _pairs(_provider(document))


def _call(document: Mapping[str, Any]) -> str:
    """How to get the loss, with all its parameters."""
    arguments = [
        f"{p['name']}=…" if p["required"] else _assigned({p["name"]: p["default"]})
        for p in document["parameters"]
    ]
    return f"get_loss({', '.join([repr(document['id']), *arguments])})"


def _assigned(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in values.items())


def _form(form: Mapping[str, Any]) -> Table:
    table = _pairs(form["forms"].items())
    if form["meaning"]:
        table.add_row("", Text(form["meaning"], style="dim"))
    return table


def _parameters(parameters: Iterable[Mapping[str, Any]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("name", no_wrap=True)
    table.add_column("type", max_width=24)
    table.add_column("default")
    table.add_column("meaning", overflow="fold")
    for p in parameters:
        default = Text("required", style="yellow") if p["required"] else repr(p["default"])
        table.add_row(
            Text(p["name"], style="cyan"), p["type"], default, _LINK.sub(r"\1", p["meaning"])
        )
    return table


def _weight(weight: Mapping[str, Any]) -> tuple[str, str]:
    if weight["shape"] is None:
        return weight["name"], ""
    shape = ", ".join(map(str, weight["shape"]))
    return weight["name"], (
        f"[{shape}] {weight['dtype']}, {weight['kind']}, starts as {weight['initializer']}"
    )


def _provider(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    provider = document["provider"]
    if provider:
        yield "distribution", f"{provider['distribution']} {provider['version']}"
        yield "function", provider["target"]
    if document["aliases"]:
        yield "aliases", ", ".join(document["aliases"])
    if document["formerly"]:
        yield "formerly", ", ".join(document["formerly"])
    yield "spec version", str(document["version"])
    for version, change in sorted(document["history"].items()):
        yield f"changed in {version}", " ".join(change.split())


def _pairs(pairs: Iterable[tuple[str, str]]) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    for name, text in pairs:
        table.add_row(Text(name, style="cyan"), text)
    return table


def _prose(text: str) -> str:
    """Paragraphs as one line each, for the terminal to wrap; what is not prose stays as it is."""
    blocks = [text] if "```" in text else _BLANK_LINES.split(text)
    return "\n\n".join(
        block if _LINES_COUNT.search(block) else " ".join(block.split()) for block in blocks
    )
