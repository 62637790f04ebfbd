"""A rule at work: it judges matches and keeps the groups that hold."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from engine.errors import EvaluationError
from engine.matching.compiled import CompiledRule
from engine.matching.fact import Key
from engine.matching.group import Group, State
from engine.matching.match import Match
from engine.matching.memory import Index
from engine.matching.timeline import FLIP
from engine.model.kinds import Scalar, Value

if TYPE_CHECKING:
    from engine.matching.firing import Firing
    from engine.matching.plans import PlanDriver


class RuleNode:
    """Judges matches of one rule.

    Attributes:
        has_twins: one tuple of facts may be found as more than one match.
        holding: match → its group, for the matches that hold.
        groups: key → group.
        wakes: match → instant of its pending flip item.
        distinct: (match key, seat) → values a ``for_distinct`` has seen, in order.
        observer: of a plan's condition: who is told, instead of firing.
        follows: whether something must be done when a match that holds is judged again and still holds.
    """

    __slots__ = (
        "compiled",
        "distinct",
        "follows",
        "groups",
        "guard",
        "has_twins",
        "holding",
        "indexes",
        "is_plain",
        "name",
        "observer",
        "occurrences",
        "rule",
        "throttled",
        "wakes",
    )

    def __init__(self, compiled: CompiledRule) -> None:
        self.compiled = compiled
        self.rule = compiled.rule
        self.name = compiled.rule.name
        self.guard = compiled.guard
        self.indexes: tuple[Index, ...] = ()
        self.is_plain = not compiled.is_timed and not compiled.inner and not compiled.ripening
        self.follows = bool(
            compiled.per
            or compiled.priority
            or compiled.ended
            or any(e.effect.__class__.__name__ == "ConcludeEffect" for e in (*compiled.then, *compiled.exhausted))
        )
        self.has_twins = len(compiled.plan.grounds) > 1
        self.holding: dict[Match, Group] = {}
        self.groups: dict[Key, Group] = {}
        self.wakes: dict[Match, int] = {}
        self.distinct: dict[tuple[tuple[Key, ...], int], list[Scalar]] = {}
        self.throttled: dict[Value, int] = {}
        self.observer: PlanDriver | None = None
        self.occurrences = tuple(
            seat for seat, pattern in enumerate(self.rule.patterns) if pattern.kind.name == "schedule"
        )

    # -- judging ------------------------------------------------------------
    def judge(self, matches: Iterable[Match], firing: Firing) -> None:
        """Bring these matches to their truth at ``firing.now``."""
        guard, holding, now, context, flips = self.guard, self.holding, firing.now, firing.context, firing.flips
        if self.is_plain:
            for match in matches:
                if not match.is_complete:
                    continue
                if guard(match.facts, now, context, flips):
                    if match in holding:
                        self.leave(match, firing)
                elif match not in holding:
                    self.enter(match, firing)
                elif self.follows:
                    self.follow(match, firing)
            return
        for match in matches:
            if match.is_complete:
                self._judge_one(match, firing)

    def _judge_one(self, match: Match, firing: Firing) -> None:
        holds = self.evaluate(match, firing, firing.now, keep=True)
        if not holds:
            if match in self.holding:
                self.leave(match, firing)
        elif match not in self.holding:
            self.enter(match, firing)
        elif self.follows:
            self.follow(match, firing)

    def evaluate(self, match: Match, firing: Firing, now: int, *, keep: bool) -> bool:
        """Whether the match holds at ``now``; with ``keep``, note its subscriptions, flips and distinct values."""
        context, flips = firing.context, firing.flips
        if context.seen:
            context.forget()
        context.indexes = self.indexes
        flips.clear()
        if self.compiled.ripening:
            context.ripe = self._ripen(match, firing, now, keep)
        holds = not self.guard(match.facts, now, context, flips)
        if keep:
            if self.indexes:
                self._subscribe(match, context.seen)
                context.seen.clear()
            if self.wakes.get(match) == now:
                del self.wakes[match]  # it has just looked
            if flips:
                self._wake(match, firing)
        elif self.indexes:
            context.forget()
        return holds

    def _ripen(self, match: Match, firing: Firing, now: int, keep: bool) -> frozenset[int]:
        ripe = set()
        for seat, value_of in self.compiled.ripening.items():
            value = value_of(match.facts, now, firing.context, firing.flips)
            wanted = self.rule.patterns[seat].for_distinct
            assert wanted is not None  # noqa: S101 - ripening exists for such patterns only
            slot = (match.key, seat)
            firing.lost_distinct.pop((self, *slot), None)
            seen = self.distinct.get(slot)
            if value is None:
                if seen is not None and keep:
                    del self.distinct[slot]
                    firing.changes.distinct_changed(self, match, seat)
                continue
            if seen is None:
                seen = []
                if keep:
                    self.distinct[slot] = seen
            if value not in seen and len(seen) < wanted.count:
                if keep:
                    seen.append(value)
                    firing.changes.distinct_changed(self, match, seat)
                else:
                    seen = [*seen, value]
            if len(seen) >= wanted.count:
                ripe.add(seat)
        return frozenset(ripe)

    def distinct_of(self, match: Match) -> dict[int, list[Scalar]]:
        """The values a match's ``for_distinct`` patterns have seen, by seat."""
        slots = self.compiled.ripening
        return {seat: [*self.distinct[match.key, seat]] for seat in slots if (match.key, seat) in self.distinct}

    def set_distinct(self, match: Match, seen: dict[int, list[Scalar]]) -> None:
        """Put back what ``distinct_of`` gave."""
        for seat in self.compiled.ripening:
            self.distinct.pop((match.key, seat), None)
        self.distinct.update({(match.key, seat): values for seat, values in seen.items()})

    def _subscribe(self, match: Match, seen: list[Any]) -> None:
        if match.subscriptions is None:
            match.subscriptions = {}
        watch, before = match.subscriptions.get(self, ((self, match), {}))
        after: dict[Any, tuple[int, Key]] = {}
        for term, key, bucket in seen:
            after.setdefault(bucket, (term, key))
            mask = self.compiled.inner[term].mask
            bucket.watchers[watch] = bucket.watchers.get(watch, 0) | mask
        for bucket, (term, key) in before.items():
            if bucket not in after:
                bucket.watchers.pop(watch, None)
                self.indexes[term].drop_if_idle(key, bucket)
        match.subscriptions[self] = (watch, after)

    def _unsubscribe(self, match: Match) -> None:
        if match.subscriptions is None:
            return
        entry = match.subscriptions.pop(self, None)
        if entry is not None:
            watch, buckets = entry
            for bucket, (term, key) in buckets.items():
                bucket.watchers.pop(watch, None)
                self.indexes[term].drop_if_idle(key, bucket)

    def _wake(self, match: Match, firing: Firing) -> None:
        """Have the match judged again at its next flip. An earlier pending item serves: it will look again."""
        at = min(firing.flips)
        pending = self.wakes.get(match)
        if pending is None or at < pending:
            self.wakes[match] = at
            firing.timeline.push(at, FLIP, self.name, match.text, (self, match))

    # -- edges -------------------------------------------------------------
    def group_key(self, match: Match, firing: Firing) -> Key:
        """The key of the group a holding match belongs to."""
        per = self.compiled.per
        if per is None:
            return match.key  # type: ignore[return-value]
        return ("per", per(match.facts, self.bound(match, firing), firing.now, 0, firing.context))

    def bound(self, match: Match, firing: Firing) -> tuple[Any, ...]:
        """The picks, quorum claims and locals of a match that holds, as it was last judged.

        What it looked at for them is what the context has seen then.

        Raises:
            EvaluationError: X105, the match does not hold.
        """
        context, now = firing.context, firing.now
        if context.seen:
            context.forget()
        context.indexes = self.indexes
        if self.compiled.ripening:
            context.ripe = frozenset(self.compiled.ripening)
        # What flips at this very instant, in an item of its own that is still due, has not flipped for the match.
        instants = (now - 1, now) if self.wakes.get(match) == now else (now, now - 1)
        for at in instants:
            found = self.compiled.bind(match.facts, at, context, [])
            if found is not None:
                return found
            context.forget()
        raise EvaluationError("X105", f"{self.name}: {match.text} does not hold")

    def enter(self, match: Match, firing: Firing) -> None:
        """The match begins to hold."""
        key = self.group_key(match, firing)
        group = self.groups.get(key)
        if group is None:
            group = self.groups[key] = Group(self, key, firing.now)
        since = firing.now
        if firing.left:
            since = firing.left.pop((self, match.text), since)
        if self.has_twins:
            since = min([since, *(at for twin, at in group.members.items() if twin.text == match.text)])
        group.members[match] = since
        self.holding[match] = group
        firing.touched[group] = None
        if group.state is not State.NEW or self.follows:
            firing.followed[group] = None

    def leave(self, match: Match, firing: Firing) -> None:
        """The match no longer holds."""
        group = self.holding.pop(match)
        del group.members[match]
        firing.touched[group] = None

    def follow(self, match: Match, firing: Firing) -> None:
        """The match still holds on other values."""
        group = self.holding[match]
        if self.compiled.per is not None and self.group_key(match, firing) != group.key:
            since = group.members[match]
            self.leave(match, firing)
            self.enter(match, firing)
            self.holding[match].members[match] = since
            return
        firing.followed[group] = None

    def lose(self, match: Match, firing: Firing) -> None:
        """The match is no more."""
        group = self.holding.get(match)
        if group is not None:
            if self.compiled.per is not None:
                firing.left[(self, match.text)] = group.members[match]
            self.leave(match, firing)
        self.wakes.pop(match, None)
        self._unsubscribe(match)
        for seat in self.compiled.ripening:
            if (match.key, seat) in self.distinct:
                firing.lost_distinct[(self, match.key, seat)] = match
