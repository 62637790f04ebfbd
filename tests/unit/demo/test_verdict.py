"""The demonstration's verdict must come from what is there: every way to be wrong is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.insight.audit import Decision, Fired, MadeCommand, Noted
from engine.insight.demo.book import FEES, POOL, Book, OverdrawnError
from engine.insight.demo.outcomes import Outcome, latest
from engine.insight.demo.trace import Opening
from engine.insight.demo.verdict import Firing, Judgement, judge
from engine.model.journal import ZERO_ID

OPENING = Opening("I1", "polygon", "USDC", 1_000)
INTENT = {"id": "I1", "source": "polygon", "target": "base", "asset_in": "USDC", "asset_out": "WETH", "min_out": "400"}


def firing(*commands: str) -> Firing:
    made = tuple(MadeCommand(command, "executor", "bridge", {"intent": "I1"}) for command in commands)
    fired = Fired("p.plan.r", "rev", "a", 1, "", (), {}, made, (), ())
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


def says(verdict: str, place: str, asset: str, amount: int, fees: int = 10, **more: bool) -> Outcome:
    is_provisional = more.get("is_provisional", False)
    return Outcome(verdict, "R", is_provisional, 1, {(place, asset): amount}, {"USDC": fees} if fees else {}, {})


def judged(book: Book, said: Outcome | None, expected: str = "COMPLETED", *firings: Firing) -> Judgement:
    return judge(OPENING, expected, INTENT, said, book, firings or (firing("c1"),))


def test_what_is_as_it_must_be_has_no_problem() -> None:
    good = judged(completed(), says("COMPLETED", "base", "WETH", 450))
    assert (good.outcome, good.problems) == ("COMPLETED", ())
    assert good.places == {("base", "WETH"): 450, (FEES, "USDC"): 10} == good.ledger
    assert [command.id for command, _ in good.commands] == ["c1"]
    back = judged(refunded(), says("REFUNDED", "polygon", "USDC", 990), "REFUNDED")
    assert (back.outcome, back.problems) == ("REFUNDED", ())


@pytest.mark.parametrize(
    ("said", "expected", "problem"),
    [
        (None, "COMPLETED", "the outcome is none, and must be COMPLETED"),
        (says("COMPLETED", "base", "WETH", 450), "REFUNDED", "the outcome is COMPLETED, and must be REFUNDED"),
        (says("UNWOUND", "base", "WETH", 450), "COMPLETED", "the outcome is UNWOUND, and must be COMPLETED"),
        (says("COMPLETED", "base", "WETH", 451), "COMPLETED", "the ledger has 451 WETH at base, and 450 are there"),
        (says("COMPLETED", "polygon", "WETH", 450), "COMPLETED", "the ledger has 0 WETH at base, and 450 are there"),
        (says("COMPLETED", "polygon", "WETH", 450), "COMPLETED", "450 WETH are still at polygon"),
        (
            says("COMPLETED", "base", "WETH", 450, fees=9),
            "COMPLETED",
            "the ledger has 9 USDC at fees, and 10 are there",
        ),
        (
            says("COMPLETED", "base", "WETH", 450, is_provisional=True),
            "COMPLETED",
            "the outcome is provisional, and must be final",
        ),
    ],
)
def test_a_claim_that_does_not_fit_the_book_is_a_problem(said: Outcome | None, expected: str, problem: str) -> None:
    assert problem in judged(completed(), said, expected).problems


def test_less_than_was_asked_for_is_not_completed() -> None:
    book = completed()
    book.move("I1", "WETH", 100, "base", POOL)
    problems = judged(book, says("COMPLETED", "base", "WETH", 350)).problems
    assert problems == ("350 WETH are less than the 400 asked for",)


def test_a_refund_that_is_short_is_a_problem() -> None:
    book = refunded()
    book.move("I1", "USDC", 5, "polygon", "in flight")
    problems = judged(book, says("REFUNDED", "polygon", "USDC", 985), "REFUNDED").problems
    assert "the ledger has 0 USDC at in flight, and 5 are there" in problems
    assert "985 USDC and the fees are not the 1000 it began with" in problems


def test_value_out_of_nothing_is_a_problem() -> None:
    book = refunded()
    book.held["I1", "polygon", "USDC"] += 1
    assert "1000 USDC have become 1001" in judged(book, says("REFUNDED", "polygon", "USDC", 991), "REFUNDED").problems


def test_an_intent_that_is_gone_is_a_problem() -> None:
    said = says("COMPLETED", "base", "WETH", 450)
    problems = judge(OPENING, "COMPLETED", None, said, completed(), (firing("c1"),)).problems
    assert problems == ("the intent I1 is gone",)


def noted(event: str, **fields: object) -> Decision:
    return Decision(ZERO_ID, "1-0", 7, (Noted(event, {"subject": "I1", **fields}),))


def test_the_latest_outcome_counts_and_a_withdrawn_one_is_none() -> None:
    ledger = {"base": {"WETH": str(2**70)}}
    first = noted("outcome", verdict="COMPLETED", reason="", provisional=True, at=5, ledger=ledger, fees={"USDC": "3"})
    told = latest([first])["I1"]
    assert (told.verdict, told.is_provisional, told.at_ms) == ("COMPLETED", True, 5)
    assert (told.ledger, told.fees) == ({("base", "WETH"): 2**70}, {"USDC": 3})
    gone = noted("outcome_withdrawn", verdict="COMPLETED", reason="UNCONFIRMED")
    assert latest([first, gone]) == {}
    second = noted("outcome", verdict="REFUNDED", reason="R", provisional=False, at=None, ledger={}, fees={})
    assert latest([first, gone, second])["I1"].at_ms == 7


def test_a_command_carried_out_twice_or_never_or_by_nobodys_order_is_a_problem() -> None:
    said = says("COMPLETED", "base", "WETH", 450)
    twice = completed()
    twice.took_effect("c1", "I1", "swap")
    assert "bridge c1 took effect 2 times" in judged(twice, said).problems
    assert "bridge c2 took effect 0 times" in judged(completed(), said, "COMPLETED", firing("c1", "c2")).problems
    assert "c1 was made twice" in judged(completed(), said, "COMPLETED", firing("c1"), firing("c1")).problems
    assert "c1 took effect, and nobody made it" in judged(completed(), said, "COMPLETED", firing()).problems


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
