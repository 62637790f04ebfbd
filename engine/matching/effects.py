"""Evaluates and applies what rules do, and says so in the audit."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from engine.errors import EvaluationError, FactRejectedError, LockstepError
from engine.matching.changes import Changes, dumps
from engine.matching.compiled import CompiledEffect
from engine.matching.conclusions import Conclusions
from engine.matching.fact import Claim, Fact
from engine.matching.factbase import FactBase
from engine.matching.group import EXHAUSTED, EXHAUSTED_PHASE, THEN_PHASE, Group
from engine.matching.match import Match
from engine.matching.memory import Taken, scalars
from engine.matching.state import frozen
from engine.model.ids import activation_id, command_id
from engine.model.journal import OutboxCommand, StreamId
from engine.model.kinds import Value
from engine.model.rules import AssertEffect, CommandEffect, ConcludeEffect, RetractEffect

if TYPE_CHECKING:
    from engine.matching.firing import Firing

#: An effect with its evaluated values: (arguments, expires) of a command, the values of a fact, or a key.
Evaluated = tuple[CompiledEffect, int, Any]


class Effects:
    """Applies effects to the fact base and the outbox.

    Attributes:
        position: journal position of the last applied entry; claims that rules make carry it.
        revision: of the rule base in force.
        events: what the current decision has to say.
        windows: local names of schedules that are windows.
        conclusions: the facts that stand as long as some group supports them.
    """

    def __init__(self, base: FactBase, changes: Changes, revision: str) -> None:
        self.base = base
        self.changes = changes
        self.revision = revision
        self.position = StreamId(0, 0)
        self.events: list[dict[str, Any]] = []
        self.windows: set[str] = set()
        self.firing: Firing  # whose step it is: set when the engine is put together
        self.conclusions = Conclusions(self)

    # -- firing ------------------------------------------------------------------
    def fire(self, group: Group, match: Match, effects: tuple[CompiledEffect, ...], event: str) -> bool:
        """Evaluate all effects on the match, then apply them in order; False (and nothing applied) if one fails."""
        firing, node = self.firing, group.node
        now = firing.now
        is_first = event == "fired" and group.attempt == 1
        attempt = group.attempt
        if is_first:
            group.activation = activation_id(node.name, group.key, firing.cause, firing.fired - 1)
        base_number = 0 if event == "fired" else EXHAUSTED
        if node.compiled.ended:
            self.prepare_ended(group)
        try:
            bound = node.bound(match, firing)
            made = [
                self.evaluate(effect, base_number + number, match, bound, now, attempt)
                for number, effect in enumerate(effects)
            ]
        except (EvaluationError, FactRejectedError) as error:
            group.has_fired = True
            self.drop(group, match, error)
            return False
        said: dict[str, Any] = {
            "event": event if node.rule.is_live else f"shadow_{event}",
            "rule": node.name,
            "revision": self.revision,
            "activation": group.activation,
            "attempt": attempt,
            "group": group.key,
            "match": match.key,
            "facts": self._facts_of(match, bound, group),
            "bindings": {
                label: value
                for (label, what), value in zip(node.compiled.labels, bound, strict=False)
                if what == "value"
            },
            "commands": [],
            "asserts": [],
            "retracts": [],
            "concludes": [],
        }
        self.events.append(said)
        group.applied[THEN_PHASE if event == "fired" else EXHAUSTED_PHASE] = (now, attempt)
        for compiled, number, values in made:
            self._apply(compiled, number, values, group, attempt, said)
        group.has_fired = True
        self.changes.group_changed(group)
        return True

    def evaluate(
        self, compiled: CompiledEffect, number: int, match: Match, bound: tuple[Any, ...], now: int, attempt: int
    ) -> Evaluated:
        """The effect's values on a match.

        Args:
            compiled: the effect.
            number: of it, within its rule.
            match: the match it is evaluated on.
            bound: what the match binds beside its facts.
            now: what ``now`` stands for, ms.
            attempt: what ``attempt`` stands for.

        Raises:
            EvaluationError: an expression failed.
            FactRejectedError: the kind of the fact it makes refuses the values.
        """
        context = self.firing.context
        values = compiled.evaluate(match.facts, bound, now, attempt, context)
        if isinstance(compiled.effect, AssertEffect | ConcludeEffect):
            values = self.base.decoders[compiled.effect.kind.name].from_values(values)
        return compiled, number, values

    def _apply(
        self,
        compiled: CompiledEffect,
        number: int,
        values: Any,  # noqa: ANN401 - evaluated values
        group: Group,
        attempt: int,
        said: dict[str, Any],
    ) -> None:
        is_live = group.node.rule.is_live
        match compiled.effect:
            case CommandEffect() as effect:
                self._command(effect, number, values, group, attempt, said)
            case AssertEffect(kind, _, _):
                outcome = self.assert_fact(kind.name, values, group.node.name) if is_live else None
                said["asserts"].append(self._said_fact(kind.name, values, outcome))
            case RetractEffect(kind, _, _):
                if is_live:
                    self.base.retract_key(self.base.memories[kind.name], values, self.firing.now)
                said["retracts"].append({"kind": kind.name, "key": list(values)})
            case ConcludeEffect(kind, _, _):
                if is_live:
                    self.conclusions.put(group, number, self.base.memories[kind.name], values)
                said["concludes"].append(self._said_fact(kind.name, values, None))

    def _command(
        self,
        effect: CommandEffect,
        number: int,
        values: Any,  # noqa: ANN401 - evaluated values
        group: Group,
        attempt: int,
        said: dict[str, Any],
    ) -> None:
        args, expires = values
        identity = command_id(group.activation, number, attempt)
        if not group.node.rule.is_live:
            said["commands"].append(_said_command(identity, effect.connector, effect.verb, args, expires))
            return
        self.make_command(identity, effect.connector, effect.verb, args, group.node.name, attempt, expires, said)

    def make_command(
        self,
        identity: str,
        connector: str,
        verb: str,
        args: dict[str, Any],
        rule: str,
        attempt: int,
        expires: int | None,
        said: dict[str, Any],
        coordination: str = "",
        step: str = "",
    ) -> None:
        """Into the outbox, the ``command`` fact and the audit."""
        said["commands"].append(_said_command(identity, connector, verb, args, expires))
        text = json.dumps(args, separators=(",", ":"), ensure_ascii=False)
        self.changes.commands.append(OutboxCommand(identity, connector, verb, text, rule, coordination, expires))
        now = self.firing.now
        row: dict[str, Value] = {
            "id": identity,
            "connector": connector,
            "verb": verb,
            "rule": rule,
            "attempt": attempt,
            "status": "queued",
            "at": now,
        }
        if coordination:
            row |= {"coordination": coordination, "step": step or None}
        self.put_engine_fact("command", row, now)

    # -- facts of rules and of the engine ----------------------------------------
    def assert_fact(self, kind: str, values: tuple[Value, ...], source: str) -> Taken | None:
        """A rule's assertion; None if its block was removed."""
        now = self.firing.now
        memory, decoder = self.base.memories[kind], self.base.decoders[kind]
        if self.base.stands_on_removed(memory, values, now) is not None:
            return None
        data = decoder.to_json(values).encode()
        claim = Claim(source, values, now, None, self.position, data)
        return self.base.put(memory, scalars(values, memory.kind.key_positions), claim, now)

    def put_engine_fact(self, kind: str, row: dict[str, Value], now: int, position: StreamId | None = None) -> None:
        """Set one of the engine's own facts; its position is that of the last applied entry unless one is given."""
        memory, decoder = self.base.memories[kind], self.base.decoders[kind]
        values = decoder.from_values(row)
        claim = Claim("lockstep", values, now, None, position or self.position, decoder.to_json(values).encode())
        self.base.put(memory, scalars(values, memory.kind.key_positions), claim, now)

    def is_current_occurrence(self, match: Match, seat: int, now: int) -> bool:
        """Whether a match's schedule fact occurred in this very step; windows are states, not occurrences."""
        fact = match.facts[seat]
        return fact is not None and (fact.key[0] in self.windows or fact.at == now)

    # -- endings -------------------------------------------------------------------
    def prepare_ended(self, group: Group) -> None:
        """Evaluate what ``ended`` would do on the values of now, for they may be gone when it ends."""
        firing, node, before, match = self.firing, group.node, group.ended, group.match
        assert match is not None  # noqa: S101 - it has fired
        try:
            bound = node.bound(match, firing)
            group.ended = [
                self.evaluate(effect, number, match, bound, firing.now, group.attempt)
                for number, effect in enumerate(node.compiled.ended)
            ]
        except (EvaluationError, FactRejectedError) as error:
            group.ended = [error]
        if group.ended != before:
            self.changes.group_changed(group)

    @staticmethod
    def restore_ended(group: Group, endings: list[Any]) -> None:
        """Take back what ``prepare_ended`` had evaluated when the group was committed."""
        group.ended = [
            LockstepError(ending["code"], ending["message"])
            if isinstance(ending, dict)
            else (compiled, number, frozen(ending))
            for number, (compiled, ending) in enumerate(zip(group.node.compiled.ended, endings, strict=False))
        ]

    def end(self, group: Group) -> None:
        """A group that fired no longer holds: ``ended`` applies, its conclusions lose its support."""
        self.conclusions.withdraw(group)
        said: dict[str, Any] = {
            "event": "ended" if group.node.rule.is_live else "shadow_ended",
            "rule": group.node.name,
            "group": group.key,
            "activation": group.activation,
            "asserts": [],
            "retracts": [],
            "commands": [],
            "concludes": [],
        }
        self.events.append(said)
        for item in group.ended or ():
            if isinstance(item, LockstepError):
                said["dropped"] = {"code": item.code, "message": item.message}
                return
        for compiled, number, values in group.ended or ():
            self._apply(compiled, number, values, group, 0, said)

    # -- saying so -----------------------------------------------------------------
    def drop(self, group: Group, match: Match, error: LockstepError) -> None:
        """An expression failed, so none of the firing's effects applies."""
        self.events.append(
            {
                "event": "dropped",
                "rule": group.node.name,
                "group": group.key,
                "match": match.key,
                "activation": group.activation,
                "attempt": group.attempt,
                "code": error.code,
                "message": error.message,
            }
        )

    def skipped(self, group: Group, match: Match, why: str) -> None:
        """A firing that ``once`` held back."""
        self.events.append(
            {"event": "skipped", "rule": group.node.name, "group": group.key, "match": match.key, "why": why}
        )

    def write_audit(self, cause: str, now: int) -> None:
        """One audit entry for the decision, if it has something to say."""
        if self.events:
            fields = [("cause", cause.encode()), ("at", str(now).encode()), ("events", dumps(self.events))]
            self.changes.audit.append(fields)
            self.events = []

    def _facts_of(self, match: Match, bound: tuple[Any, ...], group: Group) -> list[dict[str, Any]]:
        labels = group.node.compiled.labels
        chosen = {label: value for (label, what), value in zip(labels, bound, strict=False) if what == "claim"}
        facts = []
        for pattern, fact in zip(group.node.rule.patterns, match.facts, strict=True):
            if fact is not None:
                facts.append(self.said_fact(pattern.alias, fact, chosen.get(pattern.alias) or fact.claim))
        for (label, what), value in zip(labels, bound, strict=False):
            if what == "fact" and isinstance(value, Fact):
                facts.append(self.said_fact(label, value, value.claim))
        return facts

    def said_fact(self, alias: str, fact: Fact, claim: Claim) -> dict[str, Any]:
        """A fact as the audit tells it."""
        values = json.loads(self.base.decoders[fact.memory.name].to_json(claim.values))
        return {
            "alias": alias,
            "kind": fact.memory.name,
            "key": list(fact.key),
            "values": values,
            "position": str(claim.position),
            "observed_at": claim.at,
            "source": claim.source,
        }

    def _said_fact(self, kind: str, values: tuple[Value, ...], outcome: Taken | None) -> dict[str, Any]:
        key = [values[position] for position in self.base.memories[kind].kind.key_positions]
        said = {"kind": kind, "key": key, "values": json.loads(self.base.decoders[kind].to_json(values))}
        if outcome is not None and outcome not in (Taken.ADDED, Taken.CHANGED):
            said["outcome"] = outcome.value
        return said


def _said_command(
    identity: str, connector: str, verb: str, args: dict[str, Any], expires: int | None
) -> dict[str, Any]:
    said = {"id": identity, "connector": connector, "verb": verb, "command": f"{connector}.{verb}", "args": args}
    return said if expires is None else said | {"expires": expires}
