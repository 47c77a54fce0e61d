"""A browser, and a site to open in it.

Debian's Chromium if it is here, else Playwright's own. Where there is none the tests say so and are
skipped; with `CI` set they fail instead.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

PLUGIN = '''
from lossplug_core import NonNegative, loss

@loss(y_true="values", y_pred="values")
def hostile(y_true, y_pred, *, scale: NonNegative = 1.0):
    """Told by </script><script>alert(1)</script> & <img src=x onerror=alert(1)>.

    Formula:
        $$L = s |y - p| <script>alert(1)</script>$$
    """
    return scale * abs(y_true - y_pred)
'''

CATALOGUE = """
name = "Acme"
description = "<img src=x onerror=alert(1)>"

[policy]
allow = ["acme/hostile", "keras", "imbalance/focal", "imbalance/ldam"]

[presets.fraud]
loss = "imbalance/focal"
params = { gamma = 3.0, alpha = 0.25 }
owner = "risk@acme.example"
description = "Card fraud, of which there is little."
tags = ["transactions"]

[presets.old]
loss = "keras/binary_crossentropy"
status = "deprecated"
replaced_by = "fraud"
owner = "vision@acme.example"

[presets."<svg onload='alert(1)'>"]
loss = "acme/hostile"
status = "experimental"
"""

HOSTILE = "</pre></details><script>alert(1)</script><img src=x onerror=alert(1)> " + "wide" * 99


def _ran(loss: str, check: str, backend: str, status: str, message: str = "") -> dict[str, str]:
    told = {"message": message, "example": message, "reproduce": message}
    return {"loss": loss, "check": check, "backend": backend, "status": status, **told}


_FOCAL, _OWN = "imbalance/focal", "acme/hostile"
REPORTS = {
    "now.json": {
        "schema_version": 1,
        "versions": {"lossplug-acme": "1.0"},
        "results": [
            _ran(_FOCAL, "values", "torch", "passed"),
            _ran(_FOCAL, "jit", "torch", "skipped", "torch compiles nothing"),
            _ran(_OWN, "values", "torch", "passed"),
            _ran(_OWN, "values", "jax", "failed", HOSTILE),
            _ran(_OWN, HOSTILE[:290], "jax", "passed"),
        ],
    },
    "before.json": {
        "schema_version": 1,
        "versions": {"lossplug-imbalance": "0.0.1"},
        "results": [_ran("imbalance/ldam", "values", "torch", "passed")],
    },
}
BENCHMARKS = {
    "machine_info": {"system": HOSTILE},
    "benchmarks": [
        {"name": HOSTILE, "extra_info": {"loss": _OWN}, "stats": {"median": 0.002, "rounds": 5}},
        {"name": "bare", "extra_info": {"baseline": True}, "stats": {"median": 0.001, "rounds": 5}},
    ],
}
_GIVEN = ("--conformance", "now.json", "--conformance", "before.json", "--benchmarks", "timed.json")


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a site, built by the command."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "acme_page.py").write_text(PLUGIN)
    info = folder / "lossplug_acme-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lossplug-acme\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[lossplug.losses]\nhostile = acme_page:hostile\n")
    (folder / "lossplug.toml").write_text(CATALOGUE)
    for name, document in {**REPORTS, "timed.json": BENCHMARKS}.items():
        (folder / name).write_text(json.dumps(document))
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    environment.pop("LOSSPLUG_CATALOG", None)
    command = [sys.executable, "-m", "lossplug_core", "catalog", "build", "out", *_GIVEN]
    subprocess.run(command, cwd=folder, env=environment, check=True, timeout=300)
    return folder / "out"


@pytest.fixture
def hostile() -> str:
    """A text that reports and benchmarks of `acme/hostile` are full of."""
    return HOSTILE


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A browser without a window."""
    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
        found = next(filter(None, map(shutil.which, _NAMES)), None)
        if found is None and not Path(own).exists():
            missing = "no browser: install Chromium, or run `playwright install chromium`"
            pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
        browser = playwright.chromium.launch(executable_path=found or own, args=[*_QUIET])
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Browser, site: Path) -> Iterator[Callable[..., Page]]:
    """Open a page of the site. What goes wrong in it, or is loaded from elsewhere, is a failure."""
    wrong: list[str] = []
    contexts: list[BrowserContext] = []

    def visit(path: str, **options: object) -> Page:
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda message: wrong.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
        page.on("dialog", lambda dialog: wrong.append(f"dialog: {dialog.message}"))
        page.on("requestfailed", lambda request: wrong.append(f"failed: {request.url}"))
        page.on("request", lambda request: _check_local(request.url, wrong))
        page.goto(f"{site.as_uri()}/{path}")
        return page

    yield visit
    for context in contexts:
        context.close()
    assert wrong == []


def _check_local(url: str, wrong: list[str]) -> None:
    if not url.startswith(("file:", "data:", "blob:")):
        wrong.append(f"from elsewhere: {url}")
