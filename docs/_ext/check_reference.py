"""The reference of the conformance kit, from the checks themselves."""

from __future__ import annotations

import inspect
from typing import Any

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from lossplug_core.testing.check import Check


class Checks(SphinxDirective):
    """A section for each check."""

    def run(self) -> list[nodes.Node]:
        """The sections, in the order in which the checks run."""
        from lossplug_core.testing._checks import CHECKS

        return [self._section(check) for check in CHECKS]

    def _section(self, check: Check) -> nodes.section:
        section = nodes.section(ids=[check.id])
        section += nodes.title("", check.id)
        section += self.parse_text_to_nodes(_text(check))
        return section


def _text(check: Check) -> str:
    lines = [inspect.getdoc(check.run) or "", "", f"*Why:* {check.why}"]
    notes = []
    if check.needs:
        notes.append(f"rests on {', '.join(f'`{need}`' for need in check.needs)}")
    if check.thorough:
        notes.append("only in the thorough profile")
    if not check.backend:
        notes.append("needs no backend")
    if notes:
        text = "; ".join(notes)
        lines += ["", f"{text[0].upper()}{text[1:]}."]
    return "\n".join(lines)


def setup(app: Any) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("checks", Checks)
    return {"parallel_read_safe": True}
