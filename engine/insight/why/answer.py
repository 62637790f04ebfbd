"""The whole answer to "why not", for a rule, a step of a plan, or a plan."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from engine.insight.why.names import resolve
from engine.insight.why.reading import Scene
from engine.insight.why.rules import Question, notes_on, why_not_rule
from engine.insight.why.steps import Standing, why_not_step
from engine.insight.why.views import WhyNot
from engine.matching.engine import Engine
from engine.model.journal import StreamId


@dataclass(frozen=True, slots=True)
class Seen:
    """An engine as somebody sees it who only looks.

    Attributes:
        engine: put together from what is committed; nobody else has it.
        entry: the last journal entry applied.
        waiting: journal entries not applied yet.
        paused: what operators hold back: ``connector:…``, ``rule:…``, ``plan:…``.
    """

    engine: Engine
    entry: StreamId
    waiting: int
    paused: Collection[str]


def why_not(seen: Seen, wanted: str, words: Sequence[str]) -> WhyNot:
    """Why it does not fire, or is not commanded.

    Args:
        seen: the engine.
        wanted: ``pack.rule``, ``pack.plan.step`` or ``pack.plan``; the pack may be left out.
        words: ``alias=key`` of facts.

    Raises:
        AskedError: U160 to U164.
    """
    engine = seen.engine
    asked = resolve(engine.rulebase, wanted)
    now = engine.now
    if asked.rule is not None:
        question = Question(engine, engine.nodes[asked.name], Scene.of(engine, {}), seen.paused)
        found, more = why_not_rule(question, words)
        what, span, notes = "rule", asked.rule.span, tuple(notes_on(asked.rule, engine))
    else:
        assert asked.plan is not None  # noqa: S101 - it is one or the other
        found, more = why_not_step(Standing(engine, now, seen.paused), asked, words)
        what, span = ("plan", asked.plan.span) if asked.step is None else ("step", asked.step.span)
        notes = ()
    place = f"{span.file}:{span.line}"
    return WhyNot(asked.name, what, place, now, str(seen.entry), seen.waiting, tuple(found), more, notes)
