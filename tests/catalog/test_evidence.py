"""Reports of conformance and benchmarks, given to `lossplug catalog build`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("docutils", reason="the page needs lossplug-core[catalog]")
pytest.importorskip("plotly", reason="the page needs lossplug-core[catalog]")

from lossplug_core.catalog.site import given
from lossplug_core.catalog.site.benchmarks import Benchmarks, _time, read_benchmarks
from lossplug_core.catalog.site.conformance import (
    Ran,
    Report,
    Reports,
    chips,
    choices,
    read_report,
)
from lossplug_core.errors import LossplugError

HOSTILE = "</pre><script>alert(1)</script>\x00\u202e\ud800"


def ran(status: str, backend: str = "torch", check: str = "values", **more: str) -> dict:
    return {"loss": "acme/one", "check": check, "backend": backend, "status": status, **more}


def report(*results: dict, version: str | None = "1.0", **more) -> dict:
    versions = {"keras": "3.15.0", "lossplug-acme": version} if version else {"keras": "3.15.0"}
    return {"schema_version": 1, "versions": versions, "results": [*results], **more}


def timed(name: str, median: float, *, group: str | None = None, **extra_info) -> dict:
    stats = {"median": median, "rounds": 5, "mean": 1.0}
    return {"name": name, "group": group, "params": None, "extra_info": extra_info, "stats": stats}


def written(path: Path, document: object) -> Path:
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


BAD_RESULTS = report(ran("passed"), ran("perhaps"))
NOT_A_NUMBER = json.dumps({"benchmarks": [timed("a", 1.0)]}).replace("1.0", "NaN")


@pytest.mark.parametrize(
    ("read", "text", "told"),
    [
        (read_report, "", "is not JSON"),
        (read_report, "[" * 100_000, "nested too deeply"),
        (read_report, "1" * 10_000, "is not JSON"),
        (read_report, "[]", "is not a report of conformance"),
        (read_report, {"schema_version": 1, "error": {}}, "At 'results': Field required"),
        (read_report, report() | {"schema_version": 2}, "At 'schema_version'"),
        (read_report, report() | {"results": {}}, "At 'results'"),
        (read_report, BAD_RESULTS, "At 'results.1.status'"),
        (read_report, report(ran("passed", "no backend")), "At 'results.0.backend'"),
        (read_report, report(ran("passed", check="x" * 301)), "At 'results.0.check'"),
        (read_benchmarks, "{}", "At 'benchmarks': Field required"),
        (read_benchmarks, {"benchmarks": [1]}, "At 'benchmarks.0'"),
        (read_benchmarks, {"benchmarks": [timed("a", -1.0)]}, "At 'benchmarks.0.stats.median'"),
        (read_benchmarks, NOT_A_NUMBER, "NaN is no number"),
        (read_benchmarks, {"benchmarks": [timed("a", 1.0) | {"stats": {}}]}, "stats.median"),
    ],
)  # fmt: skip
def test_a_file_that_is_something_else_is_named(tmp_path, read, text, told) -> None:
    path = written(tmp_path / "given.json", text)
    with pytest.raises(LossplugError) as caught:
        read(path)
    assert repr(str(path)) in str(caught.value)
    assert told in str(caught.value)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("read", [read_report, read_benchmarks])
def test_a_file_without_end_is_not_read(tmp_path, read, monkeypatch) -> None:
    monkeypatch.setattr(given, "LARGEST", 2**20)
    path = written(tmp_path / "large.json", " " * (2**20 + 1))
    with pytest.raises(LossplugError, match="at most 1 MiB"):
        read(path)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_report_is_read_in_the_encoding_of_the_shell(tmp_path, encoding) -> None:
    path = tmp_path / "report.json"
    path.write_text(json.dumps(report(ran("passed")), ensure_ascii=False), encoding=encoding)
    assert read_report(path).results[0].status == "passed"


def told_by(tmp_path: Path, *documents: dict):
    reports = [read_report(written(tmp_path / "given.json", one)) for one in documents]
    return Reports(reports).of("acme/one", "lossplug-acme", "1.0")


@pytest.mark.parametrize(
    ("documents", "verdict", "remark"),
    [
        ([report(ran("passed"), ran("skipped", check="other"))], "passes", ""),
        ([report(ran("passed"), ran("failed", check="other"))], "fails", ""),
        ([report(ran("passed"), ran("expected", check="other"))], "passes", ""),
        ([report(ran("expected"))], "passes", ""),
        ([report(ran("passed"), ran("unexpected", check="other"))], "fails", ""),
        ([report(ran("skipped"))], "not checked", ""),
        ([report(ran("passed"), only=["values"])], "not checked", "some checks ran, not all"),
        ([report(ran("failed"), only=["values"])], "fails", "some checks ran, not all"),
        ([report(ran("passed"), version="0.9")], "not checked", "lossplug-acme 0.9, but"),
        ([report(ran("failed"), version="0.9")], "not checked", "lossplug-acme 0.9, but"),
        ([report(ran("passed"), version=None)], "passes", "does not say which version"),
        ([report(ran("failed")), report(ran("passed"))], "passes", ""),
        ([report(ran("passed")), report(ran("failed"))], "fails", ""),
        ([report(ran("failed")), report(ran("passed"), only=["values"])], "passes", ""),
        ([report(ran("passed")), report(ran("failed"), version="0.9")], "passes", ""),
    ],
)
def test_the_verdict(tmp_path, documents, verdict, remark) -> None:
    told = told_by(tmp_path, *documents)
    assert told.verdicts == {"torch": verdict}
    assert remark in " ".join(told.remarks)
    assert bool(remark) == bool(told.remarks)


def test_backends_have_an_order_and_a_column_each(tmp_path) -> None:
    told = told_by(
        tmp_path,
        report(ran("passed"), ran("failed", "other"), ran("passed", check="jit")),
        report(ran("skipped", "jax"), profile="thorough", seed=3),
    )
    assert told.backends == ("jax", "torch", "other")
    assert [(check, [one and one.status for one in results]) for check, results in told.rows] == [
        ("values", ["skipped", "passed", "failed"]),
        ("jit", [None, "passed", None]),
    ]
    assert told.made_with["jax"] == "lossplug-acme 1.0, keras 3.15.0, profile thorough, seed 3"


def test_what_no_report_is_about_is_not_checked() -> None:
    result = Ran.model_validate(ran("passed"))
    told = Reports([Report((result,))]).of("acme/two", "lossplug-acme", "1.0")
    assert (told.verdicts, told.rows, told.remarks) == ({"torch": "not checked"}, (), ())


@pytest.mark.parametrize(
    ("verdicts", "words", "found_by"),
    [
        ({}, [], []),
        ({"jax": "passes"}, ["passes on jax"], ["passes on jax"]),
        (
            {"jax": "passes", "torch": "passes"},
            ["passes on jax, torch"],
            ["passes on jax", "passes on torch", "passes on all"],
        ),
        (
            {"tensorflow": "not checked", "jax": "fails", "torch": "passes"},
            ["passes on torch", "fails on jax", "not checked on tensorflow"],
            ["not checked on tensorflow", "fails on jax", "passes on torch"],
        ),
    ],
)
def test_verdicts_in_words(verdicts, words, found_by) -> None:
    assert [text for _, text in chips(verdicts)] == words
    assert choices(verdicts) == found_by


@pytest.mark.parametrize(
    ("rows", "ratios"),
    [
        ([timed("a", 2.0, loss="x")], [""]),
        ([timed("a", 2.0, loss="x"), timed("b", 1.0, loss="y")],
         ["2.00 × y, the fastest", "the fastest"]),
        ([timed("a", 2.0, loss="x"), timed("b", 4.0, baseline=True)], ["0.50 × b, the baseline"]),
        ([timed("a", 2.0, loss="x"), timed("b", 1.0, group="other", baseline=True)], [""]),
        ([timed("a", 2.0, loss="x", backend="jax"), timed("b", 1.0, backend="torch")], [""]),
        ([timed("a", 2.0, loss="x", size=8), timed("b", 1.0, size=16)], [""]),
        ([timed("a", 2.0, loss="x"), timed("b", 0.0, baseline=True)], [""]),
    ],
)  # fmt: skip
def test_a_benchmark_is_compared_within_its_group(tmp_path, rows, ratios) -> None:
    found = Benchmarks(read_benchmarks(written(tmp_path / "b.json", {"benchmarks": rows})))
    assert [timing.ratio for loss in ("x", "y") for timing in found.of(loss)] == ratios


def test_what_pytest_benchmark_says_of_a_test_and_a_machine(tmp_path) -> None:
    cpu = {"brand_raw": "A processor"}
    machine = {"node": "secret-name", "system": "Linux", "machine": "x86_64", "cpu": cpu}
    by_parameter = timed("a", 1.0, size=4096) | {"params": {"loss": "x", "backend": "jax"}}
    document = {
        "machine_info": machine,
        "datetime": "2026-11-27T08:00",
        "benchmarks": [by_parameter],
    }
    (one,) = read_benchmarks(written(tmp_path / "b.json", document))
    assert (one.loss, one.backend, one.size) == ("x", "jax", "4096")
    assert one.machine == "A processor, Linux, 2026-11-27"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0 ns"), (1.5e-8, "15 ns"), (2.5e-6, "2.5 µs"), (0.00123456, "1.23 ms"),
     (0.4321, "432 ms"), (0.9999, "1 s"), (75.0, "75 s"), (7500.0, "7500 s")],
)  # fmt: skip
def test_a_time_is_written_with_the_unit_that_suits_it(seconds, text) -> None:
    assert _time(seconds) == text


CATALOGUE = """
[policy]
allow = ["lossplug-acme", "keras/huber"]

