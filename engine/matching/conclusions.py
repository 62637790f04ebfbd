"""Conclusions: facts that stand, with values that follow what they read, as long as some group supports them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.errors import EvaluationError, FactRejectedError, LockstepError
from engine.matching.fact import Claim, Key
from engine.matching.following import Saying
from engine.matching.group import EXHAUSTED, EXHAUSTED_PHASE, THEN_PHASE, Group
from engine.matching.match import Match
from engine.matching.memory import KindMemory, scalars
from engine.model.kinds import Value
from engine.model.rules import ConcludeEffect

if TYPE_CHECKING:
    from engine.matching.effects import Effects


class Conclusions:
    """Who supports which concluded fact, and what the fact therefore says."""

    def __init__(self, effects: Effects) -> None:
        self.effects = effects
        self.base = effects.base

    def put(self, group: Group, number: int, memory: KindMemory, values: tuple[Value, ...]) -> None:
        """Have a group support a fact with these values, by the number of the effect that concludes it."""
        key = scalars(values, memory.kind.key_positions)
        before = group.supports.get(number)
        if before is not None and before != (memory, key):
            self._withdraw_one(group, number)
        memory.supporters.setdefault(key, {})[(group.node.name, group.text, number)] = values
        group.supports[number] = (memory, key)
        self._show(memory, key)

    def support(self, group: Group, number: int, match: Match, bound: tuple[Any, ...]) -> None:
        """Have a group support a conclusion, by the number of its effect.

        Raises:
            EvaluationError: its values cannot be computed.
            FactRejectedError: its kind refuses them.
        """
        values = self._concluded(group, number, match, bound)
        self.put(group, number, self._memory_of(group, number), values)

    def _concluded(self, group: Group, number: int, match: Match, bound: tuple[Any, ...]) -> tuple[Value, ...]:
        """What a conclusion says on the facts as they are, with the time and the attempt of its firing."""
        at, attempt = group.applied[EXHAUSTED_PHASE if number >= EXHAUSTED else THEN_PHASE]
        _, _, values = self.effects.evaluate(group.effect(number), number, match, bound, at, attempt)
        concluded: tuple[Value, ...] = values
        return concluded

    def _memory_of(self, group: Group, number: int) -> KindMemory:
        effect = group.effect(number).effect
        assert isinstance(effect, ConcludeEffect)  # noqa: S101 - callers number conclusions only
        return self.base.memories[effect.kind.name]

    def withdraw(self, group: Group) -> None:
        """A group supports nothing any more."""
        for number in list(group.supports):
            self._withdraw_one(group, number)

    def _withdraw_one(self, group: Group, number: int) -> None:
        memory, key = group.supports.pop(number)
        supporters = memory.supporters.get(key, {})
        supporters.pop((group.node.name, group.text, number), None)
        if not supporters:
            memory.supporters.pop(key, None)
        self._show(memory, key)

    def _show(self, memory: KindMemory, key: Key) -> None:
        """Bring a concluded fact to what its first supporter says, or let it go with its last."""
        supporters = memory.supporters.get(key)
        fact = memory.facts.get(key)
        if not supporters:
            if fact is not None:
                self.base.remove(fact)
            return
        first = min(supporters)
        values = supporters[first]
        if fact is not None and fact.values == values:
            return
        now = self.effects.firing.now
        data = self.base.decoders[memory.name].to_json(values).encode()
        claim = Claim(first[0], values, now, None, self.effects.position, data)
        self.base.set_concluded(memory, key, claim)

    def following(self, group: Group) -> list[Saying]:
        """What the group's conclusions say on the facts as they are, where that is not what they said."""
        match = group.match
        assert match is not None  # noqa: S101 - it has fired
        said: list[Saying] = []
        try:
            bound = group.node.bound(match, self.effects.firing)
        except EvaluationError as error:
            self._keep(group, error)
            return said
        for number, (memory, key) in group.supports.items():
            try:
                values = self._concluded(group, number, match, bound)
            except (EvaluationError, FactRejectedError) as error:
                self._keep(group, error)
                continue
            if values != memory.supporters[key][(group.node.name, group.text, number)]:
                said.append(Saying(group, number, memory, values))
        return said

    def say(self, saying: Saying) -> None:
        """A conclusion says something else."""
        group, number, memory, values = saying
        self.put(group, number, memory, values)
        self.effects.changes.group_changed(group)

    def _keep(self, group: Group, error: LockstepError) -> None:
        """What a conclusion would say now cannot be told, so what it said last stands."""
        said = {"event": "kept", "rule": group.node.name, "group": group.key, "activation": group.activation}
        self.effects.events.append(said | {"code": error.code, "message": error.message})
