"""Test files: found, read and laid out as tests with their instants."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from engine.errors import Problem
from engine.insight.scenario.case import Base, Case, Step
from engine.insight.scenario.shelf import Shelf
from engine.insight.scenario.stepping import STEP, Stepping
from engine.insight.scenario.vocabulary import Vocabulary
from engine.insight.scenario.wanting import CHECKS, Wanting
from engine.limits import MAX_PACK_BYTES
from engine.model.kinds import Type
from engine.model.rules import Span
from engine.packs.complaints import complain, did_you_mean, quoted
from engine.packs.expressions import literal
from engine.packs.forms import Form, as_map
from engine.packs.nodes import MapNode, Node
from engine.packs.reader import read

SUFFIXES: Final = (".test.yaml", ".test.yml")
#: 2027-01-15T08:00:00Z
_DEFAULT_START_MS: Final = 1_800_000_000_000
_TEST: Final = ("test", "doc", "packs", "like", "until", "steps", "never", "others", *CHECKS)
#: Steps of one test, repetitions counted; a slip such as ``every: 1ms`` must not fill the memory.
MAX_STEPS: Final = 1_000_000


@dataclass(slots=True)
class TestFile:
    """One file of tests.

    Attributes:
        path: as given.
        cases: tests that can be played.
        problems: what is wrong with the file or its packs; then those tests are missing in ``cases``.
    """

    path: str
    cases: list[Case] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _RawStep:
    """A step as written, and until when it counts (offset, ms; None: no bound)."""

    node: MapNode
    last_ms: int | None


def find_tests(paths: Iterable[Path]) -> list[Path]:
    """The test files at those paths: files as they are, of a directory all ``*.test.yaml`` below it."""
    found: dict[Path, Path] = {}
    for path in paths:
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        for each in files:
            if each == path or (each.name.endswith(SUFFIXES) and each.is_file()):
                found.setdefault(each.resolve(), each)
    return [path for path in found.values() if not path.is_dir()]


def read_files(paths: Iterable[Path]) -> list[TestFile]:
    """All test files at those paths, packs that several of them use checked once."""
    loaded: dict[tuple[Path, ...], Base | list[Problem]] = {}
    return [_read_file(path, Shelf(path.parent, loaded)) for path in find_tests(paths)]


def _read_file(path: Path, shelf: Shelf) -> TestFile:
    made = TestFile(str(path))
    problems: list[Problem] = []
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_PACK_BYTES + 1)
    except OSError as error:
        complain(
            problems, Span(str(path), 0, 0), "E100", f"cannot be read: {error.strerror or error}", "name a test file"
        )
    else:
        root = read(str(path), raw, problems)
        if root is not None:
            made.cases = _FileReader(shelf, problems).read(root, path)
    made.problems = sorted(set(problems))
    return made


class _FileReader:
    """Reads one file."""

    def __init__(self, shelf: Shelf, problems: list[Problem]) -> None:
        self._shelf = shelf
        self._problems = problems
        self._start_ms = _DEFAULT_START_MS
        self._setup: list[_RawStep] = []
        self._tests: dict[str, Form] = {}

    def read(self, root: Node, path: Path) -> list[Case]:
        problems = self._problems
        body = as_map(root, "the file", problems)
        if body is None:
            return []
        if body.get("pack") is not None:
            hint = f"its tests stand in {path.stem}.test.yaml"
            complain(problems, body.span, "E700", "this is a pack, not a file of tests", hint)
            return []
        form = Form(body, "a test file", ("start", "setup", "tests", "doc"), problems)
        start = form.scalar("start")
        if start is not None:
            value = literal(start.text, Type("timestamp"), start.span, problems)
            self._start_ms = value if isinstance(value, int) else _DEFAULT_START_MS
        self._setup = self._steps(form, "setup")
        if form.need("tests"):
            self._read_heads(form)
        cases = []
        for name, test in self._tests.items():
            before = len(problems)
            case = self._case(name, test)
            if case is not None and len(problems) == before:
                cases.append(case)
        return cases

    def _read_heads(self, form: Form) -> None:
        found = form.list("tests")
        for item in found.items if found else ():
            body = as_map(item, "a test", self._problems)
            if body is None:
                continue
            test = Form(body, "a test", _TEST, self._problems)
            name = test.scalar("test") if test.need("test") else None
            if name is None:
                continue
            if name.text in self._tests:
                complain(self._problems, name.span, "E702", f"two tests are called {quoted(name.text)}", "rename one")
                continue
            self._tests[name.text] = test

    def _steps(self, form: Form, key: str) -> list[_RawStep]:
        found = form.list(key)
        bodies = [as_map(item, "a step", self._problems) for item in found.items] if found else []
        return [_RawStep(body, None) for body in bodies if body is not None]

    # -- one test --------------------------------------------------------------------
    def _case(self, name: str, test: Form) -> Case | None:
        problems = self._problems
        base = self._base(test, (name,))
        raw = self._raw_steps(test, (name,))
        if base is None:
            return None
        pushed = Stepping.pushed([step.node for step in raw], self._shelf, problems)
        vocabulary = Vocabulary.of([base.rulebase, *(each.rulebase for each in pushed)])
        wanting = Wanting(vocabulary, self._start_ms, problems)
        checks = wanting.checks(test)
        never = wanting.commands(test, "never")
        ignores = test.word("others", ("ignore",)) is not None
        stepping = Stepping(wanting, self._shelf, is_lenient=bool(checks.rejected))
        instants = self._instants(raw, stepping)
        if not raw:
            complain(problems, test.at("steps"), "E711", f"the test {quoted(name)} has no step", "add 'steps:'")
        return Case(name, test.at("test"), base, self._start_ms, instants, never, checks, ignores)

    def _liked(self, test: Form, chain: tuple[str, ...]) -> tuple[str, Form] | None:
        """The test this one begins like."""
        like = test.scalar("like")
        if like is None:
            return None
        found = self._tests.get(like.text)
        if found is None:
            hint = did_you_mean(like.text, list(self._tests), "tests")
            complain(self._problems, like.span, "E701", f"no test {quoted(like.text)} in this file", hint)
        elif like.text in chain:
            complain(
                self._problems, like.span, "E701", f"{quoted(like.text)} is like this test itself", "break the circle"
            )
        else:
            return like.text, found
        return None

    def _base(self, test: Form, chain: tuple[str, ...]) -> Base | None:
        given = test.node("packs")
        if given is not None:
            return self._shelf.base(given, "packs", self._problems)
        liked = self._liked(test, chain)
        if liked is not None:
            return self._base(liked[1], (*chain, liked[0]))
        if "like" not in test:
            test.need("packs")
        return None

    def _raw_steps(self, test: Form, chain: tuple[str, ...]) -> list[_RawStep]:
        """Setup, then the steps of the test this one is like, then its own."""
        before = self._setup
        if "like" in test:
            liked = self._liked(test, chain)
            # Without that test there is a problem already; what else is wrong with this one is said all the same.
            inherited = self._setup if liked is None else self._raw_steps(liked[1], (*chain, liked[0]))
            until = test.ms("until", is_positive=False)
            before = [_RawStep(step.node, _earlier(step.last_ms, until)) for step in inherited]
            # The file's setup is no part of the test that is taken up to a moment; it holds as a whole.
            before[: len(self._setup)] = self._setup
        elif "until" in test:
            complain(
                self._problems, test.at("until"), "E704", "'until' says how far a test is like another", "add 'like:'"
            )
        return before + self._steps(test, "steps")

    # -- instants ----------------------------------------------------------------------
    def _instants(self, raw: list[_RawStep], stepping: Stepping) -> dict[int, list[Step]]:
        placed: list[tuple[int, Step]] = []
        for step in raw:
            times = self._times(step)
            made = stepping.read(step.node)
            placed += [(at, made) for at in times]
            if len(placed) > MAX_STEPS:
                message = f"more than {MAX_STEPS} steps in one test"
                complain(self._problems, step.node.span, "E714", message, "repeat less often, or not so long")
                return {}
        instants: dict[int, list[Step]] = {}
        for at, made in sorted(placed, key=lambda pair: pair[0]):
            instants.setdefault(at, []).append(made)
        return instants

    def _times(self, step: _RawStep) -> list[int] | range:
        form = Form(step.node, "a step", STEP, self._problems)
        at = form.ms("at", is_positive=False) if form.need("at") else None
        every, until = form.ms("every"), form.ms("until", is_positive=False)
        if at is None:
            return []
        if ("every" in form) != ("until" in form):
            hint = "write both: every: 20s, until: 600s"
            complain(self._problems, form.span, "E704", "'every' and 'until' come together", hint)
        if every is None or until is None:
            return [at] if step.last_ms is None or at <= step.last_ms else []
        if until < at:
            complain(self._problems, form.at("until"), "E704", "'until' is before 'at'", "until counts from the start")
        last = _earlier(until, step.last_ms)
        times = range(at, (until if last is None else last) + 1, every)
        return times if len(times) <= MAX_STEPS else range(MAX_STEPS + 1)


def _earlier(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else min(one, other)