[presets.usual]
loss = "acme/one"

[presets.both]
loss = { combine = [{ loss = "Usual" }, { loss = "two", weight = 0.5 }] }

[presets.beside]
loss = { combine = [{ loss = "acme/one" }, { loss = "keras/huber" }] }
"""

REPORT = report(
    ran("passed"),
    ran("failed", "jax", message=HOSTILE, example=HOSTILE, reproduce="lossplug check …"),
    ran("skipped", check="<b>check</b>", message="its reason"),
    {**ran("passed"), "loss": "acme/two"},
    {**ran("passed"), "loss": "nobody/knows"},
    seed=7,
)
BENCHMARKS = {
    "benchmarks": [timed("<b>one</b>", 0.002, loss="acme/one", backend="<i>"),
                   timed("bare", 0.001, backend="<i>", baseline=True)],
}  # fmt: skip


@pytest.fixture
def build(site, tmp_path, monkeypatch, run):
    """Build a site with these files; its folder, and what was said beside it."""
    site.install("lossplug-acme", "one", "two")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LOSSPLUG_CATALOG")
    Path("lossplug.toml").write_text(CATALOGUE)
    written(Path("report.json"), REPORT)
    written(Path("benchmarks.json"), BENCHMARKS)

    def build(*options: str, out: str = "out"):
        result = run("catalog", "build", out, *options)
        assert result.exit_code == 0, result.output
        return Path(out), result.stderr

    return build


BOTH = ("--conformance", "report.json", "--benchmarks", "benchmarks.json")


@pytest.mark.backend
def test_the_pages_show_what_was_given(build) -> None:
    out, said = build(*BOTH)
    assert said == "Reports and benchmarks of what has no page are left out: nobody/knows\n"
    page = (out / "losses/acme/one.html").read_text(encoding="utf-8")
    for text in (
        "lossplug-acme 1.0, keras 3.15.0, seed 7",
        "<code>&lt;b&gt;check&lt;/b&gt;</code>",
        "its reason",
        "&lt;/pre&gt;&lt;script&gt;alert(1)&lt;/script&gt;\N{REPLACEMENT CHARACTER}",
        "Again: lossplug check …",
        "&lt;b&gt;one&lt;/b&gt;",
        "2.00 × bare, the baseline",
        "2 ms",
    ):
        assert text in page
    assert "<script>" not in page
    assert not {"\x00", "\u202e"} & {*page}
    assert "no page" not in (out / "losses/acme/two.html").read_text(encoding="utf-8")


@pytest.mark.backend
def test_a_preset_passes_where_all_of_its_losses_do(build) -> None:
    index = (build(*BOTH)[0] / "index.html").read_text(encoding="utf-8")
    shown = {
        row.partition(".html")[0].rpartition("/")[2]: row.partition('data-backend="')[2].split('"')[
            0
        ]
        for row in index.split("<li ")[1:]
    }
    assert shown == {
        "one": "fails on jax|passes on torch",
        "two": "not checked on jax|passes on torch",
        "huber": "not checked on jax|not checked on torch",
        "usual": "fails on jax|passes on torch",
        "both": "fails on jax|passes on torch",
        "beside": "fails on jax|not checked on torch",
    }


@pytest.mark.backend
def test_a_combination_is_found_by_its_parts_and_shows_them(build) -> None:
    out, _ = build()
    index = (out / "index.html").read_text(encoding="utf-8")
    (row,) = [row for row in index.split("<li ")[1:] if "presets/beside.html" in row]
    assert 'data-task="regression"' in row
    assert 'data-target="values"' in row
    both = (out / "presets/both.html").read_text(encoding="utf-8").replace("<wbr>", "")
    for name, path in (("usual", "presets/usual"), ("acme/two", "losses/acme/two")):
        assert f'<dd><a href="../{path}.html"><code>{name}</code></a>' in both.replace(", ", "<dd>")
    page = (out / "presets/beside.html").read_text(encoding="utf-8")
    assert "lossplug-acme 1.0" in page
    assert 'id="conformance"' not in page


@pytest.mark.backend
@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([], ()),
        ([("one_hot", "binary"), ("class_ids", "one_hot")], ("one_hot",)),
        ([("values",), ("binary", "values")], ("values",)),
        ([("values",), ("labels", "multi_hot")], ("values", "labels", "multi_hot")),
    ],
)
def test_a_combination_takes_what_all_parts_take_or_else_what_any_takes(parts, expected) -> None:
    from lossplug_core.catalog.site.entries import _common

    assert _common(parts) == expected


@pytest.mark.backend
def test_the_same_files_give_the_same_bytes(build) -> None:
    folders = [build(*BOTH, out=name)[0] for name in ("a", "b")]
    names = [{path.relative_to(out) for path in out.rglob("*.html")} for out in folders]
    assert names[0] == names[1]
    for name in names[0]:
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes(), name


def test_a_bad_report_is_refused_before_anything_is_written(build, run) -> None:
    written(Path("report.json"), BAD_RESULTS)
    result = run("catalog", "build", "out", "--conformance", "report.json")
    assert result.exit_code == 1
    assert "'report.json' is not a report of conformance. At 'results.1.status'" in result.stderr
    assert not Path("out").exists()


@pytest.mark.backend
def test_an_index_of_two_hundred_is_small_with_all_that_it_can_show() -> None:
    from lossplug_core import find_spec
    from lossplug_core.catalog.active import Catalogue
    from lossplug_core.catalog.site.building import rendered
    from lossplug_core.catalog.site.entries import Item
    from lossplug_core.portrait.document import document_of

    document = document_of(find_spec("keras/tversky"))
    verdicts = {"tensorflow": "passes", "jax": "fails", "torch": "not checked"}
    one = Item(
        "loss", "", "", "A sentence of a usual length that says what a loss does. " * 2,
        "lossplug-imbalance 0.1.0", document, "approved", "vision-team@acme.example",
        ("an_alias", "another_alias"), figure={"axis": "logit"}, verdicts=verdicts,
    )  # fmt: skip
    name = "lossplug-imbalance/a_loss_of_a_usual_length_{}".format
    many = [replace(one, name=name(i), path=f"losses/{name(i)}") for i in range(200)]
    files = {}
    for path, text in rendered(many, Catalogue(()), "Keras"):
        files[path] = text
        if path == "index.html":
            break
    loaded = ("index.html", "assets/site.css", "assets/site.js", "assets/index.js")
    assert files["index.html"].count("passes on tensorflow") > 200
    assert sum(len(files[path].encode()) for path in loaded) < 300_000
