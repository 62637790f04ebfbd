"""What a run's conditions and reports show: that value left, that it is done, that an attempt had no effect."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from engine.coordination.case import FactName, Run
from engine.coordination.desk import Desk
from engine.coordination.evaluate import Bound, Surroundings, evaluate
from engine.errors import EvaluationError
from engine.matching.fact import Fact, key_text
from engine.matching.group import Group
from engine.matching.match import Match
from engine.matching.node import RuleNode
from engine.model.plans import Action
from engine.model.rules import Aggregate, Pick, Without


class Evidence:
    """Reads conditions for the runs of one coordination, and binds what they find."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.width = len(desk.plan.patterns)

    # -- what is shown -------------------------------------------------------------
    def shows_seen(self, run: Run, action: Action) -> bool:
        """Value left: its condition, else a report ``submitted`` or ``done``. What failed attempts left is spent."""
        if action.seen is None:
            return run.command not in run.spent and self.desk.status(run.command) in ("submitted", "done")
        place = f"{run.place}.seen"
        return self.desk.holds(place) and any(text not in run.spent for text in self._texts(place))

    def shows_confirmed(self, run: Run, action: Action) -> bool:
        """It is done: its condition, else a report ``done``, about whichever attempt."""
        if action.confirmed is None:
            return any(self.desk.status(command) == "done" for command in run.commands)
        return self.desk.holds(f"{run.place}.confirmed")

    def shows_nothing_but(self, run: Run, action: Action, counted: set[FactName]) -> bool:
        """Whether its ``confirmed`` rests on facts alone that count for another action already: each counts once."""
        group = self.desk.group(f"{run.place}.confirmed") if counted and action.confirmed is not None else None
        match = None if group is None else self._choose(group, f"{run.place}.confirmed", run)
        if group is None or match is None:
            return False
        facts = self._read(group.node, match)[2]
        return bool(facts) and counted.issuperset(facts)

    def shows_failure(self, run: Run, action: Action) -> bool:
        """The last attempt had no effect: evidence newer than its command."""
        return bool(self._failures(run, action))

    def _failures(self, run: Run, action: Action) -> list[Match]:
        place = f"{run.place}.failed"
        if action.failed is None or run.last_at is None or not self.desk.holds(place):
            return []
        at = run.last_at
        return [m for m in self._members(place) if m.text not in run.stale and self._newest(m) >= at]

    def behind_failure(self, run: Run, action: Action) -> list[FactName]:
        """The facts that show that the last attempt had no effect; none if that was reported."""
        matches = [(f"{run.place}.failed", match) for match in self._failures(run, action)]
        if self.shows_unused(run, action):
            matches += [(f"{run.place}.unused", match) for match in self._members(f"{run.place}.unused")]
        found: dict[FactName, None] = {}
        for place, match in matches:
            group = self.desk.group(place)
            if group is not None:
                found |= dict.fromkeys(self._read(group.node, match)[2])
        return list(found)

    def shows_unused(self, run: Run, action: Action) -> bool:
        """It is proven that nothing left."""
        return action.unused is not None and self.desk.holds(f"{run.place}.unused")

    def spend(self, run: Run, action: Action) -> None:
        """An attempt had no effect: what showed that it left says nothing about the next."""
        run.spent_before = run.spent
        if action.seen is None:
            run.spent = [run.command]
        else:
            run.spent = sorted(text for text in self._texts(f"{run.place}.seen") if text != self._own_text())
            run.chosen.pop(f"{run.place}.seen", None)

    def prune(self, run: Run) -> None:
        """What earlier attempts left behind is gone: the same may be said anew."""
        place = f"{run.place}.seen"
        if run.spent and self.desk.is_declared(place) and self.desk.group(place) is None:
            run.spent, self.desk.has_changed = [], True
        if run.stale and self.desk.group(f"{run.place}.failed") is None:
            run.stale, self.desk.has_changed = [], True

    def _own_text(self) -> str:
        """Text of a match of the ``for`` facts alone: conditions that only add up have no other."""
        return self.desk.key_text()

    def _members(self, place: str) -> list[Match]:
        group = self.desk.group(place)
        return [] if group is None else list(group.members)

    def _texts(self, place: str) -> list[str]:
        return [match.text for match in self._members(place)]

    def _newest(self, match: Match) -> int:
        return max((fact.at for fact in match.facts[self.width :] if fact is not None), default=self.desk.now)

    # -- what is bound ---------------------------------------------------------------
    def bind(self, place: str, run: Run) -> tuple[bool, list[FactName]]:
        """Remember what a condition that holds binds, for the values that read it.

        The match that was bound stays; while it does not hold, so do the values it had.

        Returns:
            Whether anything is another than before, and the facts it rests on.
        """
        group = self.desk.group(place)
        match = None if group is None else self._choose(group, place, run)
        if group is None or match is None:
            return False, []
        aliases, values, facts = self._read(group.node, match)
        is_new = place not in run.chosen
        changed = is_new or any(run.bound.get(a) != b for a, b in aliases.items())
        changed = changed or any(name not in run.values or run.values[name] != v for name, v in values.items())
        if changed:
            run.chosen[place] = match.text
            run.bound.update(aliases)
            run.values.update(values)
            self.desk.has_changed = True
        return changed, facts

    def _choose(self, group: Group, place: str, run: Run) -> Match | None:
        spent = run.spent if place.endswith(".seen") else ()
        living = {match.text: match for match in group.members if match.text not in spent}
        wanted = run.chosen.get(place)
        if wanted is not None:
            return living.get(wanted)
        return min(living.values(), key=lambda m: (group.members[m], m.text), default=None)

    def _read(self, node: RuleNode, match: Match) -> tuple[dict[str, Bound], dict[str, Any], list[FactName]]:
        firing = self.desk.driver.firing
        found = node.bound(match, firing)
        looked = list(firing.context.seen)
        values: dict[str, Any] = {}
        picked: dict[str, Any] = {}
        for (label, what), value in zip(node.compiled.labels, found, strict=False):
            if what == "value":
                values[label] = value
            else:
                picked[label] = value
        aliases: dict[str, Bound] = {}
        facts: list[FactName] = []
        for seat, (pattern, fact) in enumerate(zip(node.rule.patterns, match.facts, strict=True)):
            if seat < self.width or fact is None:
                continue
            claim = picked.pop(pattern.alias, None) or fact.claim
            aliases[pattern.alias] = Bound(fact.memory.name, fact.key, claim.values, claim.at)
            facts.append((fact.memory.name, fact.key))
        for alias, fact in picked.items():
            if isinstance(fact, Fact):
                aliases[alias] = _bound(fact)
                facts.append((fact.memory.name, fact.key))
        facts += self._added_up(node, match, looked, aliases, values)
        return aliases, values, list(dict.fromkeys(facts))

    def _added_up(
        self, node: RuleNode, match: Match, looked: list[Any], aliases: dict[str, Bound], values: dict[str, Any]
    ) -> list[FactName]:
        """The facts that sums and counts went over: they are evidence as much as those matched one by one."""
        inner = [term for term in node.rule.terms if isinstance(term, Pick | Without | Aggregate)]
        shift = len(node.compiled.inner) - len(inner)
        given = {p.alias: _bound(f) for p, f in zip(node.rule.patterns, match.facts, strict=True) if f is not None}
        around = self.desk.around()
        found: list[FactName] = []
        for number, _, bucket in looked:
            term = inner[number - shift] if number >= shift else None
            if not isinstance(term, Aggregate):
                continue
            for fact in bucket.facts:
                here = {**around.aliases, **given, **aliases, term.alias: _bound(fact)}
                if _satisfies(term, replace(around, aliases=here, locals={**around.locals, **values}), fact):
                    found.append((fact.memory.name, fact.key))
        # Facts lie in memory in the order in which they came, or were put back by a recovery.
        return sorted(found, key=lambda name: (name[0], key_text(name[1])))


def _satisfies(term: Aggregate, around: Surroundings, fact: Fact) -> bool:
    if term.fresh_ms is not None and around.now - fact.at > term.fresh_ms:
        return False
    try:
        return all(evaluate(condition, around) for condition in term.where)
    except EvaluationError:
        return False


def _bound(fact: Fact) -> Bound:
    return Bound(fact.memory.name, fact.key, fact.values, fact.at)
