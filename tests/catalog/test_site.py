"""The page of a catalogue, as the files that are written: `tests/browser` opens them."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import time
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Annotated, Literal

import pytest
from annotated_types import Ge, Gt, Le, Lt

pytest.importorskip("docutils", reason="the page needs lossplug-core[catalog]")
pytest.importorskip("plotly", reason="the page needs lossplug-core[catalog]")

from lossplug_core import ClassCounts, ClassWeights, NumClasses, Real, TransitionMatrix
from lossplug_core.catalog.site.entries import _slug
from lossplug_core.catalog.site.formulas import FormulaError, mathml
from lossplug_core.catalog.site.moves import example_of, move_of
from lossplug_core.catalog.site.prose import address, inline, markdown
from lossplug_core.params import REQUIRED, Parameter

PLUGIN = r"""
from lossplug_core import ClassCounts, Fraction, NonNegative, loss, ops

@loss(y_true="values", y_pred="values", paper="arXiv:1708.02002",
      conventions={"other": {"scale": 3.0}}, aliases=("absolut",),
      version=2, history={2: "`scale` was squared."})
def absolute(y_true, y_pred, *, scale: NonNegative = 1.0, power: Fraction = 1.0,
             unused: NonNegative = 0.0):
    r'''Absolute error, <img src=x onerror=alert(1)> and **more**.

    It says </script><script>alert(1)</script>, [a link](javascript:alert(1)), [one](elsewhere.md)
    and [one to the web](https://example.org/).

    Formula:
        $$L = \frac{s}{2} |y - p|$$

        where $s$ is `scale`.

    Args:
        y_true: The target.
        y_pred: The prediction.
        scale: A factor, <b>bold</b>.
    '''
    return scale * abs(y_true - y_pred) + 0 * power

@loss(y_true="class_ids", y_pred="logits")
def needs_counts(y_true, y_pred, *, counts: ClassCounts):
    '''It has a parameter without default.'''
    return 0 * ops.sum(y_pred, axis=-1) + ops.cast(len(counts), "float32")

@loss(y_true="values", y_pred="values")
def fails(y_true, y_pred):
    '''It raises.'''
    raise RuntimeError("no <i>numbers</i>")

@loss(y_true="any", y_pred="any")
def formless(y_true, y_pred):
    '''It has no form that can be drawn.'''
    return y_pred
"""

ENTRY_POINTS = """
[lossplug.losses]
absolute = acme_page:absolute
absolut = acme_page:absolute
needs_counts = acme_page:needs_counts
fails = acme_page:fails
formless = acme_page:formless
denied = acme_denied:denied
gone = acme_gone:gone
"""

CATALOGUE = """
name = "Acme & sons"
description = "<script>alert('catalogue')</script>"

[policy]
allow = ["keras/huber", "lossplug-acme"]
deny = ["acme/denied"]

[presets.regression]
loss = "acme/absolute"
params = { scale = 2.0 }
owner = "risk@acme.example"
description = "</title><svg onload=alert(1)>"
tags = ["prices"]
links = { "why" = "https://acme.example/", "bad" = "javascript:alert(1)" }

[presets.leads]
loss = "regression"
status = "deprecated"
replaced_by = "regression"
until = 2099-12-31

[presets.both]
loss = { combine = [{ loss = "regression" }, { loss = "keras/huber", weight = 0.5 }] }
status = "experimental"

[presets.missing]
loss = "acme/nothing"

[presets.wrong]
loss = "acme/absolute"
params = { scale = -1.0 }

