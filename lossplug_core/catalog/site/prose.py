"""Text of docstrings and catalogues as HTML: Markdown with formulas, and nothing that could act.

HTML in it is shown as text, images are not loaded, and links go to the web or nowhere.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup
from mdit_py_plugins.dollarmath import dollarmath_plugin

from lossplug_core.catalog.site.formulas import FormulaError, mathml

__all__ = ["address", "inline", "markdown", "plain"]

_ADDRESS = re.compile(r"(https?://|mailto:)[^\s<>\"']+", re.IGNORECASE)

# What can be wider than a phone is scrolled, by the keyboard too. No text can look like this: it is
# escaped.
_WIDE = (
    (
        '<div class="math block">',
        '<div class="math block" role="group" aria-label="Formula" tabindex="0">',
    ),
    ("<pre>", '<pre tabindex="0">'),
)


def markdown(text: str) -> Markup:
    r"""Paragraphs, lists and tables, code and formulas.

    Example:
        >>> markdown("`a` <b>")
        Markup('<p><code>a</code> &lt;b&gt;</p>\n')
    """
    text = _parser().render(text)
    for before, after in _WIDE:
        text = text.replace(before, after)
    return Markup(text)


def inline(text: str) -> Markup:
    """Text for one paragraph."""
    return Markup(_parser().renderInline(" ".join(text.split())))


def plain(text: str) -> str:
    """Markdown as one line of mere text, to search in."""
    tokens = _parser().parseInline(" ".join(text.split()))[0].children or []
    return "".join(token.content for token in tokens)


def address(text: str | None) -> str | None:
    """An address that a page may link to; None if it is another kind of text.

    Example:
        >>> address("https://arxiv.org/abs/1708.02002"), address("javascript:alert(1)")
        ('https://arxiv.org/abs/1708.02002', None)
    """
    return text if text and _ADDRESS.fullmatch(text) else None


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    parser.use(dollarmath_plugin, allow_digits=False, renderer=_formula)
    parser.core.ruler.push("web_links_only", _web_links_only)
    return parser


def _formula(latex: str, options: dict[str, Any]) -> str:
    try:
        return mathml(latex, as_block=options["display_mode"])
    except FormulaError:
        return f"<code>{html.escape(latex)}</code>"


def _web_links_only(state: Any) -> None:
    """Leave the words of links that would lead elsewhere, into the documentation, say."""
    for token in state.tokens:
        if token.children:
            token.children = [*_without_dead_links(token.children)]


def _without_dead_links(tokens: Sequence[Token]) -> list[Token]:
    kept, dead = [], False
    for token in tokens:
        if token.type == "link_open":
            dead = address(str(token.attrs.get("href", ""))) is None
        if not (dead and token.type in ("link_open", "link_close")):
            kept.append(token)
    return kept
