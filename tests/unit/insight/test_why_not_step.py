from pathlib import Path

import pytest

from engine.insight.why.answer import Seen, why_not
from engine.insight.why.views import Candidate
from engine.runtime.looking import bring_up, look
from tests.support.kept_world import KeptWorld
from tests.support.world import START
from tests.unit.insight.shop import PACK, moved, order, sold_and_taken_back

DAY = 86_400_000


@pytest.fixture
def world(tmp_path: Path) -> KeptWorld:
    return KeptWorld(tmp_path, PACK)


async def ask(world: KeptWorld, name: str, *words: str, paused: tuple[str, ...] = ()) -> Candidate:
    """As somebody who looks at what is committed, while the engine that decides goes on."""
    found = await look(world)
    bring_up(found, world.cursor.now_ms)
    answer = why_not(Seen(found.engine, found.cursor.entry, 0, paused), name, words)
    assert answer.as_of == world.cursor.now_ms
    (candidate,) = answer.candidates
    return candidate


def whys(candidate: Candidate) -> list[str]:
    return [hold.why for hold in candidate.held_back]


async def test_a_step_whose_term_does_not_hold_says_which_with_its_values(world: KeptWorld) -> None:
    world.say(500, "stock", source_="till", place="shelf", left="4")
    order(world, 1_000, "O1")
    found = await ask(world, "buy.pay", "o=O1")
    assert found.coordination["subject"] == "O1"
    assert found.facts == {"o": "order O1", "s": "stock shelf"}
    assert whys(found) == []
    (term,) = [term for term in found.terms if term.title == "stock: s"]
    assert (term.holds, term.reason, term.since) == (False, "STOCK", START + 500)
    assert [c.text for c in term.conditions if not c.holds] == ["s.left >= 5"]
    assert found.first == found.terms.index(term)


async def test_what_has_not_begun_says_that_what_it_is_for_is_gone(world: KeptWorld) -> None:
    order(world, 1_000, "O1")
    world.retract(2_000, "order", id="O1")
    world.say(3_000, "stock", place="shelf", left="9")
    found = await ask(world, "buy.pay")
    assert (found.facts["o"], found.first) == ("order O1", None)
    assert [(hold.why, hold.text) for hold in found.held_back] == [
        ("gone", "order O1 is gone, and what has not begun waits until it is back")
    ]
    assert world.commands() == []
    order(world, 4_000, "O1")
    assert len(world.commands()) == 1


async def test_a_step_waits_for_what_it_comes_after(world: KeptWorld) -> None:
    world.say(0, "stock", place="shelf", left="9")
    order(world, 1_000, "O1")
    found = await ask(world, "shop.buy.ship")
    assert whys(found) == ["after"]
    assert found.held_back[0].text == "it comes after pay, which is commanded"
    assert found.held_back[0].at == START + 1_000
    in_flight = await ask(world, "pay")
    assert whys(in_flight) == ["commanded"]
    assert world.commands()[-1].id in in_flight.held_back[0].text
    moved(world, 2_000, "m1", "O1", "99", "till")
    blocked = await ask(world, "ship")
    assert whys(blocked) == []
    assert blocked.terms[0].reason == "VAN"
    assert blocked.terms[0].conditions[0].text == 't.place == "van"'
    assert whys(await ask(world, "pay")) == ["confirmed"]


async def test_a_reservation_that_does_not_fit_says_by_how_much(world: KeptWorld) -> None:
    world.say(0, "stock", place="shelf", left="9")
    order(world, 1_000, "O1")
    order(world, 2_000, "O2")
    found = await ask(world, "pay", "o=O2")
    assert found.first == 1
    (wrong,) = found.terms[1].conditions
    assert (wrong.text, wrong.missed_by) == ("free(s.left) >= 5", "1")
    assert found.terms[1].since == START + 1_000, "when the other order had it set aside"
    assert {read.name: read.value for read in wrong.reads} == {"free(s.left)": "4", "s.left": "9"}


async def test_a_failed_attempt_waits_for_its_retry_and_then_is_given_up(world: KeptWorld) -> None:
    world.say(0, "stock", place="shelf", left="9")
    order(world, 1_000, "O1")
    world.report(2_000, world.commands()[-1].id, "failed")
    found = await ask(world, "pay")
    assert [(h.why, h.at, h.until) for h in found.held_back] == [("retry", START + 2_000, START + 7_000)]


async def test_an_end_an_unwinding_and_a_tombstone_are_told(world: KeptWorld) -> None:
    sold_and_taken_back(world)
    found = await ask(world, "ship")
    assert [(h.why, h.at) for h in found.held_back] == [("ended", START + 43_000)]
    assert "REFUNDED (NO_VAN)" in found.held_back[0].text
    world.until(2 * DAY)
    gone = await ask(world, "ship", "o=O1")
    assert whys(gone) == ["ended"]
    assert "lockstep coordinations" in gone.held_back[0].text


async def test_while_it_is_unwound_nothing_forward_is_commanded(world: KeptWorld) -> None:
    world.say(0, "stock", place="shelf", left="9")
    order(world, 1_000, "O1")
    moved(world, 3_000, "m1", "O1", "99", "till")
    world.until(34_000)
    found = await ask(world, "ship")
    assert whys(found) == ["unwinding"]
    assert "NO_VAN" in found.held_back[0].text


async def test_a_coordination_that_never_began_says_why(world: KeptWorld) -> None:
    world.say(1_000, "order", id="O1", amount="1", asset="USD", by=START + DAY, is_open=False)
    for name in ("shop.buy", "pay"):
        found = await ask(world, name, "o=O1")
        assert whys(found)[0] == "not_begun"
        assert [c.text for term in found.terms for c in term.conditions if not c.holds] == ["o.is_open"]
    order(world, 2_000, "O2")
    begun = await ask(world, "buy", "o=O2")
    assert [(h.why, h.at) for h in begun.held_back] == [("begun", START + 2_000)]


async def test_a_command_that_an_operator_holds_back_says_so(world: KeptWorld) -> None:
    world.say(0, "stock", place="shelf", left="9")
    order(world, 1_000, "O1")
    found = await ask(world, "pay", paused=("plan:shop.buy", "connector:bank", "connector:post"))
    assert whys(found) == ["commanded", "paused", "paused"]
    world.report(2_000, world.commands()[-1].id, "submitted")
    assert whys(await ask(world, "pay", paused=("plan:shop.buy",))) == ["commanded"]


async def test_a_fact_named_for_a_term_is_judged_in_the_place_of_the_nearest(world: KeptWorld) -> None:
    world.say(0, "stock", place="shelf", left="9")
    order(world, 1_000, "O1")
    moved(world, 2_000, "m1", "O1", "99", "till")
    world.say(3_000, "stock", place="van", left="0", is_shut=True)
    nearest = await ask(world, "ship", "o=O1")
    assert nearest.facts["t"] == "stock van"
    assert [c.text for c in nearest.terms[0].conditions if not c.holds] == ["not t.is_shut"]
    other = await ask(world, "ship", "o=O1", "t=shelf")
    assert [c.text for c in other.terms[0].conditions if not c.holds] == ['t.place == "van"']


async def test_looking_changes_nothing(world: KeptWorld) -> None:
    world.say(0, "stock", place="shelf", left="9")
    order(world, 1_000, "O1")
    before = (dict(world.facts_hash), dict(world.active_hash), len(world.audited))
    await ask(world, "pay")
    assert (world.facts_hash, world.active_hash, len(world.audited)) == before
    assert world.engine.changes.is_empty
