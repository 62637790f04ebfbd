"""What every joiner does, whichever it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from engine.matching.durable_joiner import DurableJoiner
from engine.matching.joins import Joiner, JoinShape, PythonJoiner, joined_fields
from tests.support.joins import join, shape

Make = Callable[[Sequence[JoinShape]], Joiner]


@pytest.fixture(params=[PythonJoiner, DurableJoiner])
def make(request: pytest.FixtureRequest) -> Make:
    kind: Make = request.param
    return kind


def test_a_grounding_is_reported_when_its_last_fact_comes(make: Make) -> None:
    joiner = make([shape("intent", ("quote", [join("intent", 0, "id")]))])
    assert joiner.add(1, "quote", {"intent": "i1"}) == []
    assert joiner.add(2, "intent", {"id": "i2"}) == []
    assert joiner.add(3, "intent", {"id": "i1"}) == [(0, (3, 1))]
    assert joiner.add(4, "quote", {"intent": "i1"}) == [(0, (3, 4))]


def test_a_removed_fact_is_in_no_later_grounding(make: Make) -> None:
    joiner = make([shape("a", ("b", [join("p", 0)]))])
    joiner.add(1, "a", {"p": 1})
    joiner.add(2, "a", {"p": 1})
    joiner.remove(1)
    assert joiner.add(3, "b", {"p": 1}) == [(0, (2, 3))]


def test_a_changed_fact_comes_back_under_a_new_handle(make: Make) -> None:
    joiner = make([shape("a", ("b", [join("p", 0)]))])
    joiner.add(1, "a", {"p": 1})
    joiner.remove(1)
    joiner.add(2, "a", {"p": 2})
    assert joiner.add(3, "b", {"p": 1}) == []
    assert joiner.add(4, "b", {"p": 2}) == [(0, (2, 4))]


def test_an_absent_value_joins_nothing_not_even_another_absent_one(make: Make) -> None:
    joiner = make([shape("a", ("b", [join("p", 0)])), shape("a", "b")])
    joiner.add(1, "a", {"p": None})
    joiner.add(2, "a", {})
    assert joiner.add(3, "b", {"p": None}) == [(1, (1, 3)), (1, (2, 3))]


def test_the_same_fact_never_stands_at_two_places(make: Make) -> None:
    joiner = make([shape("a", ("a", [join("p", 0)]))])
    assert joiner.add(1, "a", {"p": 1}) == []
    assert joiner.add(2, "a", {"p": 1}) == [(0, (1, 2)), (0, (2, 1))]


def test_patterns_without_joins_make_a_cross_product(make: Make) -> None:
    joiner = make([shape("a", "b", "c")])
    for handle in (1, 2):
        joiner.add(handle, "a", {})
    for handle in (3, 4):
        joiner.add(handle, "b", {})
    assert joiner.add(5, "c", {}) == [(0, (1, 3, 5)), (0, (1, 4, 5)), (0, (2, 3, 5)), (0, (2, 4, 5))]


def test_a_pattern_may_join_several_earlier_ones_on_one_field(make: Make) -> None:
    joiner = make([shape("a", "b", ("c", [join("p", 0), join("p", 1), join("q", 0, "p")]))])
    joiner.add(1, "a", {"p": 1})
    joiner.add(2, "b", {"p": 1})
    joiner.add(3, "b", {"p": 2})
    assert joiner.add(4, "c", {"p": 1, "q": 2}) == []
    assert joiner.add(5, "c", {"p": 1, "q": 1}) == [(0, (1, 2, 5))]


def test_values_of_any_type_and_size_join_by_equality(make: Make) -> None:
    joiner = make([shape("a", ("b", [join("p", 0)]))])
    values = ["9", 9, 10**19, 10**19 + 1, "é\"\\'{}", ("x", 1), "", "null"]
    for handle, value in enumerate(values):
        joiner.add(handle, "a", {"p": value})
    for handle, value in enumerate(values):
        assert joiner.add(100 + handle, "b", {"p": value}) == [(0, (handle, 100 + handle))]


def test_groundings_come_ordered_by_shape_and_handles(make: Make) -> None:
    joiner = make([shape("a", "b"), shape("b", "a")])
    for handle in (9, 3, 7):
        joiner.add(handle, "a", {})
    assert joiner.add(5, "b", {}) == [
        (0, (3, 5)),
        (0, (7, 5)),
        (0, (9, 5)),
        (1, (5, 3)),
        (1, (5, 7)),
        (1, (5, 9)),
    ]


def test_a_handle_in_use_is_refused(make: Make) -> None:
    joiner = make([shape("a", "b")])
    joiner.add(1, "a", {})
    with pytest.raises(ValueError, match="in use"):
        joiner.add(1, "b", {})


def test_kinds_and_handles_it_does_not_know_are_ignored(make: Make) -> None:
    joiner = make([shape("a", "b")])
    assert joiner.add(1, "z", {"p": 1}) == []
    joiner.remove(1)
    joiner.remove(77)
    assert joiner.stats().living == 0
    assert not joiner.maintain(lambda: True)


def test_it_counts_the_living(make: Make) -> None:
    joiner = make([shape("a", "b")])
    for handle in range(5):
        joiner.add(handle, "a", {})
    joiner.remove(3)
    assert joiner.stats().living == 4
    joiner.close()


def test_a_shape_has_two_patterns_and_joins_earlier_ones_only() -> None:
    with pytest.raises(ValueError, match="two or more"):
        shape("a")
    with pytest.raises(ValueError, match="not an earlier one"):
        shape("a", ("b", [join("p", 1)]))


def test_the_joined_fields_of_a_kind_are_those_on_either_side() -> None:
    shapes = [shape("a", ("b", [join("p", 0, "q")])), shape("a", ("a", [join("r", 0)]))]
    assert joined_fields(shapes) == {"a": ("q", "r"), "b": ("p",)}
