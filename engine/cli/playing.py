"""Plays scenario tests and says what came of them: to people, to programs, to build servers."""

from __future__ import annotations

import asyncio
import shutil
import sys
import textwrap
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from rich.text import Text

from engine.cli import output
from engine.errors import Exit, LockstepError
from engine.insight.scenario.coverage import Coverage, Untried
from engine.insight.scenario.failure import Failure, Result
from engine.insight.scenario.files import TestFile, read_files
from engine.insight.scenario.junit import write_junit
from engine.insight.scenario.moments import after
from engine.insight.scenario.player import play
from engine.insight.scenario.world import Machinery
from engine.matching.engine import Engine
from engine.model.journal import StreamId
from engine.runtime.reload import follow_order, read_order
from engine.runtime.schedule_times import ScheduleTimes

_DIFF_STYLES: Final = {"-": "red", "+": "green", "?": "yellow", " ": "dim"}
#: Text is not broken into columns narrower than this.
_NARROWEST: Final = 40
Played = list[tuple[TestFile, list[Result]]]


class NoTestsError(LockstepError):
    """There is nothing to test at these paths, or nothing of that name."""

    exit_code = Exit.USAGE


class _Revisions:
    """The rule bases of a test, where the loop looks for those that are pushed."""

    def __init__(self, blobs: Mapping[str, bytes]) -> None:
        self._blobs = blobs

    async def get_revision(self, revision: str) -> bytes | None:
        return self._blobs.get(revision)

    async def load_facts(self) -> AsyncIterator[tuple[bytes, bytes]]:
        """A test in which a kind goes and comes back finds none of its facts again."""
        none: tuple[tuple[bytes, bytes], ...] = ()
        for pair in none:
            yield pair


def _reload(engine: Engine, entry: StreamId, fields: list[bytes], now: int, revisions: Mapping[str, bytes]) -> Engine:
    """A ``rulebase`` entry, taken as the daemon's loop does."""
    order = read_order(engine, entry, fields, now)
    if order is None:
        return engine
    return asyncio.run(follow_order(engine, order, entry, fields, _Revisions(revisions)))


def daemon_machinery() -> Machinery:
    """Schedules and reloads as the daemon has them."""
    return Machinery(ScheduleTimes, _reload)


def run_tests(paths: Sequence[Path], *, as_json: bool, only: str | None, junit: Path | None, coverage: bool) -> bool:
    """Play the tests at those paths; whether all is as expected.

    Raises:
        NoTestsError: there are none, or the report cannot be written.
    """
    for path in paths:
        if not path.exists():
            raise NoTestsError("U140", f"there is no {path}", "name test files (*.test.yaml) or directories of them")
    files = read_files(paths)
    for file in files:
        file.cases = [case for case in file.cases if only is None or only in case.name]
    if not any(file.cases or file.problems for file in files):
        what = "no tests" if only is None else f"no test with {only!r} in its name"
        raise NoTestsError("U141", f"{what} at {' '.join(map(str, paths))}", "tests stand in files ….test.yaml")
    tried = Coverage() if coverage else None
    played = _play(files, tried, as_json=as_json)
    if junit is not None:
        _write_junit(junit, played)
    if as_json:
        _print_json(played)
    else:
        _summary(played)
        if tried is not None:
            _print_coverage(tried)
    return all(not file.problems and all(result.ok for result in results) for file, results in played)


def _play(files: Sequence[TestFile], tried: Coverage | None, *, as_json: bool) -> Played:
    machinery = daemon_machinery()
    played: Played = []
    for file in files:
        results: list[Result] = []
        played.append((file, results))
        if not as_json:
            output.say(file.path, "bold")
        for case in file.cases:
            result = play(case, machinery, tried)
            results.append(result)
            if not as_json:
                _show(result)
        if not as_json:
            output.problems(file.problems)
    return played


