"""The real engine behind the reference's face: the same decoded steps in, the same plain records out.

Steps travel the whole way of a fact (wire form, envelope, decoder), and what is committed is kept in dictionaries, so
that the engine can be thrown away between any two steps and recovered from them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from engine.matching.decoders import KindDecoder
from engine.matching.engine import Engine
from engine.matching.firing import RunawayError
from engine.matching.joins import Joiner, JoinShape, PythonJoiner
from engine.matching.restore import Restoration
from engine.matching.state import State, frozen, read_state
from engine.matching.surroundings import Surroundings
from engine.model.journal import Cursor, StreamId, write_changes
from engine.model.kinds import Value
from engine.model.rules import AssertEffect, CommandEffect, ConcludeEffect, Effect, RetractEffect, RuleBase
from engine.model.signing import signed_fields
from engine.runtime.schedule_times import ScheduleTimes
from tests.support.reference.ids import canonical
from tests.support.reference.records import (
    CommandMade,
    Decision,
    EffectMade,
    Ended,
    FactAsserted,
    FactConcluded,
    FactRetracted,
    FactSeen,
    Firing,
    GroupKey,
    GroupSeen,
    StepRecord,
)
from tests.support.reference.settle import Limits
from tests.support.reference.steps import Advance, Assert, Entry, Reorg, Report, Result, Resume, Retract, Step

SECRET = b"a secret of the tests"


class RealEngine:
    """Runs a history; ``restart`` throws the engine away and recovers from what was committed."""

    def __init__(
        self,
        rulebase: RuleBase,
        *,
        start_ms: int = 0,
        make_joiner: Callable[[list[JoinShape]], Joiner] = PythonJoiner,
        limits: Limits | None = None,
    ) -> None:
        self.rulebase = rulebase
        self.make_joiner = make_joiner
        self.limits = limits or Limits()
        self.decoders = {name: KindDecoder(kind) for name, kind in rulebase.kinds.items()}
        self.suspend_at: dict[str, tuple[str, ...]] = {}
        self.facts_hash: dict[bytes, bytes] = {}
        self.active_hash: dict[bytes, bytes] = {}
        self.meta: dict[str, str] = {}
        self.cursor = Cursor(StreamId(0, 0), start_ms)
        self.commands: list[str] = []
        self.index = 0
        self.signed = 0
        self.rejected: list[tuple[str, str]] = []
        self.engine = self._engine()
        Restoration(self.engine, State(self.cursor)).reload("start", {})
        self.engine.finish_entry()
        self.opening = self._commit()

    def _engine(self) -> Engine:
        surroundings = Surroundings(self.make_joiner, ScheduleTimes, SECRET, self.suspend_at)
        engine = Engine(self.rulebase, surroundings)
        engine.firing.max_chain, engine.firing.max_depth = self.limits.firings, self.limits.depth
        return engine

    def _recovered(self) -> Engine:
        engine = self._engine()
        state = read_state(
            self.cursor, self.meta, self.facts_hash.items(), self.active_hash.items(), self.rulebase.kinds
        )
        alarms = Restoration(engine, state).recover()
        assert not alarms, alarms
        return engine

    def restart(self) -> None:
        """Recover from what is committed, as after ``kill -9``."""
        self.engine.close()
        self.engine = self._recovered()

    def run(self, steps: Iterable[Step], restarts: frozenset[int] = frozenset()) -> list[StepRecord]:
        """Take a whole history; before the steps with these numbers the engine is restarted."""
        records = []
        for number, step in enumerate(steps):
            if number in restarts:
                self.restart()
            records.append(self.step(step))
        return records

    def step(self, step: Step) -> StepRecord:
        """Take one step and commit it."""
        while True:
            try:
                self._take(step)
            except RunawayError as error:
                self.suspend_at[error.cause] = (*self.suspend_at.get(error.cause, ()), *error.rules)
                self.restart()
                continue
            break
        decisions, self.opening = (*self.opening, *self._commit()), ()
        self.index += 1
        return StepRecord(self.index - 1, decisions, self.facts(), self.groups())

    def _take(self, step: Step) -> None:
        engine = self.engine
        if isinstance(step, Advance):
            engine.run_due(step.to_ms)
            return
        engine.run_due(step.at)
        fields = [word.encode() for pair in self._wire(step).items() for word in pair]
        engine.apply(StreamId(step.at, step.seq), fields, max(engine.now, step.at))

    def _wire(self, entry: Entry) -> dict[str, str]:
        match entry:
            case Assert():
                values = tuple(entry.values[f.name] for f in self.rulebase.kinds[entry.kind].fields)
                data = self.decoders[entry.kind].to_json(values)
                fields = {"op": "assert", "kind": entry.kind, "source": entry.source, "data": data}
            case Retract():
                kind = self.rulebase.kinds[entry.kind]
                body: dict[str, Value] = dict(zip(kind.key, entry.key, strict=True))
                if entry.order is not None:
                    body |= {n: v for n, v in zip(kind.order, entry.order, strict=True) if v is not None}
                shown = {name: self._wired(entry.kind, name, value) for name, value in body.items()}
                fields = {"op": "retract", "kind": entry.kind, "source": entry.source, "data": json.dumps(shown)}
            case Reorg():
                told = {"network": entry.network, "removed": list(entry.removed), "added": list(entry.added)}
                return {"op": "reorg", "source": entry.source, "data": json.dumps(told)}
            case Report():
                said = {"command": self._meant(entry.command), "status": entry.status}
                return {"op": "report", "source": entry.source, "data": json.dumps(said)}
            case Resume():
                self.signed += 1
                order = {"action": "resume", "what": f"rule:{entry.rule}"}
                return signed_fields("control", json.dumps(order), "operator", self.signed, SECRET)
            case Result():
                said = {"command": self._meant(entry.command), "status": entry.status}
                self.signed += 1
                return signed_fields("result", json.dumps(said), "dispatch", self.signed, SECRET)
        if entry.observed_at is not None:
            fields["observed_at"] = str(entry.observed_at)
        if entry.seq_no is not None:
            fields["seq"] = str(entry.seq_no)
        return fields

    def _wired(self, kind: str, name: str, value: Value) -> object:
        type_ = self.rulebase.kinds[kind].field(name).type.name
        if type_ in ("uint256", "amount", "wei"):
            return str(value)
        return hex(value) if type_ == "quantity" and isinstance(value, int) else value

    def _meant(self, which: str | int) -> str:
        if isinstance(which, int):
            made = [*self.commands, *(command.command_id for command in self.engine.changes.commands)]
            return made[which % len(made)] if made else "none"
        return which

    # -- what became of it -------------------------------------------------------
    def _commit(self) -> tuple[Decision, ...]:
        self.engine.bring_sources_up()
        change = self.engine.changes.change_set(self.cursor, self.engine.cursor, "c")
        write_changes(self.facts_hash, change.facts)
        write_changes(self.active_hash, change.active)
        write_changes(self.meta, change.meta)
        self.cursor = change.cursor
        self.commands += [command.command_id for command in change.commands]
        self.rejected += [(str(r.entry), r.code) for r in change.rejected]
        decisions = (self._decision(dict(fields)) for fields in change.audit)
        return tuple(d for d in decisions if not d.is_quiet)

    def _decision(self, said: dict[str, bytes]) -> Decision:
        events = json.loads(said["events"])
        firings, ended, suspended = [], [], []
        for event in events:
            match event["event"]:
                case "fired" | "shadow_fired" | "exhausted" | "shadow_exhausted" | "dropped":
                    firings.append(self._firing(event))
                case "ended" | "shadow_ended":
                    rule = self.engine.nodes[event["rule"]].rule
                    effects = () if "dropped" in event else tuple(self._effects(event, rule.ended))
                    group = self._group(event["group"])
                    ended.append(Ended(event["rule"], group, effects, "dropped" in event))
                case "suspended":
                    suspended += event["rules"]
        return Decision(
            said["cause"].decode(), int(said["at"]), tuple(firings), tuple(ended), tuple(sorted(set(suspended)))
        )

    def _firing(self, event: dict[str, Any]) -> Firing:
        is_dropped = event["event"] == "dropped"
        rule = event["rule"]
        is_exhausted = event["event"].endswith("exhausted")
        of = self.engine.nodes[rule].rule
        return Firing(
            rule,
            self._group(event["group"]),
            tuple(zip((p.kind.name for p in of.patterns), frozen(event["match"]), strict=True)),
            event["attempt"],
            event["activation"],
            () if is_dropped else tuple(self._effects(event, of.exhausted if is_exhausted else of.then)),
            is_exhausted=is_exhausted,
            is_dropped=is_dropped,
        )

    def _effects(self, event: dict[str, Any], effects: tuple[Effect, ...]) -> Iterable[EffectMade]:
        left = {name: iter(event[name]) for name in ("commands", "asserts", "retracts", "concludes")}
        for effect in effects:
            match effect:
                case CommandEffect():
                    made = next(left["commands"])
                    args = canonical(made["args"])
                    yield CommandMade(made["id"], made["connector"], made["verb"], args, made.get("expires"))
                case AssertEffect():
                    made = next(left["asserts"])
                    yield FactAsserted(made["kind"], self._values(made))
                case ConcludeEffect():
                    made = next(left["concludes"])
                    yield FactConcluded(made["kind"], self._values(made))
                case RetractEffect():
                    made = next(left["retracts"])
                    yield FactRetracted(made["kind"], tuple(made["key"]))

    def _values(self, made: dict[str, Any]) -> tuple[Value, ...]:
        return self.decoders[made["kind"]].decode(json.dumps(made["values"], ensure_ascii=False).encode())

    # -- keys --------------------------------------------------------------------
    @staticmethod
    def _group(key: Any) -> GroupKey:  # noqa: ANN401 - from JSON
        made: GroupKey = frozen(key)
        return made

    # -- what stands ---------------------------------------------------------------
    def facts(self) -> tuple[FactSeen, ...]:
        """Every fact but those on sources, in order of kind and key."""
        seen = [
            FactSeen(name, fact.key, fact.values, fact.at)
            for name, memory in self.engine.base.memories.items()
            if name != "source"
            for fact in memory.facts.values()
        ]
        return tuple(sorted(seen, key=lambda f: (f.kind, canonical(f.key))))

    def groups(self) -> tuple[GroupSeen, ...]:
        """Every group that holds, in order of rule and key."""
        seen = [
            GroupSeen(node.name, self._group(group.key), group.since, group.has_fired)
            for node in self.engine.nodes.values()
            for group in node.groups.values()
        ]
        return tuple(sorted(seen, key=lambda g: (g.rule, canonical(g.group))))
