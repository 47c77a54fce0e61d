"""Results of checks as the XML that CI services read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from lossplug_core.cli._output import printable

if TYPE_CHECKING:
    from lossplug_core.testing import Result

__all__ = ["junit_xml"]


def junit_xml(results: Sequence[Result]) -> bytes:
    """One suite for each backend, one case for each check of each loss."""
    root = ElementTree.Element("testsuites")
    for backend in dict.fromkeys(result.backend for result in results):
        own = [result for result in results if result.backend == backend]
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=f"lossplug.{backend}",
            tests=str(len(own)),
            failures=str(sum(not result.ok for result in own)),
            skipped=str(sum(result.status == "skipped" for result in own)),
            time=f"{sum(result.seconds for result in own):.3f}",
        )
        for result in own:
            _add(suite, result)
    ElementTree.indent(root)
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True))


def _add(suite: ElementTree.Element, result: Result) -> None:
    case = ElementTree.SubElement(
        suite,
        "testcase",
        classname=printable(result.loss),
        name=printable(result.check),
        time=f"{result.seconds:.3f}",
    )
    first = result.message.partition("\n")[0]
    if result.status == "skipped":
        ElementTree.SubElement(case, "skipped", message=printable(first))
    elif not result.ok:
        failure = ElementTree.SubElement(case, "failure", message=printable(first))
        parts = (result.message, result.example, result.reproduce)
        lines = "\n".join(filter(None, parts)).splitlines()
        failure.text = "\n".join(map(printable, lines))
