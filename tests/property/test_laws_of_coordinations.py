"""Laws that hold for every plan and every history: what is safe at each commit, and what makes no difference."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.laws.plans import Pack, packs
from tests.support.laws.story import Event, Said, Teller, play
from tests.support.laws.variants import key_of, permuted, told, verdicts, with_duplicates, with_restarts
from tests.support.laws.watch import Guard, is_left_to_people

#: The same stories in every run of the default suite.
FEW = settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
#: Others each time, and more of them.
MANY = settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))


def obey_the_laws(pack: Pack, data: Any) -> None:  # noqa: ANN401 - Hypothesis names no public type
    """Value is conserved, commands are due to somebody, verdicts follow from the table: see ``Guard``."""
    Teller(data.draw, pack, Guard(pack)).tell(40)


def come_to_an_end_when_all_works(pack: Pack, data: Any) -> None:  # noqa: ANN401
    """Whatever happened: once gates are open, executors report and evidence comes, a coordination ends.

    Save one that does not add up, one that only people can help (see ``is_left_to_people``).
    """
    teller = Teller(data.draw, pack, Guard(pack))
    teller.tell(20)
    teller.help_along()
    world = teller.world
    waiting = [case for case in world.cases if case.is_open and not case.is_stopped]
    assert [case.subject for case in waiting if not is_left_to_people(world, case)] == []


def change_nothing_by_restarts(pack: Pack, data: Any) -> None:  # noqa: ANN401
    """A recovery leaves no trace: not in what was decided, and not in a byte of what is kept."""
    teller = Teller(data.draw, pack)
    story, straight = teller.tell(40), teller.world
    numbers = range(len(story.events))
    places = frozenset(numbers) if data.draw(st.booleans()) else data.draw(st.frozensets(st.sampled_from(numbers)))
    restarted = play(with_restarts(story, places))
    assert restarted.alarms == []
    assert [made.id for made in restarted.history.made] == [made.id for made in straight.history.made]
    assert told(restarted) == told(straight)
    assert restarted.kept == straight.kept


def change_nothing_by_batches(pack: Pack, data: Any) -> None:  # noqa: ANN401
    """It does not matter how many decisions are committed together."""
    teller = Teller(data.draw, pack)
    story, straight = teller.tell(40), teller.world
    size = data.draw(st.integers(2, 9))
    batched = play(story, cuts=lambda number: number % size == 0)
    assert [made.id for made in batched.history.made] == [made.id for made in straight.history.made]
    assert told(batched) == told(straight)
    assert batched.kept == straight.kept


def change_nothing_by_repetition(pack: Pack, data: Any) -> None:  # noqa: ANN401
    """What is sent again, at once or later, changes neither a command nor a verdict."""
    teller = Teller(data.draw, pack)
    story = teller.tell(40)
    assert told(play(with_duplicates(data.draw, story))) == told(teller.world)


def come_to_the_same_in_any_order(pack: Pack, data: Any) -> None:  # noqa: ANN401
    """Evidence of one instant comes to the same verdict and the same ledger in whatever order it is written.

    Not so at an instant at which a bound has just passed (then the first entry finds it passed, and what it ends is
    over for the second), and not for entries that begin or end something: a deal, a cancel, a sample of a pool, a
    report, a reorganisation. What these find is what was there before them.
    """
    teller = Teller(data.draw, pack)
    story = teller.tell(40)

    def may_swap(one: Event, other: Event) -> bool:
        return one.at_ms not in teller.crossed and _are_evidence(one, other)

    assert verdicts(play(permuted(data.draw, story, may_swap))) == verdicts(teller.world)


def _are_evidence(one: Event, other: Event) -> bool:
    if not isinstance(one.act, Said) or not isinstance(other.act, Said):
        return False
    asserted = all(dict(act.fields)["op"] == "assert" for act in (one.act, other.act))
    keys = key_of(one.act), key_of(other.act)
    kinds = {kind for kind, _ in keys}
    return asserted and keys[0] != keys[1] and "news" in kinds and kinds <= {"news", "gate"}


LAWS = [
    obey_the_laws,
    come_to_an_end_when_all_works,
    change_nothing_by_restarts,
    change_nothing_by_batches,
    change_nothing_by_repetition,
    come_to_the_same_in_any_order,
]


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@FEW
@given(pack=packs(), data=st.data())
def test_coordinations(law: Any, pack: Pack, data: Any) -> None:  # noqa: ANN401
    law(pack, data)


@pytest.mark.slow
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@MANY
@given(pack=packs(), data=st.data())
def test_coordinations_of_many_more_stories(law: Any, pack: Pack, data: Any) -> None:  # noqa: ANN401
    law(pack, data)
