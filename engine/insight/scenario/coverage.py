"""What the tests of a rule base never tried: rules that did not fire, terms that were never what failed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from engine.coordination.driver import SensorNode
from engine.insight.terms import title
from engine.matching.compiled import Guard
from engine.matching.engine import Engine
from engine.matching.node import RuleNode
from engine.matching.shapes import conjuncts
from engine.model.rules import Aggregate, Let, Pattern, Rule, Span


@dataclass(frozen=True, slots=True)
class Untried:
    """A rule, or one of its terms, that no test tried.

    Attributes:
        rule: ``pack.rule``.
        span: where it stands.
        term: what the term is; empty: the whole rule never fired.
    """

    rule: str
    span: Span
    term: str = ""

    def as_dict(self) -> dict[str, str | int]:
        """For programs."""
        return {"rule": self.rule, "file": self.span.file, "line": self.span.line, "term": self.term}


@dataclass(slots=True)
class _Seen:
    """What was seen of a rule or a plan's condition: whether it fired, and what its guard answered."""

    rule: Rule
    judged: frozenset[int]
    is_sensor: bool
    answers: set[int] = field(default_factory=set)
    has_fired: bool = False

    @property
    def was_tried(self) -> bool:
        """The rule fired, or the condition held."""
        return 0 in self.answers if self.is_sensor else self.has_fired


class Coverage:
    """Collects over all worlds of a run; watching costs a set entry for each judgement."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, Span], _Seen] = {}

    def watch(self, engine: Engine) -> None:
        """Note from now on what the rules of an engine answer."""
        for node in engine.nodes.values():
            if _is_part(node):
                continue
            # A plan of an earlier rule base carries its revision before its name.
            key = (node.name.rpartition(":")[2], node.rule.span)
            seen = self._seen.get(key)
            if seen is None:
                is_sensor = isinstance(node, SensorNode)
                seen = self._seen[key] = _Seen(node.rule, _judged_terms(node), is_sensor)
            node.guard = _noting(node.guard, seen.answers)

    def fired(self, rule: str, engine: Engine) -> None:
        """A rule of that engine fired."""
        node = engine.nodes.get(rule)
        seen = None if node is None else self._seen.get((rule, node.rule.span))
        if seen is not None:
            seen.has_fired = True

    @property
    def rules(self) -> int:
        """How many rules there are."""
        return sum(not seen.is_sensor for seen in self._seen.values())

    @property
    def conditions(self) -> int:
        """How many conditions of plans there are."""
        return len(self._seen) - self.rules

    def never_fired(self) -> list[Untried]:
        """Rules that never fired."""
        return self._untried(is_sensor=False)

    def never_held(self) -> list[Untried]:
        """Conditions of plans that never held."""
        return self._untried(is_sensor=True)

    def _untried(self, *, is_sensor: bool) -> list[Untried]:
        return [Untried(n, s.rule.span) for n, s in self._sorted() if s.is_sensor == is_sensor and not s.was_tried]

    def _sorted(self) -> list[tuple[str, _Seen]]:
        spans = sorted(self._seen, key=lambda key: (key[0], key[1].file, key[1].line))
        return [(key[0], self._seen[key]) for key in spans]

    def never_false(self) -> list[Untried]:
        """Terms of rules that fired, which were never the first that did not hold: no test would miss them."""
        found = []
        for name, seen in self._sorted():
            for number, term in enumerate(seen.rule.terms, 1):
                if seen.was_tried and number in seen.judged and number not in seen.answers:
                    found.append(Untried(name, term.span, title(term)))
        return found


def _noting(guard: Guard, answers: set[int]) -> Guard:
    def noting(facts: Any, now: int, context: Any, flips: list[int]) -> int:  # noqa: ANN401 - as guards have it
        answer = guard(facts, now, context, flips)
        answers.add(answer)
        return answer

    return noting


def _is_part(node: RuleNode) -> bool:
    """One term of a step's ``when`` by itself, or what every plan has without saying so."""
    if not isinstance(node, SensorNode):
        return False
    place = node.name.partition("#")[2]
    return place == "cancel" or place.rpartition(".")[2].isdigit()


def _judged_terms(node: RuleNode) -> frozenset[int]:
    """Numbers of the terms that can be what fails: joins, lets and sums cannot, nor what a plan is for."""
    numbers = set()
    given = node.sensor.width if isinstance(node, SensorNode) and not node.name.endswith("#for") else 0
    for number, term in enumerate(node.rule.terms, 1):
        if number <= given:
            continue
        if isinstance(term, Let) or (isinstance(term, Aggregate) and term.function in ("sum", "count")):
            continue
        if isinstance(term, Pattern) and term.fresh_ms is None and term.quorum is None and term.for_distinct is None:
            left = [c for c in conjuncts(term.where) if id(c) not in node.compiled.plan.ensured]
            if not left:
                continue
        numbers.add(number)
    return frozenset(numbers)
