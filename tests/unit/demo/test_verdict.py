"""The demonstration's verdict must come from what is there: every way to be wrong is found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.insight.audit import Decision, Fired, MadeCommand
from engine.insight.demo.book import FEES, POOL, Book, OverdrawnError
from engine.insight.demo.trace import Opening
from engine.insight.demo.verdict import Firing, Judgement, judge
from engine.insight.facts import StoredFact
from engine.model.journal import ZERO_ID

OPENING = Opening("I1", "polygon", "USDC", 1_000)
INTENT = {"id": "I1", "source": "polygon", "target": "base", "asset_in": "USDC", "asset_out": "WETH", "min_out": "400"}


def fact(kind: str, **values: Any) -> StoredFact:  # noqa: ANN401 - any field
    return StoredFact(kind, ("I1",), values, 0, "test", ZERO_ID, "claim")


def firing(*commands: str) -> Firing:
    made = tuple(MadeCommand(command, "executor", "bridge", {"intent": "I1"}) for command in commands)
    fired = Fired("p.r", "rev", "a", 1, "", (), {}, made, (), ())
    return Decision(ZERO_ID, "1-0", 1, (fired,)), fired


def completed() -> Book:
    book = Book.open([OPENING])
    book.move("I1", "USDC", 10, "polygon", FEES)
    book.move("I1", "USDC", 990, "polygon", POOL)
    book.move("I1", "WETH", 450, POOL, "base")
    book.took_effect("c1", "I1", "swap")
    return book


def refunded() -> Book:
    book = Book.open([OPENING])
    book.move("I1", "USDC", 10, "polygon", FEES)
    book.took_effect("c1", "I1", "bridge")
    return book


def says(verdict: str, place: str, asset: str, amount: int) -> list[StoredFact]:
    outcome = fact("swap_outcome", verdict=verdict, place=place, asset=asset, amount=str(amount), reason="R")
    return [fact("intent", **INTENT), outcome]


def judged(book: Book, facts: list[StoredFact], expected: str = "COMPLETED", *firings: Firing) -> Judgement:
    return judge(OPENING, expected, facts, book, firings or (firing("c1"),))


def test_what_is_as_it_must_be_has_no_problem() -> None:
    good = judged(completed(), says("COMPLETED", "base", "WETH", 450))
    assert (good.outcome, good.problems) == ("COMPLETED", ())
    assert good.places == {("base", "WETH"): 450, (FEES, "USDC"): 10}
    assert [command.id for command, _ in good.commands] == ["c1"]
    back = judged(refunded(), says("REFUNDED", "polygon", "USDC", 990), "REFUNDED")
    assert (back.outcome, back.problems) == ("REFUNDED", ())


@pytest.mark.parametrize(
    ("facts", "expected", "said"),
    [
        ([fact("intent", **INTENT)], "COMPLETED", "the outcome is none, and must be COMPLETED"),
        (says("COMPLETED", "base", "WETH", 450), "REFUNDED", "the outcome is COMPLETED, and must be REFUNDED"),
        (says("COMPLETED", "base", "WETH", 451), "COMPLETED", "it says 451 WETH on base, and 450 are there"),
        (says("COMPLETED", "polygon", "WETH", 450), "COMPLETED", "it says WETH on polygon"),
    ],
)
def test_a_claim_that_does_not_fit_the_book_is_a_problem(facts: list[StoredFact], expected: str, said: str) -> None:
    problems = judged(completed(), facts, expected).problems
    assert any(said in problem for problem in problems), problems


def test_less_than_was_asked_for_is_not_completed() -> None:
    book = completed()
    book.move("I1", "WETH", 100, "base", POOL)
    problems = judged(book, says("COMPLETED", "base", "WETH", 350)).problems
    assert "350 WETH are less than the 400 asked for" in problems


def test_a_refund_that_is_short_is_a_problem() -> None:
    book = refunded()
    book.move("I1", "USDC", 5, "polygon", "in flight")
    problems = judged(book, says("REFUNDED", "polygon", "USDC", 985), "REFUNDED").problems
    assert "5 USDC are still at in flight" in problems
    assert "985 USDC and the fees are not the 1000 it began with" in problems


def test_value_out_of_nothing_is_a_problem() -> None:
    book = refunded()
    book.held["I1", "polygon", "USDC"] += 1
    assert "1000 USDC have become 1001" in judged(book, says("REFUNDED", "polygon", "USDC", 991), "REFUNDED").problems


def test_a_command_carried_out_twice_or_never_or_by_nobodys_order_is_a_problem() -> None:
    facts = says("COMPLETED", "base", "WETH", 450)
    twice = completed()
    twice.took_effect("c1", "I1", "swap")
    assert "bridge c1 took effect 2 times" in judged(twice, facts).problems
    assert "bridge c2 took effect 0 times" in judged(completed(), facts, "COMPLETED", firing("c1", "c2")).problems
    assert "c1 was made twice" in judged(completed(), facts, "COMPLETED", firing("c1"), firing("c1")).problems
    assert "c1 took effect, and no rule made it" in judged(completed(), facts, "COMPLETED", firing()).problems


def test_a_book_moves_only_what_is_there() -> None:
    book = Book.open([OPENING])
    with pytest.raises(OverdrawnError):
        book.move("I1", "USDC", 1_001, "polygon", "base")
    with pytest.raises(OverdrawnError):
        book.move("I1", "USDC", 0, "polygon", "base")
    assert book.places("I1") == {("polygon", "USDC"): 1_000}


def test_a_book_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    book = completed()
    book.held["I1", "base", "WETH"] += 2**70
    book.save(tmp_path / "book.json")
    again = Book.load(tmp_path / "book.json")
    assert again.places("I1") == book.places("I1")
    assert (again.carried_out, again.verbs) == (book.carried_out, book.verbs)
