"""`lossplug catalog serve` in a browser: pages follow what changes, without a hand on them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.browser

LONG = 120_000  # milliseconds: a build starts Keras

PLUGIN = '''
from lossplug_core import NonNegative, loss

@loss(y_true="values", y_pred="values")
def plain(y_true, y_pred, *, scale: NonNegative = 1.0):
    """Told plainly."""
    return scale * abs(y_true - y_pred)
'''
CATALOGUE = """
[policy]
allow = ["lossplug-acme"]
[presets.fraud]
loss = "acme/plain"
description = "Card fraud."
"""
HOSTILE = "<img src=x onerror=alert(1)>"


class Serving:
    """The command, and the files that it follows."""

    def __init__(self, folder: Path) -> None:
        self.plugin = folder / "acme_plain.py"
        self.catalogue = folder / "lossplug.toml"
        self.temporary = folder / "temporary"
        self.temporary.mkdir()
        self.mend()
        info = folder / "lossplug_acme-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lossplug-acme\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[lossplug.losses]\nplain = acme_plain:plain\n")
        path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
        environment = {**os.environ, "PYTHONPATH": path, "TMPDIR": str(self.temporary)}
        environment.pop("LOSSPLUG_CATALOG", None)
        self.said = (folder / "said").open("w+")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lossplug_core", "catalog", "serve", "--port", "0"],
            cwd=folder,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=self.said,
        )
        self.url = self.process.stdout.readline().strip()

    def mend(self) -> None:
        """Let everything be as it was in the beginning."""
        for path, text in ((self.plugin, PLUGIN), (self.catalogue, CATALOGUE)):
            if not path.exists() or path.read_text() != text:
                path.write_text(text)

    def end(self) -> str:
        """End it as `kill` does, or Ctrl-C; what it said."""
        self.process.terminate()
        assert self.process.wait(30) == 0
        assert self.process.stdout.read() == ""
        self.said.seek(0)
        return self.said.read()


@pytest.fixture(scope="module")
def serving(tmp_path_factory) -> Iterator[Serving]:
    serving = Serving(tmp_path_factory.mktemp("served"))
    yield serving
    serving.process.kill()
    serving.process.wait()
    serving.said.close()


@pytest.fixture
def visit(browser: Browser, serving) -> Iterator[Callable[..., Page]]:
    """Open a page. What it says to the console is a failure."""
    wrong: list[str] = []
    context = browser.new_context(color_scheme="dark", viewport={"width": 700, "height": 300})

    def visit(path: str = "") -> Page:
        page = context.new_page()
        page.set_default_timeout(LONG)
        page.on("console", lambda message: wrong.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
        page.on("dialog", lambda dialog: wrong.append(f"dialog: {dialog.message}"))
        page.goto(f"{serving.url}{path}")
        return page

    yield visit
    serving.mend()
    context.close()
    assert wrong == []


def banner(page: Page):
    return page.locator("#lossplug-live")


def says(where, text: str) -> None:
    expect(where).to_contain_text(text, timeout=LONG)


def test_a_page_waits_for_the_first_site(visit) -> None:
    page = visit()
    says(page.locator("#items"), "Card fraud.")
    expect(banner(page)).to_be_empty()


def test_pages_follow_a_catalogue_and_stay_where_they_are(visit, serving) -> None:
    first = visit("index.html#q=fraud")
    second = visit("presets/fraud.html")
    says(second.locator("main"), "Card fraud.")
    second.locator(".panel .main-svg").first.wait_for()
    second.evaluate("scrollTo(0, 200)")
    serving.catalogue.write_text(CATALOGUE.replace("Card fraud.", f"Fraud. {HOSTILE}"))
    for page in (first, second):
        says(page.locator("main"), f"Fraud. {HOSTILE}")
        expect(banner(page)).to_be_empty()
    assert first.url.endswith("#q=fraud")
    expect(first.get_by_label("Search")).to_have_value("fraud")
    second.wait_for_function("scrollY === 200")


def test_a_catalogue_that_is_wrong_keeps_the_site_and_says_why(visit, serving) -> None:
    page, other = visit(), visit("compare.html")
    says(page.locator("#items"), "Card fraud.")
    expect(banner(other)).to_be_empty(timeout=LONG)
    serving.catalogue.write_text(f'{CATALOGUE}\n"{HOSTILE}" = 1\n')
    says(banner(page), "The build failed. This is the one before it.")
    for one in (page, other):
        says(banner(one).locator("pre"), HOSTILE)
    says(page.locator("#items"), "Card fraud.")
    assert banner(page).locator("img").count() == 0
    assert Axe().run(page).response["violations"] == []
    page.reload()
    says(banner(page).locator("pre"), HOSTILE)
    serving.mend()
    expect(banner(page)).to_be_empty(timeout=LONG)


def test_a_plugin_that_is_wrong_says_so_on_every_page(visit, serving) -> None:
    index, page = visit(), visit("losses/acme/plain.html")
    page.locator(".panel .main-svg").first.wait_for()
    serving.plugin.write_text(f"{PLUGIN}\nraise ValueError('{HOSTILE}')\n")
    says(page.locator("main"), HOSTILE)
    for one in (index, page):
        says(banner(one), "Something is wrong in this build.")
        says(banner(one).locator("pre"), f"ValueError: {HOSTILE}")
    serving.plugin.write_text(PLUGIN.replace("plainly", "again"))
    says(page.locator("main"), "Told again.")
    expect(banner(page)).to_be_empty()


def test_the_end_is_told_and_nothing_is_left(visit, serving) -> None:
    pages = [visit(), visit("compare.html#show=acme/plain")]
    pages[1].locator(".panel .main-svg").first.wait_for()
    said = serving.end()
    for page in pages:
        says(banner(page), "The server has ended.")
    pages[0].wait_for_timeout(1500)  # in which none of them asks again
    assert not [*serving.temporary.glob("lossplug-*")]
    lines = said.splitlines()
    assert lines[0].startswith("Built in ")
    assert any(line.endswith("s, as lossplug.toml changed.") for line in lines)
    assert lines[-1] == "Ended."
