"""The reference engine: one step after another, everything found anew each time. See docs/semantics.md."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from engine.model.kinds import FINAL_STATUSES, Value
from engine.model.rules import RuleBase, Schedule
from tests.support.reference.facts import Facts
from tests.support.reference.ids import canonical
from tests.support.reference.records import Decision, FactSeen, GroupSeen, StepRecord
from tests.support.reference.schedules import NextFire, last_opening, no_cron, occurrences, window_at
from tests.support.reference.settle import Limits, decide
from tests.support.reference.state import Group, State
from tests.support.reference.steps import Advance, Assert, Entry, Reorg, Report, Result, Resume, Retract, Step


@dataclass(frozen=True, order=True)
class Due:
    """Something due: instant, rank, name and key order it."""

    at: int
    rank: int
    name: str
    key: str

    @property
    def cause(self) -> str:
        """As ids and records name it."""
        return f"due:{self.at}:{self.rank}:{self.name}:{self.key}"


def nothing_but_time() -> None:
    """Change nothing."""


EXPIRY, OCCURRENCE, FLIP, TIMER = range(4)
#: A status gives way to none of lower rank; a final one stands.
RANKS = {"queued": 0, "sent": 1, "submitted": 2, "unknown": 2}


class ReferenceEngine:
    """Runs a history against a rule base. ``reached``: everything due before it has been processed."""

    def __init__(
        self,
        rulebase: RuleBase,
        *,
        start_ms: int = 0,
        limits: Limits | None = None,
        next_fire: NextFire = no_cron,
    ) -> None:
        self.rulebase = rulebase
        self.reached = start_ms
        self.limits = limits or Limits()
        self.next_fire = next_fire
        self.state = State(Facts(rulebase.kinds))
        self.pending: dict[tuple[int, str], Schedule] = {}
        self.followed: dict[str, int] = {s.name: start_ms for s in rulebase.schedules}
        self.index = 0
        for schedule in rulebase.schedules:
            if schedule.open is not None:
                self.show_window(schedule, start_ms)
        self.opening = [self.settle("start", start_ms)]

    def run(self, steps: Iterable[Step]) -> list[StepRecord]:
        """Take a whole history."""
        return [self.step(step) for step in steps]

    def step(self, step: Step) -> StepRecord:
        """Take one step: first what is due before it, then the entry."""
        decisions, self.opening = self.opening, []
        if isinstance(step, Advance):
            decisions += self.pass_time(step.to_ms)
        else:
            decisions += self.pass_time(step.at)
            self.state.facts.position = (step.at, step.seq)
            self.enter(step)
            decisions.append(self.settle(f"{step.at}-{step.seq}", step.at))
        self.index += 1
        spoken = tuple(d for d in decisions if not d.is_quiet)
        return StepRecord(self.index - 1, spoken, self.facts(), self.groups())

    def facts(self) -> tuple[FactSeen, ...]:
        """Every fact, in order of kind and key."""
        facts = self.state.facts
        newest = [facts.newest_first(kind, key)[0] for kind, key in facts.claims]
        newest.sort(key=lambda c: (c.kind, canonical(c.key)))
        return tuple(FactSeen(c.kind, c.key, c.values, c.observed_at) for c in newest)

    def groups(self) -> tuple[GroupSeen, ...]:
        """Every group that holds, in order of rule and key."""
        groups = sorted((g for of_rule in self.state.groups.values() for g in of_rule.values()), key=lambda g: g.order)
        return tuple(GroupSeen(g.rule.name, g.key, g.since, g.fired_at is not None) for g in groups)

    def settle(self, cause: str, now: int, flipped: tuple[str, str] | None = None) -> Decision:
        """Settle the step whose own change was just made."""
        self.state, decision = decide(self.rulebase, self.state, cause, now, self.window, self.limits, flipped)
        return decision

    def window(self, name: str, now: int) -> tuple[bool, int | None]:
        """Whether the window of that schedule is open, and when that changes."""
        schedule = next(s for s in self.rulebase.schedules if s.name == name)
        return window_at(schedule, now, self.next_fire)

    # --- time -----------------------------------------------------------------------------------------------------

    def pass_time(self, to_ms: int) -> list[Decision]:
        """Process everything due before an instant, one item after another, each with its own time."""
        for schedule in self.rulebase.schedules:
            for at in occurrences(schedule, self.followed[schedule.name], to_ms, self.next_fire):
                self.pending[at, schedule.name] = schedule
            self.followed[schedule.name] = max(self.followed[schedule.name], to_ms - 1)
        decisions = []
        while due := [item for item in self.due() if item[0].at < to_ms]:
            first, change = min(due, key=lambda item: item[0])
            change()
            flipped = (first.name, first.key) if first.rank == FLIP else None
            decisions.append(self.settle(first.cause, first.at, flipped))
        self.reached = max(self.reached, to_ms)
        return decisions

    def due(self) -> list[tuple[Due, Callable[[], None]]]:
        """Everything that will be due as things are, with what it changes."""
        return [*self.due_claims(), *self.due_occurrences(), *self.due_rules()]

    def due_claims(self) -> Iterable[tuple[Due, Callable[[], None]]]:
        """Claims that will be past their ttl."""
        facts = self.state.facts
        for (kind, key), slots in facts.claims.items():
            ttl = facts.kinds[kind].ttl_ms
            for claim in slots.values():
                if ttl is not None and not facts.kinds[kind].concluded:
                    at = claim.observed_at + ttl + 1
                    yield Due(at, EXPIRY, kind, canonical(key)), partial(facts.expire, kind, key, at)

    def due_occurrences(self) -> Iterable[tuple[Due, Callable[[], None]]]:
        """Schedules that occur."""
        for (at, name), schedule in self.pending.items():
            yield Due(at, OCCURRENCE, name, ""), partial(self.occur, at, schedule)

    def due_rules(self) -> Iterable[tuple[Due, Callable[[], None]]]:
        """Matches that will be found otherwise by time alone, and groups whose timer runs."""
        for rule in self.rulebase.rules:
            for text, match in self.state.matches.get(rule.name, {}).items():
                if match.judgement is not None and match.judgement.flips:
                    yield Due(min(match.judgement.flips), FLIP, rule.name, text), nothing_but_time
            for text, group in self.state.groups.get(rule.name, {}).items():
                if group.timer is not None:
                    yield Due(group.timer, TIMER, rule.name, text), partial(self.ring, group.timer, group)

    def occur(self, at: int, schedule: Schedule) -> None:
        """A schedule occurs: its fact is made anew, but a window that closes only changes it."""
        del self.pending[at, schedule.name]
        if schedule.open is not None:
            self.show_window(schedule, at)
        else:
            self.state.facts.remove("schedule", (schedule.local_name,), "")
            self.state.facts.write("schedule", (schedule.local_name, at, False), at)

    def show_window(self, schedule: Schedule, now: int) -> None:
        """The fact of a window: when it last opened, and whether it is open."""
        facts, key = self.state.facts, (schedule.local_name,)
        values = (schedule.local_name, last_opening(schedule, now, self.next_fire), self.window(schedule.name, now)[0])
        shown = facts.fact("schedule", key)
        if shown is not None and shown.values[1] != values[1]:
            facts.remove("schedule", key, "")
        facts.write("schedule", values, now)

    def ring(self, at: int, group: Group) -> None:
        """A group's timer has come: it is ready to fire, to fire again, or is exhausted."""
        group.timer, group.ready_at, group.parent, group.depth = None, at, None, 0

    # --- entries --------------------------------------------------------------------------------------------------

    def enter(self, entry: Entry) -> None:
        """Make an entry's own change."""
        facts = self.state.facts
        match entry:
            case Assert():
                kind = self.rulebase.kinds[entry.kind]
                assert not kind.concluded
                assert not kind.engine
                values = tuple(entry.values[f.name] for f in kind.fields)
                facts.take(entry.kind, values, entry.source, entry.at, entry.observed_at, entry.seq_no)
            case Retract():
                said = (entry.order, entry.observed_at, entry.seq_no)
                facts.retract(entry.kind, entry.key, entry.source, entry.at, *said)
            case Reorg():
                facts.reorganise(entry.network, entry.removed, entry.added, entry.at)
            case Report():
                self.tell_command(self.command_meant(entry.command), entry.status, entry.at, is_reported=True)
            case Result():
                self.tell_command(self.command_meant(entry.command), entry.status, entry.at, is_reported=False)
            case Resume():
                self.resume(entry.rule, entry.at)

    def resume(self, rule: str, now: int) -> None:
        """A suspended rule may fire again; what it held back and still holds becomes ready now."""
        if rule not in self.state.suspended:
            return
        self.state.suspended.discard(rule)
        for group in self.state.groups.get(rule, {}).values():
            if group.ready_at is not None:
                self.ring(now, group)

    def command_meant(self, which: str | int) -> Value:
        """The id of the command that a report is about."""
        made = self.state.commands
        if isinstance(which, int):
            return made[which % len(made)] if made else None
        return which

    def tell_command(self, which: Value, status: str, now: int, *, is_reported: bool) -> None:
        """A command's status, if it is news: never back, and the first final one stands."""
        claims = self.state.facts.newest_first("command", (which,))
        if not claims:
            return
        kind = self.rulebase.kinds["command"]
        named = dict(zip((f.name for f in kind.fields), claims[0].values, strict=True))
        old = str(named["status"])
        if old in FINAL_STATUSES or old == status:
            return
        if status not in FINAL_STATUSES and RANKS[status] < RANKS[old]:
            return
        if status == "unknown" and old == "submitted" and not is_reported:
            return  # dispatch missed a report that the journal has
        named["status"] = status
        self.state.facts.write("command", tuple(named.values()), now)
