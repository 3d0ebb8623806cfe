"""Checks as a JUnit file, which CI systems show as test results: one suite, one case a check."""

from collections.abc import Sequence
from xml.etree import ElementTree

from reportgen.format import visible
from reportgen.record.checks import Checked
from reportgen.record.run import Record


def xml(record: Record, checks: Sequence[Checked]) -> bytes:
    """Return the file. In English, as everything that a machine reads."""
    counts = {
        "tests": str(len(checks)),
        "failures": str(sum(not check.met for check in checks)),
        "errors": "0",
        "skipped": "0",
        "time": "0",
    }
    suites = ElementTree.Element("testsuites", {"name": "reportgen check"} | counts)
    about = {"name": visible(record.title), "timestamp": record.made_at.removesuffix("Z")}
    suite = ElementTree.SubElement(suites, "testsuite", about | counts)
    for check in checks:
        case = ElementTree.SubElement(suite, "testcase", name=check.name, classname="reportgen.check", time="0")
        says = visible(check.says)
        if check.met:
            ElementTree.SubElement(case, "system-out").text = says
        else:
            ElementTree.SubElement(case, "failure", type="not met", message=says).text = says
    ElementTree.indent(suites)
    found: bytes = ElementTree.tostring(suites, encoding="utf-8", xml_declaration=True)
    return found + b"\n"
