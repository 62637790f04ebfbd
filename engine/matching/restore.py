"""Puts committed state into a fresh engine: after a start (the same rules) or a reload (other rules)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from engine import limits
from engine.errors import EvaluationError, FactRejectedError
from engine.matching.fact import Key, key_text
from engine.matching.group import EXHAUSTED, EXHAUSTED_PHASE, THEN_PHASE, Group
from engine.matching.group import State as GroupState
from engine.matching.match import Match
from engine.matching.memory import scalars
from engine.matching.node import RuleNode
from engine.matching.sources import Source
from engine.matching.state import State, frozen
from engine.matching.timeline import ENGINE, FLIP
from engine.model.kinds import Scalar, Value
from engine.model.rules import ConcludeEffect

if TYPE_CHECKING:
    from engine.matching.engine import Engine

#: Differences named in one alarm.
_NAMED: Final = 20


@dataclass(slots=True)
class _Standing:
    """A group as it was committed, and the one it becomes."""

    key: Key
    record: dict[str, Any]
    members: dict[str, int]
    group: Group | None = None


class Restoration:
    """One use: ``recover`` or ``reload``."""

    def __init__(self, engine: Engine, state: State) -> None:
        self.engine = engine
        self.state = state
        self.alarms: list[str] = []
        self.is_reload = False
        self.refreshed: list[Group] = []
        self.idle: list[tuple[str, str]] = []

    def recover(self) -> list[str]:
        """Go on under the same rules: what stands must be what was committed.

        Returns:
            Differences, which are alarms: the engine has taken the truth of the facts for each.
        """
        self._load()
        self._judge(self._standing({}), is_reload=False)
        if self.engine.driver is not None:
            self.alarms += self.engine.driver.resume(is_reload=False)
        self.engine.occurrences.start(self.engine.schedules, self.state.followed, self.engine.now)
        self._discard()
        for rule, text in self.idle:
            self.engine.changes.group_renamed(rule, text)
        return self.alarms

    def reload(self, cause: str, renamed: dict[str, str]) -> None:
        """Go on under other rules, as one step: what fired and still holds does not fire again; the rest ends.

        Args:
            cause: the ``rulebase`` entry.
            renamed: old rule name → new, from ``was``.
        """
        engine = self.engine
        self.is_reload = True
        before = (self.state.throttled, self.state.distinct, self.state.once)
        self._rename(renamed)
        self._load()
        self._discard()
        self._note_memories(*before)
        engine.firing.begin(engine.now, cause)
        engine.firing.suspended.clear()
        for name in self.state.suspended:
            engine.changes.suspended_changed(name, is_suspended=False)
        standing = self._standing(renamed)
        for rule, text in self.state.group_names:
            engine.changes.group_renamed(rule, text)
        self._judge(standing, is_reload=True)
        if engine.driver is not None:
            engine.driver.resume(is_reload=True)
        engine.occurrences.start(engine.schedules, self.state.followed, engine.now)
        for group in self.refreshed:
            self._support_anew(group)
        self._withdraw_unsupported()
        engine.firing.settle()

    # -- memories of rules, over a reload ----------------------------------------
    def _rename(self, renamed: dict[str, str]) -> None:
        """What ``was`` says: a rule keeps under its new name what it remembered under the old one."""
        state = self.state
        state.throttled = {(renamed.get(rule, rule), per): at for (rule, per), at in state.throttled.items()}
        state.distinct = {(renamed.get(rule, rule), *where): seen for (rule, *where), seen in state.distinct.items()}  # type: ignore[misc]
        own: dict[str, str] = {}
        for old, new in renamed.items():
            once = self.engine.nodes[new].rule.once
            if once is not None and once.name == new:
                own |= {old: new, f"shadow:{old}": f"shadow:{new}"}
        state.once = {(own.get(name, name), key): at for (name, key), at in state.once.items()}

    def _note_memories(
        self,
        throttled: dict[tuple[str, Value], int],
        distinct: dict[tuple[str, tuple[Key, ...], int], list[Scalar]],
        once: dict[tuple[str, Value], int],
    ) -> None:
        """Of what rules remembered, write down what moved, and drop what no rule takes up: it must not come back."""
        engine, state, changes = self.engine, self.state, self.engine.changes
        for rule, per in throttled:
            if rule not in engine.nodes or (rule, per) not in state.throttled:
                changes.throttle_changed(rule, per, None)
        for (rule, per), at in state.throttled.items():
            if (rule, per) not in throttled and rule in engine.nodes:
                changes.throttle_changed(rule, per, at)
        for rule, key, seat in distinct:
            node = engine.nodes.get(rule)
            if node is None or (key, seat) not in node.distinct:
                changes.distinct_forgotten(rule, key, seat)
        for rule, key, seat in state.distinct:
            node = engine.nodes.get(rule)
            if node is not None and (rule, key, seat) not in distinct and (key, seat) in node.distinct:
                changes.distinct_changed_key(node, key, seat)
        for name, of in once:
            if (name, of) not in state.once:
                changes.once_changed(name, of, None)
        for (name, of), at in state.once.items():
            if (name, of) not in once:
                changes.once_changed(name, of, at)

    def _withdraw_unsupported(self) -> None:
        """Conclusions of rules that are gone, or say something else now."""
        for memory in self.engine.base.memories.values():
            if memory.kind.concluded:
                for fact in [fact for key, fact in memory.facts.items() if not memory.supporters.get(key)]:
                    self.engine.base.remove(fact)

    # -- facts and memories ----------------------------------------------------
    def _load(self) -> None:
        engine, state = self.engine, self.state
        engine.arrived = {}
        engine.now = state.cursor.now_ms
        engine.position = engine.effects.position = state.cursor.entry
        engine.firing.now = engine.now
        base = engine.base
        base.restored_at = engine.now
        for kind, claim in state.claims:
            memory = base.memories[kind]
            base.restore(memory, scalars(claim.values, memory.kind.key_positions), claim)
        for (kind, key, source), stone in state.tombstones.items():
            if kind in base.memories:
                base.restore_tombstone(base.memories[kind], key, source, stone)
        for block, until in state.blocks.items():
            base.restore_removed(block, until)
        for once, at in state.once.items():
            engine.firing.past.remember_once(once, at)
        engine.firing.suspended |= state.suspended
        engine.reports.writers.update(state.writers)
        for (rule, per), at in state.throttled.items():
            if rule in engine.nodes:
                engine.firing.past.remember_throttle(engine.nodes[rule], per, at)
        for (rule, match_key, seat), values in state.distinct.items():
            node = engine.nodes.get(rule)
            if node is not None and seat in node.compiled.ripening:
                node.distinct[(match_key, seat)] = list(values)
        self._load_sources()
        if engine.driver is not None:
            engine.driver.restore(state.cases, is_reload=self.is_reload)

    def _load_sources(self) -> None:
        engine = self.engine
        for fact in engine.base.memories["source"].facts.values():
            row = dict(zip(fact.memory.kind.positions, fact.values, strict=True))
            source = Source(str(row["id"]), _number(row["last_seen"]))
            source.state = str(row["state"])
            source.skewed, source.superseded = _number(row["skewed"]), _number(row["superseded"])
            source.rejected = _number(row["rejected"])
            source.minute, source.rejected_in_minute = self.state.minutes.get(source.name, (0, 0))
            engine.sources.all[source.name] = source
            if source.state != "silent":
                source.watched_until = source.last_seen + limits.SOURCE_SILENT_MS + 1
                engine.timeline.push(source.watched_until, ENGINE, "source", source.name, source)

    # -- groups ------------------------------------------------------------------
    def _standing(self, renamed: dict[str, str]) -> dict[str, list[_Standing]]:
        standing: dict[str, list[_Standing]] = {}
        for rule, groups in self.state.groups.items():
            name = renamed.get(rule, rule)
            for key, record in groups:
                members = {key_text(frozen(match)): since for match, since in record["members"]}
                standing.setdefault(name, []).append(_Standing(key, record, members))
        return standing

    def _judge(self, standing: dict[str, list[_Standing]], *, is_reload: bool) -> None:
        engine = self.engine
        by_match: dict[str, dict[RuleNode, _Standing]] = {}
        for rule, groups in standing.items():
            node = engine.nodes.get(rule)
            if node is None:
                continue
            for entry in groups:
                for text in entry.members:
                    by_match.setdefault(text, {})[node] = entry
        for match in self._found():
            if match.is_complete:
                stood = by_match.get(match.text, {}) if by_match else {}
                for node in _judges(match, stood):
                    self._judge_one(node, match, stood.get(node), is_reload=is_reload)
        for rule, groups in standing.items():
            for entry in groups:
                if entry.group is None:
                    self._vanished(rule, entry, is_reload=is_reload)

    def _found(self) -> Iterable[Match]:
        """Every match, each once: what was there before the first fact, and what came with the facts."""
        engine = self.engine
        arrived, engine.arrived = engine.arrived or {}, None
        work, engine.work[:] = engine.work[:], []
        return dict.fromkeys([*(match for _, matches in work for match in matches), *arrived])

    def _judge_one(self, node: RuleNode, match: Match, entry: _Standing | None, *, is_reload: bool) -> None:
        firing, now, held = self.engine.firing, self.engine.now, entry is not None
        committed = node.distinct_of(match)
        held_before, flips = held, False
        if node.compiled.is_timed and not is_reload:
            held_before = node.evaluate(match, firing, now - 1, keep=False)
            flips = now in firing.flips
        holds = node.evaluate(match, firing, now, keep=True)
        if entry is not None:
            self._attach(node, match, entry, is_reload=is_reload)
        if flips and held in (holds, held_before):
            # Something flips at this very instant, and that flip may still be due. Judging twice changes nothing.
            node.set_distinct(match, committed)
            node.wakes[match] = now
            self.engine.timeline.push(now, FLIP, node.name, match.text, (node, match))
            return
        if holds == held:
            return
        if not is_reload:
            self._alarm(f"{node.name} {match.text} {'holds' if holds else 'does not hold'}, committed otherwise")
        if holds:
            node.enter(match, firing)
        else:
            node.leave(match, firing)

    def _attach(self, node: RuleNode, match: Match, entry: _Standing, *, is_reload: bool) -> None:
        engine, record = self.engine, entry.record
        group = entry.group
        if group is None:
            group = entry.group = Group(node, entry.key, record["since"])
            node.groups[group.key] = group
            self._fill(group, record, is_reload=is_reload)
        group.members[match] = entry.members[match.text]
        node.holding[match] = group
        wanted = record.get("match")
        if group.match is None or (wanted is not None and key_text(frozen(wanted)) == match.text):
            group.match = match
        if is_reload:
            engine.firing.followed[group] = None
            engine.changes.group_changed(group)

    def _fill(self, group: Group, record: dict[str, Any], *, is_reload: bool) -> None:
        engine = self.engine
        group.state = GroupState(record["state"])
        group.moment = record.get("moment", group.since)
        group.fired_at = record.get("fired_at", 0)
        group.attempt = record.get("attempt", 0)
        group.activation = record.get("activation", "")
        group.has_fired = record.get("has_fired", False)
        if group.has_fired:
            applied = record.get("applied", {THEN_PHASE: (group.fired_at, 1)})
            group.applied = {phase: (at, attempt) for phase, (at, attempt) in applied.items()}
        if record.get("due"):
            engine.firing.set_timer(group, record["due"])
        if group.state is GroupState.READY:
            engine.firing.held_back[group] = None
            if is_reload:
                engine.firing.make_ready(group)
        if is_reload:
            self.refreshed.append(group)
            return
        if "ended" in record:
            engine.effects.restore_ended(group, record["ended"])
        for number, kind, key, values in record.get("supports", ()):
            memory = engine.base.memories[kind]
            supporter = (group.node.name, group.text, number)
            memory.supporters.setdefault(frozen(key), {})[supporter] = frozen(values)
            group.supports[number] = (memory, frozen(key))

    def _vanished(self, rule: str, entry: _Standing, *, is_reload: bool) -> None:
        """No match of this group is left: after a reload that is how removed rules end."""
        node, driver = self.engine.nodes.get(rule), self.engine.driver
        if node is not None and node.observer is not None and driver is not None and driver.is_idle(rule, entry.key):
            # Earlier versions judged the conditions of plans also for what no coordination is about.
            self.idle.append((rule, key_text(entry.key)))
            return
        if not is_reload:
            self._alarm(f"{rule} {key_text(entry.key)} stood when committed, and has no match now")
            self.engine.changes.group_renamed(rule, key_text(entry.key))

    def _support_anew(self, group: Group) -> None:
        """Conclusions after a reload: by the new text. What no group supports any more goes, below."""
        effects, firing = self.engine.effects, self.engine.firing
        if not group.has_fired or not group.node.rule.is_live or not group.members:
            return
        match = group.match if group.match in group.members else next(iter(group.members))
        compiled = group.node.compiled
        phases = ((THEN_PHASE, 0, compiled.then), (EXHAUSTED_PHASE, EXHAUSTED, compiled.exhausted))
        try:
            bound = group.node.bound(match, firing)
            for phase, base, made in phases:
                for number, each in enumerate(made if phase in group.applied else (), base):
                    if isinstance(each.effect, ConcludeEffect):
                        effects.conclusions.support(group, number, match, bound)
        except (EvaluationError, FactRejectedError) as error:
            effects.drop(group, match, error)

    # -- ends ------------------------------------------------------------------
    def _alarm(self, text: str) -> None:
        if len(self.alarms) < _NAMED:
            self.alarms.append(text)

    def _discard(self) -> None:
        """Loading changes nothing that is not committed already."""
        changes = self.engine.changes
        if not self.alarms:
            changes.discard()


def _judges(match: Match, stood: Iterable[RuleNode]) -> Iterable[RuleNode]:
    """The rules for which a match may hold or has held."""
    fact = match.facts[0]
    if not match.ground.is_solo or fact is None:
        return match.ground.nodes
    kind = fact.memory.kind.name
    return dict.fromkeys(
        [*fact.memory.watchers.of(fact.values), *(node for node in stood if node.rule.patterns[0].kind.name == kind)]
    )


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0
