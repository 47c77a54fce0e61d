"""The files of the site. The same losses and catalogues give the same bytes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup, escape
from plotly.offline import get_plotlyjs

from lossplug_core.catalog.site.conformance import chips, choices
from lossplug_core.catalog.site.entries import Item, items
from lossplug_core.catalog.site.evidence import Evidence, read_evidence
from lossplug_core.catalog.site.given import readable
from lossplug_core.catalog.site.prose import address, inline, markdown, plain

if TYPE_CHECKING:
    from lossplug_core.catalog.active import Catalogue
    from lossplug_core.registry import Registry

__all__ = ["MADE_BY", "build", "data_path", "rendered", "write"]

MADE_BY = ".lossplug-catalogue"
"""The file in a folder that says that it is ours, to write over."""

_ASSETS = ("site.css", "site.js", "index.js", "plots.js", "page.js", "compare.js")
_PLOTLY = "assets/plotly.min.js"


def build(
    registry: Registry,
    catalogue: Catalogue,
    made_with: str,
    *,
    evidence: Evidence | None = None,
    progress: Any = iter,
) -> Iterator[tuple[str, str]]:
    """All files of the site.

    Args:
        registry: The losses.
        catalogue: The presets.
        made_with: What computed the curves, for the foot of each page.
        evidence: What reports and benchmarks say.
        progress: Wraps the iterator of what there is to be computed.

    Yields:
        Each file's path, relative and with slashes, and its text.
    """
    evidence = evidence or read_evidence()
    shown = evidence.about(progress(items(registry, catalogue)), registry)
    yield from rendered(shown, catalogue, made_with)


def rendered(
    shown: Sequence[Item], catalogue: Catalogue, made_with: str
) -> Iterator[tuple[str, str]]:
    """The files for what was found."""
    pages = {item.name: f"{item.path}.html" for item in shown}
    common = {"catalogues": _catalogues(catalogue), "made_with": made_with, "pages": pages}
    yield MADE_BY, "Made by `lossplug catalog build`, which may write over this folder.\n"
    for name in _ASSETS:
        yield f"assets/{name}", _file(f"assets/{name}")
    yield _PLOTLY, get_plotlyjs()
    yield (
        "index.html",
        _page("index.html.j2", **common, root="", items=shown, filters=_filters(shown)),
    )
    drawn = [item for item in shown if item.figure is not None]
    yield "compare.html", _page("compare.html.j2", **common, root="", drawn=_listed(drawn))
    for item in shown:
        root = "../" * item.path.count("/")
        yield (
            pages[item.name],
            _page("item.html.j2", **common, root=root, item=item, call=_call(item)),
        )
    for item in drawn:
        yield data_path(item), _data(item)


def data_path(item: Item) -> str:
    """The file with the numbers of a picture: a script, which a page in a folder can load."""
    return f"data/{item.path}.js"


def _data(item: Item) -> str:
    figure = {**(item.figure or {}), "call": _call(item)}
    return f"lossplug.receive({_json(item.name)},{_json(figure)});\n"


def _json(data: Any) -> str:
    """JSON that also is JavaScript, and that ends no script element."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"), ensure_ascii=True)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _call(item: Item) -> dict[str, Any]:
    """How to get the loss: its name, and the parameters that have no default."""
    name = json.dumps(item.name, ensure_ascii=False)
    if item.kind == "preset" or item.document is None:
        return {"name": name, "given": {}}
    fixed = (item.figure or {}).get("fixed", {})
    required = (p["name"] for p in item.document["parameters"] if p["required"])
    return {"name": name, "given": {p: fixed.get(p, "...") for p in required}}


def _listed(drawn: Iterable[Item]) -> list[dict[str, Any]]:
    return [
        {
            "name": item.name,
            "kind": item.kind,
            "axis": (item.figure or {})["axis"],
            "data": data_path(item),
            "page": f"{item.path}.html",
        }
        for item in drawn
    ]


def _filters(shown: Sequence[Item]) -> list[tuple[str, str, list[str]]]:
    """Each filter: its key, its label, and what there is to choose, if that is more than one."""
    found = {
        ("kind", "Kind"): [item.kind for item in shown],
        ("task", "Task"): [task for item in shown for task in item.tasks],
        ("target", "Target"): [form for item in shown for form in item.y_true],
        ("prediction", "Prediction"): [form for item in shown for form in item.y_pred],
        ("plugin", "Plugin"): [_plugin(item) for item in shown],
        ("owner", "Owner"): [item.owner for item in shown],
        ("status", "Status"): [item.status for item in shown],
        ("weights", "Weights"): ["yes" if item.has_weights else "no" for item in shown],
        ("backend", "Backend"): [one for item in shown for one in choices(item.verdicts)],
    }
    return [
        (key, label, sorted({*values} - {""}))
        for (key, label), values in found.items()
        if len({*values}) > 1
    ]


def _plugin(item: Item) -> str:
    """The distribution that something is from, without its version."""
    return item.plugin.rpartition(" ")[0]


def _catalogues(catalogue: Catalogue) -> list[dict[str, str]]:
    return [
        {"name": layer.content.name or "", "description": layer.content.description}
        for layer in catalogue.layers
        if layer.content.name or layer.content.description
    ]


def write(folder: Path, pages: Iterable[tuple[str, str]]) -> list[str]:
    """Write files, and delete those of an earlier site that are gone.

    Returns:
        The paths of all, relative and with slashes.
    """
    written = []
    for name, text in pages:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = text.encode()
        if not path.is_file() or path.read_bytes() != data:
            path.write_bytes(data)
        written.append(name)
    for part in ("assets", "data", "losses", "presets"):
        for path in sorted((folder / part).rglob("*"), reverse=True):
            if path.is_file() and path.relative_to(folder).as_posix() not in written:
                path.unlink()
            elif path.is_dir() and not any(path.iterdir()):
                path.rmdir()
    return written


def _page(template: str, **content: Any) -> str:
    return _templates().get_template(template).render(**content) + "\n"


@lru_cache(maxsize=1)
def _templates() -> Environment:
    environment = Environment(
        loader=FunctionLoader(lambda name: _file(f"templates/{name}")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "address": address,
        "broken": _broken,
        "chips": chips,
        "choices": choices,
        "inline": inline,
        "json": lambda data: Markup(_json(data)),
        "markdown": markdown,
        "plain": plain,
        "plugin": _plugin,
        "readable": readable,
        "assigned": _assigned,
        "written": _written,
    }
    return environment


def _assigned(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={_written(value)}" for name, value in values.items())


def _broken(name: str) -> Markup:
    """A name that a narrow column breaks behind the namespace."""
    return escape(name).replace("/", Markup("/<wbr>"))


def _written(value: Any) -> str:
    """A value as Python writes it, without the place of an object in this process."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))


def _file(name: str) -> str:
    """A file of this package."""
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
