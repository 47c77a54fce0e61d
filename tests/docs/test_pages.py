"""What the README and the documentation show is what happens."""

from pathlib import Path

import pytest

pytestmark = pytest.mark.backend

ROOT = Path(__file__).parents[2]
PAGES = [
    path
    for path in [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *sorted((ROOT / "docs").rglob("*.md")),
    ]
    if "```" in path.read_text(encoding="utf-8")
    and "losses" not in path.parts  # written from docstrings, which are tested themselves
]

LIES = {
    "code that fails": "```python\n1 / 0\n```\n",
    "code that fails elsewhere": "```python\n# another process\n1 / 0\n```\n",
    "another value": "```pycon\n>>> 1 + 1\n3\n```\n",
    "another message": "```pycon\n>>> int('x')\nTraceback (most recent call last):\n"
    "  ...\nValueError: no\n```\n",
    "another output": "```console\n$ lossplug why mse\nwins  keras/huber\n```\n",
    "a command that is used wrongly": "```console\n$ lossplug shwo mse\n```\n",
    "a diff of another file": "```{code-block} text\n:caption: file\n\nold\n```\n"
    "```{code-block} diff\n:caption: file\n\n-older\n+new\n```\n",
    "a block that is not closed": "```python\nx = 1\n",
}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_page_is_true(path, run_page):
    run_page(path)


@pytest.mark.parametrize("text", LIES.values(), ids=LIES)
def test_a_page_that_is_not_true_is_found(text, run_page, tmp_path):
    page = tmp_path / "page.md"
    page.write_text(text)
    with pytest.raises((pytest.fail.Exception, AssertionError)):
        run_page(page)