def _write_junit(path: Path, played: Played) -> None:
    try:
        write_junit(path, played)
    except OSError as error:
        raise NoTestsError("U142", f"{path} cannot be written: {error.strerror}", "name another file") from error


# -- for programs ---------------------------------------------------------------------------
def _print_json(played: Played) -> None:
    """One document a line: each test, and for each broken file one that says what is wrong with it."""
    documents = []
    for file, results in played:
        documents += [result.as_dict() for result in results]
        if file.problems:
            problems = [problem.as_dict() for problem in file.problems]
            broken = {"test": None, "file": file.path, "ok": False, "seconds": 0, "simulated_ms": 0}
            documents.append(broken | {"commands": [], "outcomes": [], "problems": problems})
    output.print_json_lines(documents)


# -- for people -----------------------------------------------------------------------------
def _show(result: Result) -> None:
    line = Text("  ✓ " if result.ok else "  ✗ ", style="green" if result.ok else "bold red")
    line.append(output.clean(result.case.name), "not bold default" if result.ok else "bold default")
    counted = _count(len(result.made), "command")
    line.append(f"  {after(result.simulated_ms)}, {counted}", "dim not bold default")
    output.say(line)
    for failure in result.failures:
        _show_failure(failure, result.case.start_ms)


def _show_failure(failure: Failure, start_ms: int) -> None:
    line = Text(f"      at {after(failure.at_ms - start_ms)}: ", style="bold")
    line.append(output.clean(failure.message), "not bold")
    line.append(f"  {output.clean(failure.where)}", "dim not bold")
    output.say(line)
    for sign, text in failure.diff:
        _say_wrapped(f"        {sign} ", text, _DIFF_STYLES[sign])
    for text in failure.because:
        depth = len(text) - len(text.lstrip())
        _say_wrapped(" " * (10 + depth), text.lstrip(), "dim" if depth else "")


def _say_wrapped(head: str, text: str, style: str) -> None:
    """A line that goes on below its own beginning; where nobody reads it on a screen it stays one line."""
    parts = [output.clean(text)]
    if sys.stdout.isatty():
        width = max(shutil.get_terminal_size().columns - len(head), _NARROWEST)
        parts = textwrap.wrap(parts[0], width, subsequent_indent="  ", break_on_hyphens=False) or parts
    for number, part in enumerate(parts):
        output.say(Text((" " * len(head) if number else head) + part, style=style))


def _summary(played: Played) -> None:
    results = [result for _, found in played for result in found]
    failed = sum(not result.ok for result in results)
    problems = sum(len(file.problems) for file, _ in played)
    simulated = sum(result.simulated_ms for result in results)
    elapsed_ms = sum(result.elapsed_ns for result in results) // 1_000_000
    parts = [f"{len(results) - failed} passed"]
    parts += [f"{failed} failed"] * bool(failed)
    parts += [_count(problems, "problem")] * bool(problems)
    took = f"{after(simulated // 1_000 * 1_000)} played in {elapsed_ms}ms"
    output.say(f"{', '.join(parts)}: {took}", "bold red" if failed or problems else "bold green")


def _print_coverage(tried: Coverage) -> None:
    never_fired, never_false = tried.never_fired(), tried.never_false()
    never_held = tried.never_held()
    if tried.rules:
        output.say(f"{tried.rules - len(never_fired)} of {_count(tried.rules, 'rule')} fired", "bold")
    if tried.conditions:
        held = tried.conditions - len(never_held)
        output.say(f"{held} of {_count(tried.conditions, 'condition')} of plans held", "bold")
    _list_untried("never fired", never_fired)
    _list_untried("never held", never_held)
    _list_untried("never what failed: these terms could be deleted, and no test would notice", never_false)


def _list_untried(title: str, found: Sequence[Untried]) -> None:
    if not found:
        return
    output.say(f"  {title}", "yellow")
    for each in found:
        term = f"  {each.term}" if each.term else ""
        output.say(f"    {each.rule}{term}  {each.span.file}:{each.span.line}")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
