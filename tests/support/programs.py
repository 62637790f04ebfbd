"""Random programs: a rule base, and a history that happens to it."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

from engine.model.kinds import Kind
from engine.model.rules import Cron, RuleBase, Schedule
from tests.support import ir
from tests.support.random_kinds import BLOCKS, IDS, SOURCES, Vocabulary, value_of, values_of, vocabularies
from tests.support.random_rules import WINDOW, rules
from tests.support.reference.steps import Advance, Assert, Reorg, Report, Result, Retract, Step

#: Most entries come at once or a second later; some after a while.
PAUSES = st.sampled_from([0, 0, 0, 1, 1, 1, 1, 2, 2, 5, 13, 61])


@dataclass(frozen=True)
class Program:
    """What the matcher and the reference are both given."""

    rulebase: RuleBase
    steps: tuple[Step, ...]


def next_minute(cron: Cron, after_ms: int) -> int | None:
    """When ``*/n * * * *`` or ``from-59/n * * * *`` fires next."""
    word, step = cron.expression.split(" ")[0].split("/")
    first = 0 if word == "*" else int(word.split("-")[0])
    minute = after_ms // 60_000 + 1
    while minute % 60 < first or (minute % 60 - first) % int(step):
        minute += 1
    return minute * 60_000


@st.composite
def rule_bases(draw: st.DrawFn, words: Vocabulary) -> RuleBase:
    """One to four rules and at most two schedules."""
    schedules = []
    if draw(st.integers(0, 3)) == 3:
        every = draw(st.sampled_from(words.durations[2:]))
        schedules.append(Schedule("p.tick", "tick", ir.SPAN, every_ms=every, from_ms=every))
    has_windows = draw(st.integers(0, 7)) == 7
    if has_windows:
        opens, closes = Cron("*/2 * * * *", "UTC"), Cron("1-59/2 * * * *", "UTC")
        schedules.append(Schedule(WINDOW, "hours", ir.SPAN, open=opens, close=closes))
    number = draw(st.integers(1, 4))
    made = [draw(rules(words, f"r{n}", has_windows)) for n in range(number)]
    return ir.rule_base(*made, kinds=tuple(words.kinds.values()), schedules=schedules)


def kinds_read(rulebase: RuleBase, words: Vocabulary) -> list[Kind]:
    """The injected kinds, those that rules read several times over, so that histories speak of what matters."""
    injected = words.injected()
    read = [t.kind for r in rulebase.rules for t in r.terms if hasattr(t, "kind") and t.kind in injected]
    return [*read * 4, *injected]


@st.composite
def histories(draw: st.DrawFn, rulebase: RuleBase, words: Vocabulary, most: int = 25) -> tuple[Step, ...]:
    """Entries in order of their time, with time passing in between and after.

    Most histories begin by asserting something of each kind that the rules match.
    """
    steps: list[Step] = []
    at, seq = 1000, 0
    kinds = kinds_read(rulebase, words)
    matched = [p.kind for r in rulebase.rules for p in r.patterns if p.kind in words.injected()]
    first = draw(st.sampled_from([[], matched, matched * 2, matched * 2, matched * 3]))[:most]
    for n in range(len(first) + draw(st.sampled_from([1, 3, most // 2, most, most, most]))):
        pause = draw(PAUSES) if n >= len(first) else 0
        at, seq = at + pause * 1000, 0 if pause else seq + 1
        steps.append(draw(assertions(at, seq, first[n]) if n < len(first) else entries(at, seq, kinds)))
        if n >= len(first) and draw(st.integers(0, 9)) == 9:
            at, seq = at + 1000, 0
            steps.append(Advance(at))
    steps.append(Advance(at + draw(st.sampled_from([1, 20_000, 90_000]))))
    return tuple(steps)


@st.composite
def assertions(draw: st.DrawFn, at: int, seq: int, kind: Kind) -> Step:
    """An assertion at that instant."""
    return Assert(at, seq, kind.name, draw(st.sampled_from(SOURCES)), draw(values_of(kind)))


@st.composite
def entries(draw: st.DrawFn, at: int, seq: int, kinds: list[Kind]) -> Step:
    """One entry at that instant."""
    form = draw(st.sampled_from(["assert"] * 10 + ["retract", "retract", "reorg", "report", "report", "result"]))
    source = draw(st.sampled_from(SOURCES))
    match form:
        case "reorg":
            blocks = st.lists(st.sampled_from(BLOCKS), max_size=2, unique=True).map(tuple)
            return Reorg(at, seq, source, draw(st.sampled_from(IDS)), draw(blocks), draw(blocks))
        case "report":
            statuses = st.sampled_from(["done", "submitted", "refused", "failed", "unknown"])
            return Report(at, seq, source, draw(st.integers(0, 3)), draw(statuses))
        case "result":
            return Result(at, seq, draw(st.integers(0, 3)), draw(st.sampled_from(["sent", "expired", "withdrawn"])))
    kind = draw(st.sampled_from(kinds))
    ago = draw(st.sampled_from([None, None, None, None, 0, 1000, 5000, 40_000, -3000, -20_000]))
    observed_at = None if ago is None else max(at - ago, 0)
    seq_no = draw(st.sampled_from([None, None, None, 1, 2]))
    if form == "retract":
        key = tuple(draw(value_of(kind, name)) for name in kind.key)
        is_ordered = bool(kind.order) and draw(st.booleans())
        order = tuple(draw(value_of(kind, name)) for name in kind.order) if is_ordered else None
        return Retract(at, seq, kind.name, source, key, order, observed_at, seq_no)
    return Assert(at, seq, kind.name, source, draw(values_of(kind)), observed_at, seq_no)


@st.composite
def programs(draw: st.DrawFn, most: int = 25) -> Program:
    """A program of up to so many entries."""
    words = draw(vocabularies())
    rulebase = draw(rule_bases(words))
    return Program(rulebase, draw(histories(rulebase, words, most)))
