"""Plays a test: instant by instant, each judged whole before the next begins."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from engine.clock import monotonic_ns
from engine.errors import LockstepError
from engine.insight.scenario.behind import because
from engine.insight.scenario.case import Case, Entry, Input, Push, Report, Restart, Step
from engine.insight.scenario.coverage import Coverage
from engine.insight.scenario.failure import MAX_FAILURES, Failure, Result
from engine.insight.scenario.history import Made, Noted, Refused
from engine.insight.scenario.judging import Comparison, Diff, fact_disagreement, show_made, take_rejections
from engine.insight.scenario.outcomes import disagreement, is_about, is_refused, read_outcomes, refusals, subject_words
from engine.insight.scenario.reported import Reported
from engine.insight.scenario.unmet import unmet
from engine.insight.scenario.values import canonical
from engine.insight.scenario.wanted import Checks, WantedCommand, WantedRejection
from engine.insight.scenario.world import Machinery, World
from engine.model.kinds import FINAL_STATUSES
from engine.model.rules import Span

_ALARMS: Final = ("alarm", "suspended")
#: Commands of one instant that are explained.
_EXPLAINED: Final = 3


def play(case: Case, machinery: Machinery, coverage: Coverage | None = None) -> Result:
    """Play one test to its end.

    Args:
        case: the test.
        machinery: of the daemon.
        coverage: takes what was tried.
    """
    return _Player(case, machinery, coverage).play()


class _Player:
    """One test being played."""

    def __init__(self, case: Case, machinery: Machinery, coverage: Coverage | None) -> None:
        self._case = case
        self._coverage = coverage
        self._result = Result(case)
        self._world: World
        self._machinery = machinery
        self._seen_made = 0
        self._reported = Reported(self._is_open)
        self._seen_noted = 0
        self._unnamed: list[Refused] = []
        self._stops: list[Noted] = []

    def play(self) -> Result:
        began = monotonic_ns()
        result, case = self._result, self._case
        watch = self._coverage.watch if self._coverage is not None else None
        try:
            self._world = World(case.base, self._machinery, case.start_ms, watch)
        except LockstepError as error:
            self._fail("alarm", f"the packs cannot start: {error.code} {error.message}", case.span, at_ms=case.start_ms)
            return result
        self._play_instants()
        self._judge_end()
        result.made = self._world.history.made
        result.noted, result.committed = self._world.history.noted, self._world.committed()
        result.outcomes = read_outcomes(self._world.history.noted)
        result.simulated_ms = self._world.at_ms - case.start_ms
        self._world.close()
        result.elapsed_ns = monotonic_ns() - began
        return result

    # -- instants ------------------------------------------------------------------------
    def _play_instants(self) -> None:
        case, world = self._case, self._world
        # What the packs alone bring about belongs to 0s, whether a step names it or not.
        instants: dict[int, list[Step]] = case.instants if 0 in case.instants else {0: []} | case.instants
        for offset, steps in instants.items():
            at_ms = case.start_ms + offset
            self._let_pass(at_ms)
            world.reach(at_ms)
            for step in steps:
                for each in step.inputs:
                    self._enter(each)
            world.finish()
            self._judge(steps)

    def _let_pass(self, until_ms: int) -> None:
        """Everything due before ``until_ms``, each instant whole and judged."""
        world = self._world
        while (due := world.next_due()) is not None and due < until_ms:
            world.reach(max(due, world.at_ms))
            world.finish()
            self._judge([])

    def _enter(self, each: Input) -> None:
        world = self._world
        match each:
            case Entry(fields, _):
                world.enter(dict(fields))
            case Report():
                self._report(each)
            case Restart(span):
                known = len(world.alarms)
                world.restart()
                for alarm in world.alarms[known:]:
                    self._fail("restart", f"recovery differs from what was committed: {alarm}", span)
            case Push(base, _):
                world.push(base)

    def _report(self, report: Report) -> None:
        world = self._world
        self._reported.take(world.history.made)
        found = self._reported.newest(report.command)
        if found is None:
            came = tuple((" ", f"{show_made(m)}  ({self._world.status(m.id)})") for m in world.history.made[-5:])
            message = f"a report on a command that is not open: {report.command.shown}"
            self._fail("report", message, report.span, came or ((" ", "no command was made so far"),))
            return
        detail = f',"detail":{report.detail}' if report.detail else ""
        data = f'{{"command":{canonical(found.id)},"status":{canonical(report.status)}{detail}}}'
        world.enter({"op": "report", "source": report.source, "data": data})

    def _is_open(self, made: Made) -> bool:
        return self._world.status(made.id) not in {*FINAL_STATUSES, "gone"}

    # -- judging ---------------------------------------------------------------------------
    def _judge(self, steps: list[Step]) -> None:
        self._judge_commands([wanted for step in steps for wanted in step.expect], steps)
        self._judge_notes()
        self._judge_rejections([wanted for step in steps for wanted in step.checks.rejected])
        for step in steps:
            self._judge_checks(step.checks)

    def _judge_commands(self, expected: list[WantedCommand], steps: list[Step]) -> None:
        history, case = self._world.history, self._case
        made = history.made[self._seen_made :]
        self._seen_made = len(history.made)
        for each in made:
            for wanted in case.never:
                if wanted.fits(each.command, each.args):
                    why = because(each, self._world.engine, case.start_ms)
                    diff = (("-", f"never {wanted.shown}"), ("+", show_made(each)))
                    self._fail("never", f"{each.command} was made", wanted.span, diff, why)
        if len(made) == len(expected) and all(
            wanted.fits(each.command, each.args) for wanted, each in zip(expected, made, strict=True)
        ):
            return
        comparison = Comparison(expected, made)
        if comparison.missing or (comparison.all_unexpected and not case.ignores_others):
            span = next((s.expect[0].span for s in steps if s.expect), steps[0].span if steps else case.span)
            self._fail_commands(comparison, span)

    def _fail_commands(self, comparison: Comparison, span: Span) -> None:
        world, start_ms = self._world, self._case.start_ms
        why: list[str] = []
        unexpected = [] if self._case.ignores_others else comparison.all_unexpected
        for made in unexpected[:_EXPLAINED]:
            why += because(made, world.engine, start_ms)
        for command in {wanted.command: wanted for wanted in comparison.absent}.values():
            why += unmet(command, world.engine, world.at_ms, start_ms)
        missing, more = len(comparison.missing), len(comparison.all_unexpected)
        parts = [f"{missing} expected did not come"] * bool(missing) + [f"{more} came unexpected"] * bool(more)
        self._fail("commands", f"commands: {', '.join(parts)}", span, comparison.diff, tuple(why))

    def _judge_notes(self) -> None:
        noted = self._world.history.noted
        for note in noted[self._seen_noted :]:
            kind = note.event.get("event")
            if self._coverage is not None and kind in ("fired", "shadow_fired"):
                self._coverage.fired(str(note.event.get("rule", "")), self._world.engine)
            if kind in _ALARMS and note.event.get("coordination"):
                self._stops.append(note)
            elif kind in _ALARMS:
                said = note.event.get("message", "")
                rules = ", ".join(note.event.get("rules") or ())
                self._fail("alarm", f"{kind}: {said}{f' ({rules})' if rules else ''}", self._case.span)
        self._seen_noted = len(noted)

    def _judge_rejections(self, wanted: list[WantedRejection]) -> None:
        came, self._world.history.rejected = self._world.history.rejected, []
        for missing in take_rejections(wanted, came):
            codes = ", ".join(refused.code for refused in came) or "nothing"
            diff = (("-", f"rejected {missing.code}"), ("+", f"{codes} was rejected"))
            self._fail("rejected", f"no entry was rejected with {missing.code}", missing.span, diff)
        self._unnamed += came

    def _judge_checks(self, checks: Checks) -> None:
        world, start_ms = self._world, self._case.start_ms
        if checks.outcomes:
            outcomes = read_outcomes([*world.history.noted, *world.standing()])
            for wanted in checks.outcomes:
                diff = disagreement(wanted, outcomes, start_ms)
                if diff:
                    whose = " ".join(wanted.subject)
                    self._fail("outcome", f"the outcome{f' of {whose}' if whose else ''} is another", wanted.span, diff)
        for fact in checks.facts:
            diff = fact_disagreement(fact, world.engine, start_ms)
            if diff:
                word = "is there" if fact.is_absent else "is not there"
                self._fail("facts", f"the fact {fact.kind} {word}", fact.span, diff)
        for refusal in checks.refused:
            found = refusals(world.history.noted)
            if not is_refused(refusal, found):
                came = [f"{' '.join(subject)}: {reason}" for subject, reason in found] or ["nothing was refused"]
                diff = (
                    ("-", f"{' '.join(refusal.cancel)}: {refusal.reason or 'any reason'}"),
                    *(("+", c) for c in came),
                )
                self._fail("refused", "the cancel was not refused so", refusal.span, tuple(diff))

    def _judge_stops(self) -> None:
        """A coordination that had to be stopped: as it should be only if the test says that it never ended."""
        wanted = [each for step in self._case.steps() for each in step.checks.outcomes] + self._case.checks.outcomes
        unended = [each for each in wanted if each.verdict == "none"]
        for note in self._stops:
            event = note.event
            whose = str(event["coordination"]), str(event["plan"]), subject_words(str(event["subject"]))
            if not any(is_about(each, *whose) for each in unended):
                self._fail("alarm", f"alarm: {event.get('message', '')}", self._case.span, at_ms=note.at_ms)

    def _judge_end(self) -> None:
        """What the test says of its end."""
        case = self._case
        self._judge_stops()
        came = self._unnamed
        for missing in take_rejections(case.checks.rejected, came):
            diff = (("-", f"rejected {missing.code}"), ("+", "no such rejection in the whole test"))
            self._fail("rejected", f"no entry was rejected with {missing.code}", missing.span, diff)
        if not case.ignores_others:
            for refused in came:
                why = (refused.hint,) if refused.hint else ()
                message = f"an entry was rejected: {refused.code} {refused.message}"
                self._fail("rejected", message, case.span, (), why, at_ms=refused.at_ms)
        self._judge_checks(Checks(case.checks.outcomes, case.checks.facts, [], case.checks.refused))

    def _fail(
        self,
        kind: str,
        message: str,
        span: Span,
        diff: Diff = (),
        why: Iterable[str] = (),
        at_ms: int | None = None,
    ) -> None:
        if len(self._result.failures) < MAX_FAILURES:
            at = self._world.at_ms if at_ms is None else at_ms
            where = f"{span.file}:{span.line}"
            self._result.failures.append(Failure(at, kind, message, where, diff, tuple(why)))
