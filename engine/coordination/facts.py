"""Shows coordinations as facts of the engine's own kinds, so that rules and plans can match them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.coordination.case import Case, StepCase
from engine.coordination.ledger import PLACED
from engine.coordination.shown import shown_state
from engine.coordination.story import rests_on
from engine.matching.fact import Fact, Key
from engine.model.kinds import Value

if TYPE_CHECKING:
    from engine.coordination.driver import Driver


class CaseFacts:
    """``coordination``, ``step`` and ``holding`` facts."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver

    def show(self, case: Case) -> None:
        """Bring the facts to what the coordination is now."""
        now = self.driver.firing.now
        self._put(
            "coordination",
            {
                "id": case.id,
                "plan": case.plan,
                "subject": case.subject,
                "state": "open" if case.is_open else "ended",
                "verdict": case.verdict or None,
                "reason": case.verdict_reason or None,
                "provisional": case.is_provisional,
                "started_at": case.started_at,
                "deadline": case.deadline,
            },
            now,
        )
        for step in case.steps.values():
            shown = shown_state(step)
            if shown != step.shown:
                step.shown, step.since = shown, now
                self._tell(case, step)
            self._put(
                "step",
                {
                    "id": f"{case.id}/{step.name}",
                    "coordination": case.id,
                    "plan": case.plan,
                    "name": step.name,
                    "state": shown,
                    "attempt": step.run.attempt,
                    "since": step.since,
                    "commanded_at": step.run.first_at,
                    "confirmed_at": step.run.confirmed_at,
                },
                now,
            )
        self._holdings(case, now)

    def _tell(self, case: Case, step: StepCase) -> None:
        """A step is in another state: say so, and on which facts that rests."""
        run, names = rests_on(step, step.shown)
        # Of several aliases the first by name: a recovery finds them in another order than they were bound in.
        aliases = {(bound.kind, bound.key): alias for alias, bound in sorted(run.bound.items(), reverse=True)}
        effects = self.driver.effects
        found = [(name, self.driver.fact_of(*name)) for name in names]
        facts = [effects.said_fact(aliases.get(name, ""), fact, fact.claim) for name, fact in found if fact is not None]
        on = [{name: fact[name] for name in ("kind", "key", "position", "source")} for fact in facts]
        details = {"step": step.name, "state": step.shown, "attempt": run.attempt, "command": run.command, "on": on}
        self.driver.tell(case, "step", details | {"facts": facts})

    def _holdings(self, case: Case, now: int) -> None:
        held: set[Key] = set()
        for place, here in case.ledger.by_place(*PLACED).items():
            for asset, amount in here.items():
                row: dict[str, Value] = {"coordination": case.id, "place": place, "asset": asset, "amount": amount}
                self._put("holding", row, now)
                held.add((case.id, place, asset))
        for fact in self._holdings_of(case):
            if fact.key not in held:
                self.driver.base.remove(fact)

    def _holdings_of(self, case: Case) -> list[Fact]:
        memory = self.driver.base.memories["holding"]
        index = memory.need_index((memory.kind.positions["coordination"],))
        return sorted(index.bucket((case.id,)).facts, key=lambda fact: fact.key_text)

    def remove(self, case: Case) -> None:
        """The coordination leaves working memory."""
        memories = self.driver.base.memories
        found = [memories["coordination"].facts.get((case.id,))]
        found += [memories["step"].facts.get((f"{case.id}/{name}",)) for name in case.steps]
        found += self._holdings_of(case)
        for fact in found:
            if fact is not None:
                self.driver.base.remove(fact)

    def _put(self, kind: str, row: dict[str, Value], now: int) -> None:
        """Only what changed: equal values would renew the fact at every look."""
        memory = self.driver.base.memories[kind]
        values = self.driver.base.decoders[kind].from_values(row)
        key = tuple(values[p] for p in memory.kind.key_positions)
        fact = memory.facts.get(key)  # type: ignore[arg-type]
        if fact is None or fact.values != values:
            self.driver.effects.put_engine_fact(kind, row, now)
