"""The matching engine: journal entries and instants in, changes out. Pure: no I/O, no clock.

One step is one journal entry or one due item; ``docs/semantics.md`` says what a step does.
"""

from __future__ import annotations

from collections.abc import Mapping

from engine import limits
from engine.errors import FactRejectedError
from engine.matching.changes import Changes
from engine.matching.compiled import CompiledRule
from engine.matching.effects import Effects
from engine.matching.envelope import Envelope, parse_envelope, source_of
from engine.matching.fact import Fact
from engine.matching.factbase import FactBase, Work
from engine.matching.firing import Firing
from engine.matching.grounding import Grounder
from engine.matching.group import Group
from engine.matching.guards import compile_rule
from engine.matching.intake import Intake
from engine.matching.match import Match
from engine.matching.node import RuleNode
from engine.matching.occurrences import Occurrences
from engine.matching.plans import PlanDriver
from engine.matching.reports import Reports
from engine.matching.sources import Source, Sources
from engine.matching.surroundings import Surroundings
from engine.matching.timeline import ENGINE, EXPIRY, FLIP, GROUP, OCCURRENCE, DueItem, Timeline
from engine.matching.watchers import Watchers
from engine.model.journal import Cursor, Rejection, StreamId
from engine.model.rules import RuleBase


class Engine:
    """Facts, rules and time put together.

    Attributes:
        rulebase: the packs in force.
        now: the time reached: everything due before it has been processed.
        position: the last applied journal entry.
        changes: what is not committed yet.
        arrived: while state is put back: the matches found, instead of having them judged.
        stopped_at: the due item after which ``run_due`` was told to stop, so that more of its instant may be due; else
            empty.
    """

    def __init__(
        self, rulebase: RuleBase, surroundings: Surroundings, compiled: Mapping[str, CompiledRule] | None = None
    ) -> None:
        self.rulebase = rulebase
        self.surroundings = surroundings
        self.now = 0
        self.position = StreamId(0, 0)
        self.changes = Changes()
        self.timeline = Timeline(_stands)
        self.work: list[Work] = []
        self.arrived: dict[Match, None] | None = None
        self.stopped_at = ""
        self.base = FactBase(rulebase.kinds.values(), self.timeline, self.changes, self.work)
        self.effects = Effects(self.base, self.changes, rulebase.revision)
        times = [(schedule, surroundings.times_of(schedule)) for schedule in rulebase.schedules]
        windows = {schedule.name: window for schedule, window in times}
        self.schedules = times
        self.firing = Firing(dict(windows), self.timeline, self.changes, self.work, self.effects)
        self.effects.firing = self.firing
        self.sources = Sources(self.effects, self.timeline, self.changes)
        self.occurrences = Occurrences(self.effects, self.timeline, self.changes, surroundings.recalled)
        self.intake = Intake(self)
        self.reports = Reports(self)
        self.nodes: dict[str, RuleNode] = {}
        for rule in rulebase.rules:
            made = compiled.get(rule.name) if compiled is not None else None
            self.nodes[rule.name] = RuleNode(made or compile_rule(rule))
            self.firing.past.keep(rule)
        self.driver = self._make_driver()
        if self.driver is not None:
            self.firing.driver = self.driver
            self.nodes |= {node.name: node for node in self.driver.nodes()}
        self._wire()
        assert self.base.grounder is not None  # noqa: S101 - _wire has just set it
        self.base.grounder.start()

    def _make_driver(self) -> PlanDriver | None:
        make, plans = self.surroundings.make_driver, self.rulebase.plans or self.surroundings.old_plans
        return make(self) if make is not None and plans else None

    def _wire(self) -> None:
        """Seat every rule where its patterns look."""
        base, memories = self.base, self.base.memories | self.base.copies
        plans = [plan for node in self.nodes.values() for plan in node.compiled.plan.grounds]
        grounder = base.grounder = Grounder(plans, memories, self.surroundings.make_joiner, self)
        for node in self.nodes.values():
            node.indexes = tuple(memories[t.kind].need_index(t.positions) for t in node.compiled.inner)
            for plan in node.compiled.plan.grounds:
                ground = grounder.grounds[plan]
                ground.nodes.append(node)
                for seat, mask in zip(ground.seats, node.compiled.masks, strict=True):
                    if ground.is_solo:
                        memories[plan.kinds[0]].solo_nodes.append((mask, node))
                    else:
                        seat.nodes.append((mask, node))
        for memory in memories.values():
            memory.watchers = Watchers(memory.solo_nodes)
        self.sources.is_watched = any(
            kind == "source"
            for node in self.nodes.values()
            for kind in (*(p.kind.name for p in node.rule.patterns), *(t.kind for t in node.compiled.inner))
        )

    # -- matches come and go (MatchSink) ---------------------------------------
    def found(self, match: Match) -> None:
        """A match is complete: the rules that may hold for it must judge it."""
        if self.arrived is not None:
            self.arrived[match] = None
            return
        nodes, fact = match.ground.nodes, match.facts[0]
        if match.ground.is_solo and fact is not None:
            nodes = fact.memory.watchers.of(fact.values)
        if nodes:
            pair = (match,)
            self.work += [(node, pair) for node in nodes]

    def lost(self, match: Match) -> None:
        """A match is no more."""
        for node in match.ground.nodes:
            node.lose(match, self.firing)
        match.is_complete = False

    # -- steps -------------------------------------------------------------------
    def apply(self, entry: StreamId, fields: list[bytes], now: int) -> None:
        """One journal entry at ``now``; everything due before must have run (``run_due``).

        Raises:
            RunawayError: see ``Firing.settle``; the engine must then be built again from what was committed.
        """
        self.begin_entry(entry, now)
        try:
            envelope = parse_envelope(fields)
            self._take(envelope, now)
        except FactRejectedError as error:
            self.reject(entry, fields, error)
        self.finish_entry()

    def begin_entry(self, entry: StreamId, now: int) -> None:
        """The step of an entry begins."""
        self.now = now
        self.stopped_at = ""
        self.position = self.effects.position = entry
        self._begin(now, entry)

    def finish_entry(self) -> None:
        """The step of an entry is settled and said."""
        self._finish()

    def settle_alarms(self) -> None:
        """After recovery: settle what was found to differ, as a step of its own."""
        self._begin(self.now, f"recovery:{self.position}")
        self._finish()

    def _take(self, envelope: Envelope, now: int) -> None:
        match envelope.op:
            case "assert":
                self.intake.asserted(envelope, now)
            case "retract":
                self.intake.retracted(envelope, now)
            case "reorg":
                self.reports.reorganise(envelope, now)
            case "report":
                self.reports.report(envelope, now)
            case "result" | "control":
                self.reports.signed(envelope, now)
            case _:
                raise FactRejectedError("F302", f"op {envelope.op} is not taken here", "use `lockstep push`")
        if envelope.op not in ("result", "control"):
            self.sources.seen(envelope.source, now, is_good=True)

    def reject(self, entry: StreamId, fields: list[bytes], error: FactRejectedError) -> None:
        """Send an entry to ``rejected`` and count it against its source."""
        pairs = list(zip(fields[::2], fields[1::2], strict=False))
        kept = tuple(
            (n[: limits.MAX_REJECTED_FIELD_BYTES], v[: limits.MAX_REJECTED_FIELD_BYTES]) for n, v in pairs[:16]
        )
        self.changes.rejected.append(Rejection(entry, kept, error.code, error.message, error.hint))
        source = source_of(fields)
        if source is not None:
            self.sources.rejected(source, self.now, error.code)

    def _begin(self, now: int, origin: StreamId | DueItem | str) -> None:
        self.firing.begin(now, origin)
        suspend_at = self.surroundings.suspend_at
        rules = suspend_at.get(self.firing.cause) if suspend_at else None
        if rules:
            for rule in rules:
                self.firing.suspended.add(rule)
                self.changes.suspended_changed(rule, is_suspended=True)
            self.effects.events.append(
                {"event": "suspended", "rules": list(rules), "code": "X201", "message": "the chain does not end"}
            )

    def _finish(self) -> None:
        if self.sources.is_watched and self.sources.dirty:
            self.sources.show()
        is_driven = self.driver is not None and self.driver.is_dirty
        if self.work or self.firing.touched or self.firing.lost_distinct or self.firing.agenda.entries or is_driven:
            self.firing.settle()
        if self.effects.events:
            self.effects.write_audit(self.firing.cause, self.firing.now)

    # -- time --------------------------------------------------------------------
    def run_due(self, limit: int, most: int | None = None) -> int:
        """Process what is due before ``limit``, in order, each at its own instant.

        Args:
            limit: the time that is reached; what is due at exactly that instant waits until time is past it.
            most: stop after so many decisions (the rest stays due).

        Returns:
            How many decisions were made.
        """
        head = self.timeline.next_at()
        if head is None or head >= limit:
            if limit > self.now:
                self._reach(limit)
            return 0
        made = 0
        while most is None or made < most:
            item = self.timeline.pop_before(limit)
            if item is None:
                self._reach(max(self.now, limit))
                break
            if self._run(item, limit):
                made += 1
                self.stopped_at = item.cause
        return made

    def run_due_through(self, cause: str, most: int) -> int:
        """Process what is due up to one item, that included, where it was left off; what comes after it stays due.

        Args:
            cause: the item's name; everything before its instant must have run.
            most: stop after so many decisions.

        Returns:
            How many decisions were made.
        """
        made = 0
        while made < most and (item := self.timeline.pop_through(cause)) is not None:
            made += self._run(item, item.at)
        # That very item may have been there only because of a recovery, which looks twice at what flips just then.
        self.now = max(self.now, int(cause.split(":", 2)[1]))
        self.stopped_at = cause
        return made

    def _reach(self, now: int) -> None:
        """Everything due before ``now`` has run: what was remembered until then may go."""
        self.now = now
        self.stopped_at = ""
        if now >= self.base.forgetting.due_at:
            self.base.forgetting.run(now)

    def _run(self, item: DueItem, limit: int) -> bool:
        payload = item.payload
        if not _stands(item):
            return False
        match item.rank:
            case rank if rank == EXPIRY and isinstance(payload, Fact):
                self._due(item)
                if not self.base.expire(payload, item.at):
                    return False
            case rank if rank == OCCURRENCE:
                self._due(item)
                if not self.occurrences.due(item, limit):
                    return False
            case rank if rank == FLIP and isinstance(payload, tuple):
                node, match = payload
                del node.wakes[match]
                self._due(item)
                self.work.append((node, (match,)))
            case rank if rank == GROUP and isinstance(payload, Group):
                self._due(item)
                self.firing.due(payload)
            case rank if rank == GROUP and self.driver is not None:
                if not self.driver.due(payload, item.at):
                    return False
                self._due(item)
                self.driver.settle_due(payload)
            case rank if rank == ENGINE and isinstance(payload, Source):
                self._due(item)
                if not self.sources.due(payload, item.at):
                    return False
            case _:
                raise AssertionError(f"unknown due item {item!r}")
        self._finish()
        return True

    def _due(self, item: DueItem) -> None:
        self.now = max(self.now, item.at)
        if self.now >= self.base.forgetting.due_at:
            self.base.forgetting.run(self.now)  # as where time stops: in one step or in many, the same is let go
        self._begin(item.at, item)

    def next_due(self) -> int | None:
        """The earliest instant at which something may be due, for the alarm clock."""
        return self.timeline.next_at()

    def close(self) -> None:
        """Another engine goes on: let go of what the joins hold."""
        if self.base.grounder is not None and self.base.grounder.joiner is not None:
            self.base.grounder.joiner.close()

    # -- committing ----------------------------------------------------------------
    @property
    def cursor(self) -> Cursor:
        """Where the engine is."""
        return Cursor(self.position, self.now)

    def bring_sources_up(self) -> None:
        """Before a commit: let the ``source`` facts say what is known, when no rule needed them earlier."""
        if self.sources.dirty:
            self.sources.show()

    def figures(self) -> dict[str, int]:
        """Counts for status and metrics."""
        return {
            "facts": self.base.count,
            "groundings": self.base.grounder.count if self.base.grounder is not None else 0,
            "active": sum(len(node.groups) for node in self.nodes.values()),
            "pending_deadlines": len(self.timeline),
            "rules": len(self.nodes),
            "suspended": len(self.firing.suspended),
            "stopped_coordinations": 0 if self.driver is None else self.driver.stopped(),
        }


def _stands(item: DueItem) -> bool:
    """False once whoever an item concerns is gone or waits for another instant."""
    payload = item.payload
    if isinstance(payload, Fact):
        return payload.is_alive and payload.expires_at == item.at
    if isinstance(payload, Group):
        return payload.due == item.at and payload.node.groups.get(payload.key) is payload
    if isinstance(payload, tuple):
        node, match = payload
        return node.wakes.get(match) == item.at  # type: ignore[no-any-return]
    return True
