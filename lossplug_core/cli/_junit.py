"""Results of checks as the XML that CI services read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from lossplug_core.cli._output import printable

if TYPE_CHECKING:
    from lossplug_core.catalog.active import Catalogue
    from lossplug_core.catalog.remarks import Remark
    from lossplug_core.testing import Result

__all__ = ["junit_xml", "remarks_xml"]


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
    return _bytes(root)


def remarks_xml(catalogue: Catalogue, remarks: Sequence[Remark]) -> bytes:
    """One suite for each catalogue, one case for each preset of it and for each other remark."""
    root = ElementTree.Element("testsuites")
    sources = [layer.source for layer in catalogue.layers]
    for source in dict.fromkeys([*sources, *(remark.path for remark in remarks)]):
        own = [remark for remark in remarks if remark.path == source]
        subjects = [n.name for n in catalogue.presets.values() if n.layer.source == source]
        subjects = list(dict.fromkeys([*subjects, *(remark.subject for remark in own)]))
        failing = {remark.subject for remark in own if remark.severity == "error"}
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=printable(source),
            tests=str(len(subjects)),
            failures=str(len(failing)),
        )
        for subject in subjects:
            _add_remarks(suite, subject, [remark for remark in own if remark.subject == subject])
    return _bytes(root)


def _bytes(root: ElementTree.Element) -> bytes:
    ElementTree.indent(root)
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True))


def _add_remarks(suite: ElementTree.Element, subject: str, remarks: Sequence[Remark]) -> None:
    case = ElementTree.SubElement(
        suite, "testcase", classname="lossplug.catalog", name=printable(subject)
    )
    lines = []
    for remark in remarks:
        first = remark.problem.partition("\n")[0]
        if remark.severity == "error":
            failure = ElementTree.SubElement(
                case, "failure", type=remark.kind, message=printable(first)
            )
            text = f"{remark.place}\n{remark.problem}\n{remark.fix or ''}"
            failure.text = "\n".join(map(printable, text.strip().splitlines()))
        else:
            lines.append(printable(f"{remark.place}: {remark.severity}: {first}"))
    if lines:
        ElementTree.SubElement(case, "system-out").text = "\n".join(lines)


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
