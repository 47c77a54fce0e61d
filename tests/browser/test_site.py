"""The page of a catalogue in a browser, opened from its folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from lossplug_core.catalog.active import Catalogue
from lossplug_core.catalog.site.building import rendered, write

pytestmark = pytest.mark.browser

PHONE = {"viewport": {"width": 360, "height": 740}}
DARK = {"color_scheme": "dark"}
FOCAL = "losses/imbalance/focal.html"
EVERY = ["index.html", FOCAL, "losses/imbalance/ldam.html", "losses/keras/ctc.html",
         "losses/acme/hostile.html", "presets/fraud.html", "presets/old.html", "compare.html",
         "compare.html#show=imbalance/focal&show=keras/huber&show=fraud"]  # fmt: skip


def names(page) -> list[str]:
    return page.locator("#items > li:visible h2").all_inner_texts()


def fragment(page) -> str:
    """What the address keeps."""
    return page.evaluate("location.hash").removeprefix("#")


def curve(page, panel: int = 0, line: int = -1) -> list[float]:
    """The numbers that are drawn."""
    script = "([panel, line]) => document.querySelectorAll('.panel')[panel].data.at(line).y"
    drawn = page.evaluate(script, [panel, line])
    return drawn if isinstance(drawn, list) else [drawn[str(i)] for i in range(len(drawn))]


def violations(page) -> list[tuple[str, list[str]]]:
    """What axe finds."""
    # It would fetch the style sheet, which no page in a folder may.
    found = Axe().run(page, options={"preload": False}).response["violations"]
    return [(rule["id"], [node["html"][:120] for node in rule["nodes"]]) for rule in found]


def drawn(page) -> None:
    page.locator(".panel .main-svg").first.wait_for()


def test_the_list_follows_as_one_types(visit) -> None:
    page = visit("index.html")
    every = names(page)
    page.get_by_label("Search").press_sequentially("focal down")
    assert names(page) == ["imbalance/focal"]
    expect(page.locator("#count")).to_have_text(f"1 of {len(every)} shown")
    page.get_by_role("button", name="Show all").click()
    expect(page.locator("#count")).to_have_text(f"{len(every)} of {len(every)} shown")
    assert names(page) == every
    page.get_by_label("Search").fill("nothing of this kind")
    expect(page.locator("#none")).to_be_visible()


@pytest.mark.parametrize("word", ["transactions", "BCE", "card fraud", "risk@acme"])
def test_tags_aliases_descriptions_and_owners_are_searched(visit, word) -> None:
    page = visit("index.html")
    page.get_by_label("Search").fill(word)
    expect(page.locator("#items > li:visible").first).to_be_visible()
    assert len(names(page)) < 5


@pytest.mark.parametrize(
    ("spelling", "expected"),
    [
        ("FocalLoss", "imbalance/focal"),
        ("focal_loss", "imbalance/focal"),
        ("focal loss", "imbalance/focal"),
        ("arXiv:1708.02002", "imbalance/focal"),
        ("BinaryCrossentropy", "keras/binary_crossentropy"),
        ("binary-crossentropy", "keras/binary_crossentropy"),
    ],
)
def test_a_name_is_found_however_it_is_spelled(visit, spelling, expected) -> None:
    page = visit("index.html")
    page.get_by_label("Search").fill(spelling)
    assert expected in names(page)
    assert "keras/huber" not in names(page)


def test_a_name_to_compare_is_found_however_it_is_spelled(visit) -> None:
    page = visit("compare.html")
    page.get_by_label("Search").fill("FocalLoss")
    expect(page.get_by_label("imbalance/focal", exact=True)).to_be_visible()
    expect(page.get_by_label("keras/huber")).to_be_hidden()


def test_the_word_loss_leaves_nothing_out(visit) -> None:
    page = visit("index.html")
    every = names(page)
    page.get_by_label("Search").fill("loss")
    assert names(page) == every


@pytest.mark.parametrize(
    ("label", "choice", "expected"),
    [
        ("Kind", "preset", ["<svg onload='alert(1)'>", "fraud", "old"]),
        ("Plugin", "lossplug-acme", ["<svg onload='alert(1)'>", "acme/hostile"]),
        ("Task", "sequence labelling", ["keras/ctc"]),
        ("Target", "labels", ["keras/circle"]),
        ("Prediction", "embeddings", ["keras/circle"]),
        ("Status", "deprecated", ["old"]),
        ("Owner", "risk@acme.example", ["fraud"]),
        ("Backend", "passes on torch",
         ["<svg onload='alert(1)'>", "fraud", "acme/hostile", "imbalance/focal"]),
        ("Backend", "fails on jax", ["<svg onload='alert(1)'>", "acme/hostile"]),
    ],
)  # fmt: skip
def test_filters(visit, label, choice, expected) -> None:
    page = visit("index.html")
    page.get_by_label(label, exact=True).select_option(choice)
    assert names(page) == expected


def test_a_link_keeps_search_and_filters(visit) -> None:
    page = visit("index.html")
    page.get_by_label("Search").fill("a & b = # %")
    page.get_by_label("Owner").select_option("risk@acme.example")
    page.get_by_label("Search").fill("fraud")
    again = visit("index.html#" + fragment(page))
    assert names(again) == ["fraud"]
    expect(again.get_by_label("Search")).to_have_value("fraud")


def test_a_link_keeps_task_and_verdict(visit) -> None:
    page = visit("index.html")
    page.get_by_label("Task").select_option("binary classification")
    page.get_by_label("Backend").select_option("passes on torch")
    again = visit("index.html#" + fragment(page))
    assert names(again) == names(page) == ["fraud", "imbalance/focal"]
    expect(again.get_by_label("Backend")).to_have_value("passes on torch")


def test_what_the_checks_found_is_a_table(visit) -> None:
    page = visit(FOCAL)
    table = page.get_by_role("region", name="Table of checks")
    assert table.locator("thead th").all_inner_texts() == ["check", "torch"]
    assert table.get_by_role("row", name="values").locator("td").all_inner_texts() == ["passed"]
    reason = table.get_by_text("torch compiles nothing").first
    expect(reason).to_be_hidden()
    table.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(reason).to_be_visible()


@pytest.mark.parametrize(
    ("path", "remark", "verdict"),
    [
        (FOCAL, "does not say which version of lossplug-imbalance it is about", "passes"),
        ("losses/imbalance/ldam.html", "is about lossplug-imbalance 0.0.1, but", "not checked"),
    ],
)
def test_a_report_of_another_version_is_told(visit, path, remark, verdict) -> None:
    page = visit(path)
    expect(page.locator(".warn")).to_contain_text(remark)
    expect(page.locator("dd .chip").last).to_have_text(verdict)


def test_benchmarks_are_a_table(visit) -> None:
    table = visit("losses/acme/hostile.html").get_by_role("region", name="Table of benchmarks")
    cells = table.locator("tbody td").all_inner_texts()
    assert cells[2:5] == ["2 ms", "5", "2.00 × bare, the baseline"]


@pytest.mark.parametrize("options", [{}, DARK, PHONE], ids=["light", "dark", "phone"])
def test_texts_of_reports_are_text_that_fits_and_axe_finds_nothing_in_it(
    visit, hostile, options
) -> None:
    page = visit("losses/acme/hostile.html", **options)
    for summary in page.locator(".checks summary").all():
        summary.click()
    expect(page.locator(".checks pre")).to_contain_text(f"Example: {hostile}")
    expect(page.locator(".timings")).to_contain_text(hostile)
    assert page.locator("img").count() == 0
    width = page.evaluate("document.documentElement.clientWidth")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert violations(page) == []


def test_a_slider_moves_the_curves_the_snippet_and_the_address(visit) -> None:
    page = visit(FOCAL)
    drawn(page)
    before = curve(page)
    page.get_by_label("gamma").fill("0")
    assert curve(page) != before
    assert max(curve(page)) == pytest.approx(6.0025, rel=1e-3)  # of binary crossentropy at -6
    assert curve(page, line=1) == before
    expect(page.locator("#snippet")).to_contain_text('get_loss("imbalance/focal", gamma=0.0)')
    assert fragment(page) == "gamma=0.0"
    moved = curve(page)
    again = visit(f"{FOCAL}#gamma=0.0")
    drawn(again)
    assert curve(again) == moved
    again.get_by_role("button", name="Back to the start").click()
    assert curve(again) == before
    assert fragment(again) == ""


def test_moving_and_going_back_leave_the_picture_and_the_keyboard_where_they_are(visit) -> None:
    page = visit(FOCAL)
    drawn(page)
    before = page.locator(".picture").bounding_box()
    slider = page.get_by_label("alpha")
    slider.fill("3")
    assert page.locator(".picture").bounding_box()["y"] == before["y"]
    page.get_by_role("button", name="Back to the start").click()
    expect(slider).to_be_focused()
    expect(page.get_by_role("button", name="Back to the start")).to_be_disabled()


def test_one_parameter_moves_at_a_time(visit) -> None:
    page = visit(FOCAL)
    page.get_by_label("gamma").fill("5")
    page.get_by_label("alpha").fill("3")
    expect(page.get_by_label("gamma")).to_have_attribute("aria-valuetext", "2.0")
    assert fragment(page) == "alpha=0.2"


def test_a_slider_is_moved_by_keys_and_says_where_it_is(visit) -> None:
    page = visit(FOCAL)
    slider = page.get_by_label("gamma")
    slider.focus()
    page.keyboard.press("ArrowRight")
    expect(slider).to_have_attribute("aria-valuetext", "3.0")
    told = "loss over logit, from -6 to 6. y = 1: from 5.96 to 0; y = 0: from 0 to 5.96."
    expect(page.locator(".panel").first).to_have_attribute("aria-label", told)


def test_the_snippet_is_copied(visit) -> None:
    page = visit(FOCAL, permissions=["clipboard-read", "clipboard-write"])
    page.get_by_label("gamma").fill("5")
    page.get_by_role("button", name="Copy").click()
    expect(page.locator("#said")).to_have_text("Copied")
    expected = 'from lossplug_core import get_loss\n\nloss = get_loss("imbalance/focal", gamma=5.0)'
    assert page.evaluate("navigator.clipboard.readText()") == expected


def test_several_losses_are_one_plot(visit) -> None:
    page = visit("index.html")
    for name in ("imbalance/focal", "keras/binary_crossentropy"):
        page.get_by_label(f"Compare {name}", exact=True).check()
    page.get_by_role("link", name="Compare").last.click()
    drawn(page)
    assert page.locator(".panel").count() == 2
    expect(page.locator(".legend li")).to_have_count(4)
    page.get_by_role("group", name="imbalance/focal").get_by_label("gamma").fill("0")
    assert curve(page, line=0) == pytest.approx(curve(page, line=2), rel=1e-3, abs=1e-3)
    page.get_by_label("keras/huber").check()
    expect(page.locator(".panel")).to_have_count(4)
    again = visit("compare.html#" + fragment(page))
    expect(again.locator(".panel")).to_have_count(4)
    expect(again.locator(".legend").first).to_contain_text("imbalance/focal, gamma=0.0, y = 1")
    again.get_by_role("button", name="Clear").click()
    expect(again.locator(".panel")).to_have_count(0)


def test_more_losses_than_colours_can_be_told_apart(visit) -> None:
    errors = ("absolute_error", "absolute_percentage_error", "squared_error")
    means = [f"keras/mean_{error}" for error in (*errors, "squared_logarithmic_error")]
    shown = [*means, "keras/huber", "keras/log_cosh", "keras/poisson", "acme/hostile"]
    page = visit("compare.html#" + "&".join(f"show={name}" for name in shown))
    drawn(page)
    script = "[...document.querySelector('.panel').data.map(d => d.line.color + d.line.dash)]"
    looks = page.evaluate(script)
    assert len(looks) == len({*looks}) == len(shown)
    swatches = [one.get_attribute("stroke-dasharray") for one in page.locator(".legend path").all()]
    assert swatches[0] != swatches[7]


def test_tables_of_several_axes_have_names_of_their_own(visit) -> None:
    page = visit("compare.html#show=imbalance/focal&show=keras/huber")
    expect(page.locator(".panel")).to_have_count(4)
    for summary in page.get_by_text("The numbers as a table").all():
        summary.click()
    expect(page.get_by_role("region", name="Numbers over logit", exact=True)).to_be_visible()
    expect(page.get_by_role("region", name="Numbers over predicted value")).to_be_visible()
    assert violations(page) == []


def test_what_is_compared_is_taken_away_where_it_is_shown(visit) -> None:
    page = visit("compare.html#show=imbalance/focal&show=keras/huber&show=fraud")
    expect(page.locator("#count")).to_contain_text("3 chosen")
    expect(page.locator(".legend").last).to_have_text("keras/huber, y = 1")
    page.get_by_role("button", name="Remove imbalance/focal").press("Enter")
    expect(page.get_by_role("button", name="Remove keras/huber")).to_be_focused()
    expect(page.locator("fieldset")).to_have_count(2)
    expect(page.locator("#count")).to_contain_text("2 chosen")
    expect(page.get_by_label("imbalance/focal", exact=True)).not_to_be_checked()
    assert fragment(page) == "show=keras%2Fhuber&show=fraud"


@pytest.mark.parametrize(
    ("path", "told"),
    [
        (f"{FOCAL}#gamma=17", "The address asks for gamma=17, which is not drawn."),
        ("compare.html#show=acme/gone&show=imbalance/focal&imbalance/focal:gamma=17",
         "not drawn: acme/gone, imbalance/focal with gamma=17."),
    ],
)  # fmt: skip
def test_a_link_to_what_is_not_drawn_says_so(visit, path, told) -> None:
    page = visit(path)
    drawn(page)
    expect(page.locator(".missing")).to_contain_text(told)
    page.get_by_role("slider", name="gamma").fill("0")
    expect(page.locator(".missing")).to_be_hidden()


def test_numbers_are_there_as_a_table(visit) -> None:
    page = visit(FOCAL)
    page.get_by_text("The numbers as a table").click()
    cells = page.locator(".numbers tbody tr").first.locator("th, td").all_inner_texts()
    assert cells == ["-6", "5.97", "-1.02", "0", "0"]


def test_the_search_is_a_key_away_and_the_content_a_tab(visit) -> None:
    page = visit("index.html")
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the content")).to_be_focused()
    page.keyboard.press("/")
    page.keyboard.type("fraud")
    assert names(page) == ["fraud"]


def test_skipping_to_the_content_keeps_the_state(visit) -> None:
    page = visit("index.html#q=fraud")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    assert names(page) == ["fraud"]
    assert fragment(page) == "q=fraud"


def test_a_long_name_of_a_catalogue_fits_on_a_phone(visit) -> None:
    page = visit("index.html", **PHONE)
    page.locator(".home").evaluate("home => home.textContent = 'long'.repeat(50)")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["viewport"]["width"]


@pytest.mark.parametrize("path", EVERY)
def test_a_phone_needs_no_sideways_scrolling(visit, path) -> None:
    page = visit(path, **PHONE)
    page.wait_for_load_state("networkidle")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["viewport"]["width"]


def test_dark_is_dark_and_follows_the_system(visit) -> None:
    page = visit(FOCAL, **DARK)
    drawn(page)
    for scheme, back, text in (
        ("dark", "rgb(18, 22, 29)", "#e5e9f0"),
        ("light", "rgb(246, 247, 249)", "#1c2330"),
    ):
        page.emulate_media(color_scheme=scheme)
        expect(page.locator("body")).to_have_css("background-color", back)
        script = "text => document.querySelector('.panel').layout.font.color === text"
        page.wait_for_function(script, arg=text)


def test_on_paper_pictures_fit_dark_is_light_and_there_is_nothing_to_press(visit) -> None:
    page = visit(FOCAL, **DARK)
    drawn(page)
    page.emulate_media(media="print", color_scheme="dark")
    for panel in page.locator(".panel").all():
        box, svg = panel.bounding_box(), panel.locator(".main-svg").first.bounding_box()
        assert svg["width"] == pytest.approx(box["width"], abs=1)
        expect(panel.locator("text").first).to_have_css("fill", "rgb(28, 35, 48)")
    expect(page.locator("h1")).to_have_css("color", "rgb(28, 35, 48)")
    expect(page.get_by_role("button")).to_have_count(0)


@pytest.mark.parametrize("options", [{}, DARK, PHONE], ids=["light", "dark", "phone"])
@pytest.mark.parametrize("path", EVERY)
def test_axe_finds_nothing(visit, path, options) -> None:
    page = visit(path, **options)
    page.wait_for_load_state("networkidle")
    assert violations(page) == []


def test_hostile_text_is_shown(visit) -> None:
    page = visit("index.html")
    shown = page.locator("main").inner_text()
    assert "<svg onload='alert(1)'>" in shown
    assert "</script><script>alert(1)</script> & <img src=x onerror=alert(1)>" in shown
    page.get_by_role("link", name="<svg onload='alert(1)'>").click()
    drawn(page)
    expect(page.locator("h1")).to_have_text("<svg onload='alert(1)'>")
    expect(page.locator("#snippet")).to_contain_text("get_loss(\"<svg onload='alert(1)'>\")")
    compare = visit("compare.html#show=%3Csvg%20onload%3D'alert(1)'%3E&show=acme/hostile")
    expect(compare.locator(".legend li")).to_have_count(2)
    assert page.locator("img").count() == 0


@pytest.mark.parametrize(
    "path",
    ["index.html#q=%zz&plugin=no&pick=x", "compare.html#show=nothing&show=&a:b=c&:=",
     f"{FOCAL}#gamma=17&nothing=1&__proto__=x"],
)  # fmt: skip
def test_an_address_that_is_wrong_is_no_trouble(visit, path) -> None:
    visit(path).wait_for_load_state("networkidle")


def test_without_scripts_all_but_the_plots_is_there(visit) -> None:
    page = visit(FOCAL, java_script_enabled=False)
    expect(page.locator("math").first).to_be_visible()
    expect(page.locator("#snippet")).to_contain_text("get_loss")


@pytest.mark.parametrize(
    ("path", "useless"),
    [
        ("index.html", "#find, .pick"),
        (FOCAL, "#loading, #compare, .copy"),
        ("compare.html", "#choose, #nothing"),
    ],
)
def test_without_scripts_nothing_is_shown_that_needs_them(visit, path, useless) -> None:
    page = visit(path, java_script_enabled=False)
    expect(page.locator("noscript").first).to_be_visible()
    assert page.locator(useless).count() > 0
    assert not [one for one in page.locator(useless).all() if one.is_visible()]


@pytest.mark.parametrize("path", ["index.html", "compare.html"])
def test_a_catalogue_with_nothing_in_it_says_so(visit, site: Path, path) -> None:
    write(site.parent / "empty", rendered((), Catalogue(()), "nothing"))
    page = visit(f"../empty/{path}")
    expect(page.locator("main")).to_contain_text("There is no loss")
    assert page.locator("input").count() == 0
    assert violations(page) == []
