"""Formulas as MathML, which browsers draw themselves: nothing to download, and no JavaScript."""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.util import logging

logger = logging.getLogger(__name__)

# docutils knows \Bigl( and \Bigr), but not \Big, and leaves no space in \log p.
_REPLACEMENTS = (
    (re.compile(r"\\([Bb]igg?)(?=[(\[])"), r"\\\1l"),
    (re.compile(r"\\([Bb]igg?)(?=[)\]])"), r"\\\1r"),
    (re.compile(r"\\(exp|log|max|min) (?=[a-z\\])"), r"\\\1\\,"),
)
# It also puts the index of \hat{y}_k under the y.
_ACCENT_AND_INDEX = re.compile(
    r"<munderover>\s*(<mi>[^<]*</mi>)\s*(<m[in]>[^<]*</m[in]>)"
    r"\s*(<mo stretchy=\"false\">[ˆ¯˜]</mo>)\s*</munderover>"
)


def _mathml(node: nodes.Element, *, as_block: bool) -> str:
    latex = node.astext()
    for pattern, replacement in _REPLACEMENTS:
        latex = pattern.sub(replacement, latex)
    try:
        mathml = tex2mathml(latex, as_block=as_block)
        return _ACCENT_AND_INDEX.sub(r"<msub><mover>\1\3</mover>\2</msub>", mathml)
    except MathError as error:
        logger.warning("cannot draw the formula %s: %s", latex, error, location=node)
        return f"<code>{nodes.unescape(latex)}</code>"


def _inline(writer: Any, node: nodes.math) -> None:
    writer.body.append(_mathml(node, as_block=False))
    raise nodes.SkipNode


def _block(writer: Any, node: nodes.math_block) -> None:
    writer.body.append(writer.starttag(node, "div", CLASS="math"))
    writer.body.append(_mathml(node, as_block=True))
    writer.body.append("</div>\n")
    raise nodes.SkipNode


def setup(app: Any) -> dict[str, Any]:
    """Offer this way of drawing formulas to Sphinx."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
