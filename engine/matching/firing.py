"""Settles a step: judges what must look again, ends and begins groups, and fires the best until nothing is ready."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine import limits
from engine.errors import EvaluationError, LockstepError
from engine.matching.agenda import Agenda
from engine.matching.context import Context, Window
from engine.matching.fact import Key
from engine.matching.following import Following, Saying
from engine.matching.group import Group, State
from engine.matching.match import Match
from engine.matching.node import RuleNode
from engine.matching.past_firings import PastFirings, once_name
from engine.matching.plans import PlanAction, PlanDriver
from engine.matching.timeline import GROUP, DueItem, Timeline
from engine.model.ids import activation_id
from engine.model.journal import StreamId
from engine.model.kinds import Value

if TYPE_CHECKING:
    from engine.matching.changes import Changes
    from engine.matching.effects import Effects
    from engine.matching.factbase import Work


class RunawayError(LockstepError):
    """A chain of firings does not end; the step must be decided again without these rules."""

    def __init__(self, cause: str, rules: tuple[str, ...]) -> None:
        super().__init__("X201", f"the chain begun by {cause} does not end: {', '.join(rules)}")
        self.cause = cause
        self.rules = rules


class Firing:
    """Fires what is ready, and holds the state of the step being settled.

    Attributes:
        now: time of the step.
        touched: groups that gained or lost members since the last round.
        followed: groups whose values may have changed.
        fired: firings of this step so far.
        left: (rule, match) → since when it held, of matches lost since the last round; they may be found again in it.
        suspended: rules that do not fire until the rule base changes or an operator resumes them.
        past: what earlier firings hold back.
        max_depth: firings of a step that may cause one another, one below the other.
        max_chain: firings of a step.
    """

    def __init__(
        self, windows: dict[str, Window], timeline: Timeline, changes: Changes, work: list[Work], effects: Effects
    ) -> None:
        self.context = Context(windows)
        self.flips: list[int] = []
        self.timeline = timeline
        self.changes = changes
        self.work = work
        self.effects = effects
        self.now = 0
        self._origin: StreamId | DueItem | str = ""
        self.touched: dict[Group, None] = {}
        self.followed: dict[Group, None] = {}
        self.lost_distinct: dict[tuple[RuleNode, tuple[Key, ...], int], Match] = {}
        self.agenda = Agenda()
        self.driver: PlanDriver | None = None
        self.fired = 0
        self.left: dict[tuple[RuleNode, str], int] = {}
        self._born: list[Group] = []
        self._following = Following()
        self.suspended: set[str] = set()
        self.held_back: dict[Group, None] = {}
        self.past = PastFirings(changes, effects.base.forgetting)
        self.max_depth = limits.MAX_CHAIN_DEPTH
        self.max_chain = limits.MAX_CHAIN
        self._current: Group | None = None

    # -- the step --------------------------------------------------------------
    def begin(self, now: int, origin: StreamId | DueItem | str) -> None:
        """A step begins; whatever it changes is settled by ``settle``."""
        self.now = now
        self._origin = origin
        self.fired = 0
        self._current = None
        self._following.begin_step()
        if self._born:
            for group in self._born:  # what follows from them in later steps is no chain
                group.parent, group.depth = None, 0
            self._born.clear()

    @property
    def cause(self) -> str:
        """The stable name of the step; spelled only when something is said, for most steps say nothing."""
        origin = self._origin
        return origin.cause if isinstance(origin, DueItem) else str(origin)

    def settle(self) -> None:
        """Judge, end, begin and fire until nothing is ready.

        Raises:
            RunawayError: firings cause one another without end.
        """
        self._round()
        while (group := self.agenda.take()) is not None:
            if isinstance(group, PlanAction):
                if self.driver is not None:
                    self._current = None
                    self._following.begin()
                    self.driver.take(group)
                    self._round()
                continue
            if group.state is not State.READY or not group.members:
                continue
            if group.node.name in self.suspended:
                self.held_back[group] = None
                continue
            self._current = group
            self._following.begin()
            self._take(group)
            self._round()
        self._current = None

    def _round(self) -> None:
        """Bring every rule to its truth; endings apply before anything fires and may make others look again."""
        work = self.work
        driver = self.driver
        while work or self.touched or self.followed or self.lost_distinct or (driver is not None and driver.is_dirty):
            while work:
                batch = work[:]
                work.clear()
                for node, matches in batch:
                    node.judge(matches, self)
            if self.lost_distinct:
                self._forget_distinct()
            if self.touched or self.followed:
                self._turn()
            elif driver is not None and driver.is_dirty:
                driver.advance()

    def offer(self, action: PlanAction, priority: int, name: str, text: str) -> None:
        """Put a plan's forward command into the agenda."""
        self.agenda.put(action, priority, self.now, name, text)

    def _turn(self) -> None:
        touched, followed = self.touched, self.followed
        self.touched, self.followed = {}, {}
        self.left.clear()
        for group in touched:
            if group.members and group.has_fired and group.match not in group.members:
                followed[group] = None
        # All is evaluated on the facts as they were judged, before anything changes them.
        said = self._foresee(followed) if followed else []
        over = [group for group in touched if not group.members]
        for group in sorted(over, key=lambda g: (g.node.name, g.text)):
            self._end(group)
        for group in touched:
            if group.members:
                if group.state is State.NEW:
                    self._start(group)
                self.changes.group_changed(group)
        for group in followed:
            if group.members:
                self._follow(group)
        if said:
            self._say(said)

    def _foresee(self, followed: dict[Group, None]) -> list[Saying]:
        """What the conclusions of these groups say now, where it is something else; and what ``ended`` would do."""
        said: list[Saying] = []
        for group in followed:
            if not group.has_fired or not group.members:
                continue
            if group.match not in group.members:
                group.match = self._best(group)[1]
                self.changes.group_changed(group)
            if group.node.compiled.ended:
                self.effects.prepare_ended(group)
            if group.supports and not self._following.is_spent(group):
                said += self.effects.conclusions.following(group)
        return said

    def _say(self, said: list[Saying]) -> None:
        """Change conclusions, if they have not been following one another for too long."""
        rules = {saying.group.node.name for saying in said}
        endless = self._following.count(rules, self.max_depth)
        if endless:
            raise RunawayError(self.cause, endless)
        for saying in sorted(said, key=lambda s: (s.group.node.name, s.group.text, s.number)):
            if saying.number in saying.group.supports:
                self.effects.conclusions.say(saying)
            if saying.group.node.name in self.suspended:
                self._following.spend(saying.group)

    def _forget_distinct(self) -> None:
        for (node, key, seat), match in self.lost_distinct.items():
            if not match.is_complete and node.distinct.pop((key, seat), None) is not None:
                self.changes.distinct_changed_key(node, key, seat)
        self.lost_distinct.clear()

    # -- groups ----------------------------------------------------------------
    def _start(self, group: Group) -> None:
        rule = group.node.rule
        group.since = group.moment = self.now
        if self._current is not None:
            group.parent = self._current
            group.depth = self._current.depth + 1
            self._born.append(group)
        if not self._may_begin(group):
            group.state = State.DONE
        elif rule.for_ms:
            group.state = State.WAITING
            self.set_timer(group, self.now + rule.for_ms)
        elif group.node.observer is not None:
            self._observe(group)
        else:
            self.make_ready(group)

    @staticmethod
    def _observe(group: Group) -> None:
        """A condition of a plan holds, or no longer: nothing fires, but its coordination must be looked at."""
        if group.members:
            group.state = State.DONE
        assert group.node.observer is not None  # noqa: S101 - callers have looked
        group.node.observer.sensed(group)

    def _may_begin(self, group: Group) -> bool:
        """A match on an occurrence of a schedule fires if it begins in that occurrence's own instant, or not at all."""
        node = group.node
        if not node.occurrences:
            return True
        is_current = self.effects.is_current_occurrence
        return any(all(is_current(match, seat, self.now) for seat in node.occurrences) for match in group.members)

    def make_ready(self, group: Group) -> None:
        """Put a group into the agenda as of now."""
        group.state = State.READY
        group.moment = self.now
        self._enqueue(group)

    def _enqueue(self, group: Group) -> None:
        group.version += 1
        self.agenda.put(group, self._best(group)[0], group.moment, group.node.name, group.text)

    def _best(self, group: Group) -> tuple[int, Match]:
        """The match a group fires with, and its priority: larger priority, earlier since, then fact keys."""
        if len(group.members) == 1:
            match = next(iter(group.members))
            return self._priority(group.node, match), match
        ranked = ((-self._priority(group.node, m), since, m.text, m) for m, since in group.members.items())
        best = min(ranked, key=lambda r: r[:3])
        return -best[0], best[3]

    def _priority(self, node: RuleNode, match: Match) -> int:
        value_of = node.compiled.priority
        if value_of is None:
            return 0
        try:
            value = value_of(match.facts, node.bound(match, self), self.now, 0, self.context)
        except EvaluationError:
            return 0
        return value if isinstance(value, int) else 0

    def _follow(self, group: Group) -> None:
        if group.node.observer is not None:
            if group.state is State.DONE:
                self._observe(group)
            return
        if group.state is State.READY and group.node.compiled.priority is not None:
            self._enqueue(group)

    def _end(self, group: Group) -> None:
        node = group.node
        if node.groups.get(group.key) is group:
            del node.groups[group.key]
        group.due = 0
        group.version += 1
        self.held_back.pop(group, None)
        self.changes.group_changed(group)
        if group.node.observer is not None:
            self._observe(group)
        if group.has_fired:
            self.effects.end(group)

    def set_timer(self, group: Group, at: int) -> None:
        """Have ``due`` called for the group at that instant; a group has one timer."""
        group.due = at
        self.timeline.push(at, GROUP, group.node.name, group.text, group)

    def release(self, rule: str) -> None:
        """Let a suspended rule fire again; what it held back and still holds becomes ready now."""
        if rule not in self.suspended:
            return
        self.suspended.discard(rule)
        self.changes.suspended_changed(rule, is_suspended=False)
        for group in [g for g in self.held_back if g.node.name == rule]:
            del self.held_back[group]
            if group.members and group.state is State.READY:
                self.make_ready(group)

    # -- timers ----------------------------------------------------------------
    def due(self, group: Group) -> None:
        """A group's timer has come."""
        group.due = 0
        self.changes.group_changed(group)
        if group.state is State.WAITING and group.node.observer is not None:
            self._observe(group)
            return
        self.make_ready(group)

    def _repeat(self, group: Group) -> None:
        """A group that has fired fires again, or is exhausted."""
        rule = group.node.rule
        group.state = State.DONE
        if rule.repeat is None:
            return  # it had one when the timer was set
        self._guard_chain(group)
        match = self._chosen(group)
        if group.attempt <= rule.repeat.times:
            group.attempt += 1
            self.effects.fire(group, match, group.node.compiled.then, "fired")
            self._arm_repeat(group)
        else:
            self.effects.fire(group, match, group.node.compiled.exhausted, "exhausted")

    def _chosen(self, group: Group) -> Match:
        if group.match is None or group.match not in group.members or group.node.compiled.per is not None:
            group.match = self._best(group)[1]
        return group.match

    def _arm_repeat(self, group: Group) -> None:
        """The next firing, at its nominal time; after the last, ``exhausted`` one ``every`` later."""
        repeat = group.node.rule.repeat
        if repeat is None:
            return
        if group.attempt <= repeat.times or group.node.compiled.exhausted:
            # An operator may have held it back, beyond some of its nominal times.
            passed = (self.now - group.fired_at) // repeat.every_ms
            self.set_timer(group, group.fired_at + repeat.every_ms * max(group.attempt, passed + 1))

    # -- firing ----------------------------------------------------------------
    def _take(self, group: Group) -> None:
        node = group.node
        self.changes.group_changed(group)
        if group.attempt:
            self._repeat(group)
            return
        match = self._best(group)[1]
        try:
            bound = node.bound(match, self)
            once = self._once_key(node, match, bound)
            per = self._throttle_key(node, match, bound)
        except EvaluationError as error:
            self._guard_chain(group)
            self._mark_fired(group, match)
            group.activation = activation_id(node.name, group.key, self.cause, self.fired - 1)
            group.has_fired = True
            if node.compiled.ended:
                self.effects.prepare_ended(group)
            self.effects.drop(group, match, error)
            self._arm_repeat(group)
            return
        if once is not None and self.past.has_fired(once, node.rule, self.now):
            group.state = State.DONE
            self.effects.skipped(group, match, "once")
            return
        until = self.past.throttled_until(node, per, self.now)
        if until is not None:
            group.state = State.THROTTLED
            self.set_timer(group, until)
            return
        self._guard_chain(group)
        self._mark_fired(group, match)
        self.effects.fire(group, match, node.compiled.then, "fired")
        self.past.fired(node, once, per, self.now)
        self._arm_repeat(group)

    def _mark_fired(self, group: Group, match: Match) -> None:
        group.state = State.DONE
        group.fired_at = self.now
        group.attempt = 1
        group.match = match

    def _once_key(self, node: RuleNode, match: Match, bound: tuple[Any, ...]) -> tuple[str, Value] | None:
        key_of, once = node.compiled.once_key, node.rule.once
        if key_of is None or once is None:
            return None
        return once_name(node.rule), key_of(match.facts, bound, self.now, 0, self.context)

    def _throttle_key(self, node: RuleNode, match: Match, bound: tuple[Any, ...]) -> Value:
        per = node.compiled.throttle_per
        return "" if per is None else per(match.facts, bound, self.now, 0, self.context)

    def _guard_chain(self, group: Group) -> None:
        self.fired += 1
        if group.depth <= self.max_depth and self.fired <= self.max_chain:
            return
        counts: dict[str, int] = {}
        link: Group | None = group
        while link is not None:
            counts[link.node.name] = counts.get(link.node.name, 0) + 1
            link = link.parent
        repeated = tuple(sorted(name for name, count in counts.items() if count > 1))
        raise RunawayError(self.cause, repeated or (group.node.name,))
