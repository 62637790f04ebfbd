"""Judging only the rules that a change may concern leaves every rule at its truth."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.matching.engine import Engine
from engine.matching.joins import PythonJoiner
from engine.matching.surroundings import Surroundings
from engine.model import expr as x
from engine.model.journal import StreamId
from engine.model.rules import Check, Rule, Term
from engine.runtime.schedule_times import ScheduleTimes
from tests.support.ir import SPAN, cmp, command, concludes, kind, pattern, ref, rule, rule_base

READING = kind("reading", "id", "id:id a:int b:int? state:open|closed", permanent=True, limit=100)
NOTE = kind("note", "id", "id:id a:int", concluded=True)
_A, _B, _STATE = (ref(READING, "r", name) for name in ("a", "b", "state"))
_OPERATORS = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])
_SMALL = st.integers(-3, 3)


@st.composite
def _condition(draw: st.DrawFn) -> x.Expr:
    shape = draw(st.sampled_from(["field", "field", "turned", "fields", "state", "state", "optional", "division"]))
    operator, number = draw(_OPERATORS), draw(_SMALL)
    if shape == "field":
        return cmp(_A, operator, number)
    if shape == "turned":
        return cmp(number, operator, _A)
    if shape == "fields":
        return cmp(_A, operator, x.Arith("+", _A, x.Const(number, _A.type), _A.type))
    if shape == "state":
        return cmp(_STATE, draw(st.sampled_from(["==", "!="])), draw(st.sampled_from(["open", "closed"])))
    if shape == "optional":
        return cmp(x.Default(_B, x.Const(0, _A.type), _A.type), operator, number)
    return cmp(x.Call("floor_div", (x.Const(6, _A.type), _A), _A.type), operator, number)


@st.composite
def _rule(draw: st.DrawFn, number: int) -> Rule:
    if draw(st.booleans()):
        # Nothing but a limit: the rules that only a crossing concerns.
        limit = cmp(_A, draw(st.sampled_from(["<", "<=", ">", ">="])), draw(_SMALL))
        return rule(f"r{number}", [pattern(READING, "r", limit)], [command("go", a=_A)])
    where, checked = draw(st.lists(_condition(), min_size=1, max_size=2)), draw(st.lists(_condition(), max_size=1))
    if len(where) == 2 and draw(st.booleans()):
        where = [x.BoolOp(draw(st.sampled_from(["and", "or"])), tuple(where), where[0].type)]
    terms: list[Term] = [pattern(READING, "r", *where)]
    if checked:
        terms.append(Check(tuple(checked), SPAN))
    effect = concludes(NOTE, id=ref(READING, "r", "id"), a=_A) if draw(st.booleans()) else command("go", a=_A)
    return rule(f"r{number}", terms, [effect])


_RULES = st.integers(1, 6).flatmap(lambda n: st.tuples(*(_rule(number) for number in range(n))))
_FACTS = st.tuples(
    st.sampled_from(["x", "y"]), _SMALL, st.none() | _SMALL, st.sampled_from(["open", "closed"]), st.booleans()
)


@settings(max_examples=300)
@given(_RULES, st.lists(_FACTS, min_size=4, max_size=20))
def test_every_rule_is_at_its_truth_after_every_change(
    rules: tuple[Rule, ...], facts: list[tuple[str, int, int | None, str, bool]]
) -> None:
    engine = Engine(rule_base(*rules, kinds=[READING, NOTE]), Surroundings(PythonJoiner, ScheduleTimes))
    for at, (key, a, b, state, stays) in enumerate(facts, start=1):
        said = f'{{"id":"{key}","a":{a},"state":"{state}"' + ("}" if b is None else f',"b":{b}}}')
        op, data = (b"assert", said) if stays else (b"retract", f'{{"id":"{key}"}}')
        words = [b"op", op, b"kind", b"reading", b"source", b"s", b"data", data.encode()]
        engine.apply(StreamId(at, 0), words, at)
        assert not engine.changes.rejected
        for node in engine.nodes.values():
            matches = [f.solo for f in engine.base.memories["reading"].facts.values() if f.solo is not None]
            true = {m for m in matches if not node.guard(m.facts, at, engine.firing.context, [])}
            assert set(node.holding) == true
        for note in engine.base.memories["note"].facts.values():
            assert note.values[1] == engine.base.memories["reading"].facts[note.key].values[1]
