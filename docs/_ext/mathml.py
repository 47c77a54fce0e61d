"""Formulas as MathML, as on the pages of a catalogue."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.util import logging

from lossplug_core.catalog.site.formulas import FormulaError, mathml

logger = logging.getLogger(__name__)


def _mathml(node: nodes.Element, *, as_block: bool) -> str:
    latex = node.astext()
    try:
        return mathml(latex, as_block=as_block)
    except FormulaError as error:
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