[presets.'<img src=x onerror="alert(1)">']
loss = "keras/huber"
"""


@dataclass
class Page(HTMLParser):
    """What a page has in it."""

    text: str
    elements: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    words: str = ""

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.text)

    def __hash__(self) -> int:
        return id(self)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data

    def all(self, *tags: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.elements if tag in tags]


@pytest.fixture
def folder(site, tmp_path, monkeypatch) -> Path:
    """A project with a catalogue, and a plugin of which one module leaves a trace."""
    modules = {
        "acme_page": PLUGIN,
        "acme_denied": "from pathlib import Path\nPath('trace').touch()",
        "acme_gone": "import nothing_of_this_name",
    }
    site.install("lossplug-acme", modules=modules, entry_points=ENTRY_POINTS)
    project = tmp_path / "project"
    project.mkdir()
    (project / "lossplug.toml").write_text(CATALOGUE)
    monkeypatch.chdir(project)
    monkeypatch.delenv("LOSSPLUG_CATALOG")
    return project


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> Path:
    """Where the site is kept, which is built once for all that only look at it."""
    return tmp_path_factory.mktemp("kept") / "out"


@pytest.fixture
def built(kept, request) -> Path:
    """The site, to look at."""
    if not kept.exists():
        shutil.copytree(request.getfixturevalue("fresh"), kept)
        assert not Path("trace").exists()
    return kept


@pytest.fixture
def fresh(folder, run) -> Path:
    """The site, in its project."""
    result = run("catalog", "build", "out")
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{Path('out', 'index.html')}\n"
    return folder / "out"


def pages(out: Path) -> dict[str, Page]:
    return {
        path.relative_to(out).as_posix(): Page(path.read_text(encoding="utf-8"))
        for path in sorted(out.rglob("*.html"))
    }


def data(out: Path, path: str) -> dict:
    """The numbers of a picture, as the page reads them."""
    text = (out / "data" / f"{path}.js").read_text()
    call = re.fullmatch(r"lossplug\.receive\((.*)\);\n", text)
    assert call is not None
    name, figure = json.loads(f"[{call[1]}]")
    return {"name": name, **figure}


@pytest.mark.backend
def test_each_loss_and_each_preset_that_is_allowed_has_a_page(built) -> None:
    found = set(pages(built)) - {"index.html", "compare.html"}
    assert {name for name in found if "img" not in name} == {
        "losses/acme/absolute.html",
        "losses/acme/fails.html",
        "losses/acme/formless.html",
        "losses/acme/gone.html",
        "losses/acme/needs_counts.html",
        "losses/keras/huber.html",
        "presets/both.html",
        "presets/leads.html",
        "presets/missing.html",
        "presets/regression.html",
        "presets/wrong.html",
    }


@pytest.mark.backend
def test_every_link_leads_somewhere_and_nothing_is_loaded_from_elsewhere(built) -> None:
    for name, page in pages(built).items():
        here = built / Path(name).parent
        ids = {attributes["id"] for _, attributes in page.elements if attributes.get("id")}
        for attributes in page.all("a", "link"):
            target = attributes["href"]
            if target.startswith(("https://", "data:,")):
                continue
            file, _, fragment = target.partition("#")
            assert not file or (here / file).is_file(), (name, target)
            assert not fragment or fragment in ids, (name, target)
        for attributes in page.all("script"):
            if attributes.get("type") != "application/json":
                assert (here / attributes["src"]).is_file(), (name, attributes)
        assert not page.all("img", "iframe", "object", "embed")
        external = [a["href"] for a in page.all("link") if not a["href"].startswith("data:,")]
        assert external == [os.path.relpath(built / "assets/site.css", here)]


@pytest.mark.backend
def test_hostile_text_is_text(built) -> None:
    for name, page in pages(built).items():
        for tag, attributes in page.elements:
            assert tag != "svg", name
            assert not [key for key in attributes if key.startswith("on")], (name, tag)
            assert "javascript:" not in (attributes.get("href") or ""), name
    assert "<script>alert('catalogue')</script>" in pages(built)["index.html"].words
    assert "<img src=x onerror=alert(1)>" in pages(built)["losses/acme/absolute.html"].words
    assert "no <i>numbers</i>" in pages(built)["losses/acme/fails.html"].words
    for path in built.rglob("data/**/*.js"):
        assert "<" not in path.read_text()


@pytest.mark.backend
def test_pages_can_be_read_and_used_without_seeing_them(built) -> None:
    for name, page in pages(built).items():
        assert page.all("html") == [{"lang": "en"}]
        assert len(page.all("h1")) == len(page.all("main")) == len(page.all("title")) == 1, name
        ids = [a["id"] for _, a in page.elements if a.get("id")]
        assert len(ids) == len(set(ids)), name
        for attributes in page.all("input", "select"):
            labelled = [a.get("for") for a in page.all("label")]
            inside_label = attributes.get("type") == "checkbox"
            assert inside_label or attributes["id"] in labelled, (name, attributes)
        for _, attributes in page.elements:
            if "aria-labelledby" in attributes:
                assert attributes["aria-labelledby"] in ids


@pytest.mark.backend
def test_the_same_losses_give_the_same_bytes(fresh, folder, run) -> None:
    assert run("catalog", "build", "again").exit_code == 0
    again = folder / "again"
    files = {path.relative_to(fresh) for path in fresh.rglob("*") if path.is_file()}
    assert files == {path.relative_to(again) for path in again.rglob("*") if path.is_file()}
    for path in files:
        assert (fresh / path).read_bytes() == (again / path).read_bytes(), path
        if "plotly" not in path.name:
            assert str(folder).encode() not in (fresh / path).read_bytes(), path


@pytest.mark.backend
def test_the_curves_are_those_of_the_loss(built) -> None:
    """|1 - p| times the scale, and its derivative, wherever the slider stands."""
    figure = data(built, "losses/acme/absolute")
    assert (figure["name"], figure["axis"]) == ("acme/absolute", "predicted value")
    assert figure["without_effect"] == ["power", "unused"]
    (move,) = figure["moves"]
    assert move["name"] == "scale"
    assert move["curves"][move["start"]] == figure["curves"]
    scales = [ast.literal_eval(text) for text in move["values"]]
    assert scales[move["start"]] == 1.0
    assert len(scales) > 5
    for scale, (curve,) in zip(scales, move["curves"], strict=True):
        for x, loss, gradient in zip(figure["at"], curve["loss"], curve["gradient"], strict=True):
            assert loss == pytest.approx(scale * abs(1 - x), rel=2e-3, abs=2e-3)
            if abs(1 - x) > 0.01:
                assert gradient == pytest.approx(scale * (1 if x > 1 else -1), rel=2e-3)


@pytest.mark.backend
def test_a_preset_is_drawn_with_its_parameters(built) -> None:
    base, preset = data(built, "losses/acme/absolute"), data(built, "presets/regression")
    (curve,), (double,) = base["curves"], preset["curves"]
    assert double["loss"] == pytest.approx([2 * value for value in curve["loss"]], rel=1e-3)
    assert data(built, "presets/leads")["curves"] == preset["curves"]
    assert preset["call"] == {"name": '"regression"', "given": {}}


@pytest.mark.backend
def test_a_parameter_without_a_default_has_an_example(built) -> None:
    figure = data(built, "losses/acme/needs_counts")
    assert figure["examples"] == ["counts"]
    assert figure["call"]["given"] == {"counts": "[900.0, 90.0, 10.0]"}
    words = pages(built)["losses/acme/needs_counts.html"].words
    assert 'get_loss("acme/needs_counts", counts=[900.0, 90.0, 10.0])' in words


@pytest.mark.backend
@pytest.mark.parametrize(
    ("page", "reason"),
    [
        ("losses/acme/fails", "failed on the numbers of its picture: RuntimeError"),
        ("losses/acme/formless", "There is no picture for losses of the kind"),
        ("losses/acme/gone", "No module named 'nothing_of_this_name'"),
        ("presets/missing", "'acme/nothing'"),
        ("presets/wrong", "scale"),
    ],
)
def test_what_has_no_picture_says_why(built, page, reason) -> None:
    words = pages(built)[f"{page}.html"].words
    assert reason in words
    assert words.count("There is no picture") <= 1
    assert not (built / "data" / f"{page}.js").exists()


@pytest.mark.backend
@pytest.mark.parametrize(
    ("page", "texts"),
    [
        (
            "losses/acme/absolute.html",
            ("float ≥ 0", "A factor,", "other", "scale=3.0", "arXiv:1708.02002", "changed in 2",
             "scale was squared.", "lossplug-acme 1.0", "absolut", "acme_page:absolute"),
        ),
        (
            "presets/regression.html",
            ("acme/absolute", "scale=2.0", "risk@acme.example", "prices", "lossplug.toml:9",
             "float ≥ 0", "A factor,", "arXiv:1708.02002", "lossplug-acme 1.0", "changed in 2"),
        ),
        ("presets/leads.html",
         ("deprecated", "2099-12-31", "isregression, which is acme/absolute")),
        ("presets/both.html", ("experimental", "keras/huber", "'weight': 0.5")),
        ("index.html", ("Acme & sons", "cannot be used", "risk@acme.example")),
    ],
)  # fmt: skip
def test_a_page_tells(built, page, texts) -> None:
    words = pages(built)[page].words
    assert [text for text in texts if text not in words] == []


@pytest.mark.backend
def test_a_formula_is_mathml(built) -> None:
    for name, formulas in (("losses/acme/absolute", 2), ("presets/regression", 2)):
        page = pages(built)[f"{name}.html"]
        assert len(page.all("math")) == formulas
        assert page.all("mfrac")
    assert "Formulas of its parts" in pages(built)["presets/both.html"].words


@pytest.mark.backend
def test_a_preset_shows_what_it_sets_beside_the_default(built) -> None:
    words = pages(built)["presets/regression.html"].words
    assert "defaultheremeaning" in words
    assert "scalefloat ≥ 01.02.0A factor" in words


@pytest.mark.backend
def test_the_index_tells_the_filters_what_each_is(built) -> None:
    page = pages(built)["index.html"]
    rows = {
        attributes["data-also"]: attributes
        for attributes in page.all("li")
        if "data-kind" in attributes
    }
    row = rows["prices"]
    assert (row["data-kind"], row["data-plugin"], row["data-owner"]) == (
        "preset", "lossplug-acme", "risk@acme.example",
    )  # fmt: skip
    assert (row["data-target"], row["data-status"], row["data-weights"]) == (
        "values", "approved", "no",
    )  # fmt: skip
    assert "absolut arXiv:1708.02002" in rows  # the alias and the paper of acme/absolute
    names = [attributes["name"] for attributes in page.all("select")]
    assert names == ["kind", "task", "target", "prediction", "plugin", "owner", "status"]


@pytest.mark.backend
def test_a_later_build_takes_away_what_is_gone(fresh, folder, run) -> None:
    (folder / "lossplug.toml").write_text('[policy]\nallow = ["keras/huber"]')
    import lossplug_core

    lossplug_core.refresh()
    assert run("catalog", "build", "out").exit_code == 0
    assert set(pages(fresh)) == {"index.html", "compare.html", "losses/keras/huber.html"}
    assert not (fresh / "data/losses/acme").exists()


@pytest.mark.backend
def test_a_folder_with_something_else_is_left_alone(folder, run) -> None:
    (folder / "mine").mkdir()
    (folder / "mine/index.html").write_text("mine")
    result = run("catalog", "build", "mine")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "Name another folder." in result.stderr
    assert (folder / "mine/index.html").read_text() == "mine"


@pytest.mark.backend
def test_the_files_as_json(folder, run) -> None:
    document = json.loads(run("catalog", "build", "out", "--json").stdout)
    assert document["index"] == str(Path("out", "index.html"))
    written = {path.relative_to("out").as_posix() for path in Path("out").rglob("*.*")}
    assert {name for name in written if Path("out", name).is_file()} == set(document["files"])


def test_without_what_it_needs_the_command_says_what_to_install(folder, run, monkeypatch) -> None:
    find = __import__("importlib.util").util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == "plotly" else find(name)
    )
    result = run("catalog", "build", "out")
    assert result.exit_code == 1
    assert "pip install 'lossplug-core[catalog]'" in result.stderr
    assert not Path("out").exists()


@pytest.mark.backend
def test_two_hundred_losses_are_quick_and_their_index_is_small(site, tmp_path, monkeypatch, run):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOSSPLUG_CATALOG", str(tmp_path / "many.toml"))
    (tmp_path / "many.toml").write_text('[policy]\nallow = ["lossplug-many"]')
    site.install("lossplug-many", *(f"a_loss_of_a_usual_length_{i}" for i in range(200)))
    began = time.perf_counter()
    assert run("catalog", "build", "out").exit_code == 0
    assert time.perf_counter() - began < 60
    loaded = ["index.html", "assets/site.css", "assets/site.js", "assets/index.js"]
    assert sum((tmp_path / "out" / name).stat().st_size for name in loaded) < 300_000
    assert len(pages(tmp_path / "out")) == 202


@pytest.mark.parametrize(
    ("annotation", "start", "expected"),
    [
        (Annotated[float, Ge(0), Le(1)], 0.5, (0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1)),
        (Annotated[float, Gt(0), Lt(1)], 0.25,
         (0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)),
        (Annotated[float, Ge(0)], 2.0, (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)),
        (Annotated[float, Gt(0)], 1.0, (0.2, 0.25, 0.333, 0.5, 0.667, 1, 1.5, 2, 3, 4, 5)),
        (Annotated[float, Ge(0), Le(1)] | None, None,
         (None, 0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1)),
        (Real, 1.0, (-1, -0.5, 0, 0.5, 1, 1.5, 2, 2.5, 3)),
        (float, 1.0, (0, 0.2, 0.4, 0.6, 0.8, 1, 1.2, 1.4, 1.6, 1.8, 2)),
        (Annotated[int, Ge(1)], 2, (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)),
        (Annotated[int, Ge(1)] | None, None, None),
        (int, -1, None),
        (NumClasses, 3, None),
        (ClassWeights, (1.0,), None),
        (Annotated[float, Ge(0)], 1e9, tuple(5e8 * i for i in range(11))),
        (bool, False, (False, True)),
        (Literal["a", "b"], "b", ("b", "a")),
        (str, "x", None),
    ],
)  # fmt: skip
def test_what_a_parameter_can_be_moved_to(annotation, start, expected) -> None:
    move = move_of(Parameter("p", annotation, start), start)
    assert (None if move is None else move.values) == expected


@pytest.mark.parametrize(
    ("start", "most", "expected"),
    [
        (0.3, 11, (0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1)),
        (0.3, 4, (0, 0.3, 0.5, 1)),
        (1.0, 3, (0, 1)),
    ],
)
def test_a_slider_with_fewer_values_keeps_its_ends_and_its_start(start, most, expected) -> None:
    move = move_of(Parameter("p", Annotated[float, Ge(0), Le(1)], start), start)
    assert move is not None
    assert move.thinned(start, most).values == expected


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (ClassCounts, (900.0, 90.0, 10.0)),
        (ClassWeights, (1.0, 3.0, 9.0)),
        (NumClasses, 3),
        (TransitionMatrix, ((0.8, 0.1, 0.1), (0.1, 0.8, 0.1), (0.1, 0.1, 0.8))),
        (Annotated[float, Gt(0), Lt(1)], 0.5),
        (Annotated[int, Ge(5)], 6),
        (Literal["a", "b"], "a"),
        (str, REQUIRED),
    ],
)
def test_an_example_for_a_parameter_without_default(annotation, expected) -> None:
    assert example_of(Parameter("p", annotation, REQUIRED)) == expected


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("a < b & **c**", "a &lt; b &amp; <strong>c</strong>"),
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("[x](https://example.org)", '<a href="https://example.org">x</a>'),
        ("[x](../imbalance.md)", "x"),
        ("[x](javascript:alert(1))", "[x](javascript:alert(1))"),
        ("[x](data:text/html,1)", "[x](data:text/html,1)"),
        ("$\\unknown{<b>}$", '<span class="math inline"><code>\\unknown{&lt;b&gt;}</code></span>'),
        ("five\ndollars, $5", "five dollars, $5"),
    ],
)
def test_prose_is_markdown_that_cannot_act(text, html) -> None:
    assert inline(text) == html


def test_an_image_is_not_loaded() -> None:
    assert "<img" not in markdown("![x](https://example.org/x.png)")


@pytest.mark.parametrize(
    "text", [None, "", "javascript:alert(1)", "JAVASCRIPT://x", "//x", "https://a b", 'http://"']
)
def test_what_no_page_links_to(text) -> None:
    assert address(text) is None


@pytest.mark.parametrize(
    "latex", ["\\frac{", "\\nothing", "{" * 5000, "x" * 20_000, "\\href{javascript:x}{y}", "x_^"]
)
def test_a_formula_that_is_none_says_so(latex) -> None:
    try:
        drawn = mathml(latex, as_block=False)
    except FormulaError:
        return
    assert drawn.startswith("<math")
    assert "href" not in drawn


@pytest.mark.parametrize(
    ("latex", "spaced"),
    [
        (r"s \cos\theta_j", r"s\,\cos\,\theta_j"),
        (r"(1 - y) \log p - 2\sin x", r"(1 - y)\,\log\,p - 2\,\sin\,x"),
        (r"\frac{1}{2} \exp(x) + \log \frac{a}{b}", r"\frac{1}{2}\,\exp(x) + \log\,\frac{a}{b}"),
        (r"\cosh x \log 2", r"\cosh\,x\,\log\,2"),
        (r"-\log\left(x\right)", r"-\log\left(x\right)"),
        (r"4 \tan^2 \alpha", r"4\,\tan^2 \alpha"),
    ],
)
def test_names_of_functions_stand_apart_from_what_is_beside_them(latex, spaced) -> None:
    assert mathml(latex, as_block=False) == mathml(spaced, as_block=False)
    assert mathml(latex, as_block=False).count("<mspace") == spaced.count(r"\,")


def test_text_in_a_formula_is_text() -> None:
    assert "<b>" not in mathml(r"\text{<b>}", as_block=True)


NAMES = ["focal", "Focal", "FOCAL", "f/o", "f\\o", "..", ".", "a.", "<b>", "é", "e", "x" * 300, " "]


def test_each_name_has_a_file_of_its_own() -> None:
    slugs = [_slug(name) for name in NAMES]
    assert len({slug.casefold() for slug in slugs}) == len(NAMES)
    assert all(re.fullmatch(r"[a-z0-9_.-]{1,80}", slug) for slug in slugs)
    assert not [slug for slug in slugs if slug.strip(".") == "" or slug.endswith(".")]
