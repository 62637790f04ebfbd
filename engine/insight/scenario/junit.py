"""JUnit XML, as build servers read it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from engine.insight.scenario.failure import Result
from engine.insight.scenario.files import TestFile

_NS_PER_S = 1_000_000_000


def write_junit(path: Path, played: Sequence[tuple[TestFile, Sequence[Result]]]) -> None:
    """Write one suite for each file; a file that cannot be read is an error of its suite.

    Raises:
        OSError: the file cannot be written.
    """
    root = ElementTree.Element("testsuites")
    for file, results in played:
        _suite(root, file, results)
    ElementTree.indent(root)
    path.parent.mkdir(parents=True, exist_ok=True)
    ElementTree.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def _suite(root: ElementTree.Element, file: TestFile, results: Sequence[Result]) -> None:
    failed = sum(not result.ok for result in results)
    is_broken = bool(file.problems)
    elapsed = sum(result.elapsed_ns for result in results)
    suite = ElementTree.SubElement(
        root,
        "testsuite",
        name=_clean(file.path),
        tests=str(len(results) + is_broken),
        failures=str(failed),
        errors=str(int(is_broken)),
        time=_seconds(elapsed),
    )
    for result in results:
        case = _case(suite, file, result.case.name, result.elapsed_ns)
        if not result.ok:
            start = result.case.start_ms
            text = "\n".join(line for failure in result.failures for line in failure.lines(start))
            told = ElementTree.SubElement(case, "failure", message=_clean(result.failures[0].message))
            told.text = _clean(text)
    if is_broken:
        case = _case(suite, file, "reading the file", 0)
        told = ElementTree.SubElement(case, "error", message=_clean(str(file.problems[0])))
        told.text = _clean("\n".join(str(problem) for problem in file.problems))


def _case(suite: ElementTree.Element, file: TestFile, name: str, elapsed_ns: int) -> ElementTree.Element:
    classname = _clean(file.path)
    return ElementTree.SubElement(suite, "testcase", classname=classname, name=_clean(name), time=_seconds(elapsed_ns))


def _seconds(ns: int) -> str:
    return f"{ns // _NS_PER_S}.{ns % _NS_PER_S // 1_000_000:03d}"


def _clean(text: str) -> str:
    """Text as XML may hold it: no control characters."""
    return "".join(c if c in "\n\t" or (c.isprintable()) else c.encode("unicode_escape").decode() for c in text)
